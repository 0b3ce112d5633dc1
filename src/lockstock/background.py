"""What a process does besides answering: sweeps, and the relay of events.

Any number of processes may do all of it at once. Nobody waits for it: readers and buyers count an
expired hold as free at its deadline.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from lockstock.kernel.errors import Refusal
from lockstock.kernel.operations import Readiness
from lockstock.kernel.telemetry import log

# Holds, orders and events that one sweep takes at once: bigger bites disturb buyers.
SWEEP_BATCH = 500
# Between two rounds of the relay while there is something to move: it moves what came meanwhile.
BUSY_SECONDS = 0.05
# After a round that failed.
FAILED_SECONDS = 1.0

Sweep = Callable[[int], Awaitable[int]]
Round = Callable[[], Awaitable[int]]


@dataclass(frozen=True)
class Sweeps:
    """Sweeps to be made in turn, with a pause after each turn. A pause of 0: never."""

    sweeps: Sequence[Sweep]
    pause_seconds: float

    async def run(self, readiness: Readiness) -> None:
        """Tidy up what is past its deadline and finish what a crash left half done."""
        while self.pause_seconds:
            await asyncio.sleep(self.pause_seconds)
            if await readiness.problems():
                # No database, or schemas that are not there yet: /readyz says so, once is enough.
                continue
            for sweep in self.sweeps:
                try:
                    await sweep(SWEEP_BATCH)
                except Refusal as refusal:
                    log().warning("sweep_put_off", reason=refusal.detail)
                except Exception:
                    # The next round tries again; a bug in one sweep must not end the others.
                    log().exception("sweep_failed")


@dataclass(frozen=True)
class Rounds:
    """One thing to be done round by round; each says how much there was. A pause of 0: never."""

    name: str
    round: Round
    pause_seconds: float

    async def run(self, readiness: Readiness) -> None:
        """Go round quickly while there is something to do, and look now and then if not."""
        is_ready = False
        while self.pause_seconds:
            pause_seconds = self.pause_seconds
            try:
                is_ready = is_ready or not await readiness.problems()
                if not is_ready:
                    pause_seconds = FAILED_SECONDS
                elif await self.round():
                    pause_seconds = min(BUSY_SECONDS, pause_seconds)
            except Refusal as refusal:
                log().warning("round_put_off", name=self.name, reason=refusal.detail)
                is_ready, pause_seconds = False, FAILED_SECONDS
            except Exception:
                log().exception("round_failed", name=self.name)
                pause_seconds = FAILED_SECONDS
            await asyncio.sleep(pause_seconds)


Work = Sweeps | Rounds


@asynccontextmanager
async def working(works: Sequence[Work], readiness: Readiness) -> AsyncIterator[None]:
    """Do all of this beside each other until the block is left."""
    tasks = [asyncio.create_task(work.run(readiness)) for work in works]
    try:
        yield
    finally:
        readiness.draining = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
