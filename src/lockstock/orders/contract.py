"""Orders: what a customer bought, from which warehouses, and how far it has come.

An order is awaiting payment until its deadline. Past it, it reads `expired` at that very instant,
whether or not a worker has run. Prices and totals are frozen when it is placed.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Generic, Literal, Protocol, TypeVar
from uuid import UUID

from pydantic import Field, model_validator

from lockstock.kernel.errors import NotFound, Refusal
from lockstock.kernel.money import Money
from lockstock.kernel.nouns import MOST_LINES, Ask, Name, Noun, Reason
from lockstock.warehouses.contract import Allocation, Line, Location

OrderStatus = Literal[
    "awaiting_payment",
    "paid",
    "partly_shipped",
    "shipped",
    "completed",
    "cancelled",
    "expired",
]
# Who or what changes an order: its buyer, somebody of the shop, an API key of it, Lockstock itself,
# or a payment provider.
ActorKind = Literal["customer", "staff", "key", "system", "provider"]
# By when they were placed.
OrderSort = Literal["newest", "oldest"]
T = TypeVar("T")


class ShipTo(Ask):
    """Where an order goes. The coordinates (degrees, WGS 84) are for shops that ship from near."""

    name: Name | None = None
    address: Annotated[list[Name], Field(max_length=6)] = Field(default_factory=list)
    postal_code: Annotated[Name, Field(max_length=20)] | None = None
    city: Name | None = None
    # ISO 3166-1 alpha-2.
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None
    latitude: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> "ShipTo":
        if (self.latitude is None) != (self.longitude is None):
            msg = "latitude and longitude come together"
            raise ValueError(msg)
        return self

    @property
    def location(self) -> Location | None:
        """The coordinates, where given."""
        if self.latitude is None or self.longitude is None:
            return None
        return Location(latitude=self.latitude, longitude=self.longitude)


class NewOrder(Ask):
    """Ask for an order: stock is locked for all lines, or for none."""

    lines: Annotated[list[Line], Field(min_length=1, max_length=MOST_LINES)]
    ship_to: ShipTo | None = None


class Cancel(Ask):
    """Ask to cancel an order that has not begun to ship."""

    reason: Reason | None = None


class OrderLine(Noun):
    """So many units of a variant, at the price when the order was placed."""

    variant_id: UUID
    product_id: UUID
    sku: str
    name: str
    quantity: int
    unit_price: Money
    total: Money


class Order(Noun):
    """An order. `status` is as of now."""

    id: UUID
    shop_id: UUID
    customer_id: UUID
    status: OrderStatus
    total: Money
    lines: list[OrderLine]
    allocations: list[Allocation]
    ship_to: ShipTo | None
    created_at: datetime
    # Until when it can be paid. The stock is free again at this instant.
    expires_at: datetime
    paid_at: datetime | None
    # Paid past its deadline: the stock was taken again when the money came.
    late: bool
    # Where to POST a payment.
    pay: str


class PlaceAsk(Noun):
    """Ask for an order under this id. The same id again: the same order."""

    order_id: UUID
    customer_id: UUID
    ask: NewOrder


class Asked(Noun):
    """Who asks for a change, under which idempotency key, in which request."""

    actor_id: UUID
    key: str
    request_id: str
    # The API key that calls, if it is none of a person.
    api_key_id: UUID | None = None


class Answered(Noun, Generic[T]):
    """An answer, and whether it is one that was given before (`replayed`)."""

    answer: T
    replayed: bool


class Position(Noun):
    """Where a page of orders, newest first, ended."""

    created_at: datetime
    id: UUID


class OrderList(Noun):
    """Ask for orders placed from `since` on and before `until`, after a position."""

    status: OrderStatus | None = None
    customer_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    sort: OrderSort = "newest"
    after: Position | None = None
    limit: int = 50


class NoSuchOrder(NotFound):
    """There is no such order, or none that the caller may know of."""


class NotCancellable(Refusal):
    """It has begun to ship, or has ended. `order_status` says how it stands."""

    status = 409
    code = "order_not_cancellable"
    title = "The order cannot be cancelled"


class NotCompletable(Refusal):
    """Only an order that has left in full can be completed. `order_status` says how it stands."""

    status = 409
    code = "order_not_completable"
    title = "The order cannot be completed"


class Orders(Protocol):
    """The verbs. Each can be done again: the same id or key finds what was done."""

    async def place(
        self, shop_id: UUID, asks: Sequence[PlaceAsk]
    ) -> list[Answered[Order] | Refusal]:
        """Lock stock and place orders, each in its place in the answer.

        A replay answers the order as it was when placed. Refuses InvalidInput, OutOfStock,
        IdempotencyKeyReused. Raises NoSuchShop.
        """
        ...

    async def get(self, shop_id: UUID, order_id: UUID) -> Order:
        """One order as it is now. Raises NoSuchOrder."""
        ...

    async def list_orders(self, shop_id: UUID, ask: OrderList) -> list[Order]:
        """The shop's orders, in the order asked for; one more than `limit` where there are more."""
        ...

    async def list_own(self, customer_id: UUID, ask: OrderList) -> list[Order]:
        """A customer's orders in all shops, as asked for; one more where there are more."""
        ...

    async def cancel(
        self, shop_id: UUID, order_id: UUID, ask: Cancel, asked: Asked
    ) -> Answered[Order]:
        """Cancel, free the stock, refund what was paid. Raises NoSuchOrder, NotCancellable."""
        ...

    async def complete(self, shop_id: UUID, order_id: UUID, asked: Asked) -> Answered[Order]:
        """Close an order that has left in full. Raises NoSuchOrder, NotCompletable."""
        ...

    async def sweep(self, most: int) -> int:
        """Mark orders past their deadline, and free the stock of ended ones; return how many."""
        ...
