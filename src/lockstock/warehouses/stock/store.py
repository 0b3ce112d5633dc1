"""SQL of stock and its ledger. Stock rows are locked by (variant_id, warehouse_id), in order."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from lockstock.kernel.database import Connection, Row
from lockstock.warehouses.contract import Cause
from lockstock.warehouses.stock.contract import (
    Availability,
    MovementKind,
    StockRow,
)
from lockstock.warehouses.stock.rules import Change, Level, Place


def level_of(row: Row) -> Level:
    """Turn a locked row into its level."""
    return Level(
        row["variant_id"],
        row["warehouse_id"],
        row["on_hand"],
        row["held"],
        row["committed"],
        row["incoming"],
    )


# Read in a statement of its own after the locks are held: now() would be the transaction's start.
CLOCK = "SELECT statement_timestamp()"


async def clock(connection: Connection) -> datetime:
    """Return the database's time: the only clock there is."""
    now: datetime = await connection.fetchval(CLOCK)
    return now


ENSURE_STOCK = """
    INSERT INTO warehouses.stock
        (shop_id, variant_id, warehouse_id, on_hand, held, committed, incoming, sequence)
    SELECT $1, p.variant_id, p.warehouse_id, 0, 0, 0, 0, 0
    FROM unnest($2::uuid[], $3::uuid[]) AS p (variant_id, warehouse_id)
    ORDER BY p.variant_id, p.warehouse_id
    ON CONFLICT (shop_id, variant_id, warehouse_id) DO NOTHING
"""


async def ensure_stock(connection: Connection, shop_id: UUID, places: Sequence[Place]) -> None:
    """Make the rows that are not there yet, with nothing in them."""
    await connection.execute(ENSURE_STOCK, shop_id, *columns(places, 2))


LOCK_STOCK = """
    SELECT s.variant_id, s.warehouse_id, s.on_hand, s.held, s.committed, s.incoming
    FROM warehouses.stock AS s
    JOIN unnest($2::uuid[], $3::uuid[]) AS p (variant_id, warehouse_id)
        ON s.variant_id = p.variant_id AND s.warehouse_id = p.warehouse_id
    WHERE s.shop_id = $1
    ORDER BY s.variant_id, s.warehouse_id
    FOR UPDATE OF s
"""


async def lock_stock(
    connection: Connection, shop_id: UUID, places: Sequence[Place]
) -> dict[Place, Level]:
    """Lock the rows of these places, in order, and return their levels."""
    rows = await connection.fetch(LOCK_STOCK, shop_id, *columns(sorted(set(places)), 2))
    return {level.place: level for level in map(level_of, rows)}


POST_MOVEMENTS = """
    WITH change AS (
        SELECT variant_id, warehouse_id, on_hand, held, committed
        FROM unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[])
            AS c (variant_id, warehouse_id, on_hand, held, committed)
    ),
    changed AS (
        UPDATE warehouses.stock AS s
        SET on_hand = s.on_hand + c.on_hand,
            held = s.held + c.held,
            committed = s.committed + c.committed,
            sequence = s.sequence + 1
        FROM change AS c
        WHERE s.shop_id = $1 AND s.variant_id = c.variant_id AND s.warehouse_id = c.warehouse_id
        RETURNING s.variant_id, s.warehouse_id, s.sequence, c.on_hand AS delta,
            s.on_hand AS balance
    )
    INSERT INTO warehouses.movements
        (shop_id, variant_id, warehouse_id, sequence, delta, balance, kind, cause_id, actor_id,
         reason, request_id, occurred_at)
    SELECT $1, variant_id, warehouse_id, sequence, delta, balance,
        CASE WHEN delta < 0 THEN $7 ELSE $8 END, $9, $10, $11, $12, $13
    FROM changed
"""


async def post_movements(
    connection: Connection,
    shop_id: UUID,
    changes: Sequence[Change],
    kinds: tuple[MovementKind, MovementKind],
    cause: Cause,
    reason: str | None = None,
) -> None:
    """Change `on_hand` of locked rows, with one line of the ledger for each.

    `kinds`: what it is called where units leave, and where they come in.
    """
    await connection.execute(
        POST_MOVEMENTS,
        shop_id,
        *columns(
            [(c.variant_id, c.warehouse_id, c.on_hand, c.held, c.committed) for c in changes], 5
        ),
        *kinds,
        cause.change_id,
        cause.actor_id,
        reason,
        cause.request_id,
        await clock(connection),
    )


CHANGE_DONE = """
    SELECT digest, answer FROM warehouses.changes WHERE shop_id = $1 AND id = $2
"""


async def change_done(
    connection: Connection, shop_id: UUID, change_id: UUID
) -> tuple[bytes, Any] | None:
    """Return (digest, answer) of a change that has happened."""
    row = await connection.fetchrow(CHANGE_DONE, shop_id, change_id)
    return None if row is None else (row["digest"], row["answer"])


REMEMBER_CHANGE = """
    INSERT INTO warehouses.changes (shop_id, id, digest, answer, occurred_at)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (shop_id, id) DO NOTHING
    RETURNING id
"""


async def remember_change(
    connection: Connection, shop_id: UUID, change_id: UUID, digest: bytes, answer: object
) -> bool:
    """Keep the answer of a change; False where another transaction has done it meanwhile."""
    found = await connection.fetchval(
        REMEMBER_CHANGE, shop_id, change_id, digest, answer, await clock(connection)
    )
    return found is not None


# Per stock row and not per order: a buyer of one variant frees that variant, under the lock that he
# holds anyway. The rest of an order, and its reservation row, is tidied up by whoever comes next.
FREE_EXPIRED = """
    WITH due AS (
        SELECT a.order_id, a.attempt, a.variant_id, a.warehouse_id
        FROM unnest($2::uuid[], $3::uuid[]) AS p (variant_id, warehouse_id)
        JOIN warehouses.allocations AS a
            ON a.variant_id = p.variant_id AND a.warehouse_id = p.warehouse_id
        WHERE a.shop_id = $1 AND a.status = 'held' AND a.expires_at <= $4
        LIMIT $5
    ),
    part AS (
        UPDATE warehouses.allocations AS a
        SET status = 'expired'
        FROM due AS d
        WHERE a.shop_id = $1 AND a.order_id = d.order_id AND a.attempt = d.attempt
            AND a.variant_id = d.variant_id AND a.warehouse_id = d.warehouse_id
            AND a.status = 'held'
        RETURNING a.variant_id, a.warehouse_id, a.quantity
    ),
    freed AS (
        SELECT variant_id, warehouse_id, sum(quantity)::bigint AS quantity
        FROM part
        GROUP BY variant_id, warehouse_id
    )
    UPDATE warehouses.stock AS s
    SET held = s.held - f.quantity
    FROM freed AS f
    WHERE s.shop_id = $1 AND s.variant_id = f.variant_id AND s.warehouse_id = f.warehouse_id
    RETURNING s.variant_id, s.warehouse_id, f.quantity
"""
# A buyer frees all of them: with fewer, units that are free could be refused.
ALL = 2**31


async def free_expired(
    connection: Connection,
    shop_id: UUID,
    places: Sequence[Place],
    now: datetime,
    most: int = ALL,
) -> dict[Place, int]:
    """Free the holds past their deadline on locked stock rows; return the units freed per row."""
    rows = await connection.fetch(FREE_EXPIRED, shop_id, *columns(places, 2), now, most)
    freed: defaultdict[Place, int] = defaultdict(int)
    for row in rows:
        freed[row["variant_id"], row["warehouse_id"]] += row["quantity"]
    return freed


PROMISED = """
    SELECT a.variant_id, a.warehouse_id, a.order_id, null::uuid AS transfer_id, a.status,
        a.quantity - a.shipped AS quantity
    FROM unnest($2::uuid[], $3::uuid[]) AS p (variant_id, warehouse_id)
    JOIN warehouses.allocations AS a
        ON a.variant_id = p.variant_id AND a.warehouse_id = p.warehouse_id
    WHERE a.shop_id = $1
        AND (a.status = 'held' OR (a.status = 'committed' AND a.shipped < a.quantity))
    UNION ALL
    SELECT l.variant_id, t.from_warehouse_id, null, t.id, t.status, l.quantity
    FROM unnest($2::uuid[], $3::uuid[]) AS p (variant_id, warehouse_id)
    JOIN warehouses.transfers AS t ON t.from_warehouse_id = p.warehouse_id
    JOIN warehouses.transfer_lines AS l
        ON l.shop_id = t.shop_id AND l.transfer_id = t.id AND l.variant_id = p.variant_id
    WHERE t.shop_id = $1 AND t.status = 'ready'
    ORDER BY variant_id, warehouse_id, order_id, transfer_id
    LIMIT 100
"""


async def promised(
    connection: Connection, shop_id: UUID, places: Sequence[Place]
) -> dict[str, list[dict[str, Any]]]:
    """Up to 100 `orders` and ready `transfers` that hold stock at these places."""
    rows = await connection.fetch(PROMISED, shop_id, *columns(places, 2))
    found: dict[str, list[dict[str, Any]]] = {"orders": [], "transfers": []}
    for row in rows:
        name = "orders" if row["order_id"] else "transfers"
        ids = [key for key in ("order_id", "transfer_id", "variant_id", "warehouse_id") if row[key]]
        line = {key: str(row[key]) for key in ids}
        found[name].append(line | {"status": row["status"], "quantity": row["quantity"]})
    return found


# statement_timestamp() and not clock_timestamp(): one moment for all rows, and the index is used.
AVAILABILITY = """
    SELECT p.shop_id, p.variant_id,
        coalesce(sum(f.free), 0)::bigint AS available,
        coalesce(max(f.free), 0)::bigint AS largest
    FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS p (shop_id, variant_id, place)
    LEFT JOIN LATERAL (
        SELECT s.on_hand - s.held - s.committed + coalesce((
            SELECT sum(a.quantity)
            FROM warehouses.allocations AS a
            WHERE a.shop_id = s.shop_id AND a.variant_id = s.variant_id
                AND a.warehouse_id = s.warehouse_id
                AND a.status = 'held' AND a.expires_at <= statement_timestamp()
        ), 0) AS free
        FROM warehouses.stock AS s
        JOIN warehouses.warehouses AS w ON w.shop_id = s.shop_id AND w.id = s.warehouse_id
        WHERE s.shop_id = p.shop_id AND s.variant_id = p.variant_id AND w.active
    ) AS f ON true
    GROUP BY p.place, p.shop_id, p.variant_id
    ORDER BY p.place
"""


async def availability(
    connection: Connection, variants: Sequence[tuple[UUID, UUID]]
) -> list[Availability]:
    """What can be sold of each (shop_id, variant_id). A hold past its deadline counts as free."""
    rows = await connection.fetch(AVAILABILITY, *columns(variants, 2))
    return [Availability(**row) for row in rows]


WITH_UNITS = """
    SELECT DISTINCT variant_id
    FROM warehouses.stock
    WHERE shop_id = $1 AND variant_id = ANY($2::uuid[]) AND on_hand > 0
"""


async def with_units(
    connection: Connection, shop_id: UUID, variant_ids: Sequence[UUID]
) -> set[UUID]:
    """Those of these variants with units on hand in any warehouse."""
    rows = await connection.fetch(WITH_UNITS, shop_id, variant_ids)
    return {row["variant_id"] for row in rows}


# Two statements and not one with both filters optional: that one would be planned as if it always
# found a few rows, and sort all of a shop's for each page.
STOCK_PAGE = """
    SELECT s.warehouse_id, s.variant_id, s.on_hand, s.held - e.expired AS held, s.committed,
        CASE WHEN w.active THEN s.on_hand - s.held - s.committed + e.expired ELSE 0 END
            AS available,
        s.incoming
    FROM warehouses.stock AS s
    JOIN warehouses.warehouses AS w ON w.shop_id = s.shop_id AND w.id = s.warehouse_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(a.quantity), 0)::bigint AS expired
        FROM warehouses.allocations AS a
        WHERE a.shop_id = s.shop_id AND a.variant_id = s.variant_id
            AND a.warehouse_id = s.warehouse_id
            AND a.status = 'held' AND a.expires_at <= statement_timestamp()
    ) AS e
    WHERE s.shop_id = $1
        AND ($2::uuid IS NULL OR s.warehouse_id = $2)
        AND (s.variant_id, s.warehouse_id) > (
            coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'),
            coalesce($4::uuid, '00000000-0000-0000-0000-000000000000'))
    ORDER BY s.variant_id, s.warehouse_id
    LIMIT $5
"""


async def stock_page(
    connection: Connection,
    shop_id: UUID,
    warehouse_id: UUID | None,
    after: Place | None,
    limit: int,
) -> list[StockRow]:
    """Stock rows after a place; of one warehouse, if not None."""
    page = (warehouse_id, *(after or (None, None)), limit)
    rows = await connection.fetch(STOCK_PAGE, shop_id, *page)
    return [StockRow(**row) for row in rows]


STOCK_PAGE_OF_VARIANT = """
    SELECT s.warehouse_id, s.variant_id, s.on_hand, s.held - e.expired AS held, s.committed,
        CASE WHEN w.active THEN s.on_hand - s.held - s.committed + e.expired ELSE 0 END
            AS available,
        s.incoming
    FROM warehouses.stock AS s
    JOIN warehouses.warehouses AS w ON w.shop_id = s.shop_id AND w.id = s.warehouse_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(a.quantity), 0)::bigint AS expired
        FROM warehouses.allocations AS a
        WHERE a.shop_id = s.shop_id AND a.variant_id = s.variant_id
            AND a.warehouse_id = s.warehouse_id
            AND a.status = 'held' AND a.expires_at <= statement_timestamp()
    ) AS e
    WHERE s.shop_id = $1 AND s.variant_id = $2
        AND ($3::uuid IS NULL OR s.warehouse_id = $3)
        AND ($4::uuid IS NULL OR (s.variant_id, s.warehouse_id) > ($4, $5))
    ORDER BY s.variant_id, s.warehouse_id
    LIMIT $6
"""


async def stock_page_of_variant(
    connection: Connection,
    shop_id: UUID,
    places: tuple[UUID | None, UUID],
    after: Place | None,
    limit: int,
) -> list[StockRow]:
    """Stock rows of `places` after a place: in one warehouse, if not None, of one variant."""
    warehouse_id, variant_id = places
    page = (variant_id, warehouse_id, *(after or (None, None)), limit)
    rows = await connection.fetch(STOCK_PAGE_OF_VARIANT, shop_id, *page)
    return [StockRow(**row) for row in rows]


async def stock_of_shop(
    connection: Connection,
    shop_id: UUID,
    filters: tuple[UUID | None, UUID | None],
    after: Place | None,
    limit: int,
) -> list[StockRow]:
    """Stock rows after a place. `filters`: warehouse_id and variant_id, where not None."""
    warehouse_id, variant_id = filters
    if variant_id is None:
        return await stock_page(connection, shop_id, warehouse_id, after, limit)
    places = (warehouse_id, variant_id)
    return await stock_page_of_variant(connection, shop_id, places, after, limit)


def columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Turn rows into the columns that `unnest` takes; `width` columns also where there are none."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
