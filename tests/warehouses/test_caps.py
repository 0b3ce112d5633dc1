"""A cap on the open reservations of one customer in a shop."""

import asyncio
from uuid import UUID

import pytest

from lockstock.kernel.database import Connection, Database, Limits
from lockstock.kernel.errors import Refusal
from lockstock.warehouses.reservations.caps import store as caps
from lockstock.warehouses.reservations.contract import (
    OutOfStock,
    Reservation,
    Reserve,
    TooManyOpenReservations,
)
from lockstock.warehouses.reservations.service import START
from tests.warehouses.depot import Depot


@pytest.fixture
async def depot(database: Database) -> Depot:
    depot = Depot(database)
    [main] = await depot.open("main")
    await depot.receive(main, tea=100)
    return depot


ANN, BOB = UUID(int=1), UUID(int=2)
PATIENCE_SECONDS = 60


def asking(depot: Depot, customer: UUID, most: int | None, seconds: int = 600) -> Reserve:
    ask = depot.asking(seconds, tea=1)
    return ask.model_copy(update={"customer_id": customer, "most_open": most})


async def test_one_more_than_the_cap_is_refused_and_says_what_is_open(depot: Depot) -> None:
    first, second, third = (asking(depot, ANN, 2) for _ in range(3))
    held = [await depot.reserve(ask) for ask in (first, second)]
    refused = await depot.reserve(third)
    assert isinstance(refused, TooManyOpenReservations)
    assert refused.fields["most"] == refused.fields["open"] == 2
    assert refused.fields["orders"] == [str(first.order_id), str(second.order_id)]
    assert isinstance(held[0], Reservation)
    assert refused.fields["next_expires_at"] == held[0].expires_at.isoformat()
    assert await depot.available("tea") == 98


async def test_the_cap_is_of_each_customer_and_of_each_shop(depot: Depot) -> None:
    assert isinstance(await depot.reserve(asking(depot, ANN, 1)), Reservation)
    assert isinstance(await depot.reserve(asking(depot, BOB, 1)), Reservation)
    elsewhere = Depot(depot.database)
    [other] = await elsewhere.open("other")
    await elsewhere.receive(other, tea=1)
    assert isinstance(await elsewhere.reserve(asking(elsewhere, ANN, 1)), Reservation)


async def test_a_retry_of_what_is_held_already_is_never_refused(depot: Depot) -> None:
    ask = asking(depot, ANN, 1)
    first = await depot.reserve(ask)
    assert await depot.reserve(ask) == first
    # Also with a cap that has become smaller than what is open.
    await depot.reserve(asking(depot, ANN, None))
    assert await depot.reserve(ask) == first


@pytest.mark.parametrize("ending", ["commit", "release"])
async def test_what_is_paid_or_released_is_not_open_any_more(depot: Depot, ending: str) -> None:
    ask = asking(depot, ANN, 1)
    await depot.reserve(ask)
    assert isinstance(await depot.reserve(asking(depot, ANN, 1)), Refusal)
    await getattr(depot.reservations, ending)(depot.shop_id, [ask.order_id])
    assert isinstance(await depot.reserve(asking(depot, ANN, 1)), Reservation)


async def test_what_is_past_its_deadline_is_not_open_swept_or_not(depot: Depot) -> None:
    await depot.reserve(asking(depot, ANN, 1, seconds=0))
    assert isinstance(await depot.reserve(asking(depot, ANN, 1)), Reservation)


async def test_a_batch_is_counted_as_it_goes(depot: Depot) -> None:
    asks = [asking(depot, customer, 2) for customer in (ANN, ANN, BOB, ANN, BOB)]
    answers = await depot.reservations.reserve(depot.shop_id, asks)
    assert [isinstance(answer, Reservation) for answer in answers] == [
        True,
        True,
        True,
        False,
        True,
    ]


async def test_who_is_out_of_stock_has_opened_nothing(depot: Depot) -> None:
    much = asking(depot, ANN, 1)
    line = much.lines[0].model_copy(update={"quantity": 101})
    refused = await depot.reserve(much.model_copy(update={"lines": [line]}))
    assert isinstance(refused, OutOfStock)
    assert isinstance(await depot.reserve(asking(depot, ANN, 1)), Reservation)


async def test_late_money_takes_its_stock_again_whatever_is_open(depot: Depot) -> None:
    late = asking(depot, ANN, 1, seconds=0)
    await depot.reserve(late)
    await depot.reserve(asking(depot, ANN, 1))
    again = late.model_copy(update={"again": True, "most_open": None, "seconds": 60})
    assert isinstance(await depot.reserve(again), Reservation)


async def statements_of(depot: Depot, ask: Reserve) -> int:
    """Reserve; return how many statements it took, on the only connection that there is."""
    seen: list[str] = []

    async def listen(connection: Connection) -> None:
        connection.add_query_logger(lambda record: seen.append(record.query))

    await depot.database.read(listen)
    assert isinstance(await depot.reserve(ask), Reservation)
    return sum("warehouses." in statement for statement in seen)


async def test_without_a_cap_reserving_costs_no_statement_more(database_url: str) -> None:
    counts = []
    for most in (None, 9):
        one_connection = await Database.open(database_url, Limits(pool_size=1))
        depot = Depot(one_connection)
        [main] = await depot.open("main")
        await depot.receive(main, tea=1)
        counts.append(await statements_of(depot, asking(depot, ANN, most)))
        await one_connection.close()
    # The warehouses, the stock, what is kept and the time, the hold.
    assert counts == [4, 6]


async def rows_of(depot: Depot) -> set[UUID]:
    """The customers of the shop who have a row."""

    async def read(connection: Connection) -> set[UUID]:
        every = await caps.capped_customers(connection, START, 1000)
        return {customer for shop, customer in every if shop == depot.shop_id}

    return await depot.database.read(read)


async def test_a_sweep_forgets_who_has_nothing_open(depot: Depot) -> None:
    """Paid, released or past the deadline; who still has something open is kept."""
    others = [UUID(int=number) for number in range(3, 6)]
    asks = [asking(depot, customer, 1) for customer in (ANN, BOB, *others[:2])]
    asks.append(asking(depot, others[2], 1, seconds=0))
    for ask in asks:
        assert isinstance(await depot.reserve(ask), Reservation)
    assert await rows_of(depot) == {ANN, BOB, *others}
    await depot.reservations.commit(depot.shop_id, [asks[1].order_id])
    await depot.reservations.release(depot.shop_id, [asks[2].order_id])
    await depot.reservations.sweep(100)
    assert await rows_of(depot) == {ANN, others[1]}
    # The cap holds, with the row or without.
    for customer, kind in ((ANN, TooManyOpenReservations), (BOB, Reservation)):
        assert isinstance(await depot.reserve(asking(depot, customer, 1)), kind)


async def test_a_sweep_comes_to_every_customer_a_few_at_a_time(depot: Depot) -> None:
    """However many of those before them are kept."""
    for number in range(10, 15):
        await depot.reserve(asking(depot, UUID(int=number), 1))
    last = asking(depot, UUID(int=15), 1)
    await depot.reserve(last)
    await depot.reservations.release(depot.shop_id, [last.order_id])
    for _ in range(3):
        assert UUID(int=15) in await rows_of(depot)
        await depot.reservations.sweep(2)
    assert await rows_of(depot) == {UUID(int=number) for number in range(10, 15)}


async def test_a_sweep_does_not_wait_for_who_reserves_at_this_moment(depot: Depot) -> None:
    async def meanwhile(connection: Connection) -> None:
        await caps.lock_customers(connection, depot.shop_id, [ANN])
        await depot.reservations.sweep(100)

    await depot.database.transaction(meanwhile)
    assert await rows_of(depot) == {ANN}
    await depot.reservations.sweep(100)
    assert await rows_of(depot) == set()


async def test_who_meets_the_sweep_waits_and_has_a_row_again(depot: Depot) -> None:
    """A row that goes while it is waited for is a lock all the same."""
    ask = asking(depot, ANN, 1)
    await depot.reserve(ask)
    await depot.reservations.release(depot.shop_id, [ask.order_id])

    # Of processes of their own, so that they are not gathered into one batch.
    others = [Depot(depot.database, depot.shop_id) for _ in range(3)]

    async def sweep(connection: Connection) -> list[asyncio.Task[Reservation | Refusal]]:
        assert await caps.forget_customers(connection, depot.shop_id, [ANN]) == 1
        coming = [asyncio.create_task(other.reserve(asking(depot, ANN, 1))) for other in others]
        await wait_for_waiters(depot, await connection.fetchval("SELECT pg_backend_pid()"))
        return coming

    answers = await asyncio.gather(*await depot.database.transaction(sweep))
    assert sum(isinstance(answer, Reservation) for answer in answers) == 1
    assert await rows_of(depot) == {ANN}


async def wait_for_waiters(depot: Depot, pid: int) -> None:
    """Return when somebody waits for what this session has locked."""

    async def count(connection: Connection) -> int:
        found: int = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))", pid
        )
        return found

    async with asyncio.timeout(PATIENCE_SECONDS):
        # Another session changes it.
        while not await depot.database.read(count):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
