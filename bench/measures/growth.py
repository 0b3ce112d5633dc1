"""P6: throughput and tail as the shop grows, each size beside an empty shop."""

import shutil
import statistics

from bench import workloads
from bench.figures import Curve, Effort, Plot, Section, ratios
from bench.measures.counted import Rounds, Subject
from bench.seed import Past
from bench.servers import Server, lockstock
from bench.shop import Shop
from bench.stage import Stage, scratch

EMPTY, GROWN = "empty", "grown"
# What a past order and a variant take, with their indexes and while they are loaded.
BYTES_PER_ORDER = 5_000
BYTES_PER_VARIANT = 5_000


async def growth(stage: Stage, effort: Effort) -> Section:
    """Measure alike in an empty shop and in each size, in turn."""
    section = Section("Growth")
    rates: list[tuple[str, list[float]]] = []
    tails: list[tuple[str, list[float]]] = []
    sizes: dict[str, tuple[int, int]] = {}
    await stage.fill(EMPTY, effort.variants)
    async with lockstock(stage.databases.url(EMPTY)) as control:
        for variants, orders in effort.sizes:
            name = f"{variants:,} variants, {orders:,} past orders"
            if not _has_room(stage, variants, orders):
                section.remarks.append(f"{name}: not measured, the disk is too small.")
                continue
            rounds = await _size(stage, effort, control, variants, orders)
            grown = rounds.per_second(GROWN, "alike")
            section.add(f"{name}", "checkouts/s", grown)
            section.add(f"{name}: p99", "ms", rounds.p99_ms(GROWN, "alike"))
            section.add(
                "an empty shop, meanwhile", "checkouts/s", rounds.per_second(EMPTY, "alike")
            )
            share = ratios(grown, rounds.per_second(EMPTY, "alike"))
            section.add(f"{name}: over the empty shop", "times", share)
            sizes[name] = (variants, orders)
            rates.append((name, share))
            tails.append((name, rounds.p99_ms(GROWN, "alike")))
            section.reach("P6", share)
    await stage.audit(EMPTY)
    section.plots += [
        _plot("growth", "over an empty shop, times", rates, sizes),
        _plot("growth-p99", "p99, ms", tails, sizes),
    ]
    if rates:
        section.remarks.append(f"P6 is that of the largest shop measured: {rates[-1][0]}.")
    return section


async def _size(
    stage: Stage, effort: Effort, control: Server, variants: int, orders: int
) -> Rounds:
    shop = await stage.fill(GROWN, variants, Past(shipped=orders))
    rounds = Rounds(stage, effort)
    # Neither may have its baskets in a warmer cache: each has those of its own size.
    works = {EMPTY: workloads.alike(stage.shop(effort.variants)), GROWN: _alike(shop)}
    async with lockstock(stage.databases.url(GROWN)) as server:
        found = [Subject(EMPTY, EMPTY, control), Subject(GROWN, GROWN, server)]
        for subject in found:
            await stage.driver.warm(subject.server.address, works[subject.name])
        for _ in range(effort.rounds):
            for subject in found:
                await rounds.measure(subject, works[subject.name])
    await stage.audit(GROWN)
    await stage.databases.drop(GROWN)
    return rounds


def _alike(shop: Shop) -> workloads.Workload:
    return workloads.alike(shop, seed=6)


def _has_room(stage: Stage, variants: int, orders: int) -> bool:
    needed = orders * BYTES_PER_ORDER + variants * BYTES_PER_VARIANT
    return shutil.disk_usage(scratch(stage, ".")).free > 1.3 * needed


def _plot(
    name: str,
    up: str,
    found: list[tuple[str, list[float]]],
    sizes: dict[str, tuple[int, int]],
) -> Plot:
    points = [(sizes[name], statistics.median(values)) for name, values in found]
    curves = [
        Curve("variants, no past orders", [(float(v), y) for (v, o), y in points if not o]),
        Curve("past orders, most variants", [(float(o), y) for (_, o), y in points if o]),
    ]
    return Plot(name, f"Growth: {up}", "how many", up, [c for c in curves if c.points])
