"""Why a figure is what it is: the explanations agree with the stock, the ledger and the orders."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from lockstock.kernel.database import Connection, Database
from lockstock.kernel.errors import InvalidInput, NotFound
from lockstock.kernel.ids import new_id
from lockstock.warehouses.contract import NoSuchWarehouse, Warehouse
from lockstock.warehouses.explain.contract import MOST_NAMED, AvailableHere, NothingReserved
from lockstock.warehouses.explain.service import ExplanationsService
from lockstock.warehouses.reservations.contract import Reservation
from lockstock.warehouses.stock.contract import (
    Adjust,
    Adjustment,
    Counted,
    CountStock,
    StockList,
    TakeAway,
)
from lockstock.warehouses.transfers.contract import DispatchTransfer
from tests.warehouses.depot import Depot, cause, variant
from tests.warehouses.transfers.carrying import Carrier, lines

TEA = variant("tea")


@pytest.fixture
async def depot(database: Database) -> Depot:
    return Depot(database)


@pytest.fixture
async def why(depot: Depot) -> ExplanationsService:
    return ExplanationsService(depot.database)


async def available_here(
    depot: Depot, why: ExplanationsService, warehouse: Warehouse
) -> AvailableHere:
    found = await why.available(depot.shop_id, TEA)
    [here] = [one for one in found.warehouses if one.warehouse_id == warehouse.id]
    return here


async def test_what_was_never_in_stock_says_so(depot: Depot, why: ExplanationsService) -> None:
    await depot.open("north", "south")
    found = await why.available(depot.shop_id, TEA)
    assert found.available == 0
    assert found.sentences == [
        "None can be sold: it was never in stock, in any warehouse. Receive some."
    ]
    assert [here.sentences for here in found.warehouses] == [["It was never in stock here."]] * 2


async def test_what_is_held_names_the_orders_and_until_when(
    depot: Depot, why: ExplanationsService
) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5)
    held = [await depot.reserve(depot.asking(seconds, tea=2)) for seconds in (300, 200)]
    here = await available_here(depot, why, main)
    assert (here.on_hand, here.held, here.committed, here.available) == (5, 4, 0, 1)
    named = [(one.order_id, one.quantity, one.expires_at) for one in here.held_by]
    parts = [answer for answer in reversed(held) if isinstance(answer, Reservation)]
    assert named == [(one.order_id, 2, one.expires_at) for one in parts]
    first = parts[0].expires_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    assert f"Held by 2 unpaid orders: the first until {first}." in here.sentences
    assert "5 on hand - 4 held - 0 committed = 1 free." in here.sentences


async def test_what_one_order_holds_is_said_in_one_sentence(
    depot: Depot, why: ExplanationsService
) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5)
    held = await depot.reserve(depot.asking(300, tea=2))
    assert isinstance(held, Reservation)
    here = await available_here(depot, why, main)
    until = held.expires_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    assert f"Held by 1 unpaid order, until {until}." in here.sentences


async def test_a_hold_past_its_deadline_holds_nothing(
    depot: Depot, why: ExplanationsService
) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=2)
    await depot.reserve(depot.asking(0, tea=2))
    here = await available_here(depot, why, main)
    assert (here.held, here.holds, here.held_by, here.available) == (0, 0, [], 2)


async def test_what_is_committed_names_orders_and_ready_transfers(
    depot: Depot, why: ExplanationsService
) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=9)
    ask = depot.asking(tea=3)
    await depot.reserve(ask)
    await depot.reservations.commit(depot.shop_id, [ask.order_id])
    carrier = Carrier(depot, north, south)
    transfer = await carrier.draft()
    await carrier.take(transfer, "ready")
    here = await available_here(depot, why, north)
    assert (here.on_hand, here.committed, here.available) == (9, 8, 1)
    assert {(one.order_id, one.transfer_id, one.quantity) for one in here.committed_for} == {
        (ask.order_id, None, 3),
        (None, transfer.id, 5),
    }
    assert "Committed for 1 paid order and 1 ready transfer." in here.sentences


async def test_what_is_on_the_way_names_its_transfer(
    depot: Depot, why: ExplanationsService
) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=5)
    carrier = Carrier(depot, north, south)
    transfer = await carrier.draft()
    await carrier.take(transfer, "ready")
    at = datetime.now(UTC) + timedelta(days=1)
    await depot.transfers.dispatch(
        depot.shop_id, transfer.id, DispatchTransfer(expected_at=at), cause()
    )
    here = await available_here(depot, why, south)
    [coming] = here.incoming_by
    assert (coming.transfer_id, coming.from_warehouse_id) == (transfer.id, north.id)
    assert (coming.quantity, coming.status) == (5, "in_transit")
    assert here.incoming == 5
    found = await why.available(depot.shop_id, TEA)
    assert found.available == 0
    assert "5 units are on the way between warehouses." in found.sentences
    assert "All that ever came in has left again." in found.sentences


async def test_a_warehouse_that_is_switched_off_gives_nothing_and_says_so(
    depot: Depot, why: ExplanationsService
) -> None:
    north, _ = await depot.open("north", "south")
    await depot.receive(north, tea=5)
    await depot.switch_off(north)
    found = await why.available(depot.shop_id, TEA)
    assert found.available == 0
    assert "5 units are in warehouses that are switched off." in found.sentences
    here = await available_here(depot, why, north)
    assert "This warehouse is switched off: nothing is sold from it." in here.sentences


async def test_many_holds_are_all_counted_and_some_are_named(
    depot: Depot, why: ExplanationsService
) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=30)
    asks = [depot.asking(tea=1) for _ in range(30)]
    await depot.reservations.reserve(depot.shop_id, asks)
    here = await available_here(depot, why, main)
    assert (here.held, here.holds, len(here.held_by)) == (30, 30, MOST_NAMED)


async def some_past(depot: Depot, warehouse: Warehouse, rng: random.Random) -> None:
    """Change the stock of tea in all the ways there are, some of which are refused."""
    await depot.receive(warehouse, tea=40)
    for _ in range(25):
        units = rng.randint(1, 6)
        row = await depot.row(warehouse, "tea")
        shop, place, own = depot.shop_id, warehouse.id, cause()
        taken = TakeAway(lines=lines(tea=min(units, row.available)), reason="dropped")
        match rng.choice(["receive", "adjust", "count", "damage", "write_off", "sell"]):
            case "receive":
                await depot.receive(warehouse, tea=units)
            case "adjust":
                line = Adjustment(variant_id=TEA, delta=units)
                await depot.stock.adjust(shop, place, Adjust(lines=[line], reason="found"), own)
            case "count":
                counted = Counted(variant_id=TEA, expected=row.on_hand, counted=row.on_hand + 1)
                await depot.stock.count(shop, place, CountStock(lines=[counted]), own)
            case "damage":
                await depot.stock.damage(shop, place, taken, own)
            case "write_off":
                await depot.stock.write_off(shop, place, taken, own)
            case _:
                await depot.reserve(depot.asking(tea=1))


@pytest.mark.parametrize("seed", range(3))
async def test_the_ledger_sums_to_what_is_on_hand_now_and_at_every_moment_before(
    depot: Depot, why: ExplanationsService, seed: int
) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(south, tea=7)
    await some_past(depot, north, random.Random(seed))
    now = await why.on_hand(depot.shop_id, TEA, north.id, None)
    assert now.agrees
    assert now.on_hand == now.ledger_sum == (await depot.row(north, "tea")).on_hand
    assert now.movements == sum(kind.movements for kind in now.by_kind)
    for movement in now.last_movements:
        then = await why.on_hand(depot.shop_id, TEA, north.id, movement.occurred_at)
        ask = StockList(warehouse_id=north.id, variant_id=TEA, as_of=movement.occurred_at)
        [past] = (await depot.stock.past_stock(depot.shop_id, ask)).items
        assert then.agrees
        assert then.on_hand == then.ledger_sum == movement.balance == past.on_hand
        assert then.last_movements[0] == movement


async def test_what_is_on_hand_is_told_by_kind(depot: Depot, why: ExplanationsService) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=60)
    taken = TakeAway(lines=lines(tea=13), reason="soaked")
    await depot.stock.damage(depot.shop_id, main.id, taken, cause())
    found = await why.on_hand(depot.shop_id, TEA, main.id, None)
    assert [(kind.kind, kind.movements, kind.units) for kind in found.by_kind] == [
        ("receive", 1, 60),
        ("damage", 1, -13),
    ]
    assert found.sentences[:2] == [
        "47 on hand: +60 received, -13 damaged.",
        "Its ledger sums to just that, in 2 movements.",
    ]
    assert found.sentences[2].endswith("-13 damaged, then 47, soaked.")


async def test_if_stock_had_changed_past_its_ledger_it_would_be_told(
    depot: Depot, why: ExplanationsService
) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5)

    async def forge(connection: Connection) -> None:
        await connection.execute("UPDATE warehouses.stock SET on_hand = 6")

    await depot.database.read(forge)
    found = await why.on_hand(depot.shop_id, TEA, main.id, None)
    assert (found.on_hand, found.ledger_sum, found.agrees) == (6, 5, False)
    assert "Its ledger sums to 5, which is not the same" in found.sentences[1]


async def test_where_nothing_ever_moved_it_says_so(depot: Depot, why: ExplanationsService) -> None:
    [main] = await depot.open("main")
    long_ago = datetime(2001, 1, 1, tzinfo=UTC)
    for as_of in (None, long_ago):
        found = await why.on_hand(depot.shop_id, TEA, main.id, as_of)
        assert (found.on_hand, found.agrees, found.by_kind) == (0, True, [])
        assert found.sentences[0].endswith("nothing of it has ever come in or gone out here.")


async def test_before_the_first_movement_nothing_was_there(
    depot: Depot, why: ExplanationsService
) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5)
    found = await why.on_hand(depot.shop_id, TEA, main.id, datetime(2001, 1, 1, tzinfo=UTC))
    assert (found.on_hand, found.movements, found.agrees) == (0, 0, True)


async def test_what_is_not_there_is_refused(depot: Depot, why: ExplanationsService) -> None:
    [main] = await depot.open("main")
    with pytest.raises(NoSuchWarehouse):
        await why.on_hand(depot.shop_id, TEA, new_id(), None)
    later = datetime.now(UTC) + timedelta(days=1)
    with pytest.raises(InvalidInput):
        await why.on_hand(depot.shop_id, TEA, main.id, later)
    with pytest.raises(NothingReserved):
        await why.order(depot.shop_id, new_id())
    with pytest.raises(NotFound):
        await why.available(new_id(), TEA)


async def test_an_order_is_explained_by_what_was_kept_whatever_came_after(
    depot: Depot, why: ExplanationsService
) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=2)
    await depot.receive(south, tea=9)
    ask = depot.asking(tea=4)
    answer = await depot.reserve(ask)
    assert isinstance(answer, Reservation)
    await depot.receive(north, tea=50)
    found = await why.order(depot.shop_id, ask.order_id)
    assert (found.attempt, found.status) == (1, "held")
    assert found.allocations == answer.allocations
    [part] = found.allocations
    assert part.reason is not None
    assert part.reason.code == "only_one_has_all"
    assert found.considered is not None
    then = [(one.name, [line["units"] for line in one.free]) for one in found.considered]
    assert then == [("south", [9]), ("north", [2])]
    assert found.sentences == [
        f"4 units of {TEA} from south: No other warehouse had the whole order.",
        f"south had free: 9 of {TEA} (priority 1).",
        f"north had free: 2 of {TEA} (priority 0).",
    ]


async def test_an_order_of_before_reasons_were_kept_says_that_they_were_not(
    depot: Depot, why: ExplanationsService
) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=2)
    ask = depot.asking(tea=1)
    await depot.reserve(ask)

    async def forget(connection: Connection) -> None:
        await connection.execute("UPDATE warehouses.allocations SET reason = null")
        await connection.execute("UPDATE warehouses.reservations SET considered = null")

    await depot.database.read(forget)
    found = await why.order(depot.shop_id, ask.order_id)
    assert found.considered is None
    assert found.sentences == [f"1 unit of {TEA} from main: Why was not kept."]


async def test_a_retry_has_the_reasons_of_the_first_answer(depot: Depot) -> None:
    north, south = await depot.open("north", "south")
    for warehouse in (north, south):
        await depot.receive(warehouse, tea=3)
    ask = depot.asking(tea=5)
    first = await depot.reserve(ask)
    assert isinstance(first, Reservation)
    assert all(part.reason is not None for part in first.allocations)
    await depot.receive(north, tea=50)
    assert await depot.reserve(ask) == first
    [kept] = await depot.reservations.reservations(depot.shop_id, [ask.order_id])
    assert kept == first
    [committed] = await depot.reservations.commit(depot.shop_id, [ask.order_id])
    assert isinstance(committed, Reservation)
    assert committed.allocations == first.allocations
