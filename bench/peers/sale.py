"""A flash sale, whatever the system: how many got a unit, how fast, and was there one for each."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench.peers.wire import Buyer

UNITS = 50
BUYERS = 500
# Who is not served by then goes home, and counts as failed.
PATIENCE_SECONDS = 240


@dataclass(frozen=True)
class Sale:
    """What came of it. `sold` is what the system itself says afterwards, not what was answered."""

    system: str
    processes: int
    bought: int
    refused: int
    failed: int
    sold: int
    seconds: float
    p99_seconds: float

    @property
    def text(self) -> str:
        """One row of a table."""
        cells = [
            self.system,
            str(self.processes),
            f"{self.sold} of {UNITS}",
            str(self.refused),
            str(self.failed),
            f"{self.bought / self.seconds:.1f}",
            f"{(self.bought + self.refused) / self.seconds:.1f}",
            f"{self.p99_seconds:.2f} s",
        ]
        return f"| {' | '.join(cells)} |"


HEAD = """\
| system | processes | units sold | refused | failed | checkouts/s | answers/s | p99 |
|---|---|---|---|---|---|---|---|"""


Buy = Callable[[Buyer, int], Awaitable[None]]


class Refused(Exception):
    """The system says that there is none left."""


async def sell(
    system: str,
    addresses: Sequence[str],
    buy: Buy,
    sold: Callable[[], Awaitable[int]],
) -> Sale:
    """Let all buyers loose at once. `buy` raises Refused; anything else that it raises is counted.

    Args:
        system: its name and version.
        addresses: of its server's processes; buyers are spread over them.
        buy: one whole checkout, from the basket until it is paid, by the n-th buyer.
        sold: asks the system, afterwards, how many units paid orders are for.
    """
    began = time.monotonic()
    buyers = [Buyer(addresses[number % len(addresses)]) for number in range(BUYERS)]
    ends = await asyncio.gather(*(_one(buy, buyer, number) for number, buyer in enumerate(buyers)))
    seconds = time.monotonic() - began
    await asyncio.gather(*(buyer.close() for buyer in buyers), return_exceptions=True)
    took = sorted(one for _, one in ends)
    words = [word for word, _ in ends]
    return Sale(
        system,
        len(addresses),
        words.count("bought"),
        words.count("refused"),
        words.count("failed"),
        await sold(),
        seconds,
        took[int(0.99 * len(took))],
    )


async def _one(buy: Buy, buyer: Buyer, number: int) -> tuple[str, float]:
    began = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await buy(buyer, number)
    except Refused:
        word = "refused"
    except Exception as fault:
        # A peer may break in ways of its own under such a load: it is counted and shown.
        if number < 3:
            print(f"  buyer {number}: {type(fault).__name__}: {fault}")
        word = "failed"
    else:
        word = "bought"
    return word, time.monotonic() - began
