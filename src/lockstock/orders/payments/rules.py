"""Every race a payment can lose, decided. Pure functions on plain values.

What is kept to, whatever happens in whichever order: captured money ends with committed stock or
with a refund on record, and no stock stays committed for an order that was cancelled or expired.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from lockstock.kernel.errors import Refusal
from lockstock.kernel.ids import derived_id
from lockstock.orders.contract import OrderStatus
from lockstock.orders.payments.contract import EventKind, PaymentStatus, RefundCause
from lockstock.orders.rules import PAID
from lockstock.warehouses.contract import Allocation
from lockstock.warehouses.reservations.contract import Reservation

# What is known of an order's stock: not asked yet; committed; free again; and taken by others.
Stock = Literal["unasked", "committed", "gone", "sold_out"]

Decision = Literal[
    "keep",  # try again later
    "ask_stock",  # commit the reservation; the answer decides
    "take_again",  # late money: take the same lines again
    "pay",
    "pay_late",
    "refund_cancelled",
    "refund_surplus",
    "refund_late",
    "refund_mismatch",
    "attempt_failed",
    "attempt_cancelled",
    "nothing",  # this attempt has its money already
    "ignored",
]
REFUND_CAUSE: dict[Decision, RefundCause] = {
    "refund_cancelled": "cancelled",
    "refund_surplus": "surplus",
    "refund_late": "late",
    "refund_mismatch": "mismatch",
}


@dataclass(frozen=True)
class Facts:
    """An event, its payment and its order, as they are kept. None: not known (yet)."""

    event_id: UUID
    kind: EventKind
    amount_minor: int
    currency: str
    # The event has been applied.
    applied: bool = False
    # An earlier event of the same payment has not been applied yet.
    waits: bool = False
    payment_id: UUID | None = None
    payment_status: PaymentStatus | None = None
    asked_minor: int = 0
    asked_currency: str = ""
    order_id: UUID | None = None
    # As it is written, not as it reads: past the deadline it is the reservation that decides.
    order_status: OrderStatus | None = None
    # The attempt at stock that the order was placed with.
    order_attempt: int = 1
    # Another process is taking stock for this order again, right now.
    leased: bool = False


@dataclass(frozen=True)
class StockAnswer:
    """What warehouses answered about an order's stock."""

    stock: Stock
    reservation: Reservation | None = None

    @classmethod
    def of_commit(cls, answer: Reservation | Refusal) -> "StockAnswer":
        """Read the answer to a commit."""
        if isinstance(answer, Reservation):
            return cls("committed", answer)
        return cls("gone")


UNASKED = StockAnswer("unasked")


def decide(facts: Facts, answer: StockAnswer = UNASKED) -> Decision:
    """Decide what an event does to its order, knowing what is known of the stock."""
    if facts.payment_status is None or facts.order_status is None:
        return "keep"
    # In the order in which they came. Otherwise a second event could settle a payment whose first
    # has committed stock, in a process that died before it could write so.
    if facts.waits:
        return "keep"
    if facts.kind != "captured":
        return _decide_no_money(facts)
    if facts.payment_status in ("captured", "refunded"):
        return "nothing"
    if (facts.amount_minor, facts.currency) != (facts.asked_minor, facts.asked_currency):
        return "refund_mismatch"
    if facts.order_status == "cancelled":
        return "refund_cancelled"
    if facts.order_status in PAID:
        return "refund_surplus"
    return _decide_money(facts, answer)


def _decide_no_money(facts: Facts) -> Decision:
    if facts.order_status in PAID or facts.payment_status != "pending":
        return "ignored"
    return "attempt_failed" if facts.kind == "failed" else "attempt_cancelled"


def _decide_money(facts: Facts, answer: StockAnswer) -> Decision:
    """Decide on money for an order that awaits it, or that has expired."""
    match answer.stock:
        case "unasked":
            return "ask_stock"
        case "committed":
            taken = answer.reservation
            is_late = taken is not None and taken.attempt > facts.order_attempt
            return "pay_late" if is_late else "pay"
        case "sold_out":
            return "refund_late"
        case "gone":
            return "keep" if facts.leased else "take_again"


@dataclass(frozen=True)
class Paid:
    """An order has its money: from which payment, with which stock."""

    order_id: UUID
    payment_id: UUID
    late: bool
    allocations: list[Allocation] | None


@dataclass(frozen=True)
class Captured:
    """A payment has taken money."""

    payment_id: UUID
    amount_minor: int
    currency: str
    review: bool


@dataclass(frozen=True)
class Back:
    """Money that goes back."""

    id: UUID
    order_id: UUID
    payment_id: UUID
    amount_minor: int
    currency: str
    cause: RefundCause
    reason: str | None = None


@dataclass
class Effects:
    """All that a batch of events comes to, ready to be written in one transaction."""

    paid: list[Paid] = field(default_factory=list)
    # order id, status before, status after
    moves: list[tuple[UUID, OrderStatus, OrderStatus]] = field(default_factory=list)
    captured: list[Captured] = field(default_factory=list)
    ended: list[tuple[UUID, PaymentStatus]] = field(default_factory=list)
    refunds: list[Back] = field(default_factory=list)
    applied: list[tuple[UUID, str]] = field(default_factory=list)
    kept: list[UUID] = field(default_factory=list)
    # Orders whose stock is to be taken again by whoever wrote this.
    take_again: dict[UUID, UUID] = field(default_factory=dict)
    # Until when whoever wrote this may do so alone.
    leases: dict[UUID, datetime] = field(default_factory=dict)
    # Orders that have ended and may have stock all the same.
    check_stock: list[UUID] = field(default_factory=list)


def settle(batch: Sequence[Facts], answers: Mapping[UUID, StockAnswer]) -> Effects:
    """Decide a batch, in the order in which the events came.

    `answers` says per order what is known of its stock. Each event sees what those before it did.
    """
    effects = Effects()
    orders: dict[UUID, OrderStatus] = {}
    payments: dict[UUID, PaymentStatus] = {}
    for facts in batch:
        if facts.order_id is not None and facts.order_status is not None:
            orders.setdefault(facts.order_id, facts.order_status)
        if facts.applied:
            continue
        now = replace(
            facts,
            order_status=orders.get(facts.order_id) if facts.order_id else None,
            payment_status=payments.get(facts.payment_id, facts.payment_status)
            if facts.payment_id
            else None,
            leased=facts.leased or facts.order_id in effects.take_again,
        )
        answer = answers.get(facts.order_id, UNASKED) if facts.order_id else UNASKED
        _settle_one(now, answer, effects)
        _follow(effects, orders, payments)
    effects.check_stock += [
        order_id
        for order_id, answer in answers.items()
        # Stock was committed, and the order turns out to have ended: see that it is freed.
        if answer.stock == "committed" and orders.get(order_id) in ("cancelled", "expired")
    ]
    return effects


def _follow(
    effects: Effects, orders: dict[UUID, OrderStatus], payments: dict[UUID, PaymentStatus]
) -> None:
    orders.update((order_id, after) for order_id, _, after in effects.moves)
    payments.update((item.payment_id, "captured") for item in effects.captured)
    payments.update(effects.ended)


def _settle_one(facts: Facts, answer: StockAnswer, effects: Effects) -> None:
    decision = decide(facts, answer)
    order_id, payment_id, status = facts.order_id, facts.payment_id, facts.order_status
    if decision in ("keep", "ask_stock") or order_id is None or payment_id is None:
        effects.kept.append(facts.event_id)
        return
    if decision == "take_again":
        effects.take_again[order_id] = facts.event_id
        if status == "awaiting_payment":
            # Nobody can cancel an expired order, so nobody frees the stock that is being taken.
            effects.moves.append((order_id, "awaiting_payment", "expired"))
        return
    effects.applied.append((facts.event_id, decision))
    if decision in ("pay", "pay_late") and status is not None:
        taken = answer.reservation
        effects.paid.append(
            Paid(order_id, payment_id, decision == "pay_late", taken.allocations if taken else None)
        )
        effects.moves.append((order_id, status, "paid"))
    if decision in ("attempt_failed", "attempt_cancelled"):
        effects.ended.append(
            (payment_id, "failed" if decision == "attempt_failed" else "cancelled")
        )
    if decision in ("pay", "pay_late") or decision in REFUND_CAUSE:
        effects.captured.append(
            Captured(payment_id, facts.amount_minor, facts.currency, decision == "refund_mismatch")
        )
    if decision in REFUND_CAUSE:
        _settle_refund(facts, decision, effects)


def _settle_refund(facts: Facts, decision: Decision, effects: Effects) -> None:
    assert facts.order_id is not None  # noqa: S101 (money of an unknown order is kept waiting)
    assert facts.payment_id is not None  # noqa: S101
    if facts.amount_minor:
        effects.refunds.append(
            Back(
                derived_id("refund", facts.payment_id, "whole"),
                facts.order_id,
                facts.payment_id,
                facts.amount_minor,
                facts.currency,
                REFUND_CAUSE[decision],
            )
        )
    if decision == "refund_late" and facts.order_status == "awaiting_payment":
        effects.moves.append((facts.order_id, "awaiting_payment", "expired"))
    if decision == "refund_cancelled":
        # Between the look and this, the same money may have committed the stock of an order that
        # was cancelled meanwhile, in a process that has died since. Freeing it twice is harmless.
        effects.check_stock.append(facts.order_id)
