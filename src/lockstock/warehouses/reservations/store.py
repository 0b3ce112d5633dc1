"""SQL of reservations. An allocation changes only while the lock of its stock row is held."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from lockstock.kernel.database import Connection
from lockstock.kernel.ids import new_id
from lockstock.warehouses.contract import Allocation, AllocationReason, Warehouse
from lockstock.warehouses.events import event, tell, texts
from lockstock.warehouses.reservations.contract import Considered
from lockstock.warehouses.reservations.rules import Ending, Hold, Kept, Part
from lockstock.warehouses.stock.rules import Level, Place
from lockstock.warehouses.stock.store import columns, level_of
from lockstock.warehouses.store import warehouse_of

_CONSIDERED = TypeAdapter(list[Considered])

# The guard of deactivation, which waits for this lock once its flag is down. KEY SHARE and not
# SHARE: it lets the flag be changed at once, where an unbroken row of buyers would never let it.
# So what is read here may be old; `lock_variants` looks again, with the lock held.
ACTIVE_WAREHOUSES = """
    SELECT shop_id, id, name, active, priority, latitude, longitude, created_at
    FROM warehouses.warehouses
    WHERE shop_id = $1 AND active
    ORDER BY id
    FOR KEY SHARE
"""


async def active_warehouses(connection: Connection, shop_id: UUID) -> list[Warehouse]:
    """Keep whoever switches off one of the shop's active warehouses waiting; return them."""
    return [warehouse_of(row) for row in await connection.fetch(ACTIVE_WAREHOUSES, shop_id)]


LOCK_VARIANTS = """
    SELECT s.variant_id, s.warehouse_id, s.on_hand, s.held, s.committed, s.incoming
    FROM warehouses.stock AS s
    JOIN warehouses.warehouses AS w ON w.shop_id = s.shop_id AND w.id = s.warehouse_id
    WHERE s.shop_id = $1 AND s.variant_id = ANY($2::uuid[]) AND s.warehouse_id = ANY($3::uuid[])
        AND w.active
    ORDER BY s.variant_id, s.warehouse_id
    FOR UPDATE OF s
"""


async def lock_variants(
    connection: Connection,
    shop_id: UUID,
    variant_ids: Sequence[UUID],
    warehouse_ids: Sequence[UUID],
) -> list[Level]:
    """Lock the stock of these variants in these warehouses, in order, and return the levels.

    Left out: warehouses that were switched off while they were being locked.
    """
    rows = await connection.fetch(
        LOCK_VARIANTS, shop_id, sorted(set(variant_ids)), list(warehouse_ids)
    )
    return [level_of(row) for row in rows]


KEPT_RESERVATIONS = """
    SELECT statement_timestamp() AS now, r.order_id, r.attempt, r.digest, r.status, r.expires_at,
        a.variant_id, a.warehouse_id, a.quantity, a.shipped, a.status AS part_status, a.reason
    FROM warehouses.reservations AS r
    JOIN warehouses.allocations AS a
        ON a.shop_id = r.shop_id AND a.order_id = r.order_id AND a.attempt = r.attempt
    WHERE r.shop_id = $1 AND r.order_id = ANY($2::uuid[])
        AND NOT EXISTS (
            SELECT FROM warehouses.reservations AS later
            WHERE later.shop_id = r.shop_id AND later.order_id = r.order_id
                AND later.attempt > r.attempt
        )
    UNION ALL
    SELECT statement_timestamp(), null, null, null, null, null, null, null, null, null, null, null
    ORDER BY order_id, variant_id, warehouse_id
"""


async def kept_reservations(
    connection: Connection, shop_id: UUID, order_ids: Sequence[UUID]
) -> tuple[datetime, dict[UUID, Kept]]:
    """Return the time, read after the locks, and the latest reservation of each order.

    The time comes with the same statement, in a row of its own: what is decided on both needs both
    to be of one moment.
    """
    rows = await connection.fetch(KEPT_RESERVATIONS, shop_id, list(order_ids))
    kept: dict[UUID, Kept] = {}
    for row in rows:
        if row["order_id"] is None:
            continue
        found = kept.get(row["order_id"])
        if found is None:
            found = kept[row["order_id"]] = Kept(
                row["order_id"], row["attempt"], row["digest"], row["status"], row["expires_at"]
            )
        allocation = Allocation(
            warehouse_id=row["warehouse_id"],
            variant_id=row["variant_id"],
            quantity=row["quantity"],
            reason=reason_of(row["reason"]),
        )
        found.parts.append(Part(allocation, row["shipped"], row["part_status"]))
    return rows[0]["now"], kept


# One statement: a hold, its allocations and the counters change together or not at all. What
# another transaction has reserved meanwhile is not inserted, nor is what belongs to it.
HOLD = """
    WITH hold AS (
        INSERT INTO warehouses.reservations
            (shop_id, order_id, attempt, customer_id, digest, status, created_at, expires_at,
             latitude, longitude, considered)
        SELECT $1, h.order_id, h.attempt, h.customer_id, h.digest, 'held', $2, h.expires_at,
            h.latitude, h.longitude, h.considered::jsonb
        FROM unnest($3::uuid[], $4::integer[], $5::uuid[], $6::bytea[], $7::timestamptz[],
            $8::float8[], $9::float8[], $10::text[])
            AS h (order_id, attempt, customer_id, digest, expires_at, latitude, longitude,
                considered)
        ON CONFLICT (shop_id, order_id, attempt) DO NOTHING
        RETURNING order_id, attempt, expires_at
    ),
    part AS (
        INSERT INTO warehouses.allocations
            (shop_id, order_id, attempt, variant_id, warehouse_id, quantity, shipped, returned,
             status, expires_at, reason)
        SELECT $1, h.order_id, h.attempt, p.variant_id, p.warehouse_id, p.quantity, 0, 0, 'held',
            h.expires_at, p.reason::jsonb
        FROM unnest($11::uuid[], $12::uuid[], $13::uuid[], $14::bigint[], $15::text[])
            AS p (order_id, variant_id, warehouse_id, quantity, reason)
        JOIN hold AS h ON h.order_id = p.order_id
        RETURNING variant_id, warehouse_id, quantity
    ),
    taken AS (
        SELECT variant_id, warehouse_id, sum(quantity)::bigint AS quantity
        FROM part
        GROUP BY variant_id, warehouse_id
    ),
    stock AS (
        UPDATE warehouses.stock AS s
        SET held = s.held + t.quantity
        FROM taken AS t
        WHERE s.shop_id = $1 AND s.variant_id = t.variant_id AND s.warehouse_id = t.warehouse_id
    )
    SELECT count(*) FROM hold
"""


async def hold(connection: Connection, shop_id: UUID, now: datetime, holds: Sequence[Hold]) -> int:
    """Write holds on locked stock; return how many were new."""
    parts = [(h.order_id, a) for h in holds for a in h.allocations]
    written: int = await connection.fetchval(
        HOLD,
        shop_id,
        now,
        *columns(
            [
                (
                    *(h.order_id, h.attempt, h.customer_id, h.digest, h.expires_at),
                    *_coordinates(h),
                    _CONSIDERED.dump_json(h.considered).decode(),
                )
                for h in holds
            ],
            8,
        ),
        *columns(
            [(o, a.variant_id, a.warehouse_id, a.quantity, kept_reason(a)) for o, a in parts], 5
        ),
    )
    return written


def kept_reason(allocation: Allocation) -> str | None:
    """Write a reason as it is kept in a row, for a statement that takes many.

    As text: in an array of jsonb, the driver takes null for a value.
    """
    return None if allocation.reason is None else allocation.reason.model_dump_json()


def reason_of(kept: dict[str, Any] | None) -> AllocationReason | None:
    """Read a reason as it is kept in a row."""
    return None if kept is None else AllocationReason(**kept)


def _coordinates(hold: Hold) -> tuple[float | None, float | None]:
    place = hold.destination
    return (None, None) if place is None else (place.latitude, place.longitude)


PLACES_OF_ORDERS = """
    SELECT DISTINCT variant_id, warehouse_id
    FROM warehouses.allocations
    WHERE shop_id = $1 AND order_id = ANY($2::uuid[])
"""


async def places_of_orders(
    connection: Connection, shop_id: UUID, order_ids: Sequence[UUID]
) -> list[Place]:
    """The stock rows that these orders were promised from."""
    rows = await connection.fetch(PLACES_OF_ORDERS, shop_id, list(order_ids))
    return [(row["variant_id"], row["warehouse_id"]) for row in rows]


# Leaves `held` or `committed` once: both updates ask for the status that the decision was made on.
END = """
    WITH ending AS (
        SELECT e.order_id, e.attempt, e.from_status, e.to_status, e.event_id
        FROM unnest($2::uuid[], $3::integer[], $4::text[], $5::text[], $7::uuid[])
            AS e (order_id, attempt, from_status, to_status, event_id)
    ),
    reservation AS (
        UPDATE warehouses.reservations AS r
        SET status = e.to_status,
            ended_at = CASE WHEN e.to_status = 'committed' THEN NULL ELSE $6::timestamptz END
        FROM ending AS e
        WHERE r.shop_id = $1 AND r.order_id = e.order_id AND r.attempt = e.attempt
            AND r.status = e.from_status
        RETURNING r.order_id, r.attempt, e.from_status, e.to_status, e.event_id
    ),
    part AS (
        UPDATE warehouses.allocations AS a
        SET status = r.to_status
        FROM reservation AS r
        WHERE a.shop_id = $1 AND a.order_id = r.order_id AND a.attempt = r.attempt
            AND a.status = r.from_status
        RETURNING a.variant_id, a.warehouse_id, a.quantity - a.shipped AS quantity,
            r.from_status, r.to_status
    ),
    change AS (
        SELECT variant_id, warehouse_id,
            coalesce(sum(quantity) FILTER (WHERE from_status = 'held'), 0)::bigint AS unheld,
            coalesce(sum(quantity) FILTER (WHERE to_status = 'committed'), 0)::bigint
            - coalesce(sum(quantity) FILTER (WHERE from_status = 'committed'), 0)::bigint
                AS committed
        FROM part
        GROUP BY variant_id, warehouse_id
    ),
    stock AS (
        UPDATE warehouses.stock AS s
        SET held = s.held - c.unheld, committed = s.committed + c.committed
        FROM change AS c
        WHERE s.shop_id = $1 AND s.variant_id = c.variant_id AND s.warehouse_id = c.warehouse_id
    ),
    told AS (
        INSERT INTO warehouses.outbox (shop_id, occurred_at, id, kind, subject_id, data)
        SELECT $1, statement_timestamp(), r.event_id, 'reservation.released', r.order_id,
            jsonb_build_object('attempt', r.attempt, 'status', r.to_status, 'variant_ids',
                (SELECT jsonb_agg(DISTINCT a.variant_id) FROM warehouses.allocations AS a
                WHERE a.shop_id = $1 AND a.order_id = r.order_id AND a.attempt = r.attempt))
        FROM reservation AS r
        WHERE r.to_status <> 'committed'
    )
    SELECT count(*) FROM reservation
"""


async def end(
    connection: Connection, shop_id: UUID, now: datetime, endings: Sequence[Ending]
) -> int:
    """Let reservations leave their status, on locked stock, and tell of ends; return how many."""
    written: int = await connection.fetchval(
        END,
        shop_id,
        *columns([(e.kept.order_id, e.kept.attempt, e.kept.status, e.to) for e in endings], 4),
        now,
        [new_id() for _ in endings],
    )
    return written


DUE_SHOPS = """
    SELECT DISTINCT shop_id
    FROM (
        SELECT shop_id
        FROM warehouses.reservations
        WHERE status = 'held' AND expires_at <= statement_timestamp()
        ORDER BY expires_at
        LIMIT $1
    ) AS due
"""


async def due_shops(connection: Connection, most: int) -> list[UUID]:
    """The shops of the `most` oldest holds past their deadline."""
    return [row["shop_id"] for row in await connection.fetch(DUE_SHOPS, most)]


# Locked rows are skipped: a sweep is for tidiness and never makes a buyer wait for long.
LOCK_DUE_STOCK = """
    SELECT s.variant_id, s.warehouse_id
    FROM warehouses.stock AS s
    WHERE s.shop_id = $1 AND (s.variant_id, s.warehouse_id) IN (
        SELECT a.variant_id, a.warehouse_id
        FROM warehouses.allocations AS a
        WHERE a.shop_id = $1 AND a.status = 'held' AND a.expires_at <= statement_timestamp()
        LIMIT $2
    )
    ORDER BY s.variant_id, s.warehouse_id
    FOR UPDATE SKIP LOCKED
"""


async def lock_due_stock(connection: Connection, shop_id: UUID, most: int) -> list[Place]:
    """Lock the stock rows with holds past their deadline that nobody else has locked."""
    rows = await connection.fetch(LOCK_DUE_STOCK, shop_id, most)
    return [(row["variant_id"], row["warehouse_id"]) for row in rows]


END_EMPTIED = """
    WITH due AS (
        SELECT r.order_id, r.attempt
        FROM warehouses.reservations AS r
        WHERE r.shop_id = $1 AND r.status = 'held' AND r.expires_at <= $2
            AND NOT EXISTS (
                SELECT FROM warehouses.allocations AS a
                WHERE a.shop_id = r.shop_id AND a.order_id = r.order_id AND a.attempt = r.attempt
                    AND a.status = 'held'
            )
        ORDER BY r.order_id
        LIMIT $3
        FOR UPDATE OF r SKIP LOCKED
    )
    UPDATE warehouses.reservations AS r
    SET status = 'expired', ended_at = $2
    FROM due AS d
    WHERE r.shop_id = $1 AND r.order_id = d.order_id AND r.attempt = d.attempt
        AND r.status = 'held'
    RETURNING r.order_id, r.attempt, (
        SELECT array_agg(a.variant_id) FROM warehouses.allocations AS a
        WHERE a.shop_id = $1 AND a.order_id = r.order_id AND a.attempt = r.attempt
    ) AS variant_ids
"""


async def end_emptied(connection: Connection, shop_id: UUID, now: datetime, most: int) -> int:
    """Mark reservations as expired whose every part has been freed; return how many."""
    ended = await connection.fetch(END_EMPTIED, shop_id, now, most)
    events = [
        event(
            "reservation.released",
            row["order_id"],
            attempt=row["attempt"],
            status="expired",
            variant_ids=texts(row["variant_ids"]),
        )
        for row in ended
    ]
    await tell(connection, shop_id, events)
    return len(ended)
