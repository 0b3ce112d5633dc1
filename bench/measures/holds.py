"""P10 and expiry: the deadline of a hold without sweepers, and a great many that end at once."""

import asyncio
import time
from datetime import UTC, datetime
from uuid import UUID

import httpx2

from bench import workloads
from bench.driver import Unsound
from bench.figures import Effort, Section
from bench.measures.counted import Rounds, Subject, value
from bench.seed import LITTLE, Past
from bench.servers import Server, lockstock
from bench.shop import Shop, tokens
from bench.stage import OWNER, Stage

# Of all holds, how many are past their deadline.
SHARE_DUE = 0.1
HOLD_SECONDS = 2
PATIENCE_SECONDS = 600.0
CONNECTIONS = 16

DUE = """
SELECT EXISTS (SELECT FROM warehouses.allocations
    WHERE status = 'held' AND expires_at <= statement_timestamp())
"""


async def deadline(stage: Stage, effort: Effort) -> Section:
    """Hold all that there is of some variants; ask for it at the very deadline."""
    section = Section("Deadline")
    shop = await stage.fill("deadline", effort.variants)
    async with lockstock(stage.databases.url("deadline"), sweep_seconds="0") as server:
        await _shorten(server, shop)
        limits = httpx2.Limits(max_connections=50)
        async with httpx2.AsyncClient(base_url=server.address, limits=limits, timeout=30) as client:
            got = await asyncio.gather(*(_at_deadline(client, shop, n) for n in range(20)))
    await stage.audit("deadline")
    shares = [one / LITTLE for one in got]
    # The worst of all variants: "always" has no median.
    section.reach("P10", [min(shares)])
    section.add("buyers who asked at a deadline, of those who got it", "of 1", shares)
    section.remarks.append(
        f"P10: {sum(got)} of {len(got) * LITTLE} buyers, in the milliseconds after the deadline; "
        "the figure is the worst variant."
    )
    return section


async def _shorten(server: Server, shop: Shop) -> None:
    async with httpx2.AsyncClient(base_url=server.address, timeout=30) as client:
        token = (await client.post("/v1/login", json=OWNER)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        changed = await client.patch(
            f"/v1/shops/{shop.id}", json={"reservation_seconds": HOLD_SECONDS}
        )
        changed.raise_for_status()


async def _at_deadline(client: httpx2.AsyncClient, shop: Shop, number: int) -> int:
    """Return how many of the second buyers got a unit."""
    first = await asyncio.gather(*(_buy(client, shop, number, n) for n in range(LITTLE)))
    if any(answer.status_code != 201 for answer in first):
        raise Unsound("what was on hand could not be bought")
    early = await _buy(client, shop, number, LITTLE)
    if early.status_code != 409:
        raise Unsound("a unit that is held was sold again")
    ends = max(datetime.fromisoformat(answer.json()["expires_at"]) for answer in first)
    await asyncio.sleep((ends - datetime.now(UTC)).total_seconds())
    late = await asyncio.gather(
        *(_buy(client, shop, number, LITTLE + 1 + n) for n in range(LITTLE))
    )
    return sum(answer.status_code == 201 for answer in late)


BUYERS = [line.split()[1] for line in tokens(50)]


async def _buy(client: httpx2.AsyncClient, shop: Shop, number: int, buyer: int) -> httpx2.Response:
    return await buy(client, shop, shop.scarce[number], f"{number}-{buyer}", buyer)


async def buy(
    client: httpx2.AsyncClient, shop: Shop, variant: UUID, key: str, buyer: int = 0
) -> httpx2.Response:
    """Buy one unit of a variant."""
    return await client.post(
        f"/v1/shops/{shop.id}/orders",
        json={"lines": [{"variant_id": str(variant), "quantity": 1}]},
        headers={"Authorization": f"Bearer {BUYERS[buyer]}", "Idempotency-Key": key},
    )


async def expiry(stage: Stage, effort: Effort) -> Section:
    """Sweep a tenth of all holds, by a process of its own, while buyers buy."""
    due = int(effort.holds * SHARE_DUE)
    section = Section("Expiry under load")
    shop = await stage.fill("expiry", effort.variants, Past(open=effort.holds, due=due))
    url, work = stage.databases.url("expiry"), workloads.alike(shop)
    rounds = Rounds(stage, effort)
    async with lockstock(url, sweep_seconds="0") as server:
        await stage.driver.warm(server.address, work)
        for _ in range(effort.rounds):
            await rounds.measure(Subject("before", "expiry", server), work, CONNECTIONS)
        seconds = await _sweep(rounds, Subject("during", "expiry", server), work)
    await stage.audit("expiry")
    for name in ("before", "during"):
        what = f"checkouts {name} the sweep, {CONNECTIONS} connections"
        section.add(what, "checkouts/s", rounds.per_second(name, "alike", CONNECTIONS))
        section.add(f"{what}: p99", "ms", rounds.p99_ms(name, "alike", CONNECTIONS))
    section.add(f"{due:,} of {effort.holds:,} holds freed by one sweeper", "s", [seconds])
    return section


async def _sweep(rounds: Rounds, subject: Subject, work: workloads.Workload) -> float:
    """Start the sweeper and buy until it is done; return for how long it was at work."""
    url = rounds.stage.databases.url(subject.database)
    async with lockstock(url):
        began = time.monotonic()
        swept = asyncio.create_task(_swept(url))
        try:
            while not swept.done():
                await rounds.measure(subject, work, CONNECTIONS)
            return await swept - began
        finally:
            swept.cancel()


async def _swept(url: str) -> float:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while await value(url, DUE):
        if time.monotonic() > deadline:
            raise Unsound("holds past their deadline were not swept")
        await asyncio.sleep(0.1)
    return time.monotonic()
