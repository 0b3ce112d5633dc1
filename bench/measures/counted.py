"""A run of the driver, with its answers counted against the rows that it left."""

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from bench.driver import Run, Unsound
from bench.figures import Effort
from bench.servers import Server
from bench.stage import Stage
from bench.workloads import Workload

CLOCK = "SELECT clock_timestamp()"
# Rows newer than a moment.
ORDERS = "SELECT count(*) FROM orders.orders WHERE shop_id = $2 AND created_at >= $1"
AT_WORK = """
SELECT count(*) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
    AND state <> 'idle' AND datname = current_database()
"""
QUIET_LOOKS = 4
PATIENCE_SECONDS = 30.0
ORDERS_OF_REFERENCE = "SELECT count(*) FROM orders WHERE shop_id = $2 AND created_at >= $1"


@dataclass(frozen=True)
class Subject:
    """A server that is measured, on its database."""

    name: str
    database: str
    server: Server
    count_orders: str = ORDERS


async def value(url: str, statement: str, *arguments: object) -> Any:  # noqa: ANN401 (as the driver has it)
    """Run a statement on a connection of its own; return the first column of its first row."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement, *arguments)
    finally:
        await connection.close()


async def quiet(url: str) -> None:
    """Wait until a server has done what was in flight when the driver left."""
    connection = await asyncpg.connect(url)
    deadline, still = time.monotonic() + PATIENCE_SECONDS, 0
    try:
        while still < QUIET_LOOKS and time.monotonic() < deadline:
            still = 0 if await connection.fetchval(AT_WORK) else still + 1
            await asyncio.sleep(0.03)
    finally:
        await connection.close()


@dataclass
class Rounds:
    """Runs, by what was measured; each list has one run for each round."""

    stage: Stage
    effort: Effort
    runs: dict[tuple[str, str, int], list[Run]] = field(default_factory=lambda: defaultdict(list))

    async def measure(self, subject: Subject, work: Workload, connections: int = 64) -> Run:
        """Drive a server once and keep the run.

        Raises:
            Unsound: there are not as many new orders as answers that say so.
        """
        url = self.stage.databases.url(subject.database)
        # Neither begins this turn with the rest of the one before, nor leaves its own to others.
        await quiet(url)
        began = await value(url, CLOCK)
        run = await self.stage.driver.drive(
            subject.server.address, work, connections=connections, seconds=self.effort.seconds
        )
        await quiet(url)
        if not work.is_paid:
            made = await value(url, subject.count_orders, began, self.stage.shop_id)
            _compare(run, work, made, connections)
        self.runs[subject.name, work.name, connections].append(run)
        return run

    def per_second(self, subject: str, work: str, connections: int = 64) -> list[float]:
        """Answers per second, round by round."""
        return [run.per_second for run in self.runs.get((subject, work, connections), [])]

    def p99_ms(self, subject: str, work: str, connections: int = 64) -> list[float]:
        """The latency that one in a hundred exceeds, round by round."""
        return [run.p99_ms for run in self.runs.get((subject, work, connections), [])]

    def p50_ms(self, subject: str, work: str, connections: int = 64) -> list[float]:
        """The latency that half of them exceed, round by round."""
        return [run.p50_ms for run in self.runs.get((subject, work, connections), [])]


def _compare(run: Run, work: Workload, made: int, connections: int) -> None:
    answered = run.statuses.get("201", 0) / work.copies
    # What was in flight at the end is done and not answered; of a pair, half.
    if not answered - connections <= made <= answered + connections:
        message = f"{work.name}: {made} new orders, {answered:.0f} answers of one"
        raise Unsound(message)
    if work.copies == 1 and made < answered:
        message = f"{work.name}: an order was answered that is not there ({made} of {answered:.0f})"
        raise Unsound(message)
