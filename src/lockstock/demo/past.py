"""The past as rows: one class per table, one field per column. Quantities in units.

What all rows have in common is left to the statements in store.py: the shop, a first attempt, the
sandbox as provider, nothing pending.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from lockstock.orders.contract import OrderStatus
from lockstock.orders.payments.contract import EventKind, PaymentStatus, RefundCause
from lockstock.warehouses.reservations.contract import ReservationStatus
from lockstock.warehouses.stock.contract import MovementKind

# Where stock is: a variant in a warehouse.
Place = tuple[UUID, UUID]


@dataclass
class Stock:
    """A row of warehouses.stock."""

    variant_id: UUID
    warehouse_id: UUID
    on_hand: int = 0
    held: int = 0
    committed: int = 0
    sequence: int = 0

    @property
    def free(self) -> int:
        """What is promised to nobody."""
        return self.on_hand - self.held - self.committed


@dataclass(frozen=True)
class Movement:
    """A row of warehouses.movements."""

    variant_id: UUID
    warehouse_id: UUID
    sequence: int
    delta: int
    balance: int
    kind: MovementKind
    cause_id: UUID
    actor_id: UUID
    reason: str | None
    request_id: str
    occurred_at: datetime


@dataclass(frozen=True)
class Transfer:
    """A row of warehouses.transfers."""

    id: UUID
    from_warehouse_id: UUID
    to_warehouse_id: UUID
    lines: list[dict[str, Any]]
    reason: str
    actor_id: UUID
    created_at: datetime


@dataclass
class Reservation:
    """A row of warehouses.reservations."""

    order_id: UUID
    customer_id: UUID
    digest: bytes
    created_at: datetime
    expires_at: datetime
    status: ReservationStatus = "held"
    ended_at: datetime | None = None


@dataclass
class Allocation:
    """A row of warehouses.allocations."""

    order_id: UUID
    variant_id: UUID
    warehouse_id: UUID
    quantity: int
    expires_at: datetime
    shipped: int = 0
    returned: int = 0
    status: ReservationStatus = "held"

    @property
    def place(self) -> Place:
        """The stock row that it is promised from."""
        return self.variant_id, self.warehouse_id


@dataclass(frozen=True)
class Line:
    """A row of orders.lines."""

    order_id: UUID
    line: int
    variant_id: UUID
    product_id: UUID
    sku: str
    name: str
    quantity: int
    unit_price_minor: int


@dataclass
class Order:
    """A row of orders.orders."""

    id: UUID
    customer_id: UUID
    currency: str
    total_minor: int
    digest: bytes
    allocations: list[dict[str, Any]]
    ship_to: dict[str, Any]
    created_at: datetime
    expires_at: datetime
    status: OrderStatus = "awaiting_payment"
    paid_at: datetime | None = None
    paid_by: UUID | None = None
    transitions: int = 0


@dataclass(frozen=True)
class Transition:
    """A row of orders.transitions."""

    order_id: UUID
    sequence: int
    from_status: OrderStatus
    to_status: OrderStatus
    at: datetime
    actor_id: UUID | None
    reason: str | None
    request_id: str | None


@dataclass
class Payment:
    """A row of orders.payments."""

    id: UUID
    order_id: UUID
    amount_minor: int
    currency: str
    reference: str
    created_at: datetime
    status: PaymentStatus = "pending"
    captured_minor: int | None = None
    captured_currency: str | None = None


@dataclass(frozen=True)
class PaymentEvent:
    """A row of orders.payment_events, applied."""

    id: UUID
    event_id: str
    payment_id: UUID
    kind: EventKind
    amount_minor: int
    currency: str
    payload: dict[str, Any]
    received_at: datetime
    applied_at: datetime
    outcome: str


@dataclass(frozen=True)
class Refund:
    """A row of orders.refunds, done."""

    id: UUID
    order_id: UUID
    payment_id: UUID
    amount_minor: int
    currency: str
    cause: RefundCause
    reason: str | None
    created_at: datetime
    done_at: datetime
    actor_id: UUID
    request_id: str


@dataclass(frozen=True)
class Shipment:
    """A row of orders.shipments, shipped."""

    id: UUID
    order_id: UUID
    action_id: UUID
    warehouse_id: UUID
    lines: list[dict[str, Any]]
    actor_id: UUID
    request_id: str
    created_at: datetime
    shipped_at: datetime


@dataclass(frozen=True)
class Return:
    """A row of orders.returns, done."""

    id: UUID
    order_id: UUID
    parts: list[dict[str, Any]]
    refund_minor: int
    reason: str
    actor_id: UUID
    request_id: str
    created_at: datetime


@dataclass
class Past:
    """All rows of a shop's past."""

    stock: list[Stock] = field(default_factory=list)
    movements: list[Movement] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    reservations: list[Reservation] = field(default_factory=list)
    allocations: list[Allocation] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    events: list[PaymentEvent] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    shipments: list[Shipment] = field(default_factory=list)
    returns: list[Return] = field(default_factory=list)
