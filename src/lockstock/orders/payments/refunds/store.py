"""Refunds in the database. They are written under the lock of their order."""

from collections.abc import Sequence
from uuid import UUID

from lockstock.kernel.database import Connection, Row
from lockstock.kernel.money import Money
from lockstock.orders.contract import Asked
from lockstock.orders.payments.contract import Refund, RefundStatus
from lockstock.orders.payments.rules import Back


def _refund_of(row: Row) -> Refund:
    return Refund(
        id=row["id"],
        shop_id=row["shop_id"],
        order_id=row["order_id"],
        payment_id=row["payment_id"],
        amount=Money(amount_minor=row["amount_minor"], currency=row["currency"]),
        cause=row["cause"],
        reason=row["reason"],
        status=row["status"],
        created_at=row["created_at"],
        done_at=row["done_at"],
    )


PUT_REFUNDS = """
INSERT INTO orders.refunds (shop_id, id, order_id, payment_id, amount_minor, currency, cause,
    reason, status, tries, next_try_at, created_at, actor_id, request_id)
SELECT $1, r.id, r.order_id, r.payment_id, r.amount_minor, r.currency, r.cause, r.reason,
    'pending', 0, statement_timestamp(), statement_timestamp(), $9, $10
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::text[], $7::text[], $8::text[])
    AS r (id, order_id, payment_id, amount_minor, currency, cause, reason)
ON CONFLICT DO NOTHING
RETURNING *
"""


async def put_refunds(
    connection: Connection, shop_id: UUID, backs: Sequence[Back], asked: Asked | None = None
) -> list[Refund]:
    """Write refunds, due at once; those with an id that exists are left out."""
    rows = await connection.fetch(
        PUT_REFUNDS,
        shop_id,
        [back.id for back in backs],
        [back.order_id for back in backs],
        [back.payment_id for back in backs],
        [back.amount_minor for back in backs],
        [back.currency for back in backs],
        [back.cause for back in backs],
        [back.reason for back in backs],
        None if asked is None else asked.actor_id,
        None if asked is None else asked.request_id,
    )
    return [_refund_of(row) for row in rows]


LIST_REFUNDS = """
SELECT * FROM orders.refunds WHERE shop_id = $1 AND order_id = $2 ORDER BY created_at, id
"""


async def list_refunds(connection: Connection, shop_id: UUID, order_id: UUID) -> list[Refund]:
    """Read the refunds of an order, oldest first."""
    rows = await connection.fetch(LIST_REFUNDS, shop_id, order_id)
    return [_refund_of(row) for row in rows]


REFUNDABLE = """
SELECT p.id, p.captured_minor - (SELECT COALESCE(sum(r.amount_minor), 0)
    FROM orders.refunds r
    WHERE r.shop_id = $1 AND r.order_id = $2 AND r.payment_id = p.id AND r.status <> 'failed'
    )::bigint AS refundable_minor, p.captured_currency AS currency
FROM orders.payments p
WHERE p.shop_id = $1 AND p.order_id = $2 AND p.captured_minor IS NOT NULL
ORDER BY p.created_at, p.id
"""


async def refundable(connection: Connection, shop_id: UUID, order_id: UUID) -> dict[UUID, Money]:
    """Read what each payment of a locked order has taken and not given back, by payment."""
    rows = await connection.fetch(REFUNDABLE, shop_id, order_id)
    return {
        row["id"]: Money(amount_minor=row["refundable_minor"], currency=row["currency"])
        for row in rows
        if row["refundable_minor"] > 0
    }


DUE_REFUNDS = """
SELECT shop_id, id FROM orders.refunds
WHERE next_try_at <= statement_timestamp() ORDER BY next_try_at LIMIT $1
"""


async def due_refunds(connection: Connection, most: int) -> dict[UUID, list[UUID]]:
    """Read which refunds are to be sent to their providers, by shop, over all shops."""
    due: dict[UUID, list[UUID]] = {}
    for row in await connection.fetch(DUE_REFUNDS, most):
        due.setdefault(row["shop_id"], []).append(row["id"])
    return due


CLAIM_REFUNDS = """
UPDATE orders.refunds r
SET tries = r.tries + 1,
    next_try_at = statement_timestamp()
        + make_interval(secs => LEAST(10 * power(2, LEAST(r.tries, 20)), 3600))
WHERE r.shop_id = $1 AND r.id IN (
    SELECT d.id FROM orders.refunds d
    WHERE d.shop_id = $1 AND d.id = ANY($2::uuid[]) AND d.next_try_at <= statement_timestamp()
    FOR UPDATE SKIP LOCKED)
RETURNING r.*
"""


async def claim_refunds(
    connection: Connection, shop_id: UUID, refund_ids: Sequence[UUID]
) -> list[Refund]:
    """Take those of these refunds that are due; other workers leave them for a while."""
    rows = await connection.fetch(CLAIM_REFUNDS, shop_id, refund_ids)
    return [_refund_of(row) for row in rows]


END_REFUND = """
UPDATE orders.refunds SET status = $3, next_try_at = NULL,
    done_at = CASE WHEN $3 = 'done' THEN statement_timestamp() END
WHERE shop_id = $1 AND id = $2 AND status = 'pending'
"""


async def end_refund(
    connection: Connection, shop_id: UUID, refund_id: UUID, status: RefundStatus
) -> None:
    """Note how the provider took a refund. Its payment is locked."""
    await connection.execute(END_REFUND, shop_id, refund_id, status)


REFUND_PAYMENT = """
UPDATE orders.payments p SET status = 'refunded'
WHERE p.shop_id = $1 AND p.id = $2 AND p.status = 'captured'
    AND p.captured_minor <= (SELECT sum(r.amount_minor) FROM orders.refunds r
        WHERE r.shop_id = $1 AND r.order_id = p.order_id AND r.payment_id = p.id
            AND r.status = 'done')
"""


async def refund_payment(connection: Connection, shop_id: UUID, payment_id: UUID) -> None:
    """Mark a locked payment as refunded if all of its money has gone back."""
    await connection.execute(REFUND_PAYMENT, shop_id, payment_id)
