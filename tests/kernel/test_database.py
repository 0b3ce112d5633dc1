"""Transactions: run again when that is right, and honest when nobody can know."""

import asyncio
from functools import partial

import pytest

from lockstock.kernel import database as kernel
from lockstock.kernel.database import Conflict, Connection, Database, Limits
from lockstock.kernel.errors import DatabaseUnavailable, OutcomeUnknown, Unavailable
from tests.wire import wire_to

TABLE = "CREATE TABLE notes (id integer PRIMARY KEY, text text NOT NULL)"


@pytest.fixture
async def notes(database: Database) -> Database:
    """A database with a table of notes, one of which is there."""
    await database.read(lambda c: c.execute("CREATE SCHEMA scratch"))
    await database.read(lambda c: c.execute(TABLE.replace("notes", "scratch.notes")))
    await write(database, 1)
    return database


async def write(database: Database, number: int) -> None:
    async def work(connection: Connection) -> None:
        await connection.execute("INSERT INTO scratch.notes VALUES ($1, 'x')", number)

    await database.transaction(work)


async def numbers(database: Database) -> list[int]:
    rows = await database.read(lambda c: c.fetch("SELECT id FROM scratch.notes ORDER BY id"))
    return [row["id"] for row in rows]


async def test_what_raises_leaves_nothing(notes: Database) -> None:
    async def work(connection: Connection) -> None:
        await connection.execute("INSERT INTO scratch.notes VALUES (2, 'x')")
        msg = "changed my mind"
        raise ValueError(msg)

    with pytest.raises(ValueError, match="changed my mind"):
        await notes.transaction(work)
    assert await numbers(notes) == [1]


async def test_a_deadlock_is_run_again_and_never_shown(notes: Database) -> None:
    await write(notes, 2)
    met = asyncio.Barrier(2)
    tries = 0

    async def work(connection: Connection, first: int, second: int) -> None:
        nonlocal tries
        tries += 1
        statement = "UPDATE scratch.notes SET text = text || 'y' WHERE id = $1"
        await connection.execute(statement, first)
        if tries <= 2:
            await met.wait()
        await connection.execute(statement, second)

    await asyncio.gather(
        notes.transaction(lambda c: work(c, 1, 2)), notes.transaction(lambda c: work(c, 2, 1))
    )
    assert tries == 3
    texts = await notes.read(lambda c: c.fetch("SELECT text FROM scratch.notes"))
    assert {row["text"] for row in texts} == {"xyy"}


async def test_a_verb_that_always_conflicts_is_given_up_and_says_so(
    notes: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "ATTEMPTS", 3)
    tries = 0

    async def work(_connection: Connection) -> None:
        nonlocal tries
        tries += 1
        raise Conflict

    with pytest.raises(DatabaseUnavailable, match="same rows"):
        await notes.transaction(work)
    assert tries == 3


async def test_a_connection_lost_before_commit_is_run_again(notes: Database) -> None:
    killed = False

    async def work(connection: Connection) -> None:
        nonlocal killed
        await connection.execute("INSERT INTO scratch.notes VALUES (2, 'x')")
        if not killed:
            killed = True
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    await notes.transaction(work)
    assert await numbers(notes) == [1, 2]


async def test_a_migration_meanwhile_is_nobodys_fault(notes: Database) -> None:
    """The statement is prepared for the table as it was; the verb is run again with it as it is."""

    async def look(connection: Connection) -> list[object]:
        [row] = await connection.fetch("SELECT * FROM scratch.notes")
        return list(row)

    assert await notes.transaction(look) == [1, "x"]
    await notes.read(lambda c: c.execute("ALTER TABLE scratch.notes ADD COLUMN more integer"))
    assert await notes.transaction(look) == [1, "x", None]


async def test_a_server_that_only_reads_is_left_for_the_one_that_takes_over(
    notes: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failover the old connections lead to a server that takes no changes."""
    name = await notes.read(lambda c: c.fetchval("SELECT current_database()"))
    only_reads = f'ALTER DATABASE "{name}" SET default_transaction_read_only = '
    old = await Database.open(database_url)
    await notes.read(lambda c: c.execute(only_reads + "on"))
    try:
        behind = await Database.open(database_url)
        pids = set()

        async def work(connection: Connection) -> None:
            pids.add(await connection.fetchval("SELECT pg_backend_pid()"))
            if len(pids) == 2:
                # The other server has taken over by now.
                await old.read(lambda c: c.execute(only_reads + "off"))
            await connection.execute("INSERT INTO scratch.notes VALUES (2, 'x')")

        await behind.transaction(work)
        assert len(pids) > 2
        assert await numbers(notes) == [1, 2]
        await old.read(lambda c: c.execute(only_reads + "on"))
        monkeypatch.setattr(kernel, "ATTEMPTS", 2)
        still = await Database.open(database_url)
        with pytest.raises(DatabaseUnavailable, match="takes no changes"):
            await write(still, 3)
        for opened in (behind, still):
            await opened.close()
    finally:
        await old.read(lambda c: c.execute(only_reads + "off"))
        await old.close()


@pytest.mark.parametrize(("cut", "left"), [("before", [1]), ("after", [1, 2])])
async def test_a_connection_lost_during_commit_is_an_unknown_outcome(
    notes: Database, database_url: str, cut: str, left: list[int]
) -> None:
    """The caller is told the same in both cases: from here nobody can tell them apart."""
    async with wire_to(database_url) as wire:
        database = await Database.open(wire.url)
        wire.cut = cut  # type: ignore[assignment]
        with pytest.raises(OutcomeUnknown, match="same Idempotency-Key"):
            await write(database, 2)
        assert wire.seen == 1
        await database.close()
    assert await numbers(notes) == left


async def test_the_proxy_passes_on_what_it_does_not_cut(notes: Database, database_url: str) -> None:
    async with wire_to(database_url) as wire:
        database = await Database.open(wire.url)
        await write(database, 2)
        assert wire.seen == 1
        await database.close()
    assert await numbers(notes) == [1, 2]


async def test_a_busy_pool_and_a_long_wait_for_a_lock_are_said_not_endured(
    notes: Database, database_url: str
) -> None:
    limits = Limits(pool_size=1, acquire_timeout_seconds=0.1, lock_timeout_seconds=0.1)
    narrow = await Database.open(database_url, limits)
    release = asyncio.Event()

    async def hold(connection: Connection) -> None:
        await connection.execute("UPDATE scratch.notes SET text = 'held'")
        await release.wait()

    holding = asyncio.create_task(notes.transaction(hold))
    await asyncio.sleep(0.1)
    with pytest.raises(Unavailable, match="too long"):
        await narrow.transaction(lambda c: c.execute("UPDATE scratch.notes SET text = 'mine'"))
    occupying = asyncio.create_task(narrow.transaction(lambda _c: release.wait()))
    await asyncio.sleep(0.05)
    with pytest.raises(Unavailable, match="busy"):
        await narrow.read(lambda c: c.execute("SELECT 1"))
    release.set()
    await asyncio.gather(holding, occupying)
    await narrow.close()


async def test_a_stopped_database_is_said_not_hung_on() -> None:
    with pytest.raises(OSError):
        await Database.open("postgresql://nobody@127.0.0.1:1/none")


async def test_a_closing_pool_says_so_at_once(database_url: str) -> None:
    database = await Database.open(database_url)
    await database.close()
    with pytest.raises(DatabaseUnavailable, match="stopping"):
        await database.read(lambda c: c.execute("SELECT 1"))


async def show(name: str, connection: Connection) -> str:
    return str(await connection.fetchval(f"SHOW {name}"))


async def test_every_connection_has_its_limits(database: Database) -> None:
    shown = {
        name: await database.read(partial(show, name))
        for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    }
    assert shown == {
        "lock_timeout": "10s",
        "statement_timeout": "30s",
        "idle_in_transaction_session_timeout": "30s",
    }
