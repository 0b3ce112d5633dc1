"""A process may die, or sleep for long, while it takes stock again for money that came late."""

from datetime import datetime
from uuid import UUID

import pytest

from lockstock.kernel.database import Connection
from lockstock.kernel.ids import new_id
from lockstock.orders.contract import Order
from lockstock.orders.payments import store as payments
from lockstock.orders.payments.contract import Payment
from lockstock.orders.rules import sum_lines
from lockstock.warehouses.reservations.contract import Reservation, Reserve
from tests.orders.killing import Step, both, die_at, killed_at
from tests.orders.market import Market

LATE = both(
    ("reservations", "commit"),
    ("shops", "get"),
    ("payments_store", "ask_stock_checks"),
    ("reservations", "reserve"),
    ("payments_store", "pay_orders"),
    ("inbox_store", "apply_events"),
)


@killed_at(LATE)
async def test_applying_late_money(
    market: Market, monkeypatch: pytest.MonkeyPatch, step: Step, follow: str
) -> None:
    order, payment = await _late(market)
    await die_at(market, monkeypatch, step, lambda: market.send(payment))
    await market.sweep()
    await market.sweep()
    paid = await market.order(order.id)
    assert (paid.status, paid.late) == ("paid", True)
    assert await market.counts() == (10, 0, 2)


@killed_at(LATE[:8])
async def test_late_money_that_died_and_was_sold_out_meanwhile(
    market: Market, monkeypatch: pytest.MonkeyPatch, step: Step, follow: str
) -> None:
    order, payment = await _late(market)
    await die_at(market, monkeypatch, step, lambda: market.send(payment))
    _, held, _ = await market.counts()
    await market.place(10 - held)
    await market.sweep()
    await market.sweep()
    status = (await market.order(order.id)).status
    assert status == ("paid" if held else "expired")
    assert len(await market.refunds_of(order)) == (0 if held else 1)


async def test_stock_that_a_sleeper_took_for_a_cancelled_order_is_freed(market: Market) -> None:
    """It died before it could settle its event, after the order's stock was looked after."""
    order, payment = await _late(market)
    await market.send(payment)
    await market.cancel(await market.order(order.id))
    await market.sweep()
    await _sleeper_takes(market, order)
    assert await market.counts() == (10, 0, 2)
    await market.send(await _unsettled(market, order))
    await market.sweep()
    assert await market.counts() == (10, 0, 0)


async def test_stock_that_a_sleeper_took_for_an_expired_order_is_freed(market: Market) -> None:
    order, payment = await _late(market)
    rest = await market.place(10)
    await market.send(payment)
    assert (await market.order(order.id)).status == "expired"
    await market.cancel(rest)
    await _sleeper_takes(market, order)
    assert await market.counts() == (10, 0, 2)
    await market.sweep()
    assert await market.counts() == (10, 0, 0)
    assert len(await market.refunds_of(order)) == 1


async def test_two_late_payments_go_back_without_waiting_for_each_other(market: Market) -> None:
    """The first has found the stock gone and has given its lease back, so the second asks anew."""
    order, first = await _late(market)
    second = await _unsettled(market, order)
    await market.place(10)
    await market.send(first)
    await market.send(second)
    assert await market.outcomes() == ["refund_late", "refund_late"]
    assert (await market.order(order.id)).status == "expired"
    assert [refund.cause for refund in await market.refunds_of(order)] == ["late", "late"]


async def test_a_second_late_payment_takes_what_is_free_again(market: Market) -> None:
    order, first = await _late(market)
    second = await _unsettled(market, order)
    rest = await market.place(10)
    await market.send(first)
    await market.cancel(rest)
    await market.send(second)
    paid = await market.order(order.id)
    assert (paid.status, paid.late) == ("paid", True)
    assert await market.outcomes() == ["refund_late", "pay_late"]
    await market.sweep()
    assert await market.counts() == (10, 0, 2)


async def test_a_lease_is_given_back_by_its_owner_only(market: Market) -> None:
    """Who has slept through a lease must not end the one that somebody else has taken since."""
    order, _ = await _late(market)
    shop_id = market.shop.id

    async def take(connection: Connection) -> dict[UUID, datetime]:
        return await payments.take_leases(connection, shop_id, [order.id], 120)

    async def ends(leases: dict[UUID, datetime]) -> None:
        await market.database.transaction(lambda c: payments.end_leases(c, shop_id, leases))

    first = await market.database.transaction(take)
    second = await market.database.transaction(take)
    await ends(first)
    query = "SELECT leased_until FROM orders.orders WHERE id = $1"
    [row] = await market.fetch(query, order.id)
    assert row["leased_until"] == second[order.id]
    await ends(second)
    [row] = await market.fetch(query, order.id)
    assert row["leased_until"] is None


async def _sleeper_takes(market: Market, order: Order) -> None:
    """What a process does that slept through its lease while it took stock for late money."""
    [held] = await market.reservations.reserve(
        market.shop.id,
        [
            Reserve(
                order_id=order.id,
                customer_id=order.customer_id,
                lines=sum_lines(order.lines),
                seconds=300,
                again=True,
            )
        ],
    )
    assert isinstance(held, Reservation)
    await market.reservations.commit(market.shop.id, [order.id])


async def _unsettled(market: Market, order: Order) -> Payment:
    """One more attempt to pay, as if it had been started while the order could be paid."""
    rows = await market.fetch(
        "INSERT INTO orders.payments (shop_id, id, order_id, provider, status, amount_minor,"
        " currency, review, created_at) SELECT shop_id, $2, order_id, provider, 'pending',"
        " amount_minor, currency, false, created_at FROM orders.payments WHERE order_id = $1"
        " RETURNING id",
        order.id,
        new_id(),
    )
    return await market.payments.find(rows[0]["id"])


async def _late(market: Market) -> tuple[Order, Payment]:
    """An order past its deadline, unswept, and an attempt to pay it."""
    order = await market.place(2)
    payment = await market.start(order)
    [row] = await market.fetch("SELECT statement_timestamp() AS now")
    for table, column in (
        ("orders.orders", "id"),
        ("warehouses.reservations", "order_id"),
        ("warehouses.allocations", "order_id"),
    ):
        update = f"UPDATE {table} SET expires_at = $1 WHERE {column} = $2"  # noqa: S608
        await market.fetch(update, row["now"], order.id)
    return order, payment
