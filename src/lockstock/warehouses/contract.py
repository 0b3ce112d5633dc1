"""Warehouses: stock, reservations, movements. What other services may know of it.

Quantities are whole units, never negative, per (shop, warehouse, variant):

- `on_hand`: physically in the building
- `held`: promised to unpaid orders, each with a deadline
- `committed`: promised firmly: paid and not yet shipped
- `free = on_hand - held - committed`; `available` is `free` in an active warehouse, else 0

Every write verb takes many and returns many, for one shop, in one transaction. One is a batch of
one. A member that is refused has its refusal in the answer, in its place; the others are done.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Protocol
from uuid import UUID

from pydantic import Field

from lockstock.kernel.errors import InvalidInput, NotFound, Refusal
from lockstock.kernel.nouns import (
    MOST_LINES,
    Ask,
    Count,
    Delta,
    Id,
    Name,
    Noun,
    Page,
    Quantity,
    Reason,
)

Strategy = Literal["fewest_warehouses", "by_priority", "most_stock", "nearest"]
ReservationStatus = Literal["held", "committed", "released", "expired"]
MovementKind = Literal[
    "receive", "adjust", "count", "ship", "return", "transfer_out", "transfer_in"
]
Promises = Literal["keep"]


class Location(Noun):
    """A place on earth, in degrees (WGS 84)."""

    latitude: float = Field(ge=-90, le=90, allow_inf_nan=False)
    longitude: float = Field(ge=-180, le=180, allow_inf_nan=False)


class Warehouse(Noun):
    """A building with stock. Buyers take from it only while it is active."""

    id: UUID
    shop_id: UUID
    name: str
    active: bool
    # Lower comes first where a strategy asks.
    priority: int
    location: Location | None
    created_at: datetime


class StockRow(Noun):
    """The stock of one variant in one warehouse, in units."""

    warehouse_id: UUID
    variant_id: UUID
    on_hand: int
    held: int
    committed: int
    available: int
    incoming: int


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


class Line(Ask):
    """So many units of a variant."""

    variant_id: Id
    quantity: Quantity


class Allocation(Noun):
    """So many units of a variant from one warehouse."""

    warehouse_id: UUID
    variant_id: UUID
    quantity: int


class Reservation(Noun):
    """Stock locked for one order, all lines or none.

    `status` is as of now: a hold past its deadline is `expired`, swept or not.
    """

    order_id: UUID
    # 1, and one more each time stock is taken again for the order after its hold had ended.
    attempt: int
    status: ReservationStatus
    expires_at: datetime
    allocations: list[Allocation]


class Reserve(Noun):
    """Ask to lock stock for an order.

    The same order again gets the same reservation. With `again`, an order whose reservation has
    expired or was released gets a new attempt (late money). `seconds`: time to pay.
    """

    order_id: UUID
    customer_id: UUID
    lines: list[Line]
    seconds: int
    strategy: Strategy = "fewest_warehouses"
    may_split: bool = True
    destination: Location | None = None
    again: bool = False


class Cause(Noun):
    """Who changes stock, in which request.

    `change_id` makes it happen once: the same id with the same content answers as the first time.
    """

    change_id: UUID
    actor_id: UUID | None
    request_id: str


class NewWarehouse(Ask):
    """Ask for a new warehouse."""

    name: Name
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = 100
    location: Location | None = None


class WarehouseChange(Ask):
    """Ask to change what is given."""

    name: Name | None = None
    priority: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    location: Location | None = None


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


class Deactivate(Ask):
    """Ask to switch a warehouse off. `keep`: what was promised from it is still honoured."""

    promises: Promises = "keep"
    dry_run: bool = False


class Switched(Noun):
    """A warehouse after it was switched on or off, and what became of its promises."""

    warehouse: Warehouse
    dry_run: bool
    # Orders with a promise from here that is kept as it is.
    kept_orders: int
    moved: list[UUID]
    stranded: list[UUID]


class NewTransfer(Ask):
    """Ask to move units between two warehouses of a shop, in one step."""

    from_warehouse_id: Id
    to_warehouse_id: Id
    lines: Annotated[list[Line], Field(min_length=1, max_length=MOST_LINES)]
    immediate: Literal[True]
    reason: Reason | None = None


class Transfer(Noun):
    """Units moved from one warehouse to another."""

    id: UUID
    shop_id: UUID
    from_warehouse_id: UUID
    to_warehouse_id: UUID
    status: Literal["received"]
    lines: list[Line]
    reason: str | None
    created_at: datetime


class Shipment(Noun):
    """Ask to send committed units of an order out of the building."""

    shipment_id: UUID
    order_id: UUID
    parts: list[Allocation]


class PutBack(Noun):
    """Ask to take units of an order that were shipped back on hand."""

    return_id: UUID
    order_id: UUID
    parts: list[Allocation]


class OutOfStock(Refusal):
    """Not enough stock for all lines.

    `lines`: variant_id, requested, available, largest (units in the fullest warehouse), per line.
    """

    status = 409
    code = "out_of_stock"
    title = "Out of stock"


class ReservationMismatch(Refusal):
    """The order id was used before for another request."""

    status = 422
    code = "idempotency_key_reused"
    title = "Idempotency-Key was used for another request"


class ReservationExpired(Refusal):
    """The deadline has passed: the stock is free again."""

    status = 409
    code = "reservation_expired"
    title = "Reservation expired"


class ReservationReleased(Refusal):
    """The reservation was released, or there never was one."""

    status = 409
    code = "reservation_released"
    title = "Reservation released"


class NotCommitted(Refusal):
    """More is to be shipped than is committed to the order there."""

    status = 409
    code = "not_committed"
    title = "Not committed"


class NotShipped(Refusal):
    """More is to come back than went out."""

    status = 409
    code = "not_shipped"
    title = "Not shipped"


class BelowPromised(Refusal):
    """The stock would be less than what is promised. `lines` names the orders that hold it."""

    status = 409
    code = "below_promised"
    title = "Below what is promised"


class CountChanged(Refusal):
    """The stock changed since the clerk looked. `lines`: variant_id, expected, on_hand."""

    status = 409
    code = "count_changed"
    title = "Stock changed meanwhile"


class NotEnoughToMove(Refusal):
    """Less is free in the source warehouse than is to be moved."""

    status = 409
    code = "not_enough_to_move"
    title = "Not enough to move"


class TooManyUnits(InvalidInput):
    """A stock row would pass 2,147,483,647 units."""


class NoSuchWarehouse(NotFound):
    """The shop has no such warehouse."""


class LastWarehouse(Refusal):
    """A shop always has at least one warehouse."""

    status = 409
    code = "last_warehouse"
    title = "The last warehouse stays"


class Warehouses(Protocol):
    """The verbs. Each is one transaction; `shop_id` is the shop it speaks of."""

    async def open(
        self, shop_id: UUID, asks: Sequence[NewWarehouse], ids: Sequence[UUID]
    ) -> list[Warehouse]:
        """Open warehouses under these ids. The same ids again: the same warehouses."""
        ...

    async def list_warehouses(self, shop_id: UUID) -> list[Warehouse]:
        """All warehouses of the shop, by priority."""
        ...

    async def get(self, shop_id: UUID, warehouse_id: UUID) -> Warehouse:
        """One warehouse. Raises NoSuchWarehouse."""
        ...

    async def change(self, shop_id: UUID, warehouse_id: UUID, ask: WarehouseChange) -> Warehouse:
        """Change name, priority or location. Raises NoSuchWarehouse."""
        ...

    async def activate(self, shop_id: UUID, warehouse_id: UUID) -> Switched:
        """Let buyers take from it, at once. Raises NoSuchWarehouse."""
        ...

    async def deactivate(self, shop_id: UUID, warehouse_id: UUID, ask: Deactivate) -> Switched:
        """Let no buyer take from it once this has returned. Raises NoSuchWarehouse."""
        ...

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

    async def reserve(self, shop_id: UUID, asks: Sequence[Reserve]) -> list[Reservation | Refusal]:
        """Lock stock. Refuses OutOfStock, ReservationMismatch."""
        ...

    async def commit(self, shop_id: UUID, order_ids: Sequence[UUID]) -> list[Reservation | Refusal]:
        """Promise firmly what was held. Refuses ReservationExpired, ReservationReleased.

        Again on a committed one: the same answer.
        """
        ...

    async def release(self, shop_id: UUID, order_ids: Sequence[UUID]) -> list[Reservation | None]:
        """Free what was held or committed. Harmless where there is nothing: None.

        What has ended keeps how it ended: a reservation that expired stays `expired`. What was
        shipped stays shipped; only the rest is freed.
        """
        ...

    async def expire(self, shop_id: UUID, order_ids: Sequence[UUID]) -> list[Reservation | None]:
        """Tidy up the holds whose deadline has passed; return each reservation as it is now."""
        ...

    async def reservations(
        self, shop_id: UUID, order_ids: Sequence[UUID]
    ) -> list[Reservation | None]:
        """The latest reservation of each order."""
        ...

    async def ship(
        self, shop_id: UUID, asks: Sequence[Shipment], cause: Cause
    ) -> list[list[StockRow] | Refusal]:
        """Send committed units out. Refuses NotCommitted. The same shipment again: nothing."""
        ...

    async def put_back(
        self, shop_id: UUID, asks: Sequence[PutBack], cause: Cause
    ) -> list[list[StockRow] | Refusal]:
        """Take shipped units back on hand, in any warehouse. Refuses NotShipped.

        The same return again: nothing.
        """
        ...

    async def availability(self, variants: Sequence[tuple[UUID, UUID]]) -> list[Availability]:
        """What can be sold now of each (shop_id, variant_id), in the order asked for."""
        ...

    async def stock(self, shop_id: UUID, ask: "StockList") -> Page[StockRow]:
        """Stock rows of the shop, by variant and warehouse."""
        ...

    async def movements(self, shop_id: UUID, ask: "StockList") -> Page[Movement]:
        """The ledger, newest first."""
        ...

    async def transfer(self, shop_id: UUID, ask: NewTransfer, cause: Cause) -> Transfer:
        """Move units in one step. Raises NoSuchWarehouse, NotEnoughToMove, BelowPromised."""
        ...

    async def sweep(self, most: int) -> int:
        """Tidy up to `most` holds past their deadline, over all shops; return how many."""
        ...


class StockList(Noun):
    """Ask for a page of stock or of its ledger."""

    warehouse_id: UUID | None = None
    variant_id: UUID | None = None
    cursor: str | None = None
    limit: int = 50
