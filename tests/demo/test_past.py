"""The past that is made up for the demo could have happened, whatever the seed."""

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from lockstock.demo.past import Allocation, Past
from lockstock.demo.rules import simulate
from lockstock.demo.scene import Setting
from lockstock.demo.shelves import Shelves, Why
from lockstock.kernel.ids import derived_id
from lockstock.orders.rules import may_become
from tests.demo.scenes import committed, least_free, moved, northwick, settings

NOW = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)
PAID = ("paid", "partly_shipped", "shipped", "completed")
any_past = given(settings(), st.integers(0, 2**32))
few = effort(max_examples=15, deadline=None)


@pytest.fixture(scope="module")
def past() -> Past:
    return simulate(northwick(NOW), 20)


@few
@any_past
def test_nothing_was_ever_promised_twice(setting: Setting, seed: int) -> None:
    assert min(least_free(simulate(setting, seed)).values(), default=0) >= 0


def test_the_check_sees_what_was_promised_twice(past: Past) -> None:
    assert min(least_free(past).values()) == 0
    twice = replace(past, allocations=past.allocations * 2)
    assert min(least_free(twice).values()) < 0


@few
@any_past
def test_counters_are_what_the_ledger_and_the_promises_say(setting: Setting, seed: int) -> None:
    past = simulate(setting, seed)
    ledger = defaultdict(list)
    for move in past.movements:
        ledger[move.variant_id, move.warehouse_id].append(move)
    promised = committed(past)
    for row in past.stock:
        place = (row.variant_id, row.warehouse_id)
        moves = ledger.pop(place, [])
        assert [move.sequence for move in moves] == list(range(1, row.sequence + 1))
        assert [move.occurred_at for move in moves] == sorted(m.occurred_at for m in moves)
        balance = 0
        for move in moves:
            balance += move.delta
            assert move.balance == balance >= 0
        assert (row.on_hand, row.held, row.committed) == (balance, 0, promised.pop(place, 0))
    assert not ledger
    assert not any(promised.values())


@few
@any_past
def test_units_are_conserved(setting: Setting, seed: int) -> None:
    past = simulate(setting, seed)
    shipped: Counter[UUID] = Counter()
    returned: Counter[UUID] = Counter()
    on_hand: Counter[UUID] = Counter()
    for part in past.allocations:
        shipped[part.variant_id] += part.shipped
        returned[part.variant_id] += part.returned
    for row in past.stock:
        on_hand[row.variant_id] += row.on_hand
    came = moved(past, "receive", "return", "adjust", "count")
    gone, back = moved(past, "ship"), moved(past, "return")
    transferred = moved(past, "transfer_out", "transfer_in")
    for good in setting.goods:
        variant = good.variant_id
        assert came[variant] == on_hand[variant] + shipped[variant]
        assert -gone[variant] == shipped[variant]
        assert back[variant] == returned[variant] <= shipped[variant]
        assert transferred[variant] == 0


@few
@any_past
def test_orders_are_worth_their_lines_and_paid_by_captured_money(
    setting: Setting, seed: int
) -> None:
    past = simulate(setting, seed)
    totals: Counter[UUID] = Counter()
    units: Counter[tuple[UUID, UUID]] = Counter()
    parts: Counter[tuple[UUID, UUID]] = Counter()
    for line in past.lines:
        totals[line.order_id] += line.quantity * line.unit_price_minor
        units[line.order_id, line.variant_id] += line.quantity
    for part in past.allocations:
        parts[part.order_id, part.variant_id] += part.quantity
    assert units == parts
    payments = {item.id: item for item in past.payments}
    refunded: Counter[UUID] = Counter()
    for refund in past.refunds:
        refunded[refund.payment_id] += refund.amount_minor
    for order in past.orders:
        assert order.total_minor == totals[order.id]
        assert (order.status in PAID) <= (order.paid_by is not None)
        if order.paid_by is None:
            continue
        payment = payments.pop(order.paid_by)
        assert payment.captured_minor == order.total_minor >= refunded[payment.id]
        assert order.paid_at is not None
        assert order.created_at < order.paid_at < order.expires_at
        assert (payment.status == "refunded") == (refunded[payment.id] == order.total_minor)
        assert order.status in PAID or payment.status == "refunded"
    assert {item.status for item in payments.values()} <= {"failed"}


@few
@any_past
def test_orders_went_only_ways_that_orders_may_go(setting: Setting, seed: int) -> None:
    past = simulate(setting, seed)
    steps = defaultdict(list)
    for step in past.transitions:
        steps[step.order_id].append(step)
    for order in past.orders:
        status, at = "awaiting_payment", order.created_at
        for number, step in enumerate(steps[order.id], start=1):
            assert (step.sequence, step.from_status) == (number, status)
            assert may_become(step.from_status, step.to_status)
            assert at < step.at
            status, at = step.to_status, step.at
        assert (order.status, order.transitions) == (status, len(steps[order.id]))


@few
@any_past
def test_everything_is_between_the_start_and_now(setting: Setting, seed: int) -> None:
    past = simulate(setting, seed)
    times = {
        value
        for rows in vars(past).values()
        for row in rows
        for value in vars(row).values()
        if isinstance(value, datetime)
    }
    assert all(setting.start <= time <= setting.now for time in times)
    assert all(
        item.ended_at is not None or item.status == "committed" for item in past.reservations
    )


@effort(max_examples=5, deadline=None)
@any_past
def test_the_same_seed_tells_the_same_past(setting: Setting, seed: int) -> None:
    assert simulate(setting, seed) == simulate(setting, seed)
    assert simulate(setting, seed) != simulate(setting, seed + 1)


@pytest.mark.parametrize("day", range(7))
def test_the_demo_shop_looks_lived_in_on_any_day(day: int) -> None:
    setting = northwick(NOW + timedelta(days=day, hours=3 * day))
    past = simulate(setting, 20)
    assert len(past.orders) > 300
    statuses = {order.status for order in past.orders}
    assert {"paid", "shipped", "completed", "cancelled", "expired"} <= statuses
    assert {"receive", "ship", "return", "count", "adjust", "transfer_in"} <= {
        move.kind for move in past.movements
    }
    assert {refund.cause for refund in past.refunds} == {"cancelled", "returned"}
    free: Counter[UUID] = Counter()
    for row in past.stock:
        free[row.variant_id] += row.free
    levels = sorted(free.values())
    assert sum(level == 0 for level in levels) >= 3
    assert sum(0 < level <= 8 for level in levels) >= 3
    assert levels[-1] > 5000
    assert all(row.on_hand for row in past.stock if row.on_hand > 5000)
    assert len({parcel.warehouse_id for parcel in past.shipments}) == 3


def test_shelves_refuse_to_promise_more_than_there_is() -> None:
    shelves = Shelves(Past())
    place = derived_id("variant"), derived_id("warehouse")
    why = Why("receive", derived_id("delivery"), derived_id("clerk"), "request", NOW)
    shelves.post(place, 2, why)
    shelves.hold(Allocation(derived_id("one"), *place, 2, NOW))
    with pytest.raises(ValueError, match="more is promised"):
        shelves.hold(Allocation(derived_id("two"), *place, 1, NOW))
