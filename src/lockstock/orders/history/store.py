"""The history of an order in the database: one look at all that is kept of it."""

from uuid import UUID

from lockstock.kernel.database import Connection, Row
from lockstock.kernel.money import Money
from lockstock.orders.history.contract import Actor, Entry

# `turn` puts in order what happened at one moment: money before the status that it changes.
# Where the kind of actor was not kept it is told by the id.
HISTORY = """
WITH story AS (
    SELECT o.created_at AS at, 1 AS turn, 'placed' AS kind, NULL::uuid AS subject_id,
        NULL::text AS from_status, 'awaiting_payment' AS to_status, o.total_minor AS amount_minor,
        o.currency, o.customer_id AS actor_id, 'customer' AS actor_kind, NULL::text AS reason,
        NULL::text AS outcome, NULL::text AS request_id, 0 AS sequence
    FROM orders.orders o WHERE o.shop_id = $1 AND o.id = $2
    UNION ALL
    SELECT t.at, 5, 'status_changed', NULL, t.from_status, t.to_status, NULL, NULL, t.actor_id,
        COALESCE(t.actor_kind, CASE WHEN t.actor_id IS NULL AND t.to_status = 'paid'
            THEN 'provider' END), t.reason, NULL, t.request_id, t.sequence
    FROM orders.transitions t WHERE t.shop_id = $1 AND t.order_id = $2
    UNION ALL
    SELECT p.created_at, 2, 'payment_started', p.id, NULL, NULL, p.amount_minor, p.currency,
        p.actor_id, COALESCE(p.actor_kind, 'customer'), NULL, NULL, p.request_id, 0
    FROM orders.payments p WHERE p.shop_id = $1 AND p.order_id = $2
    UNION ALL
    SELECT e.received_at, 3, 'payment_' || e.kind, p.id, NULL, NULL, e.amount_minor, e.currency,
        NULL, 'provider', NULL, e.outcome, NULL, 0
    FROM orders.payments p
    JOIN orders.payment_events e ON e.shop_id = $1 AND e.payment_id = p.id
        AND e.provider = p.provider
    WHERE p.shop_id = $1 AND p.order_id = $2
    UNION ALL
    SELECT p.reviewed_at, 4, 'payment_reviewed', p.id, NULL, NULL, NULL, NULL, p.reviewed_by, NULL,
        p.review_reason, NULL, NULL, 0
    FROM orders.payments p
    WHERE p.shop_id = $1 AND p.order_id = $2 AND p.reviewed_at IS NOT NULL
    UNION ALL
    SELECT r.created_at, 6, 'refund_started', r.id, NULL, NULL, r.amount_minor, r.currency,
        r.actor_id, r.actor_kind, COALESCE(r.reason, r.cause), NULL, r.request_id, 0
    FROM orders.refunds r WHERE r.shop_id = $1 AND r.order_id = $2
    UNION ALL
    SELECT r.done_at, 7, 'refund_done', r.id, NULL, NULL, r.amount_minor, r.currency, NULL,
        'provider', NULL, NULL, NULL, 0
    FROM orders.refunds r
    WHERE r.shop_id = $1 AND r.order_id = $2 AND r.done_at IS NOT NULL
    UNION ALL
    SELECT r.failed_at, 8, 'refund_failed', r.id, NULL, NULL, r.amount_minor, r.currency, NULL,
        'provider', r.failure, NULL, NULL, 0
    FROM orders.refunds r
    WHERE r.shop_id = $1 AND r.order_id = $2 AND r.failed_at IS NOT NULL
    UNION ALL
    SELECT s.shipped_at, 4, 'shipped', s.id, NULL, NULL, NULL, NULL, s.actor_id, s.actor_kind,
        NULL, NULL, s.request_id, 0
    FROM orders.shipments s
    WHERE s.shop_id = $1 AND s.order_id = $2 AND s.shipped_at IS NOT NULL
    UNION ALL
    SELECT COALESCE(b.done_at, b.created_at), 4, 'returned', b.id, NULL, NULL, b.refund_minor,
        o.currency, b.actor_id, b.actor_kind, b.reason, NULL, b.request_id, 0
    FROM orders.returns b
    JOIN orders.orders o ON o.shop_id = $1 AND o.id = b.order_id
    WHERE b.shop_id = $1 AND b.order_id = $2 AND b.status = 'done'
)
SELECT s.at, s.kind, s.subject_id, s.from_status, s.to_status, s.amount_minor, s.currency,
    s.actor_id, COALESCE(s.actor_kind, CASE WHEN s.actor_id IS NULL THEN 'system'
        WHEN s.actor_id = o.customer_id THEN 'customer' ELSE 'staff' END) AS actor_kind,
    s.reason, s.outcome, s.request_id
FROM story s
JOIN orders.orders o ON o.shop_id = $1 AND o.id = $2
ORDER BY s.at, s.turn, s.sequence, s.subject_id
"""


async def history(connection: Connection, shop_id: UUID, order_id: UUID) -> list[Entry]:
    """Read all that has happened to an order, oldest first."""
    return [_entry_of(row) for row in await connection.fetch(HISTORY, shop_id, order_id)]


def _entry_of(row: Row) -> Entry:
    amount = None
    if row["amount_minor"] is not None:
        amount = Money(amount_minor=row["amount_minor"], currency=row["currency"])
    return Entry(
        at=row["at"],
        kind=row["kind"],
        subject_id=row["subject_id"],
        from_status=row["from_status"],
        to_status=row["to_status"],
        amount=amount,
        actor=Actor(kind=row["actor_kind"], id=row["actor_id"]),
        reason=row["reason"],
        outcome=row["outcome"],
        request_id=row["request_id"],
    )
