"""Placing orders: the verb, on the real database with the real neighbours."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from lockstock.kernel.errors import Refusal
from lockstock.kernel.ids import new_id
from lockstock.orders import store
from lockstock.orders.contract import NewOrder, OrderList, PlaceAsk, Position
from lockstock.warehouses.contract import Line
from lockstock.warehouses.reservations.contract import OutOfStock, Reservation, Reserve
from tests.orders.market import PRICE_MINOR, Market, placed, refused


async def test_an_order_holds_its_stock_and_freezes_its_prices(market: Market) -> None:
    order = await market.place(3)
    assert (order.status, order.total.amount_minor) == ("awaiting_payment", 3 * PRICE_MINOR)
    assert [(a.warehouse_id, a.quantity) for a in order.allocations] == [(market.warehouse_id, 3)]
    assert await market.counts() == (10, 3, 0)
    assert await market.order(order.id) == order


async def test_a_retry_returns_the_first_order_as_it_was(market: Market) -> None:
    first = await market.place(2, key="same")
    await market.pay(first)
    [again] = await market.orders.place(market.shop.id, [market.asking(2, "same")])
    assert not isinstance(again, Refusal)
    assert again.replayed
    assert again.answer == first
    assert await market.counts() == (10, 0, 2)


async def test_a_key_with_another_body_is_refused(market: Market) -> None:
    await market.place(2, key="same")
    answers = await market.orders.place(market.shop.id, [market.asking(3, "same")])
    assert refused(answers) == ["idempotency_key_reused"]
    assert await market.counts() == (10, 2, 0)


async def test_a_batch_answers_each_in_its_place(market: Market) -> None:
    unknown = PlaceAsk(
        order_id=new_id(),
        customer_id=market.customer_id,
        ask=NewOrder(lines=[Line(variant_id=new_id(), quantity=1)]),
    )
    answers = await market.orders.place(
        market.shop.id,
        [
            market.asking(4, "a"),
            unknown,
            market.asking(4, "a"),
            market.asking(5, "a"),
            market.asking(7, "b"),
            market.asking(6, "c"),
        ],
    )
    assert refused(answers) == [
        "",
        "invalid_input",
        "",
        "idempotency_key_reused",
        "out_of_stock",
        "",
    ]
    assert await market.counts() == (10, 10, 0)


async def test_a_refusal_leaves_nothing_and_the_key_can_be_used_again(market: Market) -> None:
    ask = market.asking(11, "same")
    [refusal] = await market.orders.place(market.shop.id, [ask])
    assert isinstance(refusal, OutOfStock)
    assert refusal.fields["lines"][0]["available"] == 10
    assert await market.counts() == (10, 0, 0)
    await market.receive(1)
    assert (await market.place(11, "same")).id == ask.order_id


async def test_a_hundred_at_once_are_one_order(market: Market) -> None:
    answers = await asyncio.gather(*(market.place(1, "same") for _ in range(100)))
    assert len({order.model_dump_json() for order in answers}) == 1
    assert await market.counts() == (10, 1, 0)


async def test_a_process_that_died_after_the_hold_is_followed_by_the_same_key(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store, "place_orders", _dies)
        with pytest.raises(Died):
            await market.place(2, "same")
    assert await market.counts() == (10, 2, 0)
    order = await market.place(2, "same")
    assert order.status == "awaiting_payment"
    assert await market.counts() == (10, 2, 0)


async def test_a_hold_that_ended_before_its_order_was_placed_is_taken_again(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store, "place_orders", _dies)
        with pytest.raises(Died):
            await market.place(2, "same")
    await market.reservations.release(market.shop.id, [market.asking(2, "same").order_id])
    order = await market.place(2, "same")
    assert (await market.order(order.id)).status == "awaiting_payment"
    assert await market.counts() == (10, 2, 0)
    await market.pay(order)
    paid = await market.order(order.id)
    assert (paid.status, paid.late) == ("paid", False)


async def test_an_order_is_not_placed_past_its_deadline(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve = market.reservations.reserve
    rounds = []

    async def slow(shop_id: UUID, asks: Sequence[Reserve]) -> list[Reservation | Refusal]:
        rounds.append(asks)
        answers = await reserve(shop_id, asks)
        if len(rounds) == 1:
            await market.reservations.release(shop_id, [ask.order_id for ask in asks])
            return [_long_ago(answer) for answer in answers]
        return answers

    monkeypatch.setattr(market.reservations, "reserve", slow)
    order = await market.place(2)
    assert order.status == "awaiting_payment"
    assert (await market.reservation(order) or order).expires_at == order.expires_at
    assert await market.counts() == (10, 2, 0)


async def test_past_its_deadline_an_order_reads_expired_swept_or_not(market: Market) -> None:
    order = await market.place(1)
    await _expire(market, order.id)
    assert (await market.order(order.id)).status == "expired"
    [listed] = await market.orders.list_orders(market.shop.id, OrderList(status="expired"))
    assert listed.id == order.id
    assert not await market.orders.list_orders(market.shop.id, OrderList(status="awaiting_payment"))


async def test_a_list_of_one_status_has_all_that_reads_so_newest_first(market: Market) -> None:
    orders = [await market.place(1) for _ in range(4)]
    await _expire(market, orders[0].id)
    await market.orders.sweep(10)
    await _expire(market, orders[2].id)
    await market.pay(orders[3])

    async def listed(**asked: Any) -> list[Any]:
        found = await market.orders.list_orders(market.shop.id, OrderList(**asked))
        return [order.id for order in found]

    expired = [orders[2].id, orders[0].id]
    assert await listed(status="expired") == expired
    after = Position(created_at=orders[2].created_at, id=orders[2].id)
    assert await listed(status="expired", after=after) == expired[1:]
    assert await listed(status="awaiting_payment") == [orders[1].id]
    assert await listed(status="paid") == [orders[3].id]
    assert await listed(status="expired", customer_id=market.customer_id) == expired
    assert await listed(status="expired", customer_id=new_id()) == []


async def test_the_sweep_marks_what_has_expired_once(market: Market) -> None:
    market.shop = market.shop.model_copy()
    short = await Market(market.database).open(reservation_seconds=1)
    order = await short.place(1)
    await asyncio.sleep(1.1)
    assert await short.orders.sweep(10) == 1
    assert await short.orders.sweep(10) == 0
    assert await short.transitions(order) == ["expired"]
    assert await short.counts() == (10, 0, 0)


async def test_lists_are_newest_first_and_page(market: Market) -> None:
    orders = [await market.place(1) for _ in range(3)]
    newest = list(reversed(orders))
    first = await market.orders.list_own(market.customer_id, OrderList(limit=2))
    assert first == newest
    after = Position(created_at=first[1].created_at, id=first[1].id)
    rest = await market.orders.list_orders(market.shop.id, OrderList(limit=2, after=after))
    assert rest == newest[2:]
    assert await market.orders.list_own(new_id(), OrderList()) == []


class Died(Exception):
    """The process died here."""


async def _dies(*_args: Any, **_kwargs: Any) -> Any:
    raise Died


def _long_ago(answer: Reservation | Refusal) -> Reservation | Refusal:
    if isinstance(answer, Refusal):
        return answer
    past = answer.expires_at.replace(year=answer.expires_at.year - 1)
    return answer.model_copy(update={"expires_at": past})


async def _expire(market: Market, order_id: UUID) -> None:
    await market.reservations.release(market.shop.id, [order_id])
    await market.fetch(
        "UPDATE orders.orders SET expires_at = statement_timestamp() WHERE id = $1", order_id
    )


def test_placed_raises_what_was_refused() -> None:
    with pytest.raises(OutOfStock):
        placed(OutOfStock("none"))
