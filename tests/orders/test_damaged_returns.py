"""What comes back damaged: on the books for the ledger, never on a shelf, refunded if so wanted."""

from uuid import UUID

import pytest
from pydantic import ValidationError

from lockstock.kernel.errors import IdempotencyKeyReused
from lockstock.orders.contract import Order
from lockstock.orders.payments.contract import NewRefund, RefundTooMuch
from lockstock.orders.returns.contract import NewReturn, NotReturnable, Return, ReturnLine
from lockstock.orders.shipments.contract import NewShipment
from lockstock.warehouses.stock.contract import MovementList, StockList
from tests.orders.market import PRICE_MINOR, Market


def good(market: Market, quantity: int, warehouse_id: UUID | None = None) -> ReturnLine:
    """Units as they were."""
    return ReturnLine(variant_id=market.variant_id, quantity=quantity, warehouse_id=warehouse_id)


def damaged(market: Market, quantity: int, warehouse_id: UUID | None = None) -> ReturnLine:
    """Units that nobody would buy."""
    line = good(market, quantity, warehouse_id)
    return line.model_copy(update={"condition": "damaged"})


async def shipped(market: Market, quantity: int) -> Order:
    """An order that has left in full."""
    order = await market.paid(quantity)
    asked = market.asked()
    await market.shipments.ship(market.shop.id, order.id, NewShipment(), asked)
    return order


async def take_back(market: Market, order: Order, *lines: ReturnLine, **fields: object) -> Return:
    """Take units back, under a key of its own."""
    ask = NewReturn.model_validate({"lines": list(lines)} | fields)
    asked = market.asked()
    return (await market.returns.take_back(market.shop.id, order.id, ask, asked)).answer


async def ledger(market: Market, item: Return) -> list[tuple[str, int]]:
    """The lines that a return has in the ledger, oldest first."""
    page = await market.stock.movements(market.shop.id, MovementList())
    return [(m.kind, m.delta) for m in reversed(page.items) if m.cause_id == item.id]


async def test_damaged_units_come_back_and_are_never_sold(market: Market) -> None:
    order = await shipped(market, 4)
    item = await take_back(market, order, good(market, 1), damaged(market, 2), reason="torn")
    assert [(part.condition, part.quantity) for part in item.parts] == [("good", 1), ("damaged", 2)]
    assert await ledger(market, item) == [("return", 3), ("damage", -2)]
    assert await market.counts() == (7, 0, 0)
    assert await market.returns.list_returns(market.shop.id, order.id) == [item]


async def test_a_return_that_is_all_damaged_leaves_the_shelf_as_it_was(market: Market) -> None:
    order = await shipped(market, 10)
    item = await take_back(market, order, damaged(market, 10))
    assert await ledger(market, item) == [("return", 10), ("damage", -10)]
    assert await market.counts() == (0, 0, 0)
    assert item.refund.amount_minor == 10 * PRICE_MINOR


async def test_the_ledger_says_why_units_are_damaged(market: Market) -> None:
    await take_back(market, await shipped(market, 1), damaged(market, 1), reason="wet")
    page = await market.stock.movements(market.shop.id, MovementList(kind="damage"))
    assert [movement.reason for movement in page.items] == ["wet"]


async def test_a_retried_return_is_damaged_once(market: Market) -> None:
    order = await shipped(market, 3)
    ask = NewReturn(lines=[damaged(market, 2)])
    asked = market.asked("same")
    first = await market.returns.take_back(market.shop.id, order.id, ask, asked)
    again = await market.returns.take_back(market.shop.id, order.id, ask, asked)
    assert (again.answer, again.replayed) == (first.answer, True)
    assert await market.counts() == (7, 0, 0)
    other = NewReturn(lines=[good(market, 2)])
    with pytest.raises(IdempotencyKeyReused):
        await market.returns.take_back(market.shop.id, order.id, other, asked)


async def test_good_and_damaged_are_bounded_together(market: Market) -> None:
    order = await shipped(market, 3)
    await take_back(market, order, damaged(market, 1))
    with pytest.raises(NotReturnable) as refusal:
        await take_back(market, order, good(market, 2), damaged(market, 1))
    assert refusal.value.fields["lines"][0]["returnable"] == 2
    await take_back(market, order, good(market, 1), damaged(market, 1))
    with pytest.raises(NotReturnable):
        await take_back(market, order, damaged(market, 1))


async def test_each_line_comes_back_to_where_it_says(market: Market) -> None:
    cellar = await market.open_warehouse(5)
    order = await shipped(market, 12)
    item = await take_back(
        market, order, good(market, 8), damaged(market, 3, cellar), warehouse_id=market.warehouse_id
    )
    assert {(part.to_warehouse_id, part.condition) for part in item.parts} == {
        (market.warehouse_id, "good"),
        (cellar, "damaged"),
    }
    assert sum(part.quantity for part in item.parts if part.condition == "damaged") == 3
    rows = (await market.stock.stock(market.shop.id, StockList())).items
    on_hand = {row.warehouse_id: row.on_hand for row in rows}
    assert (on_hand[market.warehouse_id] + on_hand[cellar]) == 3 + 8
    assert sorted(await ledger(market, item)) == [("damage", -3), ("return", 3), ("return", 8)]


async def test_units_of_two_warehouses_go_back_to_theirs(market: Market) -> None:
    cellar = await market.open_warehouse(5)
    order = await shipped(market, 15)
    item = await take_back(market, order, damaged(market, 15))
    assert {part.to_warehouse_id for part in item.parts} == {market.warehouse_id, cellar}
    assert all(part.from_warehouse_id == part.to_warehouse_id for part in item.parts)
    assert await market.counts() == (0, 0, 0)


async def test_so_much_is_refunded_as_is_said(market: Market) -> None:
    order = await shipped(market, 3)
    assert (await take_back(market, order, damaged(market, 1), refund=False)).refund == (
        order.total.model_copy(update={"amount_minor": 0})
    )
    item = await take_back(market, order, damaged(market, 1), refund_minor=300)
    assert item.refund.amount_minor == 300
    assert [refund.amount.amount_minor for refund in await market.refunds_of(order)] == [300]


async def test_no_more_is_refunded_for_a_return_than_is_left(market: Market) -> None:
    order = await shipped(market, 2)
    ask = NewRefund(amount_minor=2 * PRICE_MINOR - 100, reason="late")
    await market.refunds.refund(market.shop.id, order.id, ask, market.asked())
    with pytest.raises(RefundTooMuch) as refusal:
        await take_back(market, order, damaged(market, 1), refund_minor=101)
    assert refusal.value.fields["refundable_minor"] == 100
    assert await market.returns.list_returns(market.shop.id, order.id) == []
    item = await take_back(market, order, damaged(market, 1), refund_minor=100)
    assert item.refund.amount_minor == 100


def test_money_goes_back_only_with_a_refund(market: Market) -> None:
    with pytest.raises(ValidationError):
        NewReturn(lines=[good(market, 1)], refund=False, refund_minor=1)
    with pytest.raises(ValidationError):
        NewReturn(lines=[good(market, 1)], refund_minor=-1)
