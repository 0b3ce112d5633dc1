"""Drives a server with wrk: how much is sent, what comes back, how long it takes."""

import asyncio
import json
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.workloads import Workload

SCRIPT = Path(__file__).with_name("driver.lua")
SLOWEST_SECONDS = 30


class Unsound(Exception):
    """What was measured is not what should have been: it gives no figure."""


@dataclass(frozen=True)
class Run:
    """One run of the driver. Latencies are in milliseconds."""

    seconds: float
    p50_ms: float
    p99_ms: float
    most_ms: float
    # Connections or answers that failed below HTTP.
    broken: int
    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """Answers that settle what was asked. A refusal does, where refusals are expected."""
        return sum(n for status, n in self.statuses.items() if status[0] == "2" or status == "409")

    @property
    def per_second(self) -> float:
        """Answers per second that settle what was asked."""
        return self.done / self.seconds

    def of(self, status: int) -> float:
        """Answers of this status per second."""
        return self.statuses.get(str(status), 0) / self.seconds


@dataclass(frozen=True)
class Driver:
    """wrk, with the buyers of a run. One thread of it, so that one script sees everything."""

    directory: Path
    # A line for each buyer: their id and their token.
    buyers: Path

    def __post_init__(self) -> None:
        """Raise FileNotFoundError where there is no wrk."""
        if shutil.which("wrk") is None:
            raise FileNotFoundError("There is no wrk. Install it: sudo apt-get install wrk")

    async def warm(self, address: str, work: Workload) -> None:
        """Send without measuring: caches, plans and branch predictors settle."""
        await self._send(address, work, connections=16, seconds=1)

    async def drive(
        self, address: str, work: Workload, *, connections: int = 64, seconds: float = 3
    ) -> Run:
        """Keep so many connections busy for so long.

        Raises:
            Unsound: a status came that this work has no place for.
        """
        run = await self._send(address, work, connections, seconds)
        check(run, work)
        return run

    async def _send(self, address: str, work: Workload, connections: int, seconds: float) -> Run:
        requests = self.directory / f"{work.name}.requests"
        requests.write_text("".join(f"{line}\n" for line in work.lines))
        words = ["-t", "1", "-c", str(connections), "-d", f"{max(1, round(seconds))}s"]
        words += ["--timeout", f"{SLOWEST_SECONDS}s", "-s", str(SCRIPT), address, "--"]
        words += [str(requests), str(self.buyers), f"{work.name}-{secrets.token_hex(6)}-"]
        words += [str(work.copies), "pay" if work.is_paid else "-"]
        return await _wrk(words)


async def _wrk(words: Sequence[str]) -> Run:
    process = await asyncio.create_subprocess_exec(
        "wrk", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    for line in said.decode().splitlines():
        if line.startswith("result "):
            return Run(**json.loads(line.removeprefix("result ")))
    raise Unsound(f"wrk ended with {process.returncode}: {said.decode()[-500:]}")


def check(run: Run, work: Workload) -> None:
    """Raise Unsound where there are answers that this work has no place for, or none at all."""
    strange = {s: n for s, n in run.statuses.items() if int(s) not in work.statuses}
    if strange or run.broken or not run.done:
        message = f"{work.name}: answers {run.statuses}, {run.broken} broken"
        raise Unsound(message)
