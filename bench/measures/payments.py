"""P12: payment events of the provider, stored and applied."""

import asyncio
import time

from bench import workloads
from bench.driver import Unsound
from bench.figures import Effort, Section, ratios
from bench.measures.counted import CLOCK, Rounds, Subject, value
from bench.seed import Past
from bench.servers import SIGNING_KEY, lockstock
from bench.stage import Stage

# Events that are ready for each second of a run.
READY = 8_000
PATIENCE_SECONDS = 60.0

WAITING = "SELECT count(*) FROM orders.payment_events WHERE applied_at IS NULL"
APPLIED = """
SELECT count(*) / extract(epoch FROM max(applied_at) - $1)
FROM orders.payment_events WHERE applied_at >= $1
"""


async def payments(stage: Stage, effort: Effort) -> Section:
    """Measure events and checkouts in turn."""
    section = Section("Payments")
    each = READY * effort.seconds
    shop = await stage.fill("paid", effort.variants, Past(open=each * effort.rounds))
    rounds, applied = Rounds(stage, effort), []
    url = stage.databases.url("paid")
    async with lockstock(url) as server:
        subject = Subject("paid", "paid", server)
        alike = workloads.alike(shop)
        await stage.driver.warm(server.address, alike)
        for number in range(effort.rounds):
            await rounds.measure(subject, alike)
            work = workloads.events(shop, number * each, each, SIGNING_KEY)
            began = await value(url, CLOCK)
            await stage.driver.drive(server.address, work, seconds=effort.seconds)
            await _all_applied(url)
            applied.append(float(await value(url, APPLIED, began)))
    await stage.audit("paid")
    placed = rounds.per_second("paid", "alike")
    section.reach("P12", ratios(applied, placed))
    section.add("payment events applied, 64 connections", "events/s", applied)
    section.add("checkouts, alike, the same server", "checkouts/s", placed)
    return section


async def _all_applied(url: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while await value(url, WAITING):
        if time.monotonic() > deadline:
            raise Unsound("payment events were stored and not applied")
        await asyncio.sleep(0.05)
