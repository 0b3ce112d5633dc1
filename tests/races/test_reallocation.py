"""Buyers, payments, parcels and a warehouse that is switched off, all at once.

The race is also run without the row locks, where it must find the fault.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Sequence
from uuid import UUID

import pytest

from lockstock.audit.service import audit, report
from lockstock.kernel import telemetry
from lockstock.kernel.database import Connection, Database, Limits
from lockstock.kernel.errors import Refusal
from lockstock.kernel.ids import new_id
from lockstock.warehouses.contract import AllocationPolicy, Deactivate, Switched
from lockstock.warehouses.reallocation import store
from lockstock.warehouses.reallocation.rules import Plan
from lockstock.warehouses.reallocation.service import BATCH
from lockstock.warehouses.reservations.contract import Reservation
from lockstock.warehouses.shipping.contract import Shipment
from tests.races import broken
from tests.races.apart import apart
from tests.warehouses.depot import Depot, cause

pytestmark = pytest.mark.races

# A broken variant is given this many rounds to show its fault.
ROUNDS = 20
# Units elsewhere: for all orders that there can be, or for a few.
ENOUGH = (90, 60)
SCARCE = (25, 10)


@pytest.fixture
async def depot(database_url: str) -> AsyncIterator[Depot]:
    """A shop, with connections enough for all of them to meet in the database."""
    database = await Database.open(database_url, Limits(pool_size=16))
    yield apart(Depot(database))
    await database.close()


async def faults(depot: Depot) -> list[str]:
    """The names of the invariants that are broken."""
    verdict = await audit(depot.database)
    return [finding.invariant.name for finding in verdict.findings if finding.rows]


async def leave(depot: Depot, warehouse_id: UUID) -> Switched:
    """Switch a warehouse off and move its orders."""
    ask = Deactivate(promises="reallocate")
    return await depot.warehouses.deactivate(depot.shop_id, warehouse_id, ask, AllocationPolicy())


async def pay(depot: Depot, order_id: UUID) -> Reservation | Refusal:
    """Commit what is held for an order."""
    [answer] = await depot.reservations.commit(depot.shop_id, [order_id])
    return answer


async def ship(depot: Depot, order_id: UUID) -> object:
    """Send out what is promised to an order, from where it was a moment ago."""
    [found] = await depot.reservations.reservations(depot.shop_id, [order_id])
    assert found is not None
    ask = Shipment(shipment_id=new_id(), order_id=order_id, parts=found.allocations)
    [answer] = await depot.shipping.ship(depot.shop_id, [ask], cause())
    return answer


async def everything_at_once(
    depot: Depot, room: tuple[int, int]
) -> tuple[Switched, list[BaseException]]:
    """Leave one of three warehouses while all sorts of people want its orders.

    `room`: units in the other two. Returns what is left in the end, and what nobody expected.
    """
    north, south, east = await depot.open("north", "south", "east")
    for warehouse, units in ((north, 60), (south, room[0]), (east, room[1])):
        await depot.receive(warehouse, tea=units, cup=units)
    earlier = [depot.asking(tea=1, cup=1) for _ in range(40)]
    await depot.reservations.reserve(depot.shop_id, earlier)
    await depot.reservations.commit(depot.shop_id, [ask.order_id for ask in earlier[:10]])
    works: list[Awaitable[object]] = [
        depot.reserve(depot.asking(tea=random.randint(1, 2), cup=1)) for _ in range(40)
    ]
    works += [pay(depot, ask.order_id) for ask in earlier[10:30]]
    works += [ship(depot, ask.order_id) for ask in earlier[:10]]
    works += [depot.reservations.release(depot.shop_id, [a.order_id]) for a in earlier[30:35]]
    random.shuffle(works)
    leaving = [leave(depot, north.id), leave(depot, north.id)]
    first, *done = await asyncio.gather(*leaving, *works, return_exceptions=True)
    assert isinstance(first, Switched)
    unexpected = [e for e in done if isinstance(e, BaseException) and not isinstance(e, Refusal)]
    return await leave(depot, north.id), unexpected


async def units_in(depot: Depot, order_ids: Sequence[UUID]) -> list[int]:
    """Units promised to each order."""
    found = await depot.reservations.reservations(depot.shop_id, order_ids)
    return [sum(part.quantity for part in r.allocations) if r else 0 for r in found]


def deadlocks() -> float:
    """Deadlocks of this process so far."""
    return float(telemetry.RETRIES.labels("40P01")._value.get())  # noqa: SLF001 (no reader)


async def test_orders_leave_while_others_buy_pay_and_ship_and_none_is_lost(depot: Depot) -> None:
    before = deadlocks()
    for _ in range(3):
        shop = apart(Depot(depot.database))
        left, unexpected = await everything_at_once(shop, ENOUGH)
        assert not unexpected
        # Nothing stays behind, and nothing is promised there.
        assert (left.stranded, left.kept_orders) == ([], 0)
        row = await shop.row(left.warehouse, "tea")
        assert (row.held, row.committed) == (0, 0)
    assert deadlocks() == before
    verdict = await audit(depot.database)
    assert verdict.holds, "\n".join(report(verdict))


async def test_with_too_little_room_for_all_no_unit_is_promised_twice(depot: Depot) -> None:
    before = deadlocks()
    for _ in range(3):
        shop = apart(Depot(depot.database))
        left, unexpected = await everything_at_once(shop, SCARCE)
        assert not unexpected
        assert left.kept_orders == len(left.stranded)
    assert deadlocks() == before
    verdict = await audit(depot.database)
    assert verdict.holds, "\n".join(report(verdict))


async def test_without_row_locks_units_are_promised_that_are_not_there(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broken.drop_checks(depot.database)
    with broken.without_row_locks(monkeypatch):
        for _ in range(ROUNDS):
            await everything_at_once(apart(Depot(depot.database)), SCARCE)
            if await faults(depot):
                break
    assert {"I1", "I2b", "I5", "I7"} & set(await faults(depot))


async def two_leave_for_each_other(depot: Depot) -> None:
    """Switch off two warehouses at once, each the only place where the other's orders could go."""
    north, south = await depot.open("north", "south")
    for warehouse in (north, south):
        await depot.receive(warehouse, tea=30)
    asks = [depot.asking(tea=1) for _ in range(30)]
    await depot.reservations.reserve(depot.shop_id, asks)
    answers = await asyncio.gather(leave(depot, north.id), leave(depot, south.id))
    still = [await leave(depot, warehouse.id) for warehouse in (north, south)]
    assert all(not answer.warehouse.active for answer in [*answers, *still])
    assert sum(answer.kept_orders for answer in still) == len(asks)
    assert not any(answer.moved for answer in still)
    assert await units_in(depot, [ask.order_id for ask in asks]) == [1] * len(asks)


async def test_two_warehouses_that_are_left_at_once_lose_no_order(depot: Depot) -> None:
    before = deadlocks()
    for _ in range(3):
        await two_leave_for_each_other(apart(Depot(depot.database)))
    assert deadlocks() == before
    verdict = await audit(depot.database)
    assert verdict.holds, "\n".join(report(verdict))


async def someone_waits(connection: Connection) -> bool:
    """Whether somebody in this database waits for a lock."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock')"
    )
    return found


async def moving_into_a_warehouse_that_is_switched_off(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> tuple[int, int]:
    """Switch it off when the moves are decided and not written yet.

    Returns what it had promised when it was off, and after all orders had moved.
    """
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=50)
    await depot.receive(south, tea=50)
    await depot.reservations.reserve(depot.shop_id, [depot.asking(tea=1) for _ in range(50)])
    move = store.move_promises
    switching: list[asyncio.Task[int]] = []

    async def off() -> int:
        await depot.switch_off(south)
        return (await depot.row(south, "tea")).held

    async def switched_first(connection: Connection, shop_id: UUID, plan: Plan) -> None:
        if not switching:
            switching.append(asyncio.create_task(off()))
            # In a connection of its own: within a transaction the statistics stand still.
            while not (switching[0].done() or await depot.database.read(someone_waits)):
                pass
        await move(connection, shop_id, plan)

    with monkeypatch.context() as patch:
        patch.setattr(store, "move_promises", switched_first)
        await leave(depot, north.id)
    return await switching[0], (await depot.row(south, "tea")).held


async def test_nothing_moves_into_a_warehouse_once_it_is_off(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    then, after = await moving_into_a_warehouse_that_is_switched_off(depot, monkeypatch)
    # Who had decided before is waited for; those that follow find it off.
    assert after == then == BATCH
    verdict = await audit(depot.database)
    assert verdict.holds, "\n".join(report(verdict))


async def test_without_the_lock_on_the_flag_orders_move_into_a_warehouse_that_is_off(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    with broken.without_the_lock_on_warehouses(monkeypatch):
        then, after = await moving_into_a_warehouse_that_is_switched_off(depot, monkeypatch)
    assert after > then
