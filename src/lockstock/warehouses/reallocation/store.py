"""SQL of reallocation. Promises change only while the locks of their stock rows are held."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pydantic import TypeAdapter

from lockstock.kernel.database import Connection
from lockstock.warehouses.contract import Location
from lockstock.warehouses.reallocation.rules import Part, Plan, Promised
from lockstock.warehouses.reservations.contract import Considered
from lockstock.warehouses.stock.rules import Place
from lockstock.warehouses.stock.store import columns

_CONSIDERED = TypeAdapter(list[Considered])

# Who has paid comes first, then who came first.
PROMISED_ORDERS = """
    SELECT a.order_id
    FROM (
        SELECT order_id, attempt, status
        FROM warehouses.allocations
        WHERE shop_id = $1 AND warehouse_id = $2
            AND status = 'held' AND expires_at > statement_timestamp()
        UNION
        SELECT order_id, attempt, status
        FROM warehouses.allocations
        WHERE shop_id = $1 AND warehouse_id = $2
            AND status = 'committed' AND shipped < quantity
    ) AS a
    JOIN warehouses.reservations AS r
        ON r.shop_id = $1 AND r.order_id = a.order_id AND r.attempt = a.attempt
    ORDER BY a.status, r.created_at, a.order_id
"""


async def promised_orders(connection: Connection, shop_id: UUID, warehouse_id: UUID) -> list[UUID]:
    """The orders that are promised something from this warehouse, who comes first first."""
    rows = await connection.fetch(PROMISED_ORDERS, shop_id, warehouse_id)
    return [row["order_id"] for row in rows]


OPEN_ORDERS = """
    SELECT o.place, r.order_id, r.attempt, r.status, r.expires_at, r.latitude, r.longitude,
        a.variant_id, a.warehouse_id, a.quantity, a.shipped
    FROM unnest($2::uuid[]) WITH ORDINALITY AS o (order_id, place)
    JOIN warehouses.reservations AS r ON r.order_id = o.order_id
    JOIN warehouses.allocations AS a
        ON a.shop_id = r.shop_id AND a.order_id = r.order_id AND a.attempt = r.attempt
    WHERE r.shop_id = $1
        AND (r.status = 'committed' OR (r.status = 'held' AND r.expires_at > $3))
        -- A hold of which a part was freed has expired, also should the clock have been set back.
        AND NOT EXISTS (
            SELECT FROM warehouses.allocations AS ended
            WHERE ended.shop_id = r.shop_id AND ended.order_id = r.order_id
                AND ended.attempt = r.attempt AND ended.status <> r.status
        )
    ORDER BY o.place, a.variant_id, a.warehouse_id
"""


async def open_orders(
    connection: Connection, shop_id: UUID, order_ids: Sequence[UUID], now: datetime
) -> list[Promised]:
    """Those of these orders whose reservation is open, in the same order."""
    found: dict[UUID, Promised] = {}
    for row in await connection.fetch(OPEN_ORDERS, shop_id, list(order_ids), now):
        latitude, longitude = row["latitude"], row["longitude"]
        order = found.setdefault(
            row["order_id"],
            Promised(
                row["order_id"],
                row["attempt"],
                row["status"],
                row["expires_at"],
                None if latitude is None else Location(latitude=latitude, longitude=longitude),
            ),
        )
        place = row["variant_id"], row["warehouse_id"]
        order.parts.append(Part(place, row["quantity"], row["shipped"]))
    return list(found.values())


FREE_UNITS = """
    SELECT s.variant_id, s.warehouse_id,
        (s.on_hand - s.held - s.committed + coalesce((
            SELECT sum(a.quantity)
            FROM warehouses.allocations AS a
            WHERE a.shop_id = s.shop_id AND a.variant_id = s.variant_id
                AND a.warehouse_id = s.warehouse_id
                AND a.status = 'held' AND a.expires_at <= $4
        ), 0))::bigint AS free
    FROM unnest($2::uuid[], $3::uuid[]) AS p (variant_id, warehouse_id)
    JOIN warehouses.stock AS s
        ON s.variant_id = p.variant_id AND s.warehouse_id = p.warehouse_id
    WHERE s.shop_id = $1
"""


async def free_units(
    connection: Connection, shop_id: UUID, places: Sequence[Place], now: datetime
) -> dict[Place, int]:
    """What is free at these places. A hold past its deadline counts as free."""
    rows = await connection.fetch(FREE_UNITS, shop_id, *columns(places, 2), now)
    return {(row["variant_id"], row["warehouse_id"]): row["free"] for row in rows}


# One statement: promises and counters change together or not at all.
MOVE_PROMISES = """
    WITH part AS (
        SELECT order_id, attempt, variant_id, warehouse_id, quantity, is_new, status, expires_at,
            reason::jsonb AS reason
        FROM unnest($2::uuid[], $3::integer[], $4::uuid[], $5::uuid[], $6::bigint[],
            $7::boolean[], $8::text[], $9::timestamptz[], $10::text[])
            AS p (order_id, attempt, variant_id, warehouse_id, quantity, is_new, status,
                expires_at, reason)
    ),
    gone AS (
        DELETE FROM warehouses.allocations AS a
        USING part AS p
        WHERE a.shop_id = $1 AND a.order_id = p.order_id AND a.attempt = p.attempt
            AND a.variant_id = p.variant_id AND a.warehouse_id = p.warehouse_id
            AND p.quantity = 0
    ),
    changed AS (
        UPDATE warehouses.allocations AS a
        SET quantity = p.quantity, reason = coalesce(p.reason, a.reason)
        FROM part AS p
        WHERE a.shop_id = $1 AND a.order_id = p.order_id AND a.attempt = p.attempt
            AND a.variant_id = p.variant_id AND a.warehouse_id = p.warehouse_id
            AND p.quantity > 0 AND NOT p.is_new
    ),
    decided AS (
        UPDATE warehouses.reservations AS r
        SET considered = m.considered::jsonb
        FROM unnest($11::uuid[], $12::integer[], $13::text[])
            AS m (order_id, attempt, considered)
        WHERE r.shop_id = $1 AND r.order_id = m.order_id AND r.attempt = m.attempt
    ),
    stock AS (
        UPDATE warehouses.stock AS s
        SET held = s.held + c.held, committed = s.committed + c.committed
        FROM unnest($14::uuid[], $15::uuid[], $16::bigint[], $17::bigint[])
            AS c (variant_id, warehouse_id, held, committed)
        WHERE s.shop_id = $1 AND s.variant_id = c.variant_id AND s.warehouse_id = c.warehouse_id
    )
    INSERT INTO warehouses.allocations
        (shop_id, order_id, attempt, variant_id, warehouse_id, quantity, shipped, returned, status,
         expires_at, reason)
    SELECT $1, order_id, attempt, variant_id, warehouse_id, quantity, 0, 0, status, expires_at,
        reason
    FROM part
    WHERE is_new
"""


async def move_promises(connection: Connection, shop_id: UUID, plan: Plan) -> None:
    """Write moves, on locked stock."""
    parts = [
        (
            move.order.order_id,
            move.order.attempt,
            *part.place,
            part.quantity,
            part.is_new,
            move.order.status,
            move.order.expires_at,
            part.reason and part.reason.model_dump_json(),
        )
        for move in plan.moves
        for part in move.parts
    ]
    decided = [
        (
            move.order.order_id,
            move.order.attempt,
            _CONSIDERED.dump_json(move.considered).decode(),
        )
        for move in plan.moves
    ]
    held, committed = plan.differences("held"), plan.differences("committed")
    counters = [
        (*place, held.get(place, 0), committed.get(place, 0))
        for place in sorted(held.keys() | committed.keys())
    ]
    await connection.execute(
        MOVE_PROMISES,
        shop_id,
        *columns(parts, 9),
        *columns(decided, 3),
        *columns(counters, 4),
    )
