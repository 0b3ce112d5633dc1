"""Every race a payment can lose: a test per row of the table."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstock.kernel.ids import new_id
from lockstock.orders.contract import OrderStatus
from lockstock.orders.payments.rules import (
    REFUND_CAUSE,
    UNASKED,
    Decision,
    Facts,
    StockAnswer,
    decide,
    settle,
)
from lockstock.warehouses.reservations.contract import (
    Reservation,
    ReservationExpired,
    ReservationReleased,
)

ORDER, PAYMENT = new_id(), new_id()


def _reservation(attempt: int = 1) -> Reservation:
    return Reservation(
        order_id=ORDER,
        attempt=attempt,
        status="committed",
        expires_at=datetime(2026, 1, 1, tzinfo=UTC),
        allocations=[],
    )


COMMITTED = StockAnswer("committed", _reservation())
TAKEN_AGAIN = StockAnswer("committed", _reservation(2))
GONE = StockAnswer("gone")
SOLD_OUT = StockAnswer("sold_out")


def facts(kind: Any = "captured", **fields: Any) -> Facts:
    """A captured event for an order that awaits it, but for these fields."""
    known = Facts(
        event_id=new_id(),
        kind=kind,
        amount_minor=100,
        currency="EUR",
        payment_id=PAYMENT,
        payment_status="pending",
        asked_minor=100,
        asked_currency="EUR",
        order_id=ORDER,
        order_status="awaiting_payment",
    )
    return replace(known, **fields)


ROWS: list[tuple[str, Facts, StockAnswer, Decision]] = [
    ("captured, awaiting: the commit decides", facts(), UNASKED, "ask_stock"),
    ("captured, awaiting, committed", facts(), COMMITTED, "pay"),
    ("captured, awaiting past its deadline", facts(), GONE, "take_again"),
    ("captured, expired", facts(order_status="expired"), UNASKED, "ask_stock"),
    ("captured, expired, stock gone", facts(order_status="expired"), GONE, "take_again"),
    ("late, taken again", facts(order_status="expired"), TAKEN_AGAIN, "pay_late"),
    ("late, sold out", facts(order_status="expired"), SOLD_OUT, "refund_late"),
    ("late, sold out, not marked yet", facts(), SOLD_OUT, "refund_late"),
    ("somebody else is taking it again", facts(leased=True), GONE, "keep"),
    ("captured, cancelled", facts(order_status="cancelled"), UNASKED, "refund_cancelled"),
    ("cancelled while it was committed", facts(order_status="cancelled"), COMMITTED,
     "refund_cancelled"),
    ("captured, same attempt, paid", facts(order_status="paid", payment_status="captured"),
     UNASKED, "nothing"),
    ("captured, same attempt, refunded", facts(order_status="cancelled", payment_status="refunded"),
     UNASKED, "nothing"),
    ("captured, another attempt, paid", facts(order_status="paid"), UNASKED, "refund_surplus"),
    ("captured, another attempt, shipped", facts(order_status="shipped"), UNASKED,
     "refund_surplus"),
    ("captured after failed", facts(payment_status="failed"), UNASKED, "ask_stock"),
    ("captured after the attempt was closed", facts(payment_status="cancelled"), UNASKED,
     "ask_stock"),
    ("failed, awaiting", facts("failed"), UNASKED, "attempt_failed"),
    ("cancelled, awaiting", facts("cancelled"), UNASKED, "attempt_cancelled"),
    ("failed, expired", facts("failed", order_status="expired"), UNASKED, "attempt_failed"),
    ("failed, paid", facts("failed", order_status="paid"), UNASKED, "ignored"),
    ("cancelled, paid", facts("cancelled", order_status="paid"), UNASKED, "ignored"),
    ("failed after captured", facts("failed", payment_status="captured"), UNASKED, "ignored"),
    ("failed twice", facts("failed", payment_status="failed"), UNASKED, "ignored"),
    ("amount differs", facts(amount_minor=99), UNASKED, "refund_mismatch"),
    ("amount differs, committed", facts(amount_minor=101), COMMITTED, "refund_mismatch"),
    ("currency differs", facts(currency="USD"), UNASKED, "refund_mismatch"),
    ("amount differs, cancelled", facts(amount_minor=1, order_status="cancelled"), UNASKED,
     "refund_mismatch"),
    ("payment not known yet", facts(payment_status=None), UNASKED, "keep"),
    ("order not known yet", facts(order_status=None), UNASKED, "keep"),
    ("an earlier event waits", facts(waits=True), COMMITTED, "keep"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "known", "answer", "decision"), ROWS, ids=[r[0] for r in ROWS])
def test_each_row_of_the_table(
    row: str, known: Facts, answer: StockAnswer, decision: Decision
) -> None:
    assert decide(known, answer) == decision


def test_a_refused_commit_means_that_the_stock_is_gone() -> None:
    assert StockAnswer.of_commit(ReservationExpired("late")).stock == "gone"
    assert StockAnswer.of_commit(ReservationReleased("gone")).stock == "gone"
    assert StockAnswer.of_commit(_reservation()).stock == "committed"


def test_two_attempts_in_one_batch_pay_once_and_refund_the_other() -> None:
    first, second = facts(), facts(payment_id=new_id())
    effects = settle([first, second], {ORDER: COMMITTED})
    assert [paid.payment_id for paid in effects.paid] == [PAYMENT]
    assert [back.payment_id for back in effects.refunds] == [second.payment_id]
    assert len(effects.captured) == 2


def test_two_events_of_one_attempt_take_money_once() -> None:
    effects = settle([facts(), facts()], {ORDER: COMMITTED})
    assert len(effects.captured) == len(effects.paid) == 1
    assert [outcome for _, outcome in effects.applied] == ["pay", "nothing"]


def test_late_money_expires_the_order_before_its_stock_is_taken_again() -> None:
    effects = settle([facts(), facts(payment_id=new_id())], {ORDER: GONE})
    assert effects.moves == [(ORDER, "awaiting_payment", "expired")]
    assert list(effects.take_again) == [ORDER]
    assert not effects.applied
    assert len(effects.kept) == 1, "one takes the stock, the other waits for what comes of it"


def test_stock_that_was_committed_for_an_ended_order_is_looked_after() -> None:
    done = facts(applied=True, order_status="cancelled", payment_status="captured")
    assert settle([done], {ORDER: COMMITTED}).check_stock == [ORDER]


def test_money_for_a_cancelled_order_has_its_stock_freed_once_more() -> None:
    assert settle([facts(order_status="cancelled")], {}).check_stock == [ORDER]


@given(
    st.sampled_from(["captured", "failed", "cancelled"]),
    st.sampled_from(["pending", "captured", "failed", "cancelled", "refunded"]),
    st.sampled_from(
        [
            "awaiting_payment",
            "paid",
            "partly_shipped",
            "shipped",
            "completed",
            "cancelled",
            "expired",
        ]
    ),
    st.sampled_from([UNASKED, COMMITTED, TAKEN_AGAIN, GONE, SOLD_OUT]),
    st.integers(99, 101),
    st.booleans(),
)
def test_new_money_ends_as_a_paid_order_or_a_refund_or_waits(
    kind: str,
    payment_status: str,
    order_status: OrderStatus,
    answer: StockAnswer,
    amount_minor: int,
    waits: bool,
) -> None:
    known = facts(
        kind,
        payment_status=payment_status,
        order_status=order_status,
        amount_minor=amount_minor,
        waits=waits,
    )
    effects = settle([known], {ORDER: answer})
    assert len(effects.applied) + len(effects.kept) + len(effects.take_again) == 1
    for captured in effects.captured:
        ways = [p.payment_id for p in effects.paid] + [b.payment_id for b in effects.refunds]
        assert ways == [captured.payment_id]
    if effects.paid:
        assert answer.stock == "committed"
        assert amount_minor == 100
    if answer.stock == "committed" and not effects.paid:
        ended = order_status in ("cancelled", "expired")
        assert (ORDER in effects.check_stock) == ended
    for _, before, after in effects.moves:
        assert before == order_status
        assert after in ("paid", "expired")


def test_each_refund_has_one_cause() -> None:
    assert len(set(REFUND_CAUSE.values())) == len(REFUND_CAUSE)


def test_money_of_nothing_needs_no_refund() -> None:
    free = facts(amount_minor=0, asked_minor=0, order_status="cancelled")
    effects = settle([free], {})
    assert effects.captured
    assert not effects.refunds


def test_refunds_have_the_same_id_however_often_they_are_decided() -> None:
    known = facts(order_status="cancelled")
    ids: list[UUID] = [settle([known], {}).refunds[0].id for _ in range(2)]
    assert ids[0] == ids[1]
