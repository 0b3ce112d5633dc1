"""SQL of the log of events."""

from collections.abc import Sequence
from uuid import UUID

from lockstock.events.log.contract import Event
from lockstock.kernel.database import Connection, Row
from lockstock.kernel.outbox import PendingEvent


def event_of(row: Row) -> Event:
    """Turn a row into the noun."""
    return Event(**row)


ADD_COUNTER = """
    INSERT INTO events.counters (shop_id, last) VALUES ($1, 0) ON CONFLICT (shop_id) DO NOTHING
"""


async def add_counter(connection: Connection, shop_id: UUID) -> None:
    """Let a shop's log begin, if it has not."""
    await connection.execute(ADD_COUNTER, shop_id)


LOCK_COUNTER = """
    SELECT last FROM events.counters WHERE shop_id = $1 FOR UPDATE
"""


async def lock_counter(connection: Connection, shop_id: UUID) -> int | None:
    """Become the one who adds to a shop's log; return its last sequence, None where it is new."""
    last: int | None = await connection.fetchval(LOCK_COUNTER, shop_id)
    return last


# In a statement after the lock: it sees all that those who held the lock before have added.
ADD_EVENTS = """
    WITH fresh AS (
        SELECT e.id, e.kind, e.subject_id, e.data, e.occurred_at,
            $2 + row_number() OVER (ORDER BY e.place) AS sequence
        FROM unnest($3::uuid[], $4::text[], $5::uuid[], $6::text[], $7::timestamptz[])
            WITH ORDINALITY AS e (id, kind, subject_id, data, occurred_at, place)
        WHERE NOT EXISTS (SELECT FROM events.log AS l WHERE l.shop_id = $1 AND l.id = e.id)
    ),
    added AS (
        INSERT INTO events.log (shop_id, sequence, id, kind, subject_id, data, occurred_at)
        SELECT $1, f.sequence, f.id, f.kind, f.subject_id, f.data::jsonb, f.occurred_at
        FROM fresh AS f
        RETURNING id
    )
    UPDATE events.counters
    SET last = $2 + (SELECT count(*) FROM added)
    WHERE shop_id = $1
    RETURNING last
"""


async def add_events(
    connection: Connection, shop_id: UUID, last: int, events: Sequence[PendingEvent]
) -> int:
    """Add those that are not there, after `last`, its counter locked; return the new last."""
    now: int = await connection.fetchval(
        ADD_EVENTS,
        shop_id,
        last,
        [event.id for event in events],
        [event.kind for event in events],
        [event.subject_id for event in events],
        [event.data for event in events],
        [event.occurred_at for event in events],
    )
    return now


EVENTS_AFTER = """
    SELECT shop_id, sequence, id, kind, subject_id, data, occurred_at
    FROM events.log
    WHERE shop_id = $1 AND sequence > $2
    ORDER BY sequence
    LIMIT $3
"""


async def events_after(
    connection: Connection, shop_id: UUID, sequence: int, limit: int
) -> list[Event]:
    """Read the events after one, ascending."""
    return [event_of(row) for row in await connection.fetch(EVENTS_AFTER, shop_id, sequence, limit)]


EVENTS_OF_KINDS_AFTER = """
    SELECT shop_id, sequence, id, kind, subject_id, data, occurred_at
    FROM events.log
    WHERE shop_id = $1 AND sequence > $2 AND kind = ANY($4::text[])
    ORDER BY sequence
    LIMIT $3
"""


async def events_of_kinds_after(
    connection: Connection, shop_id: UUID, sequence: int, limit: int, kinds: Sequence[str]
) -> list[Event]:
    """Read the events of some kinds after one, ascending."""
    rows = await connection.fetch(EVENTS_OF_KINDS_AFTER, shop_id, sequence, limit, list(kinds))
    return [event_of(row) for row in rows]


LAST_SEQUENCE = """
    SELECT last FROM events.counters WHERE shop_id = $1
"""


async def last_sequence(connection: Connection, shop_id: UUID) -> int:
    """Read the sequence of the newest event; 0 where there is none."""
    last: int | None = await connection.fetchval(LAST_SEQUENCE, shop_id)
    return last or 0


FIND_EVENTS = """
    SELECT shop_id, sequence, id, kind, subject_id, data, occurred_at
    FROM events.log
    WHERE shop_id = $1 AND id = ANY($2::uuid[])
"""


async def find_events(
    connection: Connection, shop_id: UUID, event_ids: Sequence[UUID]
) -> dict[UUID, Event]:
    """Read those of these events that are in the log, by id."""
    rows = await connection.fetch(FIND_EVENTS, shop_id, list(event_ids))
    return {row["id"]: event_of(row) for row in rows}
