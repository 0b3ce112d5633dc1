"""A cap on the open reservations of one customer in a shop."""

from uuid import UUID

import pytest

from lockstock.kernel.database import Connection, Database, Limits
from lockstock.kernel.errors import Refusal
from lockstock.warehouses.reservations.contract import (
    OutOfStock,
    Reservation,
    Reserve,
    TooManyOpenReservations,
)
from tests.warehouses.depot import Depot


@pytest.fixture
async def depot(database: Database) -> Depot:
    depot = Depot(database)
    [main] = await depot.open("main")
    await depot.receive(main, tea=100)
    return depot


ANN, BOB = UUID(int=1), UUID(int=2)


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
