"""Many callers at once against few units, verb by verb, each call a transaction of its own.

Each race is also run on a variant with its guard taken out, where it must find the fault.
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
from lockstock.warehouses.contract import Line, Warehouse
from lockstock.warehouses.reservations import store as reservations
from lockstock.warehouses.reservations.contract import OutOfStock, Reservation, Reserve
from lockstock.warehouses.stock.contract import (
    Adjust,
    Adjustment,
    BelowPromised,
    StockList,
    StockRow,
)
from lockstock.warehouses.transfers.contract import NewTransfer, NotEnoughToMove
from tests.races import broken
from tests.races.apart import apart
from tests.warehouses.depot import Depot, cause, variant

pytestmark = pytest.mark.races

# A broken variant is given this many rounds to show its fault.
ROUNDS = 20


@pytest.fixture
async def depot(database_url: str) -> AsyncIterator[Depot]:
    """A shop, with connections enough for buyers to meet in the database."""
    database = await Database.open(database_url, Limits(pool_size=16))
    yield apart(Depot(database))
    await database.close()


async def storm(depot: Depot, asks: Sequence[Reserve]) -> list[Reservation | Refusal]:
    """Ask for all of them at once."""
    return list(await asyncio.gather(*(depot.reserve(ask) for ask in asks)))


async def stock_of(depot: Depot, warehouse: Warehouse | None = None) -> list[StockRow]:
    """All stock rows of the shop, or of one warehouse."""
    ask = StockList(warehouse_id=warehouse.id if warehouse else None, limit=200)
    return (await depot.stock.stock(depot.shop_id, ask)).items


async def promised(depot: Depot, warehouse: Warehouse | None = None) -> int:
    """Units held or committed."""
    return sum(row.held + row.committed for row in await stock_of(depot, warehouse))


def units_of(answers: Sequence[Reservation | Refusal]) -> int:
    """Units that buyers were given."""
    return sum(
        part.quantity
        for answer in answers
        if isinstance(answer, Reservation)
        for part in answer.allocations
    )


async def faults(depot: Depot) -> list[str]:
    """The names of the invariants that are broken."""
    verdict = await audit(depot.database)
    return [finding.invariant.name for finding in verdict.findings if finding.rows]


async def assert_sound(depot: Depot) -> None:
    """Every invariant holds."""
    verdict = await audit(depot.database)
    assert verdict.holds, "\n".join(report(verdict))


async def five_hundred_for_fifty(depot: Depot) -> list[Reservation | Refusal]:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=30)
    await depot.receive(south, tea=20)
    return await storm(depot, [depot.asking(tea=1) for _ in range(500)])


async def test_500_buyers_for_50_units_get_exactly_50(depot: Depot) -> None:
    answers = await five_hundred_for_fifty(depot)
    assert units_of(answers) == 50
    assert sum(isinstance(answer, OutOfStock) for answer in answers) == 450
    assert await promised(depot) == 50
    await assert_sound(depot)


async def test_without_row_locks_the_500_buyers_get_more_than_there_is(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broken.drop_checks(depot.database)
    with broken.without_row_locks(monkeypatch):
        answers = await five_hundred_for_fifty(depot)
    assert units_of(answers) > 50
    assert {"I1", "I7"} & set(await faults(depot))


async def buyers_of_two_lines_of_one_variant(depot: Depot) -> list[Reservation | Refusal]:
    [main] = await depot.open("main")
    await depot.receive(main, tea=51)
    asks = [depot.asking(tea=1) for _ in range(60)]
    return await storm(depot, [ask.model_copy(update={"lines": ask.lines * 2}) for ask in asks])


async def test_two_lines_of_one_variant_are_both_or_neither_given(depot: Depot) -> None:
    answers = await buyers_of_two_lines_of_one_variant(depot)
    given = [answer for answer in answers if isinstance(answer, Reservation)]
    assert len(given) == 25
    assert units_of(answers) == 50
    await assert_sound(depot)


async def test_if_lines_were_not_summed_the_buyers_would_get_half(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def last_line_wins(lines: Sequence[Line]) -> dict[UUID, int]:
        return {line.variant_id: line.quantity for line in lines}

    monkeypatch.setattr("lockstock.warehouses.reservations.rules.summed", last_line_wins)
    answers = await buyers_of_two_lines_of_one_variant(depot)
    given = [answer for answer in answers if isinstance(answer, Reservation)]
    assert len(given) != 25


async def buyers_in_opposite_line_orders(depot: Depot, buyers: int) -> list[Reservation | Refusal]:
    north, south = await depot.open("north", "south")
    for warehouse in (north, south):
        await depot.receive(warehouse, tea=40, cup=40, pot=40)
    asks = [depot.asking(tea=1, cup=1, pot=1) for _ in range(buyers)]
    return await storm(
        depot,
        [
            ask.model_copy(update={"lines": ask.lines[:: 1 if place % 2 else -1]})
            for place, ask in enumerate(asks)
        ],
    )


def deadlocks() -> float:
    """Deadlocks of this process so far."""
    return float(telemetry.RETRIES.labels("40P01")._value.get())  # noqa: SLF001 (no reader)


async def test_opposite_line_orders_never_deadlock(depot: Depot) -> None:
    before = deadlocks()
    answers = await buyers_in_opposite_line_orders(depot, 100)
    assert sum(isinstance(answer, Reservation) for answer in answers) == 80
    assert deadlocks() == before
    await assert_sound(depot)


async def test_if_rows_were_locked_as_asked_opposite_orders_would_deadlock(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = deadlocks()
    with broken.locking_as_asked(monkeypatch):
        for _ in range(ROUNDS):
            await buyers_in_opposite_line_orders(depot, 6)
            if deadlocks() > before:
                break
    assert deadlocks() > before
    # Even so the deadlock is retried and never shown, and nothing is oversold.
    await assert_sound(depot)


async def payments_at_the_deadline(depot: Depot) -> tuple[int, int]:
    """Pay, buy and sweep around one deadline; return how many paid and how many bought anew."""
    [main] = await depot.open("main")
    await depot.receive(main, tea=60)
    first = [depot.asking(1, tea=1) for _ in range(60)]
    await storm(depot, first)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 1

    async def at(work: Awaitable[object]) -> object:
        await asyncio.sleep(deadline + random.uniform(-0.06, 0.06) - loop.time())
        return await work

    async def pay(ask: Reserve) -> object:
        return (await depot.reservations.commit(depot.shop_id, [ask.order_id]))[0]

    async def expire(ask: Reserve) -> object:
        return (await depot.reservations.expire(depot.shop_id, [ask.order_id]))[0]

    paying = [at(pay(ask)) for ask in first]
    buying = [at(depot.reserve(depot.asking(tea=1))) for _ in range(60)]
    tidying = [at(depot.reservations.sweep(20)) for _ in range(5)]
    ending = [at(expire(ask)) for ask in first[:20]]
    done = await asyncio.gather(*paying, *buying, *tidying, *ending)
    paid = sum(isinstance(answer, Reservation) for answer in done[:60])
    bought = sum(isinstance(answer, Reservation) for answer in done[60:120])
    return paid, bought


async def test_a_payment_and_the_deadline_never_both_win(depot: Depot) -> None:
    paid, bought = await payments_at_the_deadline(depot)
    assert paid + bought <= 60
    assert await promised(depot) == paid + bought
    await assert_sound(depot)


async def test_if_commit_forgot_the_deadline_both_would_win(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broken.drop_checks(depot.database)
    with broken.without_the_deadline(monkeypatch):
        for _ in range(ROUNDS):
            await payments_at_the_deadline(depot)
            if await faults(depot):
                break
    assert await faults(depot)


async def switching_off_during_checkout(depot: Depot) -> tuple[int, int]:
    """Return what the warehouse had promised when it was off, and after all buyers were done."""
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=500)
    await depot.receive(south, tea=500)
    buyers = [asyncio.create_task(depot.reserve(depot.asking(tea=1))) for _ in range(150)]
    await asyncio.sleep(random.uniform(0.005, 0.05))
    await depot.switch_off(north)
    then = await promised(depot, north)
    await asyncio.gather(*buyers)
    return then, await promised(depot, north)


async def test_nothing_is_taken_from_a_warehouse_once_it_is_off(depot: Depot) -> None:
    for _ in range(3):
        then, after = await switching_off_during_checkout(depot)
        assert after == then
    await assert_sound(depot)


async def look_one_after_the_other(depot: Depot, warehouse: Warehouse) -> None:
    """Let buyer after buyer look at the warehouses, each before the last one is done, until off."""
    looked: asyncio.Queue[bool] = asyncio.Queue()
    earlier: list[tuple[asyncio.Event, asyncio.Task[None]]] = []
    is_on = True
    while is_on:
        done = asyncio.Event()

        async def buyer(connection: Connection, done: asyncio.Event = done) -> None:
            found = await reservations.active_warehouses(connection, depot.shop_id)
            looked.put_nowait(warehouse.id in {one.id for one in found})
            await done.wait()

        buying = asyncio.create_task(depot.database.transaction(buyer))
        earlier.append((done, buying))
        is_on = await looked.get()
        for before, task in earlier[: -1 if is_on else None]:
            before.set()
            await task
        earlier = earlier[-1:]


async def test_an_unbroken_row_of_buyers_cannot_keep_a_warehouse_from_being_switched_off(
    depot: Depot, database_url: str
) -> None:
    """A lock that buyers share among them, and that the switch must have alone, is never free."""
    north, _ = await depot.open("north", "south")
    office = await Database.open(database_url, Limits(statement_timeout_seconds=5))
    looking = asyncio.create_task(look_one_after_the_other(depot, north))
    try:
        await apart(Depot(office, depot.shop_id)).switch_off(north)
        await looking
    finally:
        looking.cancel()
        await office.close()


async def test_without_the_lock_on_the_flag_stock_is_taken_after_it_is_off(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    with broken.without_the_lock_on_warehouses(monkeypatch):
        seen = [await switching_off_during_checkout(depot) for _ in range(ROUNDS)]
    assert any(after > then for then, after in seen)


async def transfers_and_adjustments_during_checkout(depot: Depot) -> list[BaseException]:
    """Return the errors that nobody expected."""
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=60)
    await depot.receive(south, tea=60)

    async def move(source: Warehouse, target: Warehouse) -> None:
        ask = NewTransfer(
            from_warehouse_id=source.id,
            to_warehouse_id=target.id,
            lines=[Line(variant_id=variant("tea"), quantity=random.randint(1, 20))],
            immediate=True,
        )
        try:
            await depot.transfers.transfer(depot.shop_id, ask, cause())
        except NotEnoughToMove:
            return

    async def shrink(warehouse: Warehouse) -> None:
        line = Adjustment(variant_id=variant("tea"), delta=-random.randint(1, 10))
        try:
            await depot.stock.adjust(
                depot.shop_id, warehouse.id, Adjust(lines=[line], reason="broken"), cause()
            )
        except BelowPromised:
            return

    works: list[Awaitable[object]] = [
        depot.reserve(depot.asking(tea=random.randint(1, 4))) for _ in range(80)
    ]
    works += [move(*pair) for pair in [(north, south), (south, north)] * 15]
    works += [shrink(warehouse) for warehouse in (north, south) * 10]
    random.shuffle(works)
    done = await asyncio.gather(*works, return_exceptions=True)
    # A refusal of a batch's member is an answer, not an error.
    return [e for e in done if isinstance(e, BaseException) and not isinstance(e, OutOfStock)]


async def test_transfers_and_adjustments_take_nothing_that_is_promised(depot: Depot) -> None:
    before = deadlocks()
    assert not await transfers_and_adjustments_during_checkout(depot)
    assert deadlocks() == before
    await assert_sound(depot)


async def test_without_row_locks_transfers_and_adjustments_take_what_is_promised(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broken.drop_checks(depot.database)
    with broken.without_row_locks(monkeypatch):
        for _ in range(ROUNDS):
            await transfers_and_adjustments_during_checkout(depot)
            if "I1" in await faults(depot):
                break
    assert "I1" in await faults(depot)
