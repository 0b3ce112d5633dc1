"""Cancelling and completing orders, and money that goes back."""

import asyncio
import random
import time

import pytest

from lockstock.kernel.errors import IdempotencyKeyReused
from lockstock.orders.contract import Cancel, NotCancellable, NotCompletable, Order
from lockstock.orders.payments.contract import NewRefund, Payment, RefundTooMuch
from lockstock.orders.shipments.contract import NewShipment
from tests.orders.market import PRICE_MINOR, Market

ROUNDS = 60
AT_ONCE = 3


async def test_a_cancelled_order_frees_its_stock(market: Market) -> None:
    order = await market.place(3)
    assert (await market.cancel(order)).status == "cancelled"
    assert await market.counts() == (10, 0, 0)
    assert await market.transitions(order) == ["cancelled"]


async def test_cancelling_twice_answers_the_same(market: Market) -> None:
    order = await market.place()
    first = await market.cancel(order, key="same")
    asked = market.asked("same")
    again = await market.orders.cancel(market.shop.id, order.id, Cancel(), asked)
    assert (again.answer, again.replayed) == (first, True)
    assert await market.cancel(order) == first
    with pytest.raises(IdempotencyKeyReused):
        await market.orders.cancel(market.shop.id, order.id, Cancel(reason="no"), asked)
    assert await market.transitions(order) == ["cancelled"]


async def test_cancelling_a_paid_order_frees_its_stock_and_refunds_it(market: Market) -> None:
    order = await market.paid(2)
    await market.cancel(order)
    assert await market.counts() == (10, 0, 0)
    await market.sweep()
    [refund] = await market.refunds_of(order)
    assert (refund.cause, refund.status) == ("cancelled", "done")
    assert refund.amount == order.total
    [payment] = await market.payments.list_payments(market.shop.id, order.id)
    assert payment.status == "refunded"


async def test_what_was_refunded_before_is_not_refunded_again(market: Market) -> None:
    order = await market.paid()
    ask = NewRefund(amount_minor=200, reason="scratched")
    await market.refunds.refund(market.shop.id, order.id, ask, market.asked())
    await market.cancel(order)
    await market.sweep()
    amounts = [refund.amount.amount_minor for refund in await market.refunds_of(order)]
    assert amounts == [200, PRICE_MINOR - 200]


async def test_an_order_that_ships_or_has_ended_cannot_be_cancelled(market: Market) -> None:
    order = await market.paid(2)
    await market.shipments.ship(market.shop.id, order.id, NewShipment(), market.asked())
    with pytest.raises(NotCancellable):
        await market.cancel(order)
    short = await Market(market.database).open(reservation_seconds=1)
    late = await short.place()
    await asyncio.sleep(1.1)
    with pytest.raises(NotCancellable):
        await short.cancel(late)


async def test_only_a_shipped_order_can_be_completed(market: Market) -> None:
    order = await market.paid()
    with pytest.raises(NotCompletable):
        await market.orders.complete(market.shop.id, order.id, market.asked())
    await market.shipments.ship(market.shop.id, order.id, NewShipment(), market.asked())
    for _ in range(2):
        done = await market.orders.complete(market.shop.id, order.id, market.asked())
        assert done.answer.status == "completed"
    assert await market.transitions(order) == ["paid", "shipped", "completed"]


async def test_no_more_is_refunded_than_was_paid(market: Market) -> None:
    order = await market.paid()

    async def give_back(amount_minor: int, key: str | None = None) -> bool:
        ask = NewRefund(amount_minor=amount_minor, reason="sorry")
        done = await market.refunds.refund(market.shop.id, order.id, ask, market.asked(key))
        return done.replayed

    assert not await give_back(1000, "same")
    assert await give_back(1000, "same")
    with pytest.raises(IdempotencyKeyReused):
        await give_back(999, "same")
    with pytest.raises(RefundTooMuch) as refusal:
        await give_back(251)
    assert refusal.value.fields["refundable_minor"] == 250
    answers = await asyncio.gather(*(give_back(100) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(answer, RefundTooMuch) for answer in answers) == 3
    await market.sweep()
    assert (await market.order(order.id)).status == "paid"


async def test_nothing_is_refunded_that_was_not_paid(market: Market) -> None:
    order = await market.place()
    ask = NewRefund(amount_minor=1, reason="sorry")
    with pytest.raises(RefundTooMuch):
        await market.refunds.refund(market.shop.id, order.id, ask, market.asked())


async def test_open_attempts_of_an_ended_order_are_closed(market: Market) -> None:
    order = await market.place()
    payment = await market.start(order)
    await market.cancel(order)
    await market.sweep()
    assert (await market.payment(payment)).status == "cancelled"


PAST_DEADLINE = (
    "UPDATE orders.orders SET expires_at = created_at",
    "UPDATE warehouses.reservations SET expires_at = created_at",
    (
        "UPDATE warehouses.allocations a SET expires_at = r.expires_at"
        " FROM warehouses.reservations r WHERE r.order_id = a.order_id"
    ),
)
# What cannot be: the hold is not counted, so ending it breaks a promise of the table.
SPOIL = "UPDATE warehouses.stock SET held = 0 WHERE shop_id = $1"
MEND = "UPDATE warehouses.stock SET held = 1 WHERE shop_id = $1"


async def test_a_shop_whose_holds_cannot_be_ended_keeps_no_other_shop_waiting(
    market: Market,
) -> None:
    """Of several shops that are due the one with the oldest deadline is swept first."""
    other = await Market(market.database).open()
    stuck, order = await market.place(), await other.place()
    await market.fetch(SPOIL, market.shop.id)
    for statement in PAST_DEADLINE:
        await market.fetch(statement)
    assert await market.orders.sweep(500) == 1
    assert (await other.transitions(order), await market.transitions(stuck)) == (["expired"], [])
    second = await other.place()
    for statement in PAST_DEADLINE:
        await market.fetch(statement)
    assert await market.reservations.sweep(500) == second.lines[0].quantity
    assert await other.counts() == (10, 0, 0)
    await market.fetch(MEND, market.shop.id)


@pytest.mark.races
async def test_paying_and_cancelling_at_once_never_lose_money_or_stock(market: Market) -> None:
    """Whoever wins, in whichever order the steps meet."""
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    won = {"paid": 0, "cancelled": 0}
    # So that either may come first: cancelling starts somewhere within what paying takes.
    started = time.monotonic()
    await market.cancel(await market.paid())
    paying_seconds = time.monotonic() - started

    async def race(order: Order, payment: Payment) -> None:
        async def cancel() -> None:
            await asyncio.sleep(chance.random() * paying_seconds)
            await market.cancel(order)

        await asyncio.gather(market.send(payment), cancel())

    await market.receive(ROUNDS)
    orders = [await market.place() for _ in range(ROUNDS)]
    pairs = [(order, await market.start(order)) for order in orders]
    for first in range(0, ROUNDS, AT_ONCE):
        await asyncio.gather(*(race(*pair) for pair in pairs[first : first + AT_ONCE]))
    await market.check()
    await market.sweep()
    for order, payment in pairs:
        won["paid" if "paid" in await market.transitions(order) else "cancelled"] += 1
        # A paid order can be cancelled too, so all of them are, in the end.
        assert (await market.order(order.id)).status == "cancelled", f"seed {seed}"
        assert (await market.payment(payment)).status == "refunded", f"seed {seed}"
        refunds = await market.refunds_of(order)
        assert [refund.amount for refund in refunds] == [order.total], f"seed {seed}"
    assert await market.counts() == (10 + ROUNDS, 0, 0), f"seed {seed}"
    assert all(won.values()), f"seed {seed}: the race has only one side: {won}"
