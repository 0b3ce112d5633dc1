"""SQL of explanations. They only read, and each is one statement: its figures are of one moment."""

from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from pydantic import TypeAdapter

from lockstock.kernel.database import Connection
from lockstock.kernel.errors import NotFound
from lockstock.kernel.nouns import Noun
from lockstock.warehouses.contract import Allocation
from lockstock.warehouses.explain.contract import (
    MOST_NAMED,
    CommittedFor,
    HeldBy,
    IncomingBy,
    KindSum,
)
from lockstock.warehouses.explain.rules import Decided, Here, Ledger
from lockstock.warehouses.reservations.contract import Considered
from lockstock.warehouses.reservations.store import reason_of
from lockstock.warehouses.stock.contract import Movement

N = TypeVar("N", bound=Noun)
_CONSIDERED = TypeAdapter(list[Considered])

# One row per warehouse, of those that have no stock row too. A hold past its deadline is none.
AVAILABLE_HERE = """
    SELECT statement_timestamp() AS now, w.id AS warehouse_id, w.name, w.active,
        coalesce(s.on_hand, 0) AS on_hand, coalesce(s.held - e.expired, 0)::bigint AS held,
        coalesce(s.committed, 0) AS committed, coalesce(s.incoming, 0) AS incoming,
        coalesce(s.sequence, 0) AS movements, h.holds, h.held_by,
        c.commitments, c.committed_for, i.incoming_by, m.last_movements
    FROM warehouses.warehouses AS w
    LEFT JOIN warehouses.stock AS s
        ON s.shop_id = w.shop_id AND s.warehouse_id = w.id AND s.variant_id = $2
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(a.quantity), 0)::bigint AS expired
        FROM warehouses.allocations AS a
        WHERE a.shop_id = w.shop_id AND a.variant_id = $2 AND a.warehouse_id = w.id
            AND a.status = 'held' AND a.expires_at <= statement_timestamp()
    ) AS e
    CROSS JOIN LATERAL (
        SELECT count(*) AS holds, coalesce(jsonb_agg(jsonb_build_object(
            'order_id', held.order_id, 'quantity', held.quantity, 'expires_at', held.expires_at
        ) ORDER BY held.place) FILTER (WHERE held.place <= $3), '[]') AS held_by
        FROM (
            SELECT a.order_id, a.quantity, a.expires_at,
                row_number() OVER (ORDER BY a.expires_at, a.order_id) AS place
            FROM warehouses.allocations AS a
            WHERE a.shop_id = w.shop_id AND a.variant_id = $2 AND a.warehouse_id = w.id
                AND a.status = 'held' AND a.expires_at > statement_timestamp()
        ) AS held
    ) AS h
    CROSS JOIN LATERAL (
        SELECT count(*) AS commitments, coalesce(jsonb_agg(jsonb_build_object(
            'order_id', promise.order_id, 'transfer_id', promise.transfer_id,
            'quantity', promise.quantity
        ) ORDER BY promise.place) FILTER (WHERE promise.place <= $3), '[]') AS committed_for
        FROM (
            SELECT p.order_id, p.transfer_id, p.quantity,
                row_number() OVER (ORDER BY p.order_id, p.transfer_id) AS place
            FROM (
                SELECT a.order_id, null::uuid AS transfer_id, a.quantity - a.shipped AS quantity
                FROM warehouses.allocations AS a
                WHERE a.shop_id = w.shop_id AND a.variant_id = $2 AND a.warehouse_id = w.id
                    AND a.status = 'committed' AND a.shipped < a.quantity
                UNION ALL
                SELECT null, t.id, l.quantity
                FROM warehouses.transfers AS t
                JOIN warehouses.transfer_lines AS l
                    ON l.shop_id = t.shop_id AND l.transfer_id = t.id AND l.variant_id = $2
                WHERE t.shop_id = w.shop_id AND t.from_warehouse_id = w.id AND t.status = 'ready'
            ) AS p
        ) AS promise
    ) AS c
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'transfer_id', coming.id, 'from_warehouse_id', coming.from_warehouse_id,
            'quantity', coming.quantity, 'status', coming.status,
            'expected_at', coming.expected_at
        ) ORDER BY coming.expected_at, coming.id), '[]') AS incoming_by
        FROM (
            SELECT t.id, t.from_warehouse_id, t.status, t.expected_at,
                l.dispatched - l.received - l.damaged - l.returned - l.lost AS quantity
            FROM warehouses.transfers AS t
            JOIN warehouses.transfer_lines AS l
                ON l.shop_id = t.shop_id AND l.transfer_id = t.id AND l.variant_id = $2
            WHERE t.shop_id = w.shop_id AND t.to_warehouse_id = w.id
                AND t.status IN ('in_transit', 'partly_received')
                AND l.dispatched > l.received + l.damaged + l.returned + l.lost
            ORDER BY t.expected_at, t.id
            LIMIT $3
        ) AS coming
    ) AS i
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(to_jsonb(last) - 'shop_id' ORDER BY last.sequence DESC), '[]')
            AS last_movements
        FROM (
            SELECT l.*
            FROM warehouses.movements AS l
            WHERE l.shop_id = w.shop_id AND l.variant_id = $2 AND l.warehouse_id = w.id
            ORDER BY l.sequence DESC
            LIMIT 5
        ) AS last
    ) AS m
    WHERE w.shop_id = $1
    ORDER BY w.priority, w.created_at, w.id
"""


async def available_here(
    connection: Connection, shop_id: UUID, variant_id: UUID
) -> tuple[datetime, list[Here]]:
    """Return the time, and what each warehouse has of a variant, by priority.

    A shop has a warehouse. Without one there is no such shop: raises NotFound.
    """
    rows = await connection.fetch(AVAILABLE_HERE, shop_id, variant_id, MOST_NAMED)
    if not rows:
        raise NotFound("There is no such shop.")
    found = []
    for row in rows:
        values: dict[str, Any] = dict(row)
        values.pop("now")
        values["held_by"] = [_read(HeldBy, item) for item in row["held_by"]]
        values["committed_for"] = [_read(CommittedFor, item) for item in row["committed_for"]]
        values["incoming_by"] = [_read(IncomingBy, item) for item in row["incoming_by"]]
        values["last_movements"] = [_read(Movement, item) for item in row["last_movements"]]
        found.append(Here(**values))
    return rows[0]["now"], found


# Up to which line of the ledger is decided once, and everything is summed up to there. As of now
# that is the stock row's own count of them; as of a moment it is the last one by then.
ON_HAND = """
    SELECT statement_timestamp() AS now, w.name, coalesce(u.sequence, 0) AS movements,
        CASE WHEN $4::timestamptz IS NULL THEN coalesce(s.on_hand, 0) ELSE coalesce((
            SELECT l.balance
            FROM warehouses.movements AS l
            WHERE l.shop_id = $1 AND l.variant_id = $2 AND l.warehouse_id = $3
                AND l.sequence = u.sequence
        ), 0) END AS on_hand,
        k.by_kind, m.last_movements
    FROM warehouses.warehouses AS w
    LEFT JOIN warehouses.stock AS s
        ON s.shop_id = w.shop_id AND s.warehouse_id = w.id AND s.variant_id = $2
    LEFT JOIN LATERAL (
        SELECT CASE WHEN $4::timestamptz IS NULL THEN s.sequence ELSE (
            SELECT l.sequence
            FROM warehouses.movements AS l
            WHERE l.shop_id = $1 AND l.variant_id = $2 AND l.warehouse_id = $3
                AND l.occurred_at <= $4
            ORDER BY l.occurred_at DESC, l.sequence DESC
            LIMIT 1
        ) END AS sequence
    ) AS u ON true
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'kind', summed.kind, 'movements', summed.movements, 'units', summed.units
        ) ORDER BY summed.first), '[]') AS by_kind
        FROM (
            SELECT l.kind, count(*) AS movements, sum(l.delta) AS units, min(l.sequence) AS first
            FROM warehouses.movements AS l
            WHERE l.shop_id = $1 AND l.variant_id = $2 AND l.warehouse_id = $3
                AND l.sequence <= u.sequence
            GROUP BY l.kind
        ) AS summed
    ) AS k
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(to_jsonb(last) - 'shop_id' ORDER BY last.sequence DESC), '[]')
            AS last_movements
        FROM (
            SELECT l.*
            FROM warehouses.movements AS l
            WHERE l.shop_id = $1 AND l.variant_id = $2 AND l.warehouse_id = $3
                AND l.sequence <= u.sequence
            ORDER BY l.sequence DESC
            LIMIT $5
        ) AS last
    ) AS m
    WHERE w.shop_id = $1 AND w.id = $3
"""


async def on_hand(
    connection: Connection,
    shop_id: UUID,
    variant_id: UUID,
    warehouse_id: UUID,
    as_of: datetime | None,
) -> Ledger | None:
    """Read the ledger of a stock row, up to a moment; None where there is no such warehouse."""
    row = await connection.fetchrow(ON_HAND, shop_id, variant_id, warehouse_id, as_of, MOST_NAMED)
    if row is None:
        return None
    return Ledger(
        row["now"],
        row["name"],
        row["on_hand"],
        row["movements"],
        [_read(KindSum, item) for item in row["by_kind"]],
        [_read(Movement, item) for item in row["last_movements"]],
    )


# The latest attempt: what the order is promised from, or was.
RESERVATION = """
    SELECT r.attempt, r.created_at, r.considered, a.variant_id, a.warehouse_id, a.quantity,
        a.reason,
        CASE WHEN r.status = 'held' AND r.expires_at <= statement_timestamp()
            THEN 'expired' ELSE r.status END AS status
    FROM warehouses.reservations AS r
    JOIN warehouses.allocations AS a
        ON a.shop_id = r.shop_id AND a.order_id = r.order_id AND a.attempt = r.attempt
    WHERE r.shop_id = $1 AND r.order_id = $2
        AND NOT EXISTS (
            SELECT FROM warehouses.reservations AS later
            WHERE later.shop_id = r.shop_id AND later.order_id = r.order_id
                AND later.attempt > r.attempt
        )
    ORDER BY a.variant_id, a.warehouse_id
"""


async def reservation(connection: Connection, shop_id: UUID, order_id: UUID) -> Decided | None:
    """Read the latest reservation of an order, with the reasons that were kept."""
    rows = await connection.fetch(RESERVATION, shop_id, order_id)
    if not rows:
        return None
    first = rows[0]
    kept = first["considered"]
    return Decided(
        first["attempt"],
        first["status"],
        first["created_at"],
        [
            Allocation(
                warehouse_id=row["warehouse_id"],
                variant_id=row["variant_id"],
                quantity=row["quantity"],
                reason=reason_of(row["reason"]),
            )
            for row in rows
        ],
        None if kept is None else _CONSIDERED.validate_python(kept),
    )


def _read(noun: type[N], item: dict[str, Any]) -> N:
    # Not strict: what PostgreSQL has made JSON of has ids and times as text.
    return noun.model_validate(item, strict=False)
