"""Stock: what is in a building. What other services may know of it.

Quantities are whole units, never negative, per (shop, warehouse, variant):

- `on_hand`: physically in the building
- `held`: promised to unpaid orders, each with a deadline
- `committed`: promised firmly: paid and not yet shipped, or locked for a transfer that is ready
- `free = on_hand - held - committed`; `available` is `free` in an active warehouse, else 0
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Protocol
from uuid import UUID

from pydantic import Field

from lockstock.kernel.errors import InvalidInput, Refusal
from lockstock.kernel.nouns import (
    MOST_LINES,
    Ask,
    Count,
    Delta,
    Id,
    Noun,
    Page,
    Reason,
)
from lockstock.warehouses.contract import (
    Cause,
    Line,
)

MovementKind = Literal[
    "receive",
    "adjust",
    "count",
    "write_off",
    "damage",
    "ship",
    "return",
    "transfer_out",
    "transfer_in",
    "transfer_return",
]


class StockRow(Noun):
    """The stock of one variant in one warehouse, in units."""

    warehouse_id: UUID
    variant_id: UUID
    on_hand: int
    held: int
    committed: int
    available: int
    incoming: int


class PastStockRow(Noun):
    """What was in one warehouse of one variant at a past moment, in units.

    The ledger knows what was on hand then. What was promised then is not kept.
    """

    warehouse_id: UUID
    variant_id: UUID
    on_hand: int
    as_of: datetime


class Availability(Noun):
    """What a shop can sell of a variant now, in units: all active warehouses, and the fullest."""

    shop_id: UUID
    variant_id: UUID
    available: int
    largest: int


class Movement(Noun):
    """One line of the ledger: a change of `on_hand`, and what it was after."""

    warehouse_id: UUID
    variant_id: UUID
    # Dense per stock row, from 1.
    sequence: int
    delta: int
    balance: int
    kind: MovementKind
    # The order, shipment, return or transfer behind it, if any.
    cause_id: UUID | None
    actor_id: UUID | None
    reason: str | None
    request_id: str
    occurred_at: datetime


class Receive(Ask):
    """Ask to add units that came in."""

    lines: Annotated[list[Line], Field(min_length=1, max_length=MOST_LINES)]
    reason: Reason | None = None


class Adjustment(Ask):
    """So many units more (or fewer, below zero) of a variant."""

    variant_id: Id
    delta: Delta


class Adjust(Ask):
    """Ask to correct stock by a difference, with the reason for it."""

    lines: Annotated[list[Adjustment], Field(min_length=1, max_length=MOST_LINES)]
    reason: Reason


class Counted(Ask):
    """What a clerk expected to find of a variant, and what they found."""

    variant_id: Id
    expected: Count
    counted: Count


class CountStock(Ask):
    """Ask to set stock to what was counted, if it still is what the clerk expected."""

    lines: Annotated[list[Counted], Field(min_length=1, max_length=MOST_LINES)]
    reason: Reason | None = None


class TakeAway(Ask):
    """Ask to take units off the books: written off (gone) or damaged (there, but not sellable)."""

    lines: Annotated[list[Line], Field(min_length=1, max_length=MOST_LINES)]
    reason: Reason


class BelowPromised(Refusal):
    """The stock would be less than what is promised.

    `lines` has the numbers, `orders` and `transfers` who holds the stock.
    """

    status = 409
    code = "below_promised"
    title = "Below what is promised"


class CountChanged(Refusal):
    """The stock changed since the clerk looked. `lines`: variant_id, expected, on_hand."""

    status = 409
    code = "count_changed"
    title = "Stock changed meanwhile"


class TooManyUnits(InvalidInput):
    """A stock row would pass 2,147,483,647 units."""


class StockList(Noun):
    """Ask for a page of stock. `as_of`: as it was at this moment, which has passed."""

    warehouse_id: UUID | None = None
    variant_id: UUID | None = None
    as_of: datetime | None = None
    cursor: str | None = None
    limit: int = 50


class MovementList(Noun):
    """Ask for a page of the ledger: from `since` on, and before `until`."""

    warehouse_id: UUID | None = None
    variant_id: UUID | None = None
    kind: MovementKind | None = None
    since: datetime | None = None
    until: datetime | None = None
    cursor: str | None = None
    limit: int = 50


class Stock(Protocol):
    """The verbs. Each is one transaction; `shop_id` is the shop it speaks of."""

    async def receive(
        self, shop_id: UUID, warehouse_id: UUID, ask: Receive, cause: Cause
    ) -> list[StockRow]:
        """Add units. Raises NoSuchWarehouse, TooManyUnits."""
        ...

    async def adjust(
        self, shop_id: UUID, warehouse_id: UUID, ask: Adjust, cause: Cause
    ) -> list[StockRow]:
        """Correct by a difference. Raises NoSuchWarehouse, BelowPromised, TooManyUnits."""
        ...

    async def count(
        self, shop_id: UUID, warehouse_id: UUID, ask: CountStock, cause: Cause
    ) -> list[StockRow]:
        """Set to what was counted. Raises NoSuchWarehouse, CountChanged, BelowPromised."""
        ...

    async def write_off(
        self, shop_id: UUID, warehouse_id: UUID, ask: TakeAway, cause: Cause
    ) -> list[StockRow]:
        """Take away units that are gone. Raises NoSuchWarehouse, BelowPromised."""
        ...

    async def damage(
        self, shop_id: UUID, warehouse_id: UUID, ask: TakeAway, cause: Cause
    ) -> list[StockRow]:
        """Take away units that are damaged. Raises NoSuchWarehouse, BelowPromised."""
        ...

    async def availability(self, variants: Sequence[tuple[UUID, UUID]]) -> list[Availability]:
        """What can be sold now of each (shop_id, variant_id), in the order asked for."""
        ...

    async def with_units(self, shop_id: UUID, variant_ids: Sequence[UUID]) -> set[UUID]:
        """Those of these variants with units on hand in any warehouse, promised or not."""
        ...

    async def stock(self, shop_id: UUID, ask: StockList) -> Page[StockRow]:
        """Stock rows of the shop, by variant and warehouse."""
        ...

    async def past_stock(self, shop_id: UUID, ask: StockList) -> Page[PastStockRow]:
        """What was on hand at `as_of`, of rows that had a movement by then.

        Raises InvalidInput for a moment that is still to come.
        """
        ...

    async def movements(self, shop_id: UUID, ask: MovementList) -> Page[Movement]:
        """The ledger, newest first."""
        ...
