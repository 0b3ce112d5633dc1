"""P8: pages of the list of products, over the same page as hand-written SQL."""

from bench import ceilings, workloads
from bench.figures import Effort, Section, ratios
from bench.measures.counted import Rounds, Subject
from bench.servers import lockstock
from bench.stage import Stage, pages


async def listing(stage: Stage, effort: Effort) -> Section:
    """Measure both in turn, on the same database."""
    section = Section("List of products")
    shop = await stage.fill("listed", effort.listed)
    rounds, tops = Rounds(stage, effort), []
    async with lockstock(stage.databases.url("listed")) as server:
        subject = Subject("list", "listed", server)
        work = workloads.listing(await pages(server, shop))
        await stage.driver.warm(server.address, work)
        script = ceilings.list_script(stage)
        top = await ceilings.best(stage, script, "listed", seconds=1)
        for _ in range(effort.rounds):
            await rounds.measure(subject, work)
            tops.append(await ceilings.run(stage, top, effort.seconds))
    await stage.audit("listed")
    found = rounds.per_second("list", "list")
    section.reach("P8", ratios(found, tops))
    size = f"{effort.listed:,} products, pages of {workloads.LIST_LIMIT}"
    section.add(f"Lockstock, {size}, 64 connections", "pages/s", found)
    section.add(f"Lockstock, {size}: p99", "ms", rounds.p99_ms("list", "list"))
    section.add(f"pgbench, {size}, {top.clients} clients", "pages/s", tops)
    return section
