"""What an order costs and what it may become. Pure decisions on plain values."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from lockstock.kernel.errors import InvalidInput, Refusal
from lockstock.kernel.ids import derived_id
from lockstock.kernel.money import MOST_MINOR, Money
from lockstock.kernel.nouns import MOST_UNITS
from lockstock.orders.contract import (
    ActorKind,
    Asked,
    Order,
    OrderLine,
    OrderStatus,
    PlaceAsk,
    ShipTo,
)
from lockstock.products.contract import Quote
from lockstock.warehouses.contract import Allocation, Line, Location
from lockstock.warehouses.low_stock.contract import grade_of
from lockstock.warehouses.reservations.contract import OutOfStock, Reservation

# What an order may become, and nothing else. From `expired` to `paid` is late money for which the
# same stock could be taken again.
TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    "awaiting_payment": frozenset({"paid", "cancelled", "expired"}),
    "paid": frozenset({"partly_shipped", "shipped", "cancelled"}),
    "partly_shipped": frozenset({"shipped"}),
    "shipped": frozenset({"completed"}),
    "expired": frozenset({"paid"}),
    "completed": frozenset(),
    "cancelled": frozenset(),
}
# The order has its money.
PAID: frozenset[OrderStatus] = frozenset({"paid", "partly_shipped", "shipped", "completed"})


def may_become(before: OrderStatus, after: OrderStatus) -> bool:
    """Whether an order may go from one status to the other."""
    return after in TRANSITIONS[before]


@dataclass(frozen=True)
class By:
    """Who did something to an order, as it is kept."""

    actor_id: UUID
    actor_kind: ActorKind
    request_id: str


def by(asked: Asked, customer_id: UUID) -> By:
    """Return who asks something of this customer's order.

    Of a publishable key's many customers each has an id of its own; a secret key has the key's.
    """
    kind: ActorKind = "staff" if asked.api_key_id is None else "key"
    if asked.actor_id == customer_id and asked.actor_id != asked.api_key_id:
        kind = "customer"
    return By(asked.actor_id, kind, asked.request_id)


def order_id_of(shop_id: UUID, customer_id: UUID, key: str) -> UUID:
    """Return the id of the order that a customer asks for under an idempotency key."""
    return derived_id("order", shop_id, customer_id, key)


def digest_of(ask: BaseModel) -> bytes:
    """Return SHA-256 of what was asked for, the same however its JSON was written."""
    return hashlib.sha256(ask.model_dump_json().encode()).digest()


def sum_lines(lines: Sequence[Line | OrderLine]) -> list[Line]:
    """Sum the lines that name the same variant, in the order of their first mention.

    Raises InvalidInput where a sum is more than a stock row can hold.
    """
    sums: dict[UUID, int] = {}
    for number, line in enumerate(lines):
        sums[line.variant_id] = sums.get(line.variant_id, 0) + line.quantity
        if sums[line.variant_id] > MOST_UNITS:
            raise InvalidInput.at(f"lines.{number}.quantity", f"more than {MOST_UNITS} in all")
    return [Line(variant_id=variant, quantity=quantity) for variant, quantity in sums.items()]


@dataclass(frozen=True)
class Draft:
    """An order that is priced and not placed yet; once stock is held it has a reservation."""

    id: UUID
    customer_id: UUID
    digest: bytes
    total: Money
    lines: list[OrderLine]
    stock_lines: list[Line]
    ship_to: ShipTo | None
    reservation: Reservation | None = None

    def holding(self, reservation: Reservation) -> "Draft":
        """Return the draft with the stock that was locked for it."""
        return replace(self, reservation=reservation)


def draft_of(ask: PlaceAsk, quotes: Mapping[UUID, Quote], currency: str) -> Draft:
    """Price an order. Raises InvalidInput for what is not for sale, and for totals past 64 bits."""
    unknown = [
        {"path": f"lines.{number}.variant_id", "message": "is not for sale in this shop"}
        for number, line in enumerate(ask.ask.lines)
        if line.variant_id not in quotes
    ]
    if unknown:
        detail = "; ".join(f"{item['path']} {item['message']}" for item in unknown[:5])
        raise InvalidInput(detail, errors=unknown)
    stock_lines = sum_lines(ask.ask.lines)
    lines = [_line_of(quotes[line.variant_id], line.quantity, currency) for line in ask.ask.lines]
    total = sum(line.total.amount_minor for line in lines)
    if total > MOST_MINOR:
        raise InvalidInput.at("lines", "the total is more than an amount can hold")
    return Draft(
        id=ask.order_id,
        customer_id=ask.customer_id,
        digest=digest_of(ask.ask),
        total=Money(amount_minor=total, currency=currency),
        lines=lines,
        stock_lines=stock_lines,
        ship_to=ask.ask.ship_to,
    )


def _line_of(quote: Quote, quantity: int, currency: str) -> OrderLine:
    return OrderLine(
        variant_id=quote.variant_id,
        product_id=quote.product_id,
        sku=quote.sku,
        name=quote.name,
        quantity=quantity,
        unit_price=Money(amount_minor=quote.price_minor, currency=currency),
        total=Money(amount_minor=quote.price_minor * quantity, currency=currency),
    )


def by_shop(rows: Iterable[Any]) -> dict[UUID, list[UUID]]:
    """Group rows of what is due (`shop_id`, `id`) by shop, as verbs take it."""
    due: dict[UUID, list[UUID]] = {}
    for row in rows:
        due.setdefault(row["shop_id"], []).append(row["id"])
    return due


def pay_path(shop_id: UUID, order_id: UUID) -> str:
    """Return where payments of an order are started."""
    return f"/v1/shops/{shop_id}/orders/{order_id}/payments"


def as_promised(order: Order, reservation: Reservation | None) -> Order:
    """Return an order with what its warehouses promise now, where that is not what it says."""
    if reservation is None or _units(order.allocations) == _units(reservation.allocations):
        return order
    return order.model_copy(update={"allocations": reservation.allocations})


def _units(parts: Sequence[Allocation]) -> dict[tuple[UUID, UUID], int]:
    return {(part.variant_id, part.warehouse_id): part.quantity for part in parts}


def placed_order(shop_id: UUID, draft: Draft, created_at: datetime) -> Order:
    """Return the order that a draft has become. Its stock is held."""
    assert draft.reservation is not None  # noqa: S101 (only drafts with stock are placed)
    return Order(
        id=draft.id,
        shop_id=shop_id,
        customer_id=draft.customer_id,
        status="awaiting_payment",
        total=draft.total,
        lines=draft.lines,
        allocations=draft.reservation.allocations,
        ship_to=draft.ship_to,
        created_at=created_at,
        expires_at=draft.reservation.expires_at,
        paid_at=None,
        late=False,
        pay=pay_path(shop_id, draft.id),
    )


@dataclass(frozen=True)
class Kept:
    """An order as it is kept: as of now, with what it was when placed."""

    order: Order
    # The status that is written; past the deadline the order's own is ahead of it.
    status: OrderStatus
    digest: bytes
    attempt: int
    placed_allocations: list[Allocation]
    paid_by: UUID | None

    @property
    def destination(self) -> Location | None:
        """Where it goes, if that is known."""
        return None if self.order.ship_to is None else self.order.ship_to.location

    def as_placed(self) -> Order:
        """Return the order as it was answered when it was placed."""
        return self.order.model_copy(
            update={
                "status": "awaiting_payment",
                "allocations": self.placed_allocations,
                "paid_at": None,
                "late": False,
            }
        )


def told(refusal: Refusal, *, hide_exact: bool, threshold: int | None) -> Refusal:
    """Return a refusal as a customer is told it: in words where the shop hides its numbers."""
    if not hide_exact or not isinstance(refusal, OutOfStock):
        return refusal
    lines = [
        {
            "variant_id": line["variant_id"],
            "requested": line["requested"],
            "availability": grade_of(line["available"], threshold),
        }
        for line in refusal.fields["lines"]
    ]
    return OutOfStock(refusal.detail, lines=lines)
