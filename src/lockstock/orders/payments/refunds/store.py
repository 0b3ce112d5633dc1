"""Refunds in the database. They are written under the lock of their order."""

from collections.abc import Sequence
from uuid import UUID

from lockstock.kernel.database import Connection, Row
from lockstock.kernel.money import Money
from lockstock.kernel.outbox import NewEvent
from lockstock.orders.events import EventKind, event, tell
from lockstock.orders.payments.contract import Refund
from lockstock.orders.payments.rules import Back
from lockstock.orders.rules import By, by_shop


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
        failed_at=row["failed_at"],
        failure=row["failure"],
    )


PUT_REFUNDS = """
INSERT INTO orders.refunds (shop_id, id, order_id, payment_id, amount_minor, currency, cause,
    reason, status, tries, next_try_at, created_at, actor_id, actor_kind, request_id)
SELECT $1, r.id, r.order_id, r.payment_id, r.amount_minor, r.currency, r.cause, r.reason,
    'pending', 0, statement_timestamp(), statement_timestamp(), $9, $10, $11
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::text[], $7::text[], $8::text[])
    AS r (id, order_id, payment_id, amount_minor, currency, cause, reason)
ON CONFLICT DO NOTHING
RETURNING *
"""


async def put_refunds(
    connection: Connection, shop_id: UUID, backs: Sequence[Back], by: By | None = None
) -> list[Refund]:
    """Write refunds, due at once; those with an id that exists are left out.

    `by`: who wants them. None: nobody does, that is how it has to be.
    """
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
        None if by is None else by.actor_id,
        "system" if by is None else by.actor_kind,
        None if by is None else by.request_id,
    )
    written = [_refund_of(row) for row in rows]
    await tell(connection, shop_id, [_event("refund.created", refund) for refund in written])
    return written


def _event(kind: EventKind, refund: Refund) -> NewEvent:
    return event(
        kind,
        refund.order_id,
        refund_id=str(refund.id),
        payment_id=str(refund.payment_id),
        amount=refund.amount.model_dump(),
        cause=refund.cause,
    )


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
    return by_shop(await connection.fetch(DUE_REFUNDS, most))


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


FIND_REFUND = """
SELECT * FROM orders.refunds WHERE shop_id = $1 AND id = $2
"""


async def find_refund(connection: Connection, shop_id: UUID, refund_id: UUID) -> Refund | None:
    """Read one refund."""
    row = await connection.fetchrow(FIND_REFUND, shop_id, refund_id)
    return None if row is None else _refund_of(row)


END_REFUND = """
UPDATE orders.refunds
SET status = 'done', next_try_at = NULL, done_at = statement_timestamp()
WHERE shop_id = $1 AND id = $2 AND status = 'pending'
RETURNING *
"""


async def end_refund(connection: Connection, shop_id: UUID, refund_id: UUID) -> None:
    """Note that the provider has taken a refund. Its payment is locked."""
    row = await connection.fetchrow(END_REFUND, shop_id, refund_id)
    if row is not None:
        await tell(connection, shop_id, [_event("refund.succeeded", _refund_of(row))])


# Also one that is done: a bank may send the money back days after the provider took it.
FAIL_REFUND = """
UPDATE orders.refunds
SET status = 'failed', next_try_at = NULL, done_at = NULL, failed_at = statement_timestamp(),
    failure = $3
WHERE shop_id = $1 AND id = $2 AND status <> 'failed'
RETURNING *
"""


async def fail_refund(connection: Connection, shop_id: UUID, refund_id: UUID, failure: str) -> bool:
    """Note that the provider has given a refund up; False if that is known. Its payment is locked.

    What it was to give back can be refunded again.
    """
    row = await connection.fetchrow(FAIL_REFUND, shop_id, refund_id, failure)
    if row is not None:
        await tell(connection, shop_id, [_event("refund.failed", _refund_of(row))])
    return row is not None


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


KEEP_PAYMENT = """
UPDATE orders.payments p SET status = 'captured'
WHERE p.shop_id = $1 AND p.id = $2 AND p.status = 'refunded'
    AND p.captured_minor > (SELECT COALESCE(sum(r.amount_minor), 0) FROM orders.refunds r
        WHERE r.shop_id = $1 AND r.order_id = p.order_id AND r.payment_id = p.id
            AND r.status = 'done')
"""


async def keep_payment(connection: Connection, shop_id: UUID, payment_id: UUID) -> None:
    """Mark a locked payment as captured again if some of its money has not gone back after all."""
    await connection.execute(KEEP_PAYMENT, shop_id, payment_id)
