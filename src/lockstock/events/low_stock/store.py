"""SQL of the watch's cursors: how far it has read the log of each shop."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from lockstock.kernel.database import Connection


@dataclass(frozen=True)
class Cursor:
    """How far a shop was watched.

    `last`: of its log. `sequence`: up to there it was read; None where it was never looked at.
    `threshold`: the one that all of its stock was compared with. `settings_changed`: since then,
    some setting of the shop.
    """

    shop_id: UUID
    last: int
    sequence: int | None
    threshold: int | None
    settings_changed: bool


SHOPS_WITH_NEWS = """
    SELECT c.shop_id
    FROM events.counters AS c
    LEFT JOIN events.low_stock_cursors AS k ON k.shop_id = c.shop_id
    WHERE c.last > coalesce(k.sequence, 0) AND c.shop_id > $1
    ORDER BY c.shop_id
    LIMIT $2
"""


async def shops_with_news(connection: Connection, after: UUID, most: int) -> list[UUID]:
    """Shops with events that were not read yet, by id, those after one of them."""
    return [row["shop_id"] for row in await connection.fetch(SHOPS_WITH_NEWS, after, most)]


CURSORS = """
    SELECT c.shop_id, c.last, k.sequence, k.threshold, EXISTS (
        SELECT FROM events.log AS l
        WHERE l.shop_id = c.shop_id AND l.kind = 'shop.changed'
            AND l.sequence > coalesce(k.sequence, 0)
    ) AS settings_changed
    FROM events.counters AS c
    LEFT JOIN events.low_stock_cursors AS k ON k.shop_id = c.shop_id
    WHERE c.shop_id = ANY($1::uuid[])
"""


async def cursors(connection: Connection, shop_ids: Sequence[UUID]) -> list[Cursor]:
    """How far these shops were watched."""
    return [Cursor(**row) for row in await connection.fetch(CURSORS, shop_ids)]


SAVE_CURSORS = """
    INSERT INTO events.low_stock_cursors (shop_id, sequence, threshold)
    SELECT s.shop_id, s.sequence, s.threshold
    FROM unnest($1::uuid[], $2::bigint[], $3::integer[]) AS s (shop_id, sequence, threshold)
    ORDER BY s.shop_id
    ON CONFLICT (shop_id) DO UPDATE
    SET sequence = excluded.sequence, threshold = excluded.threshold
"""


async def save_cursors(
    connection: Connection, watched: Sequence[tuple[UUID, int, int | None]]
) -> None:
    """Remember up to where these shops were watched, and with which threshold.

    One that goes back, as a slower process saves later, is harmless: to look again finds nothing.
    """
    shop_ids, sequences, thresholds = zip(*watched, strict=True)
    await connection.execute(SAVE_CURSORS, shop_ids, sequences, thresholds)
