"""Payments in the database. Whoever changes one holds the lock of its order."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from lockstock.kernel.database import Connection, Row
from lockstock.kernel.ids import new_id
from lockstock.kernel.money import Money
from lockstock.kernel.outbox import NewEvent
from lockstock.orders.events import event, tell
from lockstock.orders.payments.contract import (
    Opened,
    Payment,
    PaymentList,
    PaymentStatus,
    Reviewed,
)
from lockstock.orders.payments.rules import Captured, Paid
from lockstock.orders.rules import By
from lockstock.orders.store import kept_list


def payment_of(row: Row) -> Payment:
    """Read a payment from its row."""
    captured = None
    if row["captured_minor"] is not None:
        captured = Money(amount_minor=row["captured_minor"], currency=row["captured_currency"])
    reviewed = None
    if row["reviewed_at"] is not None:
        reviewed = Reviewed(
            at=row["reviewed_at"], actor_id=row["reviewed_by"], reason=row["review_reason"]
        )
    return Payment(
        id=row["id"],
        shop_id=row["shop_id"],
        order_id=row["order_id"],
        provider=row["provider"],
        status=row["status"],
        amount=Money(amount_minor=row["amount_minor"], currency=row["currency"]),
        captured=captured,
        review=row["review"],
        reviewed=reviewed,
        reference=row["reference"],
        pay_url=row["pay_url"],
        client_secret=None,
        created_at=row["created_at"],
    )


START_PAYMENT = """
INSERT INTO orders.payments (shop_id, id, order_id, provider, status, amount_minor, currency,
    review, created_at, look_up_at, look_ups, actor_id, actor_kind, request_id)
VALUES ($1, $2, $3, $4, 'pending', $5, $6, false, statement_timestamp(),
    statement_timestamp() + make_interval(secs => $7), 0, $8, $9, $10)
RETURNING *
"""


async def start_payment(
    connection: Connection,
    shop_id: UUID,
    payment_id: UUID,
    order_id: UUID,
    asked: tuple[str, Money, float],
    by: By,
) -> Payment:
    """Write a new attempt to pay a locked order.

    `asked`: at which provider, how much, and after how many seconds of silence to ask it.
    """
    provider, amount, look_up_seconds = asked
    row = await connection.fetchrow(
        START_PAYMENT,
        shop_id,
        payment_id,
        order_id,
        provider,
        amount.amount_minor,
        amount.currency,
        look_up_seconds,
        by.actor_id,
        by.actor_kind,
        by.request_id,
    )
    return payment_of(row)


# An attempt that ended while its provider opened it is closed there too.
OPEN_PAYMENT = """
UPDATE orders.payments SET reference = $3, pay_url = $4, client_secret = $5,
    close_at = CASE WHEN status IN ('failed', 'cancelled') THEN statement_timestamp()
        ELSE close_at END
WHERE shop_id = $1 AND id = $2 AND reference IS NULL
"""


async def open_payment(
    connection: Connection, shop_id: UUID, payment_id: UUID, opened: Opened
) -> None:
    """Note what the provider calls the payment and how it is paid there."""
    await connection.execute(
        OPEN_PAYMENT,
        shop_id,
        payment_id,
        opened.reference,
        opened.pay_url,
        opened.client_secret,
    )


FORGET_PAYMENT = """
DELETE FROM orders.payments WHERE shop_id = $1 AND id = $2 AND reference IS NULL
    AND status = 'pending'
"""


async def forget_payment(connection: Connection, shop_id: UUID, payment_id: UUID) -> None:
    """Forget an attempt that its provider has refused to open. Its order is locked."""
    await connection.execute(FORGET_PAYMENT, shop_id, payment_id)


FIND_OPENED = """
SELECT reference, pay_url, client_secret FROM orders.payments
WHERE shop_id = $1 AND id = $2 AND reference IS NOT NULL
"""


async def find_opened(connection: Connection, shop_id: UUID, payment_id: UUID) -> Opened | None:
    """Read how a payment is paid at its provider; None while that has not opened it."""
    row = await connection.fetchrow(FIND_OPENED, shop_id, payment_id)
    return None if row is None else Opened(**row)


FIND_PAYMENTS = """
SELECT * FROM orders.payments WHERE shop_id = $1 AND id = ANY($2::uuid[])
"""


async def find_payments(
    connection: Connection, shop_id: UUID, payment_ids: Sequence[UUID]
) -> dict[UUID, Payment]:
    """Read the payments among these that exist, by id."""
    rows = await connection.fetch(FIND_PAYMENTS, shop_id, payment_ids)
    return {row["id"]: payment_of(row) for row in rows}


FIND_PAYMENT_ANYWHERE = """
SELECT * FROM orders.payments WHERE id = $1
"""


async def find_payment_anywhere(connection: Connection, payment_id: UUID) -> Payment | None:
    """Read a payment of which only the id is known, over all shops."""
    row = await connection.fetchrow(FIND_PAYMENT_ANYWHERE, payment_id)
    return None if row is None else payment_of(row)


LIST_PAYMENTS = """
SELECT * FROM orders.payments WHERE shop_id = $1 AND order_id = $2 ORDER BY created_at, id
"""


async def list_payments(connection: Connection, shop_id: UUID, order_id: UUID) -> list[Payment]:
    """Read the attempts to pay an order, oldest first."""
    rows = await connection.fetch(LIST_PAYMENTS, shop_id, order_id)
    return [payment_of(row) for row in rows]


LOCK_PAYMENTS = """
SELECT * FROM orders.payments WHERE shop_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR UPDATE
"""


async def lock_payments(
    connection: Connection, shop_id: UUID, payment_ids: Sequence[UUID]
) -> dict[UUID, Payment]:
    """Lock payments and read them, by id."""
    rows = await connection.fetch(LOCK_PAYMENTS, shop_id, payment_ids)
    return {row["id"]: payment_of(row) for row in rows}


CAPTURE_PAYMENTS = """
WITH captured AS (
    UPDATE orders.payments p
    SET status = 'captured', captured_minor = c.amount_minor, captured_currency = c.currency,
        review = c.review, close_at = NULL, look_up_at = NULL
    FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::boolean[], $6::uuid[])
        AS c (id, amount_minor, currency, review, event_id)
    WHERE p.shop_id = $1 AND p.id = c.id AND p.status NOT IN ('captured', 'refunded')
    RETURNING p.id, p.order_id, p.captured_minor, p.captured_currency, p.review, c.event_id
),
told AS (
    INSERT INTO orders.outbox (shop_id, occurred_at, id, kind, subject_id, data)
    SELECT $1, statement_timestamp(), c.event_id, 'payment.captured', c.order_id,
        jsonb_build_object('payment_id', c.id, 'amount', jsonb_build_object(
            'amount_minor', c.captured_minor, 'currency', c.captured_currency))
    FROM captured c
)
SELECT id, order_id FROM captured WHERE review
"""


async def capture_payments(
    connection: Connection, shop_id: UUID, captured: Sequence[Captured]
) -> None:
    """Note what was taken, and tell of it."""
    flagged = await connection.fetch(
        CAPTURE_PAYMENTS,
        shop_id,
        [item.payment_id for item in captured],
        [item.amount_minor for item in captured],
        [item.currency for item in captured],
        [item.review for item in captured],
        [new_id() for _ in captured],
    )
    await tell(connection, shop_id, [_flagged(row, "mismatch") for row in flagged])


def _flagged(row: Row, cause: Literal["mismatch", "refund_failed"]) -> NewEvent:
    return event("payment.flagged", row["order_id"], payment_id=str(row["id"]), cause=cause)


# At many providers a customer may try again after a failure, so that is still looked up.
END_PAYMENTS = """
UPDATE orders.payments p
SET status = e.status, close_at = CASE WHEN e.status = 'failed' THEN p.close_at END,
    look_up_at = CASE WHEN e.status = 'failed' THEN p.look_up_at END
FROM unnest($2::uuid[], $3::text[]) AS e (id, status)
WHERE p.shop_id = $1 AND p.id = e.id AND p.status = 'pending'
RETURNING p.id, p.order_id, p.status
"""


async def end_payments(
    connection: Connection, shop_id: UUID, ended: Sequence[tuple[UUID, PaymentStatus]]
) -> None:
    """Note which attempts came to nothing."""
    rows = await connection.fetch(
        END_PAYMENTS, shop_id, [item for item, _ in ended], [status for _, status in ended]
    )
    failed = [row for row in rows if row["status"] == "failed"]
    told = [event("payment.failed", row["order_id"], payment_id=str(row["id"])) for row in failed]
    await tell(connection, shop_id, told)


CLOSE_ATTEMPTS = """
UPDATE orders.payments SET close_at = statement_timestamp()
WHERE shop_id = $1 AND order_id = ANY($2::uuid[]) AND status IN ('pending', 'failed')
    AND close_at IS NULL
"""


async def close_attempts(connection: Connection, shop_id: UUID, order_ids: Sequence[UUID]) -> None:
    """Ask for the open attempts to pay these orders to be closed at their providers."""
    await connection.execute(CLOSE_ATTEMPTS, shop_id, order_ids)


# Almost none is flagged, so that what is not is found among all of them.
LIST_PAYMENTS_OF_SHOP = """
SELECT * FROM orders.payments
WHERE shop_id = $1 AND review = COALESCE($2::boolean, review)
    AND (created_at, id) < (COALESCE($3::timestamptz, 'infinity'),
        COALESCE($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY created_at DESC, id DESC
LIMIT $5
"""


async def list_payments_of_shop(
    connection: Connection, shop_id: UUID, ask: PaymentList
) -> list[Payment]:
    """Read a shop's payments, newest first, one more than asked for."""
    after = (None, None) if ask.after is None else (ask.after.created_at, ask.after.id)
    rows = await connection.fetch(LIST_PAYMENTS_OF_SHOP, shop_id, ask.review, *after, ask.limit + 1)
    return [payment_of(row) for row in rows]


# And what is has an index of its own, which no plan for all of them could use.
LIST_PAYMENTS_TO_REVIEW = """
SELECT * FROM orders.payments
WHERE shop_id = $1 AND review
    AND (created_at, id) < (COALESCE($2::timestamptz, 'infinity'),
        COALESCE($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY created_at DESC, id DESC
LIMIT $4
"""


async def list_payments_to_review(
    connection: Connection, shop_id: UUID, ask: PaymentList
) -> list[Payment]:
    """Read a shop's payments that a person has to look at, newest first, one more."""
    after = (None, None) if ask.after is None else (ask.after.created_at, ask.after.id)
    rows = await connection.fetch(LIST_PAYMENTS_TO_REVIEW, shop_id, *after, ask.limit + 1)
    return [payment_of(row) for row in rows]


FLAG_PAYMENT = """
UPDATE orders.payments
SET review = true, reviewed_at = NULL, reviewed_by = NULL, review_reason = NULL
WHERE shop_id = $1 AND id = $2
RETURNING id, order_id
"""


async def flag_payment(connection: Connection, shop_id: UUID, payment_id: UUID) -> None:
    """Ask somebody of the shop to look at a locked payment whose refund has failed."""
    flagged = await connection.fetch(FLAG_PAYMENT, shop_id, payment_id)
    await tell(connection, shop_id, [_flagged(row, "refund_failed") for row in flagged])


REVIEW_PAYMENT = """
UPDATE orders.payments
SET review = false, reviewed_at = statement_timestamp(), reviewed_by = $3, review_reason = $4
WHERE shop_id = $1 AND id = $2 AND review
RETURNING *
"""


async def review_payment(
    connection: Connection, shop_id: UUID, payment_id: UUID, said: tuple[UUID, str]
) -> Payment | None:
    """Note who has looked at a flagged payment and what they say; None if it is not flagged."""
    row = await connection.fetchrow(REVIEW_PAYMENT, shop_id, payment_id, *said)
    return None if row is None else payment_of(row)


PAY_ORDERS = """
UPDATE orders.orders o
SET paid_at = statement_timestamp(), paid_by = p.payment_id, late = p.late, stock_check_at = NULL,
    leased_until = NULL,
    taken_again = NULLIF(p.allocations::jsonb, o.allocations)
FROM unnest($2::uuid[], $3::uuid[], $4::boolean[], $5::text[])
    AS p (id, payment_id, late, allocations)
WHERE o.shop_id = $1 AND o.id = p.id AND o.status IN ('awaiting_payment', 'expired')
"""


async def pay_orders(connection: Connection, shop_id: UUID, paid: Sequence[Paid]) -> None:
    """Note on locked orders what paid them, and with which stock."""
    await connection.execute(
        PAY_ORDERS,
        shop_id,
        [item.order_id for item in paid],
        [item.payment_id for item in paid],
        [item.late for item in paid],
        [None if item.allocations is None else kept_list(item.allocations) for item in paid],
    )


ASK_STOCK_CHECKS = """
UPDATE orders.orders
SET stock_check_at = GREATEST(stock_check_at, statement_timestamp() + make_interval(secs => $3))
WHERE shop_id = $1 AND id = ANY($2::uuid[])
"""


async def ask_stock_checks(
    connection: Connection, shop_id: UUID, order_ids: Sequence[UUID], seconds: float
) -> None:
    """Have it seen to, in so many seconds, that the stock of these orders fits their status."""
    await connection.execute(ASK_STOCK_CHECKS, shop_id, order_ids, seconds)


TAKE_LEASES = """
UPDATE orders.orders SET leased_until = statement_timestamp() + make_interval(secs => $3)
WHERE shop_id = $1 AND id = ANY($2::uuid[])
RETURNING id, leased_until
"""


async def take_leases(
    connection: Connection, shop_id: UUID, order_ids: Sequence[UUID], seconds: float
) -> dict[UUID, datetime]:
    """Let nobody else take stock for these locked orders; return until when, by order."""
    rows = await connection.fetch(TAKE_LEASES, shop_id, order_ids, seconds)
    return {row["id"]: row["leased_until"] for row in rows}


# Only one's own: should it have run out, it may be somebody else's by now.
END_LEASES = """
UPDATE orders.orders o SET leased_until = NULL
FROM unnest($2::uuid[], $3::timestamptz[]) AS l (id, until)
WHERE o.shop_id = $1 AND o.id = l.id AND o.leased_until = l.until
"""


async def end_leases(
    connection: Connection, shop_id: UUID, leases: Mapping[UUID, datetime]
) -> None:
    """Give leases back that were taken until these times. The orders are locked."""
    await connection.execute(END_LEASES, shop_id, list(leases), list(leases.values()))
