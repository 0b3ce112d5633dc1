"""Transfers: two at once on the same units. Each race is also run with its guard taken out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import pytest

from lockstock.audit.service import audit, report
from lockstock.kernel import telemetry
from lockstock.kernel.database import Database, Limits
from lockstock.kernel.errors import Refusal
from lockstock.warehouses.reservations.contract import Reservation
from lockstock.warehouses.transfers import store
from lockstock.warehouses.transfers.contract import (
    ClosedLine,
    CloseTransfer,
    MoreThanOutstanding,
    NotEnoughToMove,
    StepNotAllowed,
)
from tests.races import broken
from tests.races.apart import apart
from tests.warehouses.depot import Depot, cause
from tests.warehouses.transfers.carrying import Carrier, carrier, lines

pytestmark = pytest.mark.races

# A broken variant is given this many rounds to show its fault.
ROUNDS = 20
CHECKS = {
    "warehouses.stock": (*broken.CHECKS, "incoming_is_not_negative"),
    "warehouses.movements": ("balance_is_not_negative",),
    "warehouses.transfer_lines": ("nothing_appears_on_the_way",),
}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Connections enough for callers to meet in the database."""
    opened = await Database.open(database_url, Limits(pool_size=16))
    yield opened
    await opened.close()


@contextmanager
def without_locks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Look at stock and transfers without locking them."""
    with broken.without_row_locks(monkeypatch), monkeypatch.context() as patch:
        assert "FOR UPDATE" in store.LOCK_TRANSFER
        patch.setattr(store, "LOCK_TRANSFER", store.LOCK_TRANSFER.replace("FOR UPDATE", ""))
        yield


async def drop_checks(database: Database) -> None:
    """Take away the database's own refusals, the last of the guards."""
    for table, names in CHECKS.items():
        for name in names:
            statement = f"ALTER TABLE {table} DROP CONSTRAINT {name}"
            await database.read(partial(broken.execute, statement))


async def at_once(*works: Awaitable[object]) -> list[object]:
    """Do all at once; a refusal is an answer, anything else is a bug."""
    done = await asyncio.gather(*works, return_exceptions=True)
    for answer in done:
        if isinstance(answer, BaseException) and not isinstance(answer, Refusal):
            raise answer
    return list(done)


def refusals(done: list[object]) -> list[type]:
    """The kinds of refusals among the answers."""
    return [type(answer) for answer in done if isinstance(answer, Refusal)]


async def two_receipts(carry: Carrier) -> None:
    """Eight clerks find all five units on the same lorry."""
    transfer = await carry.at("in_transit")
    done = await at_once(*(carry.receive(transfer, 5) for _ in range(8)))
    assert refusals(done) == [MoreThanOutstanding] * 7
    assert (await carry.now(transfer)).status == "received"


async def dispatch_and_cancel(carry: Carrier) -> None:
    """The lorry leaves while the office gives the transfer up."""
    transfer = await carry.at("ready")
    done = await at_once(*(carry.take(transfer, step) for step in ("dispatch", "cancel") * 3))
    assert refusals(done) == [StepNotAllowed] * 3
    assert (await carry.now(transfer)).status in ("in_transit", "cancelled")


async def ready_and_checkout(carry: Carrier) -> None:
    """Buyers and a transfer want the last units."""
    depot = carry.depot
    drafts = [await carry.draft(lines=lines(tea=5)) for _ in range(3)]
    buying = [depot.reserve(depot.asking(tea=2)) for _ in range(12)]
    done = await at_once(*(carry.take(draft, "ready") for draft in drafts), *buying)
    bought = sum(isinstance(answer, Reservation) for answer in done)
    made_ready = 3 - refusals(done[:3]).count(NotEnoughToMove)
    assert 2 * bought + 5 * made_ready <= 11
    # Nobody is refused for nothing: fewer units are left than anybody asked for.
    assert (await depot.row(carry.north, "tea")).available < 5
    assert await depot.available("tea") < 2


async def receive_and_close(carry: Carrier) -> None:
    """A lorry arrives while the office writes it off."""
    transfer = await carry.at("in_transit")
    done = await at_once(
        carry.receive(transfer, 5),
        carry.close(transfer, returned=5),
        carry.receive(transfer, 5),
        carry.close(transfer, lost=5),
    )
    assert len(refusals(done)) == 3
    assert (await carry.now(transfer)).status in ("received", "closed_short")


Race = Callable[[Carrier], Awaitable[None]]
RACES: list[Race] = [two_receipts, dispatch_and_cancel, ready_and_checkout, receive_and_close]


@pytest.mark.parametrize("race", RACES)
async def test_one_of_them_wins_and_the_other_sees_it(database: Database, race: Race) -> None:
    for _ in range(5):
        await race(await carrier(apart(Depot(database))))
    verdict = await audit(database)
    assert verdict.holds, "\n".join(report(verdict))


@pytest.mark.parametrize("race", RACES)
async def test_without_locks_both_would_win(
    database: Database, race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    await drop_checks(database)
    with without_locks(monkeypatch):
        for _ in range(ROUNDS):
            with suppress(AssertionError):
                await race(await carrier(apart(Depot(database))))
            if not (await audit(database)).holds:
                break
    assert not (await audit(database)).holds


async def test_transfers_in_both_directions_never_deadlock(database: Database) -> None:
    depot = apart(Depot(database))
    north, south = await depot.open("north", "south")
    for warehouse in (north, south):
        await depot.receive(warehouse, tea=60, cup=60)
    before = float(telemetry.RETRIES.labels("40P01")._value.get())  # noqa: SLF001 (no reader)

    async def travel(place: int) -> None:
        way = (north, south) if place % 2 else (south, north)
        goods = {"tea": 1, "cup": 2} if place % 3 else {"cup": 2, "tea": 1}
        carry = Carrier(depot, *way)
        transfer = await carry.draft(lines=lines(**goods))
        for step in ("ready", "dispatch", "receive"):
            await carry.take(transfer, step)
        rest = [
            ClosedLine(variant_id=line.variant_id, returned=line.outstanding)
            for line in (await carry.now(transfer)).lines
        ]
        ask = CloseTransfer(lines=rest, reason="enough")
        await depot.transfers.close(depot.shop_id, transfer.id, ask, cause())

    buying = [depot.reserve(depot.asking(cup=1, tea=1)) for _ in range(20)]
    await at_once(*(travel(place) for place in range(24)), *buying)
    assert float(telemetry.RETRIES.labels("40P01")._value.get()) == before  # noqa: SLF001
    verdict = await audit(database)
    assert verdict.holds, "\n".join(report(verdict))
