"""SQL of this watch: how far it has read the log of each shop, and what it reads there."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from lockstock.kernel.database import Connection, Row


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a shop's log was read, and its last event. `sequence`: None where it never was."""

    shop_id: UUID
    last: int
    sequence: int | None


@dataclass(frozen=True, slots=True)
class Moved:
    """Up to where a stretch of a log goes, and the variants of which more or less may be on hand.

    `variant_ids`: None where an event was of too many to name them.
    """

    sequence: int
    variant_ids: frozenset[UUID] | None


CURSORS_WITH_NEWS = """
    SELECT c.shop_id, c.last, k.sequence
    FROM events.counters AS c
    LEFT JOIN events.in_stock_cursors AS k ON k.shop_id = c.shop_id
    WHERE c.last > coalesce(k.sequence, 0) AND c.shop_id > $1
    ORDER BY c.shop_id
    LIMIT $2
"""


async def cursors_with_news(connection: Connection, after: UUID, most: int) -> list[Cursor]:
    """Of shops with events that were not read yet, by id, those after one of them."""
    rows = await connection.fetch(CURSORS_WITH_NEWS, after, most)
    return [Cursor(**row) for row in rows]


# These are the many while buyers buy, and promise or free units: not one of them moves any.
MOVED = """
    WITH news AS (
        SELECT sequence, data
        FROM events.log
        WHERE shop_id = $1 AND sequence > $2
            AND kind NOT IN (
                'order.placed', 'order.paid', 'order.cancelled', 'order.expired',
                'reservation.released', 'reservation.moved'
            )
        ORDER BY sequence
        LIMIT $3
    )
    SELECT (SELECT count(*) FROM news) AS count, (SELECT max(sequence) FROM news) AS sequence,
        coalesce((SELECT bool_or(data -> 'variant_ids' = 'null') FROM news), false) AS anything,
        array(
            SELECT DISTINCT v.id::uuid
            FROM news AS n
            CROSS JOIN LATERAL jsonb_array_elements_text(
                nullif(n.data -> 'variant_ids', 'null')
            ) AS v (id)
        ) AS variant_ids
"""


async def moved(connection: Connection, cursor: Cursor, after: int, most: int) -> Moved:
    """Read up to `most` events after one that may have moved units.

    Where there are no more of them, up to the last event that the cursor knows, or further.
    """
    row: Row = await connection.fetchrow(MOVED, cursor.shop_id, after, most)
    sequence = row["sequence"] if row["count"] == most else max(cursor.last, row["sequence"] or 0)
    return Moved(sequence, None if row["anything"] else frozenset(row["variant_ids"]))


SAVE_CURSORS = """
    INSERT INTO events.in_stock_cursors (shop_id, sequence)
    SELECT s.shop_id, s.sequence
    FROM unnest($1::uuid[], $2::bigint[]) AS s (shop_id, sequence)
    ORDER BY s.shop_id
    ON CONFLICT (shop_id) DO UPDATE
    SET sequence = excluded.sequence
"""


async def save_cursors(connection: Connection, read: Sequence[tuple[UUID, int]]) -> None:
    """Remember up to where the logs of these shops were read.

    One that goes back, as a slower process saves later, is harmless: to look again finds nothing.
    """
    shop_ids, sequences = zip(*read, strict=True)
    await connection.execute(SAVE_CURSORS, shop_ids, sequences)
