"""Sends what wrk would send, a handful of it, where there is no wrk."""

import asyncio
import itertools
import time
from collections import Counter
from dataclasses import dataclass

import httpx2

from bench.driver import Driver, Run, check
from bench.workloads import Workload

MOST = 24
_numbers = itertools.count()


@dataclass(frozen=True)
class Handful(Driver):
    """Each line once, or as often as the workload says, several at a time."""

    def __post_init__(self) -> None:
        """Nothing is needed."""

    async def drive(
        self, address: str, work: Workload, *, connections: int = 64, seconds: float = 3
    ) -> Run:
        """Send the first lines of a workload."""
        del seconds
        buyers = [line.split() for line in self.buyers.read_text().splitlines()]
        limits = httpx2.Limits(max_connections=min(8, connections))
        began = time.monotonic()
        async with httpx2.AsyncClient(base_url=address, limits=limits, timeout=60) as client:
            answers = await asyncio.gather(
                *(
                    _send(client, line, buyers[number % len(buyers)][1], key)
                    for number, line in enumerate(
                        itertools.islice(itertools.cycle(work.lines), MOST)
                    )
                    for key in [f"{work.name}-{next(_numbers)}"]
                    for _ in range(work.copies)
                )
            )
        statuses = Counter(str(answer.status_code) for answer in answers)
        run = Run(time.monotonic() - began, 1.0, 1.0, 1.0, 0, dict(statuses))
        check(run, work)
        return run


async def _send(client: httpx2.AsyncClient, line: str, token: str, key: str) -> httpx2.Response:
    method, path, extra, body = line.split("\t")
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    headers |= {"Content-Type": "application/json"}
    headers |= dict(one.split(": ", 1) for one in extra.split("|") if one)
    return await client.request(method, path, content=body.encode(), headers=headers)
