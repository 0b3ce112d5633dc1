"""Stock on the real database: received, adjusted, counted, transferred, and its ledger."""

import asyncio

import asyncpg
import pytest

from lockstock.kernel.database import Database
from lockstock.kernel.errors import IdempotencyKeyReused, InvalidInput
from lockstock.kernel.ids import new_id
from lockstock.kernel.nouns import MOST_UNITS
from lockstock.warehouses.contract import Line, NoSuchWarehouse, Warehouse
from lockstock.warehouses.stock.contract import (
    Adjust,
    Adjustment,
    BelowPromised,
    CountChanged,
    Counted,
    CountStock,
    MovementList,
    Receive,
    StockList,
    TooManyUnits,
)
from lockstock.warehouses.transfers.contract import (
    NewTransfer,
    NotEnoughToMove,
    TransferList,
)
from tests.warehouses.depot import Depot, cause, variant


def adjusting(name: str, delta: int) -> Adjust:
    return Adjust(lines=[Adjustment(variant_id=variant(name), delta=delta)], reason="found")


def counting(name: str, expected: int, counted: int) -> CountStock:
    line = Counted(variant_id=variant(name), expected=expected, counted=counted)
    return CountStock(lines=[line])


def moving(source: Warehouse, target: Warehouse, name: str, units: int) -> NewTransfer:
    return NewTransfer(
        from_warehouse_id=source.id,
        to_warehouse_id=target.id,
        lines=[Line(variant_id=variant(name), quantity=units)],
        immediate=True,
    )


async def test_the_same_receipt_is_received_once(depot: Depot) -> None:
    [main] = await depot.open("main")
    ask, own = Receive(lines=[Line(variant_id=variant("tea"), quantity=5)]), cause()
    first = await depot.stock.receive(depot.shop_id, main.id, ask, own)
    assert await depot.stock.receive(depot.shop_id, main.id, ask, own) == first
    assert (await depot.row(main, "tea")).on_hand == 5
    other = Receive(lines=[Line(variant_id=variant("tea"), quantity=6)])
    with pytest.raises(IdempotencyKeyReused):
        await depot.stock.receive(depot.shop_id, main.id, other, own)


async def test_a_hundred_equal_receipts_at_once_are_one(depot: Depot) -> None:
    [main] = await depot.open("main")
    ask, own = Receive(lines=[Line(variant_id=variant("tea"), quantity=5)]), cause()
    answers = await asyncio.gather(
        *(depot.stock.receive(depot.shop_id, main.id, ask, own) for _ in range(100))
    )
    assert all(answer == answers[0] for answer in answers)
    assert (await depot.row(main, "tea")).on_hand == 5


async def test_an_adjustment_below_what_is_promised_names_the_orders(depot: Depot) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5)
    ask = depot.asking(tea=4)
    await depot.reserve(ask)
    with pytest.raises(BelowPromised) as caught:
        await depot.stock.adjust(depot.shop_id, main.id, adjusting("tea", -2), cause())
    assert [order["order_id"] for order in caught.value.fields["orders"]] == [str(ask.order_id)]
    [row] = await depot.stock.adjust(depot.shop_id, main.id, adjusting("tea", -1), cause())
    assert (row.on_hand, row.available) == (4, 0)


async def test_an_adjustment_may_take_what_an_expired_hold_held(depot: Depot) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5)
    await depot.reserve(depot.asking(1, tea=5))
    await asyncio.sleep(1.05)
    [row] = await depot.stock.adjust(depot.shop_id, main.id, adjusting("tea", -5), cause())
    assert (row.on_hand, row.held) == (0, 0)


async def test_a_count_is_refused_when_the_stock_changed_meanwhile(depot: Depot) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5)
    with pytest.raises(CountChanged) as caught:
        await depot.stock.count(depot.shop_id, main.id, counting("tea", 4, 3), cause())
    assert caught.value.fields["lines"] == [
        {"variant_id": str(variant("tea")), "expected": 4, "on_hand": 5}
    ]
    [row] = await depot.stock.count(depot.shop_id, main.id, counting("tea", 5, 3), cause())
    assert row.on_hand == 3
    [same] = await depot.stock.count(depot.shop_id, main.id, counting("tea", 3, 3), cause())
    assert same.on_hand == 3


async def test_a_stock_row_has_a_largest_size(depot: Depot) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=MOST_UNITS)
    with pytest.raises(TooManyUnits):
        await depot.receive(main, tea=1)
    line = Line(variant_id=variant("cup"), quantity=MOST_UNITS)
    ask = Receive(lines=[line, line])
    with pytest.raises(TooManyUnits):
        await depot.stock.receive(depot.shop_id, main.id, ask, cause())


async def test_nothing_to_adjust_is_refused(depot: Depot) -> None:
    [main] = await depot.open("main")
    with pytest.raises(InvalidInput):
        await depot.stock.adjust(depot.shop_id, main.id, adjusting("tea", 0), cause())


async def test_another_shops_warehouse_is_not_there(depot: Depot) -> None:
    other = Depot(depot.database)
    [theirs] = await other.open("theirs")
    with pytest.raises(NoSuchWarehouse):
        await depot.receive(theirs, tea=1)


async def test_a_transfer_moves_units_once_and_loses_none(depot: Depot) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=5)
    await depot.switch_off(north)
    ask, own = moving(north, south, "tea", 3), cause()
    first = (await depot.transfers.transfer(depot.shop_id, ask, own)).transfer
    again = await depot.transfers.transfer(depot.shop_id, ask, own)
    assert (again.transfer, again.replayed) == (first, True)
    assert (await depot.row(north, "tea")).on_hand == 2
    assert (await depot.row(south, "tea")).available == 3
    page = await depot.transfers.list_transfers(depot.shop_id, TransferList())
    assert page.items == [first]


async def test_a_transfer_takes_no_unit_that_is_promised(depot: Depot) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=5)
    await depot.reserve(depot.asking(tea=4))
    with pytest.raises(NotEnoughToMove) as caught:
        await depot.transfers.transfer(depot.shop_id, moving(north, south, "tea", 2), cause())
    assert len(caught.value.fields["orders"]) == 1
    with pytest.raises(InvalidInput):
        await depot.transfers.transfer(depot.shop_id, moving(north, north, "tea", 1), cause())


async def test_the_ledger_tells_every_change_newest_first(depot: Depot) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=5)
    await depot.stock.adjust(depot.shop_id, north.id, adjusting("tea", -1), cause())
    await depot.transfers.transfer(depot.shop_id, moving(north, south, "tea", 2), cause())
    seen, cursor = [], None
    while True:
        page = await depot.stock.movements(depot.shop_id, MovementList(cursor=cursor, limit=1))
        seen += page.items
        cursor = page.next
        if cursor is None:
            break
    told = [(m.kind, m.delta, m.balance, m.sequence) for m in seen if m.warehouse_id == north.id]
    assert told == [("transfer_out", -2, 2, 3), ("adjust", -1, 4, 2), ("receive", 5, 5, 1)]
    assert len(seen) == 4


async def test_stock_is_listed_page_by_page_and_only_of_this_shop(depot: Depot) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=5, cup=2)
    await depot.receive(south, tea=1)
    other = Depot(depot.database)
    [theirs] = await other.open("theirs")
    await other.receive(theirs, tea=9)
    seen, cursor = [], None
    while True:
        page = await depot.stock.stock(depot.shop_id, StockList(cursor=cursor, limit=2))
        seen += page.items
        cursor = page.next
        if cursor is None:
            break
    assert sorted(row.on_hand for row in seen) == [1, 2, 5]
    with pytest.raises(InvalidInput):
        await depot.stock.stock(depot.shop_id, StockList(cursor="forged"))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE warehouses.movements SET delta = 9",
        "DELETE FROM warehouses.movements",
        "TRUNCATE warehouses.movements",
    ],
)
async def test_the_database_refuses_to_change_the_ledger(
    depot: Depot, database: Database, statement: str
) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.transaction(lambda connection: connection.execute(statement))


async def test_the_database_itself_refuses_an_oversell(depot: Depot, database: Database) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5)
    with pytest.raises(asyncpg.CheckViolationError):
        await database.transaction(
            lambda connection: connection.execute("UPDATE warehouses.stock SET held = 6")
        )
    assert new_id() != main.id
