"""P1 to P5 and P7: checkouts of Lockstock, of the reference and of PostgreSQL, round by round."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from bench import ceilings, workloads
from bench.figures import Curve, Effort, Plot, Section, ratios
from bench.measures.counted import ORDERS_OF_REFERENCE, Rounds, Subject
from bench.reference import stage as reference
from bench.servers import can_have_workers, lockstock, uvicorn
from bench.shop import Shop
from bench.stage import Stage, pages

CONNECTIONS = (1, 16, 64, 256)
ONE, TWO, REFERENCE = "Lockstock, 1 worker", "Lockstock, 2 workers", "reference"


@asynccontextmanager
async def subjects(stage: Stage, shop: Shop) -> AsyncIterator[dict[str, Subject]]:
    """Start all that is compared, each on a database of its own, and audit them at the end."""
    await stage.fill("one", shop.variants)
    await stage.fill("two", shop.variants)
    await reference.fill(stage.databases, "reference", shop)
    async with AsyncExitStack() as stack:
        url = stage.databases.url
        one = await stack.enter_async_context(lockstock(url("one")))
        other = await stack.enter_async_context(reference.serving(stage.databases, "reference"))
        found = {
            ONE: Subject(ONE, "one", one),
            REFERENCE: Subject(REFERENCE, "reference", other, ORDERS_OF_REFERENCE),
        }
        if can_have_workers():
            two = await stack.enter_async_context(lockstock(url("two"), workers=2))
            found[TWO] = Subject(TWO, "two", two)
        yield found
    await stage.audit("one")
    await stage.audit("two")
    await reference.check(stage.databases, "reference")


async def checkouts(stage: Stage, effort: Effort) -> Section:
    """Measure flash sale and alike, interleaved, so that a noisy minute disturbs all of them."""
    section = Section("Checkouts")
    shop = stage.shop(effort.variants)
    flash, alike = workloads.flash(shop), workloads.alike(shop)
    await ceilings.prepare(stage)
    hot = await ceilings.best(stage, ceilings.HOT, seconds=1)
    rounds, tops = Rounds(stage, effort), Tops()
    async with subjects(stage, shop) as found:
        for subject in found.values():
            for work in (flash, alike):
                await stage.driver.warm(subject.server.address, work)
        for _ in range(effort.rounds):
            for subject in found.values():
                await rounds.measure(subject, flash)
                await rounds.measure(subject, alike)
            await rounds.measure(found[ONE], flash, 1)
            await rounds.measure(found[ONE], alike, 1)
            tops.hot.append(await ceilings.run(stage, hot, effort.seconds))
            await tops.measure_others(stage, effort, hot.clients)
    _reach(section, rounds, tops.hot)
    _tell(section, rounds)
    tops.tell(section, hot.clients)
    return section


class Tops:
    """What PostgreSQL and the load driver do by themselves."""

    def __init__(self) -> None:
        self.hot: list[float] = []
        self.at_once: list[float] = []
        self.alike: list[float] = []

    async def measure_others(self, stage: Stage, effort: Effort, clients: int) -> None:
        """Measure what no goal asks for, and a reader will."""
        name = ceilings.NAME
        at_once = ceilings.Ceiling(ceilings.HOT_AT_ONCE, name, clients)
        alike = ceilings.Ceiling(ceilings.ALIKE, name, 16)
        self.at_once.append(await ceilings.run(stage, at_once, effort.seconds))
        self.alike.append(await ceilings.run(stage, alike, effort.seconds))

    def tell(self, section: Section, clients: int) -> None:
        """Add them to the report."""
        unit = "orders/s"
        section.add(f"pgbench, hot row, {clients} clients", unit, self.hot)
        section.add("pgbench, hot row, all in one statement", unit, self.at_once)
        section.add("pgbench, alike (one line), 16 clients", unit, self.alike)


def _reach(section: Section, rounds: Rounds, hot: list[float]) -> None:
    flash, alike = rounds.per_second(ONE, "flash"), rounds.per_second(ONE, "alike")
    section.reach("P1", ratios(flash, rounds.per_second(REFERENCE, "flash")))
    section.reach("P2", ratios(flash, hot))
    section.reach("P3", ratios(alike, rounds.per_second(REFERENCE, "alike")))
    section.reach("P4", ratios(flash, alike))
    tails = [
        ratios(rounds.p99_ms(ONE, work), rounds.p50_ms(ONE, work, 1)) for work in ("flash", "alike")
    ]
    section.reach("P5", [max(pair) for pair in zip(*tails, strict=True)])
    if rounds.per_second(TWO, "flash"):
        gains = [
            ratios(rounds.per_second(TWO, work), rounds.per_second(ONE, work))
            for work in ("flash", "alike")
        ]
        section.reach("P7", [min(pair) for pair in zip(*gains, strict=True)])
    else:
        section.remarks.append("P7 was not measured: `lockstock serve` has no --workers yet.")


def _tell(section: Section, rounds: Rounds) -> None:
    for (subject, work, connections), runs in list(rounds.runs.items()):
        name = f"{subject}, {work}, {connections} connections"
        section.add(name, "checkouts/s", [run.per_second for run in runs])
        section.add(f"{name}: p50", "ms", [run.p50_ms for run in runs])
        section.add(f"{name}: p99", "ms", [run.p99_ms for run in runs])
        turned_away = sum(run.statuses.get("503", 0) for run in runs)
        if turned_away:
            section.remarks.append(f"{name}: {turned_away} times 503, not counted as checkouts.")


async def driver_ceiling(stage: Stage, effort: Effort) -> Section:
    """Show what the load driver reaches against a server that does nothing."""
    section = Section("The load driver")
    shop = stage.shop(effort.variants)
    async with uvicorn("bench.bare:app") as server:
        runs = [
            await stage.driver.drive(server.address, workloads.alike(shop), seconds=effort.seconds)
            for _ in range(effort.rounds)
        ]
    name = "wrk with our script, against a bare ASGI callable"
    section.add(name, "requests/s", [run.per_second for run in runs])
    return section


async def everything(stage: Stage, effort: Effort) -> Section:
    """Measure all workloads at 1 to 256 connections."""
    section = Section("All workloads")
    shop = stage.shop(effort.variants)
    rounds = Rounds(stage, effort)
    async with subjects(stage, shop) as found:
        listed = await pages(found[ONE].server, shop)
        basic = [workloads.flash(shop), workloads.alike(shop), workloads.zipf(shop)]
        basic += [workloads.scarce(shop), workloads.retries(shop)]
        for _ in range(min(3, effort.rounds)):
            for subject in found.values():
                # The reference takes no payments and has no list.
                more = [] if subject.name == REFERENCE else [workloads.mixed(shop, listed)]
                for work in basic + more:
                    for connections in CONNECTIONS:
                        await rounds.measure(subject, work, connections)
    for name in ("flash", "alike", "zipf", "scarce", "retries", "mixed"):
        section.plots += [_plot(rounds, name, "per_second"), _plot(rounds, name, "p99_ms")]
    _tell(section, rounds)
    return section


def _plot(rounds: Rounds, work: str, what: str) -> Plot:
    curves = []
    for name in dict.fromkeys(subject for subject, _, _ in rounds.runs):
        points = [
            (float(n), sorted(values)[len(values) // 2])
            for n in CONNECTIONS
            if (values := getattr(rounds, what)(name, work, n))
        ]
        if points:
            curves.append(Curve(name, points))
    up = "answers/s" if what == "per_second" else "p99, ms"
    return Plot(f"{work}-{what.replace('_', '-')}", f"{work}: {up}", "connections", up, curves)
