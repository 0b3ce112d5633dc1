"""Orders whose stock moves to other warehouses: what they show, ship and answer."""

from typing import Any
from uuid import UUID

import pytest

from lockstock.orders.contract import Answered, Order, OrderList
from lockstock.orders.shipments.contract import NewShipment, ShipmentList
from lockstock.orders.shipments.service import ShipmentsService
from lockstock.warehouses.contract import AllocationPolicy, Deactivate, Line, Switched
from lockstock.warehouses.shipping.contract import NotCommitted
from tests.orders.market import Market, placed


async def leave(market: Market, warehouse_id: UUID | None = None) -> Switched:
    """Switch off the shop's first warehouse, or another one, and move its orders."""
    return await market.warehouses.deactivate(
        market.shop.id,
        warehouse_id or market.warehouse_id,
        Deactivate(promises="reallocate"),
        AllocationPolicy(strategy=market.shop.allocation, may_split=market.shop.may_split),
    )


async def ship(market: Market, order: Order, key: str | None = None, **fields: Any) -> ShipmentList:
    """Ship, under a key of its own or under this one."""
    ask = NewShipment.model_validate(fields)
    done = await market.shipments.ship(market.shop.id, order.id, ask, market.asked(key))
    return done.answer


def places(order: Order) -> dict[UUID, int]:
    """Units by warehouse."""
    return {part.warehouse_id: part.quantity for part in order.allocations}


async def test_an_order_shows_where_its_stock_is_now_and_keeps_the_rest(market: Market) -> None:
    before = await market.place(3)
    cellar = await market.open_warehouse(5)
    assert (await leave(market)).moved == [before.id]
    after = await market.order(before.id)
    assert places(after) == {cellar: 3}
    same: dict[str, Any] = {"allocations": []}
    assert after.model_copy(update=same) == before.model_copy(update=same)


async def test_lists_show_it_too(market: Market) -> None:
    order = await market.place(3)
    cellar = await market.open_warehouse(5)
    await leave(market)
    [of_shop] = await market.orders.list_orders(market.shop.id, OrderList())
    [own] = await market.orders.list_own(market.customer_id, OrderList())
    assert of_shop == own == await market.order(order.id)
    assert places(own) == {cellar: 3}


async def test_a_replay_still_answers_as_when_it_was_placed(market: Market) -> None:
    ask = market.asking(3, key="once")
    [first] = await market.orders.place(market.shop.id, [ask])
    await market.open_warehouse(5)
    await leave(market)
    [again] = await market.orders.place(market.shop.id, [ask])
    assert isinstance(again, Answered)
    assert (placed(again), again.replayed) == (placed(first), True)


async def test_a_clerk_who_reallocates_and_ships_at_once_ships_from_the_new_place(
    market: Market,
) -> None:
    order = await market.paid(3)
    cellar = await market.open_warehouse(5)
    await leave(market)
    [parcel] = (await ship(market, order)).items
    assert (parcel.warehouse_id, parcel.status) == (cellar, "shipped")
    assert (await market.order(order.id)).status == "shipped"
    assert await market.counts() == (12, 0, 0)


async def test_a_partly_shipped_order_moves_what_is_left(market: Market) -> None:
    order = await market.paid(5)
    cellar = await market.open_warehouse(5)
    line = Line(variant_id=market.variant_id, quantity=2)
    await ship(market, order, lines=[line])
    assert (await leave(market)).moved == [order.id]
    assert places(await market.order(order.id)) == {market.warehouse_id: 2, cellar: 3}
    [parcel] = (await ship(market, order)).items
    assert (parcel.warehouse_id, parcel.lines[0].quantity) == (cellar, 3)
    assert await market.transitions(order) == ["paid", "partly_shipped", "shipped"]
    assert (await market.orders.complete(market.shop.id, order.id, market.asked())).answer.status


async def test_a_hold_that_has_moved_is_paid_in_its_new_place(market: Market) -> None:
    order = await market.place(3)
    cellar = await market.open_warehouse(5)
    await leave(market)
    await market.pay(order)
    paid = await market.order(order.id)
    assert (paid.status, paid.late, places(paid)) == ("paid", False, {cellar: 3})
    assert paid.expires_at == order.expires_at


async def test_cancelling_frees_the_stock_in_its_new_place(market: Market) -> None:
    order = await market.paid(3)
    cellar = await market.open_warehouse(5)
    await leave(market)
    cancelled = await market.cancel(order)
    assert places(cancelled) == {cellar: 3}
    assert await market.counts() == (15, 0, 0)


async def test_a_stranded_order_ships_from_where_it_was(market: Market) -> None:
    order = await market.paid(3)
    await market.open_warehouse(2)
    assert (await leave(market)).stranded == [order.id]
    [parcel] = (await ship(market, order)).items
    assert parcel.warehouse_id == market.warehouse_id


async def test_an_order_that_moves_between_packing_and_leaving_is_packed_anew(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await market.paid(3)
    cellar = await market.open_warehouse(5)
    finish = ShipmentsService._finish  # noqa: SLF001 (the moment between two transactions)
    rounds = 0

    async def move_first(self: ShipmentsService, *args: Any) -> ShipmentList:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            await leave(market)
        return await finish(self, *args)

    monkeypatch.setattr(ShipmentsService, "_finish", move_first)
    [parcel] = (await ship(market, order, key="parcel")).items
    assert (parcel.warehouse_id, rounds) == (cellar, 2)
    assert (await ship(market, order, key="parcel")).items == [parcel]
    assert [p.id for p in await market.shipments.list_shipments(market.shop.id, order.id)] == [
        parcel.id
    ]


async def test_a_parcel_left_behind_by_a_crash_goes_from_the_new_place(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await market.paid(3)
    cellar = await market.open_warehouse(5)

    async def dies(_self: ShipmentsService, *_args: Any) -> ShipmentList:
        raise ConnectionAbortedError

    with monkeypatch.context() as patch:
        patch.setattr(ShipmentsService, "_finish", dies)
        with pytest.raises(ConnectionAbortedError):
            await ship(market, order, key="parcel")
    await leave(market)
    [parcel] = (await ship(market, order, key="parcel")).items
    assert parcel.warehouse_id == cellar


async def test_without_a_second_look_the_parcel_would_be_refused(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the tests above would find: parcels packed as the order was placed."""
    order = await market.paid(3)
    await market.open_warehouse(5)
    await leave(market)

    async def as_placed(_self: ShipmentsService, _shop_id: UUID, _order_id: UUID) -> Any:
        return order.allocations

    monkeypatch.setattr(ShipmentsService, "_promised", as_placed)
    with pytest.raises(NotCommitted):
        await ship(market, order)
