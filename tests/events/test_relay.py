"""The relay: nothing is lost, nothing is there twice, and nobody who reads on misses anything."""

import asyncio
import random
from collections.abc import Sequence
from uuid import UUID

import pytest

from lockstock.app import Services
from lockstock.background import Rounds
from lockstock.events.log import relay as relaying
from lockstock.events.log import store
from lockstock.events.log.contract import Event
from lockstock.events.log.relay import Relay
from lockstock.events.log.service import EventLogService
from lockstock.kernel import outbox
from lockstock.kernel.database import Connection, Database
from lockstock.kernel.ids import new_id
from lockstock.kernel.operations import Readiness
from lockstock.kernel.outbox import SCHEMAS, PendingEvent, Schema
from tests.events.writers import Writer

SUBJECTS = 8
UPTO = 12


class Follower:
    """Reads on from what it has seen, as a client does, while others write."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.seen: list[Event] = []

    async def follow(self, whole: int) -> None:
        """Read until so many events were seen, or nothing has come for long."""
        idle = 0
        while len(self.seen) < whole and idle < 500:
            after = self.seen[-1].sequence if self.seen else 0
            page = await self._writer.log.after(self._writer.shop_id, after, 7)
            self.seen += page
            idle = 0 if page else idle + 1
            await asyncio.sleep(0.001)


async def _relay_until(done: asyncio.Event, relay: Relay) -> None:
    while not done.is_set():
        await relay.run_once()
        await asyncio.sleep(random.random() * 0.004)


async def _race(database: Database, writer: Writer, log: EventLogService) -> Follower:
    """Let many write, three relays move, and one follow; return the follower."""
    done = asyncio.Event()
    relays = [asyncio.create_task(_relay_until(done, Relay(database, log))) for _ in range(3)]
    follower = Follower(writer)
    following = asyncio.create_task(follower.follow(SUBJECTS * UPTO))
    subjects = [new_id() for _ in range(SUBJECTS)]
    await asyncio.gather(
        *(writer.count_up(s, UPTO, SCHEMAS[n % 4]) for n, s in enumerate(subjects))
    )
    await following
    done.set()
    await asyncio.gather(*relays)
    return follower


def _numbers_by_subject(events: Sequence[Event]) -> dict[UUID, list[int]]:
    found: dict[UUID, list[int]] = {}
    for event in events:
        found.setdefault(event.subject_id, []).append(event.data["number"])
    return found


def _is_whole(events: Sequence[Event]) -> bool:
    told = _numbers_by_subject(events)
    return (
        [event.sequence for event in events] == list(range(1, SUBJECTS * UPTO + 1))
        and len(told) == SUBJECTS
        and all(numbers == list(range(UPTO)) for numbers in told.values())
    )


@pytest.mark.races
async def test_who_reads_on_sees_each_event_once_in_order_without_a_gap(
    database: Database, services: Services, writer: Writer
) -> None:
    for _ in range(3):
        writer.shop_id = new_id()
        follower = await _race(database, writer, services.event_log)
        assert _is_whole(follower.seen)
        assert follower.seen == await writer.read_all()
    assert await writer.left() == 0


class UnlockedLog(EventLogService):
    """A log that counts before it commits, and lets others in between: what not to do."""

    async def append(self, shop_id: UUID, events: Sequence[PendingEvent]) -> int:
        """Take numbers in one transaction, use them in another."""
        first = await self.database.transaction(lambda c: self._take(c, shop_id, len(events)))
        await asyncio.sleep(random.random() * 0.01)
        return await self.database.transaction(lambda c: self._put(c, shop_id, first, events))

    async def _take(self, connection: Connection, shop_id: UUID, many: int) -> int:
        await store.add_counter(connection, shop_id)
        found: int = await connection.fetchval(
            "UPDATE events.counters SET last = last + $2 WHERE shop_id = $1 RETURNING last - $2",
            shop_id,
            many,
        )
        return found

    async def _put(
        self, connection: Connection, shop_id: UUID, first: int, events: Sequence[PendingEvent]
    ) -> int:
        for place, event in enumerate(events, start=1):
            await connection.execute(
                "INSERT INTO events.log (shop_id, sequence, id, kind, subject_id, data,"
                " occurred_at) VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7)"
                " ON CONFLICT DO NOTHING",
                *(shop_id, first + place, event.id, event.kind, event.subject_id),
                *(event.data, event.occurred_at),
            )
        return len(events)


@pytest.mark.races
async def test_with_numbers_taken_outside_of_the_lock_the_reader_would_miss_some(
    database: Database, writer: Writer
) -> None:
    """The test above can fail: this is what it would look like."""
    for _ in range(5):
        writer.shop_id = new_id()
        follower = await _race(database, writer, UnlockedLog(database))
        if not _is_whole(follower.seen):
            return
    pytest.fail("nothing was missed without the lock")


STEPS = ("shops_with_events", "pending_events", "lock_counter", "add_events", "delete_events")


class Died(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_relay_that_dies_loses_nothing_and_leaves_nothing_twice(
    services: Services, writer: Writer, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    subject_id = new_id()
    await writer.count_up(subject_id, 5)
    module = outbox if hasattr(outbox, step) else store
    real = getattr(module, step)

    async def dying(*args: object, **kwargs: object) -> None:
        if when == "after":
            await real(*args, **kwargs)
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(module, step, dying)
        with pytest.raises(Died):
            await services.relay.run_once()
    await services.relay.drain()
    told = await writer.read_all()
    assert _numbers_by_subject(told) == {subject_id: [0, 1, 2, 3, 4]}
    assert [event.sequence for event in told] == [1, 2, 3, 4, 5]
    assert await writer.left() == 0


async def test_a_relay_that_is_cancelled_anywhere_loses_nothing(
    services: Services, writer: Writer
) -> None:
    subjects = [new_id() for _ in range(4)]
    writing = asyncio.gather(*(writer.count_up(subject, 10) for subject in subjects))
    while not writing.done():
        moving = asyncio.create_task(services.relay.run_once())
        await asyncio.sleep(random.random() * 0.01)
        moving.cancel()
        await asyncio.gather(moving, return_exceptions=True)
    await writing
    await services.relay.drain()
    told = await writer.read_all()
    assert _numbers_by_subject(told) == {subject: list(range(10)) for subject in subjects}
    assert [event.sequence for event in told] == list(range(1, 41))


async def test_what_is_in_the_log_but_still_in_the_outbox_is_not_told_again(
    database: Database, services: Services, writer: Writer
) -> None:
    """It died after the log had the events and before the outbox knew."""
    await writer.count_up(new_id(), 3)

    async def look(connection: Connection) -> list[PendingEvent]:
        return await outbox.pending_events(connection, writer.shop_id, 10)

    await services.event_log.append(writer.shop_id, await database.read(look))
    assert await writer.left() == 3
    await services.relay.drain()
    assert await writer.left() == 0
    assert len(await writer.read_all()) == 3


async def test_what_two_services_tell_of_one_subject_is_told_in_its_order(
    services: Services, writer: Writer
) -> None:
    subject_id = new_id()
    told_by: tuple[Schema, ...] = ("orders", "warehouses", "orders", "shops")
    for schema in told_by:
        await writer.count_up(subject_id, 1, schema)
    await services.relay.drain()
    kept = [(event.subject_id, event.occurred_at) for event in await writer.read_all()]
    assert len(kept) == 4
    assert kept == sorted(kept)


async def test_what_is_rolled_back_is_not_told(services: Services, writer: Writer) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(random, "random", lambda: 0.0)
        await writer.count_up(new_id(), 3)  # each of them fails once before it is done
    await services.relay.drain()
    assert [event.data["number"] for event in await writer.read_all()] == [0, 1, 2]


async def test_one_shop_that_cannot_be_moved_does_not_hold_up_the_others(
    services: Services, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = new_id(), new_id()
    for shop_id in (good, bad):
        writer.shop_id = shop_id
        await writer.count_up(new_id(), 2)
    append = services.event_log.append

    async def choosy(shop_id: UUID, events: Sequence[PendingEvent]) -> int:
        if shop_id == bad:
            raise ZeroDivisionError
        return await append(shop_id, events)

    with monkeypatch.context() as patched:
        patched.setattr(services.event_log, "append", choosy)
        assert await services.relay.drain() == 2
    assert await services.event_log.last(good) == 2
    assert await services.event_log.last(bad) == 0
    await services.relay.drain()
    assert await services.event_log.last(bad) == 2


async def test_more_than_fits_is_moved_in_the_rounds_that_follow(
    services: Services, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying, "BATCH", 2)
    monkeypatch.setattr(relaying, "MOST_SHOPS", 2)
    shops = [new_id() for _ in range(5)]
    for shop_id in shops:
        writer.shop_id = shop_id
        await writer.count_up(new_id(), 3)
    assert await services.relay.run_once() == 4
    await services.relay.run_once()
    await services.relay.run_once()
    # By then each of the five had its turn, however much the first ones have to tell.
    assert all([await services.event_log.last(shop_id) for shop_id in shops])
    await services.relay.drain()
    assert [await services.event_log.last(shop_id) for shop_id in shops] == [3] * 5


async def test_it_runs_by_itself_and_survives_a_bad_round(
    services: Services, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    run_once = services.relay.run_once

    async def shaky() -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ZeroDivisionError
        return await run_once()

    monkeypatch.setattr("lockstock.background.FAILED_SECONDS", 0.01)
    await writer.count_up(new_id(), 3)
    rounds = Rounds("relay", shaky, pause_seconds=0.01)
    running = asyncio.create_task(rounds.run(Readiness([writer.database], [])))
    for _ in range(1000):
        if await services.event_log.last(writer.shop_id) == 3:
            break
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await services.event_log.last(writer.shop_id) == 3
