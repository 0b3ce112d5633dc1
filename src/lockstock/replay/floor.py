"""What the staff do while the shop sells: close and reopen warehouses, move goods between them."""

from collections import Counter
from dataclasses import dataclass, field

from lockstock.client.answers import StockRow
from lockstock.client.transport import ApiError
from lockstock.replay.opening import OpenShop
from lockstock.replay.summary import refusal

# As many variants as one transfer moves.
MOST_MOVED = 5
PLENTY = 20

CLOSED = "warehouses switched off"
REOPENED = "warehouses switched on again"
MOVED = "transfers between warehouses"
NOTHING_TO_MOVE = "transfers with nothing to move"


@dataclass(frozen=True)
class Pace:
    """How often something happens, in invoices."""

    close_every: int = 150
    closed_for: int = 50
    move_every: int = 60
    # One order in so many is left unpaid.
    unpaid_every: int = 10


@dataclass
class Floor:
    """The staff at work. One step after the other, while customers buy."""

    shop: OpenShop
    pace: Pace
    done: "Counter[str]" = field(default_factory=Counter)
    _closed: str | None = None
    _closings: int = 0
    _moves: int = 0

    def is_due(self, invoice: int) -> bool:
        """Whether there is something to do before this invoice (from 1)."""
        return bool(self._acts(invoice))

    def _acts(self, invoice: int) -> list[str]:
        pace, acts = self.pace, []
        if invoice % pace.close_every == pace.close_every // 2:
            acts.append("close")
        if invoice % pace.close_every == (pace.close_every // 2 + pace.closed_for) % (
            pace.close_every
        ):
            acts.append("reopen")
        if invoice % pace.move_every == pace.move_every // 2:
            acts.append("move")
        return acts

    async def step(self, invoice: int) -> None:
        """Do what is due before this invoice."""
        for act in self._acts(invoice):
            await self._do(act)

    async def finish(self) -> None:
        """Leave no warehouse switched off."""
        await self._do("reopen")

    async def _do(self, act: str) -> None:
        # What the server refuses is counted, like everything else.
        try:
            if act == "close":
                await self._close()
            elif act == "reopen":
                await self._reopen()
            else:
                await self._move()
        except ApiError as error:
            self.done[refusal(error.status, error.code)] += 1

    async def _close(self) -> None:
        if self._closed is not None:
            return
        warehouse = self.shop.warehouses[self._closings % len(self.shop.warehouses)]
        self._closings += 1
        await self.shop.manager.deactivate(self.shop.id, warehouse, promises="keep")
        self._closed = warehouse
        self.done[CLOSED] += 1

    async def _reopen(self) -> None:
        if self._closed is None:
            return
        await self.shop.manager.activate(self.shop.id, self._closed)
        self._closed = None
        self.done[REOPENED] += 1

    async def _move(self) -> None:
        """Move a quarter of what is free of some variants from one warehouse to the next."""
        places = self.shop.warehouses
        source = places[self._moves % len(places)]
        destination = places[(self._moves + 1) % len(places)]
        self._moves += 1
        page = await self.shop.clerk.stock(self.shop.id, warehouse=source, limit=200)
        units = quarters(page["items"], self._moves)
        if not units:
            self.done[NOTHING_TO_MOVE] += 1
            return
        key = f"move-{self._moves}"
        await self.shop.clerk.transfer(self.shop.id, (source, destination), units, key)
        self.done[MOVED] += 1


def quarters(rows: list[StockRow], start: int) -> dict[str, int]:
    """Choose a few variants that there are plenty of, others each time, and a quarter of each.

    What is scarce stays where it is: moved into a warehouse that closes next, it would be missing.
    """
    free = [(row["variant_id"], row["on_hand"] - row["held"] - row["committed"]) for row in rows]
    some = [(variant, units // 4) for variant, units in free if units >= PLENTY]
    offset = start * MOST_MOVED % len(some) if some else 0
    return dict((some[offset:] + some[:offset])[:MOST_MOVED])
