"""A process may die between any two steps. Whoever comes next finishes what it began.

Each test kills a story at one step after the other, and then either retries with the same key or
lets the sweep run. Before and after that, all invariants hold.
"""

from typing import Any

import pytest

from lockstock.kernel.database import Database
from lockstock.orders.returns.contract import NewReturn, ReturnLine
from lockstock.orders.shipments.contract import NewShipment
from tests.orders.killing import Step, both, die_at, killed_at
from tests.orders.market import Market

PLACING = both(
    ("orders_store", "find_orders"),
    ("shops", "get"),
    ("products", "quote"),
    ("reservations", "reserve"),
    ("orders_store", "place_orders"),
    ("orders_store", "place_lines"),
)


@killed_at(PLACING)
async def test_placing(
    market: Market, monkeypatch: pytest.MonkeyPatch, step: Step, follow: str
) -> None:
    await die_at(market, monkeypatch, step, lambda: market.place(2, "same"))
    order = await market.place(2, "same")
    assert order.status == "awaiting_payment"
    assert await market.counts() == (10, 2, 0)


APPLYING = both(
    ("inbox_store", "look_at_events"),
    ("reservations", "commit"),
    ("orders_store", "lock_rows"),
    ("inbox_store", "lock_events"),
    ("payments_store", "pay_orders"),
    ("orders_store", "move_orders"),
    ("payments_store", "capture_payments"),
    ("inbox_store", "apply_events"),
)


@killed_at(APPLYING, "retry", "sweep")
async def test_applying_money(
    market: Market, monkeypatch: pytest.MonkeyPatch, step: Step, follow: str
) -> None:
    order = await market.place(2)
    payment = await market.start(order)
    await die_at(market, monkeypatch, step, lambda: market.send(payment, event_id="e1"))
    await market.send(payment, event_id="e1" if follow == "sweep" else "e2")
    await market.sweep()
    await market.sweep()
    assert (await market.order(order.id)).status == "paid"
    assert await market.counts() == (10, 0, 2)
    assert await market.refunds_of(order) == []
    assert max(o or "" for o in await market.outcomes()) == "pay"


@killed_at(APPLYING)
async def test_applying_money_and_then_cancelling(
    market: Market, monkeypatch: pytest.MonkeyPatch, step: Step, follow: str
) -> None:
    order = await market.place(2)
    payment = await market.start(order)
    await die_at(market, monkeypatch, step, lambda: market.send(payment))
    await market.cancel(order)
    await market.check()
    await market.sweep()
    assert (await market.order(order.id)).status == "cancelled"
    assert (await market.payment(payment)).status == "refunded"
    assert await market.counts() == (10, 0, 0)


CANCELLING = both(
    ("orders_store", "lock_orders"),
    ("refunds_store", "put_refunds"),
    ("orders_store", "move_orders"),
    ("payments_store", "close_attempts"),
    ("actions_store", "put_action"),
    ("endings_store", "stock_checks"),
    ("reservations", "release"),
    ("endings_store", "clear_stock_checks"),
)


@killed_at(CANCELLING, "retry", "sweep")
async def test_cancelling(
    market: Market, monkeypatch: pytest.MonkeyPatch, step: Step, follow: str
) -> None:
    order = await market.paid(2)
    await die_at(market, monkeypatch, step, lambda: market.cancel(order, "same"))
    if follow == "retry" or await market.transitions(order) != ["paid", "cancelled"]:
        assert (await market.cancel(order, "same")).status == "cancelled"
    else:
        await market.sweep()
    assert await market.counts() == (10, 0, 0)
    await market.sweep()
    refunds = await market.refunds_of(order)
    assert [(refund.amount, refund.status) for refund in refunds] == [(order.total, "done")]
    assert await market.transitions(order) == ["paid", "cancelled"]


SHIPPING = both(
    ("orders_store", "lock_orders"),
    ("shipments_store", "begin_shipments"),
    ("actions_store", "put_action"),
    ("shipments_store", "find_begun"),
    ("shipping", "ship"),
    ("shipments_store", "end_shipments"),
    ("orders_store", "move_orders"),
    ("actions_store", "answer_action"),
)


@killed_at(SHIPPING, "retry", "sweep")
async def test_shipping(
    market: Market, monkeypatch: pytest.MonkeyPatch, step: Step, follow: str
) -> None:
    order = await market.paid(2)

    async def ship() -> None:
        asked = market.asked("same")
        await market.shipments.ship(market.shop.id, order.id, NewShipment(), asked)

    await die_at(market, monkeypatch, step, ship)
    begun = await market.shipments.list_shipments(market.shop.id, order.id)
    if follow == "retry" or not begun:
        await ship()
    else:
        await market.sweep()
    assert (await market.order(order.id)).status == "shipped"
    assert await market.counts() == (8, 0, 0)
    assert len(await market.shipments.list_shipments(market.shop.id, order.id)) == 1
    await ship()
    assert await market.counts() == (8, 0, 0)


RETURNING = both(
    ("orders_store", "lock_orders"),
    ("returns_store", "begin_return"),
    ("actions_store", "put_action"),
    ("shipping", "put_back"),
    ("refunds_store", "put_refunds"),
    ("returns_store", "end_return"),
    ("actions_store", "answer_action"),
)


@killed_at(RETURNING, "retry", "sweep")
async def test_returning(
    market: Market, monkeypatch: pytest.MonkeyPatch, step: Step, follow: str
) -> None:
    order = await market.paid(2)
    await market.shipments.ship(market.shop.id, order.id, NewShipment(), market.asked())
    good = ReturnLine(variant_id=market.variant_id, quantity=1)
    damaged = ReturnLine(variant_id=market.variant_id, quantity=1, condition="damaged")
    ask = NewReturn(lines=[good, damaged])

    async def take_back() -> None:
        await market.returns.take_back(market.shop.id, order.id, ask, market.asked("same"))

    await die_at(market, monkeypatch, step, take_back)
    begun = await market.returns.list_returns(market.shop.id, order.id)
    if follow == "retry" or not begun:
        await take_back()
    await market.sweep()
    assert await market.counts() == (9, 0, 0)
    [refund] = await market.refunds_of(order)
    assert (refund.amount, refund.status) == (order.total, "done")
    await take_back()
    assert await market.counts() == (9, 0, 0)


REFUNDING = both(
    ("refunds_store", "claim_refunds"),
    ("sandbox", "refund"),
    ("payments_store", "lock_payments"),
    ("refunds_store", "end_refund"),
    ("refunds_store", "refund_payment"),
)


@killed_at(REFUNDING)
async def test_refunding(
    market: Market, monkeypatch: pytest.MonkeyPatch, step: Step, follow: str
) -> None:
    order = await market.paid(2)
    await market.cancel(order)
    await die_at(market, monkeypatch, step, market.sweep)
    await market.sweep()
    [refund] = await market.refunds_of(order)
    assert (refund.amount, refund.status) == (order.total, "done")
    [payment] = await market.payments.list_payments(market.shop.id, order.id)
    assert payment.status == "refunded"


STARTING = both(
    ("payments_store", "start_payment"), ("sandbox", "create"), ("payments_store", "open_payment")
)


@killed_at(STARTING)
async def test_starting_a_payment(
    market: Market, monkeypatch: pytest.MonkeyPatch, step: Step, follow: str
) -> None:
    order = await market.place()
    await die_at(market, monkeypatch, step, lambda: market.start(order, "same"))
    payment = await market.start(order, "same")
    assert payment.pay_url == f"http://testserver/v1/sandbox/payments/{payment.id}"
    assert await market.payments.list_payments(market.shop.id, order.id) == [payment]


async def test_an_error_while_applying_is_left_to_the_worker(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await market.place()
    payment = await market.start(order)

    async def fails(*_args: Any) -> Any:
        msg = "warehouses is down"
        raise RuntimeError(msg)

    with monkeypatch.context() as patch:
        patch.setattr(market.reservations, "commit", fails)
        await market.send(payment)
    assert (await market.order(order.id)).status == "awaiting_payment"
    await market.sweep()
    assert (await market.order(order.id)).status == "paid"


async def test_the_fault_can_be_seen(database: Database) -> None:
    """A market whose money is captured and whose order is not paid breaks an invariant."""
    market = await Market(database).open()
    order = await market.paid()
    await market.fetch("UPDATE orders.orders SET status = 'expired' WHERE id = $1", order.id)
    with pytest.raises(AssertionError):
        await market.check()
