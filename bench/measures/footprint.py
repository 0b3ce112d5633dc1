"""P11: memory under many connections; how long a start takes."""

import asyncio

from bench import workloads
from bench.figures import Effort, Section
from bench.measures.counted import Rounds, Subject
from bench.servers import Server, lockstock
from bench.stage import Stage

CONNECTIONS = 1_000
TICK_SECONDS = 0.25


async def footprint(stage: Stage, effort: Effort) -> Section:
    """Measure the server's own processes; PostgreSQL's are not among them."""
    section = Section("Footprint")
    shop = await stage.fill("footprint", effort.variants)
    work = workloads.alike(shop)
    most, idle, starts = [], [], []
    rounds = Rounds(stage, effort)
    for _ in range(effort.rounds):
        async with lockstock(stage.databases.url("footprint")) as server:
            starts.append(server.start_seconds)
            idle.append(server.memory_mb())
            watching = asyncio.create_task(_watch(server))
            try:
                await rounds.measure(Subject("footprint", "footprint", server), work, CONNECTIONS)
            finally:
                watching.cancel()
            most.append(max([*await _ended(watching), server.memory_mb()]))
    await stage.audit("footprint")
    section.reach("P11", most)
    section.add("memory after the start", "MB", idle)
    section.add(f"memory under {CONNECTIONS:,} connections, the most", "MB", most)
    placed = rounds.per_second("footprint", "alike", CONNECTIONS)
    section.add(f"checkouts meanwhile, {CONNECTIONS:,} connections", "checkouts/s", placed)
    section.add("from the start of the process to its first answer", "s", starts)
    return section


async def _watch(server: Server) -> list[float]:
    seen: list[float] = []
    try:
        while True:
            seen.append(await asyncio.to_thread(server.memory_mb))
            await asyncio.sleep(TICK_SECONDS)
    except asyncio.CancelledError:
        return seen


async def _ended(task: asyncio.Task[list[float]]) -> list[float]:
    return await task
