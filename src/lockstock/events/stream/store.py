"""SQL of what streams read in the log of events."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from lockstock.kernel.database import Connection, Row

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class News:
    """What a stretch of a shop's log says: up to which event, of how many, and of which variants.

    `sequence`: where it began, if there was nothing. `anything`: an event was of too many variants
    to name them.
    """

    sequence: int
    count: int
    kinds: frozenset[str]
    variant_ids: frozenset[UUID]
    anything: bool


NEWS = """
    WITH news AS (
        SELECT sequence, kind, data
        FROM events.log
        WHERE shop_id = $1 AND sequence > $2
        ORDER BY sequence
        LIMIT $3
    )
    SELECT coalesce((SELECT max(sequence) FROM news), $2) AS sequence,
        coalesce((SELECT bool_or(data -> 'variant_ids' = 'null') FROM news), false) AS anything,
        (SELECT count(*) FROM news) AS count,
        array(SELECT DISTINCT kind FROM news) AS kinds,
        array(
            SELECT DISTINCT v.id::uuid
            FROM news AS n
            CROSS JOIN LATERAL jsonb_array_elements_text(
                nullif(n.data -> 'variant_ids', 'null')
            ) AS v (id)
        ) AS variant_ids
"""


async def news(connection: Connection, shop_id: UUID, after: int, most: int) -> News:
    """Read up to `most` events of a shop after one."""
    row: Row = await connection.fetchrow(NEWS, shop_id, after, most)
    return News(
        row["sequence"],
        row["count"],
        frozenset(row["kinds"]),
        frozenset(row["variant_ids"]),
        row["anything"],
    )


HAPPENED_AT = """
    SELECT occurred_at FROM events.log WHERE shop_id = $1 AND sequence = $2
"""


async def happened_at(connection: Connection, shop_id: UUID, sequence: int) -> datetime:
    """When an event happened; long ago where there is none of this number."""
    moment: datetime | None = await connection.fetchval(HAPPENED_AT, shop_id, sequence)
    return moment or BEGINNING
