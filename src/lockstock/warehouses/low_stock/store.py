"""SQL of low stock."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from lockstock.kernel.database import Connection, Row
from lockstock.warehouses.low_stock.contract import Freed, LowStock
from lockstock.warehouses.low_stock.rules import Standing

# Those that nobody has tidied up yet, and those that somebody has: both came due in this span.
FREED = """
    SELECT statement_timestamp() AS until, array(
        SELECT DISTINCT a.variant_id
        FROM (
            SELECT order_id, attempt
            FROM warehouses.reservations
            WHERE shop_id = $1 AND status = 'held'
                AND expires_at > $2 AND expires_at <= statement_timestamp()
            UNION ALL
            SELECT order_id, attempt
            FROM warehouses.reservations
            WHERE shop_id = $1 AND status = 'expired'
                AND expires_at > $2 AND expires_at <= statement_timestamp()
        ) AS r
        JOIN warehouses.allocations AS a USING (order_id, attempt)
        WHERE a.shop_id = $1
        LIMIT $3
    ) AS variant_ids
"""


async def freed(connection: Connection, shop_id: UUID, since: datetime | None, most: int) -> Freed:
    """Name up to `most` variants of which a hold came due after `since`."""
    row: Row = await connection.fetchrow(FREED, shop_id, since, most + 1)
    found = row["variant_ids"]
    return Freed(variant_ids=found[:most], until=row["until"], more=len(found) > most)


ENSURE_LOOK = """
    INSERT INTO warehouses.low_stock_looks (shop_id, sequence)
    VALUES ($1, 0)
    ON CONFLICT (shop_id) DO NOTHING
"""


async def ensure_look(connection: Connection, shop_id: UUID) -> None:
    """Make the row that looks wait for each other at."""
    await connection.execute(ENSURE_LOOK, shop_id)


LOCK_LOOK = """
    SELECT sequence FROM warehouses.low_stock_looks WHERE shop_id = $1 FOR UPDATE
"""


async def lock_look(connection: Connection, shop_id: UUID) -> int:
    """Let no other look happen until this one has; return how much the latest one knew."""
    sequence: int = await connection.fetchval(LOCK_LOOK, shop_id)
    return sequence


SET_LOOK = """
    UPDATE warehouses.low_stock_looks SET sequence = $2 WHERE shop_id = $1
"""


async def set_look(connection: Connection, shop_id: UUID, sequence: int) -> None:
    """Remember how much this look knew."""
    await connection.execute(SET_LOOK, shop_id, sequence)


# A statement of its own after the lock: it sees all that is committed by then.
STANDINGS = """
    SELECT s.variant_id,
        sum(CASE WHEN w.active THEN s.on_hand - s.held - s.committed + e.expired ELSE 0 END)::bigint
            AS available,
        min(e.next_due_at) AS next_due_at
    FROM warehouses.stock AS s
    JOIN warehouses.warehouses AS w ON w.shop_id = s.shop_id AND w.id = s.warehouse_id
    CROSS JOIN LATERAL (
        SELECT
            coalesce(sum(a.quantity) FILTER (WHERE a.expires_at <= statement_timestamp()), 0)
                AS expired,
            min(a.expires_at) FILTER (WHERE a.expires_at > statement_timestamp()) AS next_due_at
        FROM warehouses.allocations AS a
        WHERE a.shop_id = s.shop_id AND a.variant_id = s.variant_id
            AND a.warehouse_id = s.warehouse_id AND a.status = 'held'
    ) AS e
    WHERE s.shop_id = $1 AND s.variant_id = ANY($2::uuid[])
    GROUP BY s.variant_id
    ORDER BY s.variant_id
"""


async def standings(
    connection: Connection, shop_id: UUID, variant_ids: Sequence[UUID]
) -> list[Standing]:
    """How much is available of those of these variants that have or had stock."""
    rows = await connection.fetch(STANDINGS, shop_id, variant_ids)
    return [Standing(row["variant_id"], row["available"], row["next_due_at"]) for row in rows]


LOW_AMONG = """
    SELECT variant_id FROM warehouses.low_stock
    WHERE shop_id = $1 AND variant_id = ANY($2::uuid[])
"""


async def low_among(
    connection: Connection, shop_id: UUID, variant_ids: Sequence[UUID]
) -> set[UUID]:
    """Which of these are remembered as low."""
    return {row["variant_id"] for row in await connection.fetch(LOW_AMONG, shop_id, variant_ids)}


REMEMBER_LOW = """
    INSERT INTO warehouses.low_stock (shop_id, variant_id, threshold, since, look_again_at)
    SELECT $1, l.variant_id, $2, statement_timestamp(), l.look_again_at
    FROM unnest($3::uuid[], $4::timestamptz[]) AS l (variant_id, look_again_at)
    ORDER BY l.variant_id
    ON CONFLICT (shop_id, variant_id) DO UPDATE
    SET threshold = excluded.threshold, look_again_at = excluded.look_again_at
"""


async def remember_low(
    connection: Connection, shop_id: UUID, threshold: int, low: Sequence[Standing]
) -> None:
    """Remember what is low, and when time alone may change that."""
    await connection.execute(
        REMEMBER_LOW,
        shop_id,
        threshold,
        [each.variant_id for each in low],
        [each.next_due_at for each in low],
    )


FORGET_LOW = """
    DELETE FROM warehouses.low_stock WHERE shop_id = $1 AND variant_id = ANY($2::uuid[])
"""


async def forget_low(connection: Connection, shop_id: UUID, variant_ids: Sequence[UUID]) -> None:
    """Forget what is no longer low."""
    await connection.execute(FORGET_LOW, shop_id, variant_ids)


DUE_LOW = """
    SELECT DISTINCT shop_id FROM (
        SELECT shop_id
        FROM warehouses.low_stock
        WHERE look_again_at <= statement_timestamp()
        ORDER BY look_again_at
        LIMIT $1
    ) AS due
"""


async def due_low(connection: Connection, most: int) -> list[UUID]:
    """The shops of up to `most` low variants on which a hold came due since the latest look."""
    return [row["shop_id"] for row in await connection.fetch(DUE_LOW, most)]


DUE_LOW_VARIANTS = """
    SELECT variant_id
    FROM warehouses.low_stock
    WHERE shop_id = $1 AND look_again_at <= statement_timestamp()
    ORDER BY look_again_at
    LIMIT $2
"""


async def due_low_variants(connection: Connection, shop_id: UUID, most: int) -> list[UUID]:
    """Low variants of a shop on which a hold came due since the latest look."""
    rows = await connection.fetch(DUE_LOW_VARIANTS, shop_id, most)
    return [row["variant_id"] for row in rows]


STOCKED = """
    SELECT DISTINCT variant_id
    FROM warehouses.stock
    WHERE shop_id = $1 AND variant_id > $2
    ORDER BY variant_id
    LIMIT $3
"""


async def stocked(connection: Connection, shop_id: UUID, after: UUID, most: int) -> list[UUID]:
    """Variants that have or had stock, by id."""
    return [row["variant_id"] for row in await connection.fetch(STOCKED, shop_id, after, most)]


LOW_PAGE = """
    SELECT variant_id, threshold, since
    FROM warehouses.low_stock
    WHERE shop_id = $1 AND variant_id > $2
    ORDER BY variant_id
    LIMIT $3
"""


async def low_page(
    connection: Connection, shop_id: UUID, after: UUID, limit: int
) -> list[LowStock]:
    """What is remembered as low, with what is available of it now."""
    rows = await connection.fetch(LOW_PAGE, shop_id, after, limit)
    now = {
        each.variant_id: each.available
        for each in await standings(connection, shop_id, [row["variant_id"] for row in rows])
    }
    return [LowStock(**row, available=now.get(row["variant_id"], 0)) for row in rows]
