"""Orders leave a warehouse that is switched off, on a real database. The audit is clean after each.

Nothing here waits for time: deadlines are far away or have passed.
"""

from typing import Any
from uuid import UUID

import pytest

from lockstock.kernel.database import Connection, Database
from lockstock.kernel.ids import new_id
from lockstock.kernel.outbox import write_events
from lockstock.warehouses.contract import (
    Allocation,
    AllocationPolicy,
    Deactivate,
    Line,
    Location,
    NewWarehouse,
    NoSuchWarehouse,
    Switched,
    Warehouse,
)
from lockstock.warehouses.reallocation import service as reallocation
from lockstock.warehouses.reallocation import store
from lockstock.warehouses.reservations.contract import Reservation, Reserve
from lockstock.warehouses.shipping.contract import PutBack, Shipment
from lockstock.warehouses.transfers.contract import NewTransfer
from tests.warehouses.depot import Depot, cause, variant
from tests.warehouses.reallocation.states import past_deadline, snapshot

REALLOCATE = Deactivate(promises="reallocate")
DRY = Deactivate(promises="reallocate", dry_run=True)


async def held(depot: Depot, ask: Reserve) -> Reservation:
    """Reserve for an order that nobody refuses."""
    answer = await depot.reserve(ask)
    assert isinstance(answer, Reservation)
    return answer


async def paid(depot: Depot, ask: Reserve) -> Reservation:
    """Reserve and commit."""
    await held(depot, ask)
    [answer] = await depot.reservations.commit(depot.shop_id, [ask.order_id])
    assert isinstance(answer, Reservation)
    return answer


async def leave(depot: Depot, warehouse: Warehouse, **policy: Any) -> Switched:
    """Switch a warehouse off, and move what it has promised."""
    return await depot.warehouses.deactivate(
        depot.shop_id, warehouse.id, REALLOCATE, AllocationPolicy(**policy)
    )


async def promised(depot: Depot, order_id: UUID) -> Reservation:
    """The reservation of an order as it is now."""
    [found] = await depot.reservations.reservations(depot.shop_id, [order_id])
    assert found is not None
    return found


async def places(depot: Depot, order_id: UUID) -> dict[UUID, int]:
    """Units promised to an order, by warehouse."""
    units: dict[UUID, int] = {}
    for part in (await promised(depot, order_id)).allocations:
        units[part.warehouse_id] = units.get(part.warehouse_id, 0) + part.quantity
    return units


async def counters(depot: Depot, warehouse: Warehouse, name: str = "tea") -> tuple[int, int, int]:
    """On hand, held, committed."""
    row = await depot.row(warehouse, name)
    return row.on_hand, row.held, row.committed


async def ship(depot: Depot, order_id: UUID, warehouse: Warehouse, units: int) -> object:
    """Send units of tea out."""
    part = Allocation(warehouse_id=warehouse.id, variant_id=variant("tea"), quantity=units)
    ask = Shipment(shipment_id=new_id(), order_id=order_id, parts=[part])
    [answer] = await depot.shipping.ship(depot.shop_id, [ask], cause())
    return answer


async def events(depot: Depot) -> list[Any]:
    """What was told about moves."""

    async def read(connection: Connection) -> list[Any]:
        rows: list[Any] = await connection.fetch(
            "SELECT subject_id, data FROM warehouses.outbox"
            " WHERE shop_id = $1 AND kind = 'reservation.moved' ORDER BY occurred_at, id",
            depot.shop_id,
        )
        return rows

    return await depot.database.read(read)


async def test_held_stays_held_and_paid_stays_paid_with_the_same_deadline(depot: Depot) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=10)
    await depot.receive(south, tea=10)
    unpaid = await held(depot, depot.asking(tea=2))
    firm = await paid(depot, depot.asking(tea=3))
    answer = await leave(depot, north)
    assert not answer.warehouse.active
    # Who has paid comes first.
    assert answer.moved == [firm.order_id, unpaid.order_id]
    assert (answer.stranded, answer.kept_orders, answer.kept_transfers) == ([], 0, 0)
    assert await counters(depot, north) == (10, 0, 0)
    assert await counters(depot, south) == (10, 2, 3)
    for before in (unpaid, firm):
        after = await promised(depot, before.order_id)
        assert after.model_copy(update={"allocations": []}) == before.model_copy(
            update={"allocations": []}
        )
        assert await places(depot, before.order_id) == {south.id: before.allocations[0].quantity}
    # Its time to pay is not over, and it can be paid.
    [answer_of_pay] = await depot.reservations.commit(depot.shop_id, [unpaid.order_id])
    assert isinstance(answer_of_pay, Reservation)
    assert await counters(depot, south) == (10, 0, 5)


async def test_an_order_moves_whole_or_is_stranded_untouched(depot: Depot) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=10, cup=10)
    await depot.receive(south, tea=10, cup=1)
    big = await held(depot, depot.asking(tea=1, cup=2))
    small = await held(depot, depot.asking(tea=1, cup=1))
    answer = await leave(depot, north)
    assert (answer.moved, answer.stranded) == ([small.order_id], [big.order_id])
    assert answer.kept_orders == 1
    assert await places(depot, big.order_id) == {north.id: 3}
    assert await places(depot, small.order_id) == {south.id: 2}
    assert await counters(depot, south, "tea") == (10, 1, 0)
    # What is stranded may be paid and shipped all the same.
    [done] = await depot.reservations.commit(depot.shop_id, [big.order_id])
    assert isinstance(done, Reservation)
    assert not isinstance(await ship(depot, big.order_id, north, 1), Exception)


async def test_the_same_again_moves_what_was_stranded(depot: Depot) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=5)
    await depot.receive(south, tea=1)
    order = await paid(depot, depot.asking(tea=5))
    assert (await leave(depot, north)).stranded == [order.order_id]
    assert (await leave(depot, north)).stranded == [order.order_id]
    await depot.receive(south, tea=4)
    assert (await leave(depot, north)).moved == [order.order_id]
    again = await leave(depot, north)
    assert (again.moved, again.stranded, again.kept_orders) == ([], [], 0)
    assert len(await events(depot)) == 1


async def test_what_was_shipped_stays_recorded_where_it_left_from(depot: Depot) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=5)
    await depot.receive(south, tea=3)
    order = await paid(depot, depot.asking(tea=5))
    await ship(depot, order.order_id, north, 2)
    answer = await leave(depot, north)
    assert answer.moved == [order.order_id]
    assert await places(depot, order.order_id) == {north.id: 2, south.id: 3}
    assert await counters(depot, north) == (3, 0, 0)
    assert await counters(depot, south) == (3, 0, 3)
    assert not isinstance(await ship(depot, order.order_id, south, 3), Exception)
    assert isinstance(await ship(depot, order.order_id, north, 1), Exception)
    part = Allocation(warehouse_id=south.id, variant_id=variant("tea"), quantity=5)
    back = PutBack(return_id=new_id(), order_id=order.order_id, parts=[part])
    [answer_of_return] = await depot.shipping.put_back(depot.shop_id, [back], cause())
    assert not isinstance(answer_of_return, Exception)


async def test_units_join_what_the_order_is_promised_there_already(depot: Depot) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=2)
    await depot.receive(south, tea=3)
    order = await paid(depot, depot.asking(tea=5))
    await ship(depot, order.order_id, south, 1)
    await depot.receive(south, tea=2)
    assert (await leave(depot, north)).moved == [order.order_id]
    assert await places(depot, order.order_id) == {south.id: 5}
    assert await counters(depot, south) == (4, 0, 4)


async def test_an_order_over_two_warehouses_is_stranded_as_a_whole(depot: Depot) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=2)
    await depot.receive(south, tea=3)
    order = await held(depot, depot.asking(tea=5))
    answer = await leave(depot, north)
    assert (answer.moved, answer.stranded) == ([], [order.order_id])
    assert await places(depot, order.order_id) == {north.id: 2, south.id: 3}


async def test_a_shop_that_forbids_splitting_has_its_orders_in_one_place(depot: Depot) -> None:
    north, south, east = await depot.open("north", "south", "east")
    await depot.receive(north, tea=8)
    await depot.receive(south, tea=3)
    await depot.receive(east, tea=4)
    four = await held(depot, depot.asking(tea=4))
    three = await held(depot, depot.asking(tea=3))
    one = await held(depot, depot.asking(tea=1))
    answer = await leave(depot, north, may_split=False)
    assert answer.moved == [four.order_id, three.order_id]
    assert answer.stranded == [one.order_id]
    assert await places(depot, four.order_id) == {east.id: 4}
    assert (await leave(depot, north)).stranded == [one.order_id]


@pytest.mark.parametrize(("strategy", "chosen"), [("by_priority", "near"), ("nearest", "far")])
async def test_the_strategy_of_the_shop_and_the_destination_of_the_order_decide(
    depot: Depot, strategy: Any, chosen: str
) -> None:
    # "far" is far from the one that is left, and close to where the order goes.
    asks = [
        NewWarehouse(name=name, priority=place, location=Location(latitude=0, longitude=longitude))
        for place, (name, longitude) in enumerate([("old", 0.0), ("near", 1.0), ("far", 50.0)])
    ]
    opened = await depot.warehouses.open(depot.shop_id, asks, [new_id() for _ in asks])
    by_name = {warehouse.name: warehouse for warehouse in opened}
    await depot.receive(by_name["old"], tea=1)
    destination = Location(latitude=0, longitude=49)
    order = await held(depot, depot.asking(tea=1).model_copy(update={"destination": destination}))
    await depot.receive(by_name["near"], tea=1)
    await depot.receive(by_name["far"], tea=1)
    await leave(depot, by_name["old"], strategy=strategy)
    assert await places(depot, order.order_id) == {by_name[chosen].id: 1}


async def test_holds_past_their_deadline_do_not_move_and_are_in_nobodys_way(
    depot: Depot, database: Database
) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=5)
    late = await held(depot, depot.asking(tea=2))
    firm = await paid(depot, depot.asking(tea=3))
    await depot.receive(south, tea=3)
    blocking = await held(depot, depot.asking(tea=3))
    assert await places(depot, blocking.order_id) == {south.id: 3}
    await past_deadline(database, late.order_id, blocking.order_id)
    for ask in (DRY, REALLOCATE):
        answer = await depot.warehouses.deactivate(depot.shop_id, north.id, ask, AllocationPolicy())
        assert (answer.moved, answer.stranded, answer.kept_orders) == ([firm.order_id], [], 0)
    assert await places(depot, late.order_id) == {north.id: 2}
    assert (await promised(depot, late.order_id)).status == "expired"
    await depot.reservations.sweep(100)
    assert await counters(depot, north) == (5, 0, 0)
    assert await counters(depot, south) == (3, 0, 3)


async def test_kept_is_the_default_and_counts_orders_and_transfers(depot: Depot) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=9)
    await depot.receive(south, tea=9)
    order = await held(depot, depot.asking(tea=2))
    lines = [Line(variant_id=variant("tea"), quantity=4)]
    moving = NewTransfer(from_warehouse_id=north.id, to_warehouse_id=south.id, lines=lines)
    transfer = await depot.transfers.transfer(depot.shop_id, moving, cause())
    await depot.transfers.ready(depot.shop_id, transfer.transfer.id, cause())
    kept = await depot.warehouses.deactivate(depot.shop_id, north.id, Deactivate())
    assert (kept.kept_orders, kept.kept_transfers) == (1, 1)
    assert (kept.moved, kept.stranded) == ([], [])
    answer = await leave(depot, north)
    assert (answer.moved, answer.kept_orders, answer.kept_transfers) == ([order.order_id], 0, 1)
    # What is locked for the transfer stays locked.
    assert await counters(depot, north) == (9, 0, 4)
    switched_on = await depot.warehouses.activate(depot.shop_id, north.id)
    assert (switched_on.kept_orders, switched_on.kept_transfers) == (0, 1)


async def test_nothing_moves_to_a_warehouse_that_is_switched_off(depot: Depot) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=5)
    await depot.receive(south, tea=5)
    order = await paid(depot, depot.asking(tea=5))
    await depot.switch_off(south)
    assert (await leave(depot, north)).stranded == [order.order_id]
    await depot.warehouses.activate(depot.shop_id, south.id)
    assert (await leave(depot, north)).moved == [order.order_id]


async def test_a_dry_run_answers_the_same_and_changes_nothing(depot: Depot) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=10)
    await depot.receive(south, tea=4)
    for units in (3, 2, 1):
        await held(depot, depot.asking(tea=units))
    before = await snapshot(depot)
    foreseen = await depot.warehouses.deactivate(depot.shop_id, north.id, DRY)
    assert await snapshot(depot) == before
    done = await depot.warehouses.deactivate(depot.shop_id, north.id, REALLOCATE)
    assert foreseen.dry_run
    assert foreseen.model_copy(update={"dry_run": False}) == done
    assert [len(done.moved), len(done.stranded)] == [2, 1]
    # And once it is off: what is left, the same way.
    again = await depot.warehouses.deactivate(depot.shop_id, north.id, DRY)
    assert (again.moved, again.stranded, again.kept_orders) == ([], done.stranded, 1)


async def test_each_order_that_moves_is_told_of_once(depot: Depot) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=5, cup=5)
    await depot.receive(south, tea=5, cup=5)
    order = await paid(depot, depot.asking(tea=2, cup=1))
    await leave(depot, north)
    [event] = await events(depot)
    assert event["subject_id"] == order.order_id
    assert event["data"] == {
        "attempt": 1,
        "from_warehouse_id": str(north.id),
        "to_warehouse_ids": [str(south.id)],
        "variant_ids": sorted([str(variant("tea")), str(variant("cup"))]),
    }


async def test_hundreds_of_orders_move_a_few_in_each_transaction(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=400)
    await depot.receive(south, tea=301)
    asks = [depot.asking(tea=1) for _ in range(400)]
    await depot.reservations.reserve(depot.shop_id, asks)
    await depot.reservations.commit(depot.shop_id, [ask.order_id for ask in asks[:100]])
    sizes: list[int] = []
    move = store.move_promises

    async def counted(connection: Connection, shop_id: UUID, plan: Any) -> None:
        sizes.append(len(plan.moves))
        await move(connection, shop_id, plan)

    monkeypatch.setattr(store, "move_promises", counted)
    answer = await leave(depot, north)
    assert max(sizes) <= reallocation.BATCH
    assert (len(answer.moved), len(answer.stranded), answer.kept_orders) == (301, 99, 99)
    assert {ask.order_id for ask in asks[:100]} <= set(answer.moved)
    assert await counters(depot, south) == (301, 201, 100)


async def test_what_has_moved_has_moved_should_the_rest_fail(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=60)
    await depot.receive(south, tea=60)
    asks = [depot.asking(tea=1) for _ in range(60)]
    await depot.reservations.reserve(depot.shop_id, asks)
    write = write_events
    calls = 0

    async def fails_in_the_second(*args: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            msg = "the machine stumbles"
            raise RuntimeError(msg)
        await write(*args)

    with monkeypatch.context() as patch:
        patch.setattr(reallocation, "write_events", fails_in_the_second)
        with pytest.raises(RuntimeError):
            await leave(depot, north)
    assert await counters(depot, south) == (60, reallocation.BATCH, 0)
    answer = await leave(depot, north)
    assert len(answer.moved) == 60 - reallocation.BATCH
    assert await counters(depot, north) == (60, 0, 0)
    assert len(await events(depot)) == 60


async def test_an_unknown_warehouse_is_refused(depot: Depot) -> None:
    for ask in (DRY, REALLOCATE):
        with pytest.raises(NoSuchWarehouse):
            await depot.warehouses.deactivate(depot.shop_id, new_id(), ask)
