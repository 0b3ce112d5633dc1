"""One customer who sends many orders at once, in a shop with a cap on open reservations."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from lockstock.audit.service import audit, report
from lockstock.kernel import telemetry
from lockstock.kernel.database import Database, Limits
from lockstock.kernel.ids import new_id
from lockstock.warehouses.reservations.contract import (
    Reservation,
    Reserve,
    TooManyOpenReservations,
)
from tests.races import broken
from tests.warehouses.depot import Depot

pytestmark = pytest.mark.races

CAP = 3
# A broken variant is given this many rounds to show its fault.
ROUNDS = 20
GOODS = [f"good{number}" for number in range(20)]


@pytest.fixture
async def depot(database_url: str) -> AsyncIterator[Depot]:
    """A shop with some of each good, and connections enough for orders to meet in the database."""
    database = await Database.open(database_url, Limits(pool_size=16))
    depot = Depot(database)
    [main] = await depot.open("main")
    await depot.receive(main, **dict.fromkeys(GOODS, 100))
    yield depot
    await database.close()


def order_of(depot: Depot, customer: UUID, *goods: str, most: int | None = CAP) -> Reserve:
    units: dict[str, Any] = dict.fromkeys(goods, 1)
    ask = depot.asking(**units)
    return ask.model_copy(update={"customer_id": customer, "most_open": most})


async def twenty_at_once(depot: Depot) -> int:
    """Order 20 different goods at once, which share no stock row; return how many are held."""
    customer = new_id()
    asks = [order_of(depot, customer, good) for good in GOODS]
    # Of processes of their own: one process would gather them into a batch, and they never meet.
    processes = [Depot(depot.database, depot.shop_id) for _ in asks]
    answers = await asyncio.gather(
        *(process.reserve(ask) for process, ask in zip(processes, asks, strict=True))
    )
    refused = sum(isinstance(answer, TooManyOpenReservations) for answer in answers)
    held = sum(isinstance(answer, Reservation) for answer in answers)
    assert held + refused == len(GOODS)
    return held


async def test_20_orders_at_once_with_a_cap_of_3_are_3(depot: Depot) -> None:
    for _ in range(3):
        assert await twenty_at_once(depot) == CAP
    verdict = await audit(depot.database)
    assert verdict.holds, "\n".join(report(verdict))


async def test_a_sweep_that_forgets_customers_meanwhile_lets_no_more_through(depot: Depot) -> None:
    """A row that is deleted between two orders of a customer is a lock all the same."""

    async def forget() -> None:
        while True:
            await depot.reservations.sweep(100)

    sweeping = asyncio.create_task(forget())
    for _ in range(3):
        assert await twenty_at_once(depot) == CAP
    sweeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sweeping


async def test_if_orders_of_a_customer_did_not_wait_for_each_other_they_would_be_more(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    with broken.without_the_lock_on_customers(monkeypatch):
        held = 0
        for _ in range(ROUNDS):
            held = await twenty_at_once(depot)
            if held > CAP:
                break
    assert held > CAP


async def test_capped_and_free_customers_in_opposite_line_orders_never_deadlock(
    depot: Depot,
) -> None:
    before = float(telemetry.RETRIES.labels("40P01")._value.get())  # noqa: SLF001 (no reader)
    customers = [new_id() for _ in range(5)]
    batches = [
        [
            order_of(depot, customer, *GOODS[:: 1 if turn % 2 else -1], most=most)
            for customer in customers[:: 1 if turn % 3 else -1]
        ]
        for turn in range(12)
        for most in (CAP, None)
    ]
    answers = await asyncio.gather(
        *(depot.reservations.reserve(depot.shop_id, batch) for batch in batches)
    )
    held = [answer for batch in answers for answer in batch if isinstance(answer, Reservation)]
    assert 60 <= len(held) <= 60 + CAP * len(customers)
    after = float(telemetry.RETRIES.labels("40P01")._value.get())  # noqa: SLF001 (no reader)
    assert after == before


async def test_retries_at_once_of_what_is_held_are_never_refused(depot: Depot) -> None:
    customer = new_id()
    asks = [order_of(depot, customer, good) for good in GOODS[:CAP]]
    answers = await asyncio.gather(*(depot.reserve(ask) for ask in asks * 6))
    assert all(isinstance(answer, Reservation) for answer in answers)
    assert len({answer.order_id for answer in answers if isinstance(answer, Reservation)}) == CAP
