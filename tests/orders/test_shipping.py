"""Shipping orders and taking units back."""

import pytest

from lockstock.kernel.errors import IdempotencyKeyReused
from lockstock.kernel.ids import new_id
from lockstock.kernel.nouns import MOST_UNITS
from lockstock.orders.contract import Order
from lockstock.orders.payments.contract import NewRefund
from lockstock.orders.returns.contract import NewReturn, NotReturnable, Return, ReturnLine
from lockstock.orders.shipments.contract import (
    NewShipment,
    NotLeftToShip,
    NotShippable,
    ShipmentList,
)
from lockstock.warehouses.contract import Line, NoSuchWarehouse
from lockstock.warehouses.stock.contract import TooManyUnits
from tests.orders.market import PRICE_MINOR, Market


async def ship(market: Market, order: Order, **fields: object) -> ShipmentList:
    """Ship, under a key of its own."""
    ask = NewShipment.model_validate(fields)
    return (await market.shipments.ship(market.shop.id, order.id, ask, market.asked())).answer


async def take_back(market: Market, order: Order, quantity: int, **fields: object) -> Return:
    """Take units back, under a key of its own."""
    lines = [ReturnLine(variant_id=market.variant_id, quantity=quantity)]
    ask = NewReturn.model_validate({"lines": lines} | fields)
    done = await market.returns.take_back(market.shop.id, order.id, ask, market.asked())
    return done.answer


async def test_shipping_all_that_is_left_ships_the_order(market: Market) -> None:
    order = await market.paid(3)
    [parcel] = (await ship(market, order)).items
    assert (parcel.status, parcel.lines[0].quantity) == ("shipped", 3)
    assert (await market.order(order.id)).status == "shipped"
    assert await market.counts() == (7, 0, 0)
    assert await market.shipments.list_shipments(market.shop.id, order.id) == [parcel]


async def test_an_order_ships_in_parts(market: Market) -> None:
    order = await market.paid(3)
    line = Line(variant_id=market.variant_id, quantity=1)
    await ship(market, order, lines=[line])
    assert (await market.order(order.id)).status == "partly_shipped"
    with pytest.raises(NotLeftToShip) as refusal:
        await ship(market, order, lines=[line, line, line])
    assert refusal.value.fields["lines"][0]["left"] == 2
    await ship(market, order, lines=[line])
    await ship(market, order)
    assert await market.transitions(order) == ["paid", "partly_shipped", "shipped"]
    with pytest.raises(NotShippable):
        await ship(market, order)


async def test_what_no_longer_fits_does_not_come_back(market: Market) -> None:
    order = await market.paid(3)
    await ship(market, order)
    await market.receive(MOST_UNITS - 7)
    with pytest.raises(TooManyUnits):
        await take_back(market, order, 1)
    assert await market.returns.list_returns(market.shop.id, order.id) == []
    assert await market.counts() == (MOST_UNITS, 0, 0)


async def test_each_warehouse_sends_its_own_parcel(market: Market) -> None:
    cellar = await market.open_warehouse(5)
    order = await market.paid(12)
    with pytest.raises(NotLeftToShip):
        await ship(market, order, warehouse_id=new_id())
    [first] = (await ship(market, order, warehouse_id=cellar)).items
    assert first.warehouse_id == cellar
    assert (await market.order(order.id)).status == "partly_shipped"
    [second] = (await ship(market, order)).items
    assert second.warehouse_id == market.warehouse_id
    assert first.lines[0].quantity + second.lines[0].quantity == 12


async def test_a_retry_ships_once(market: Market) -> None:
    order = await market.paid(2)
    asked = market.asked("same")
    ask = NewShipment()
    first = await market.shipments.ship(market.shop.id, order.id, ask, asked)
    again = await market.shipments.ship(market.shop.id, order.id, ask, asked)
    assert (again.answer, again.replayed) == (first.answer, True)
    assert await market.counts() == (8, 0, 0)
    other = NewShipment(warehouse_id=market.warehouse_id)
    with pytest.raises(IdempotencyKeyReused):
        await market.shipments.ship(market.shop.id, order.id, other, asked)


async def test_an_unpaid_order_does_not_ship(market: Market) -> None:
    with pytest.raises(NotShippable):
        await ship(market, await market.place())


async def test_returned_units_are_on_hand_again_and_refunded(market: Market) -> None:
    order = await market.paid(3)
    await ship(market, order)
    back = await take_back(market, order, 2, reason="too big")
    assert (back.status, back.refund.amount_minor) == ("done", 2 * PRICE_MINOR)
    assert await market.counts() == (9, 0, 0)
    with pytest.raises(NotReturnable) as refusal:
        await take_back(market, order, 2)
    assert refusal.value.fields["lines"][0]["returnable"] == 1
    await take_back(market, order, 1)
    await market.sweep()
    assert [refund.cause for refund in await market.refunds_of(order)] == ["returned"] * 2
    [payment] = await market.payments.list_payments(market.shop.id, order.id)
    assert payment.status == "refunded"
    assert len(await market.returns.list_returns(market.shop.id, order.id)) == 2


async def test_a_return_refunds_no_more_than_is_left(market: Market) -> None:
    order = await market.paid(2)
    await ship(market, order)
    ask = NewRefund(amount_minor=2 * PRICE_MINOR - 100, reason="late")
    await market.refunds.refund(market.shop.id, order.id, ask, market.asked())
    assert (await take_back(market, order, 1)).refund.amount_minor == 100
    assert (await take_back(market, order, 1)).refund.amount_minor == 0


async def test_units_can_come_back_elsewhere_and_without_a_refund(market: Market) -> None:
    cellar = await market.open_warehouse(0 + 1)
    order = await market.paid(2)
    await ship(market, order)
    with pytest.raises(NoSuchWarehouse):
        await take_back(market, order, 1, warehouse_id=new_id())
    back = await take_back(market, order, 1, warehouse_id=cellar, refund=False)
    assert back.parts[0].to_warehouse_id == cellar
    assert await market.refunds_of(order) == []
    assert (await take_back(market, order, 1)).parts[0].to_warehouse_id == market.warehouse_id


async def test_a_retried_return_comes_back_once(market: Market) -> None:
    order = await market.paid(2)
    await ship(market, order)
    ask = NewReturn(lines=[ReturnLine(variant_id=market.variant_id, quantity=1)])
    asked = market.asked("same")
    first = await market.returns.take_back(market.shop.id, order.id, ask, asked)
    again = await market.returns.take_back(market.shop.id, order.id, ask, asked)
    assert (again.answer, again.replayed) == (first.answer, True)
    assert await market.counts() == (9, 0, 0)


async def test_what_was_not_shipped_does_not_come_back(market: Market) -> None:
    with pytest.raises(NotReturnable):
        await take_back(market, await market.paid(1), 1)
