"""Payments in the database. Whoever changes one holds the lock of its order."""

from collections.abc import Sequence
from uuid import UUID

from lockstock.kernel.database import Connection, Row
from lockstock.kernel.money import Money
from lockstock.orders.payments.contract import Opened, Payment, PaymentStatus
from lockstock.orders.payments.rules import Captured, Paid
from lockstock.orders.store import kept_list


def payment_of(row: Row) -> Payment:
    """Read a payment from its row."""
    captured = None
    if row["captured_minor"] is not None:
        captured = Money(amount_minor=row["captured_minor"], currency=row["captured_currency"])
    return Payment(
        id=row["id"],
        shop_id=row["shop_id"],
        order_id=row["order_id"],
        provider=row["provider"],
        status=row["status"],
        amount=Money(amount_minor=row["amount_minor"], currency=row["currency"]),
        captured=captured,
        review=row["review"],
        pay_url=row["pay_url"],
        created_at=row["created_at"],
    )


START_PAYMENT = """
INSERT INTO orders.payments
    (shop_id, id, order_id, provider, status, amount_minor, currency, review, created_at)
VALUES ($1, $2, $3, $4, 'pending', $5, $6, false, statement_timestamp())
RETURNING *
"""


async def start_payment(
    connection: Connection,
    shop_id: UUID,
    payment_id: UUID,
    order_id: UUID,
    asked: tuple[str, Money],
) -> Payment:
    """Write a new attempt to pay a locked order; `asked`: at which provider, how much."""
    provider, amount = asked
    row = await connection.fetchrow(
        START_PAYMENT,
        shop_id,
        payment_id,
        order_id,
        provider,
        amount.amount_minor,
        amount.currency,
    )
    return payment_of(row)


OPEN_PAYMENT = """
UPDATE orders.payments SET reference = $3, pay_url = $4
WHERE shop_id = $1 AND id = $2 AND pay_url IS NULL
"""


async def open_payment(
    connection: Connection, shop_id: UUID, payment_id: UUID, opened: Opened
) -> None:
    """Note what the provider calls the payment and where it is paid."""
    await connection.execute(OPEN_PAYMENT, shop_id, payment_id, opened.reference, opened.pay_url)


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
UPDATE orders.payments p
SET status = 'captured', captured_minor = c.amount_minor, captured_currency = c.currency,
    review = c.review, close_at = NULL
FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::boolean[])
    AS c (id, amount_minor, currency, review)
WHERE p.shop_id = $1 AND p.id = c.id AND p.status NOT IN ('captured', 'refunded')
"""


async def capture_payments(
    connection: Connection, shop_id: UUID, captured: Sequence[Captured]
) -> None:
    """Note what was taken."""
    await connection.execute(
        CAPTURE_PAYMENTS,
        shop_id,
        [item.payment_id for item in captured],
        [item.amount_minor for item in captured],
        [item.currency for item in captured],
        [item.review for item in captured],
    )


END_PAYMENTS = """
UPDATE orders.payments p SET status = e.status, close_at = NULL
FROM unnest($2::uuid[], $3::text[]) AS e (id, status)
WHERE p.shop_id = $1 AND p.id = e.id AND p.status = 'pending'
"""


async def end_payments(
    connection: Connection, shop_id: UUID, ended: Sequence[tuple[UUID, PaymentStatus]]
) -> None:
    """Note which attempts came to nothing."""
    await connection.execute(
        END_PAYMENTS, shop_id, [item for item, _ in ended], [status for _, status in ended]
    )


CLOSE_ATTEMPTS = """
UPDATE orders.payments SET close_at = statement_timestamp()
WHERE shop_id = $1 AND order_id = ANY($2::uuid[]) AND status = 'pending' AND close_at IS NULL
"""


async def close_attempts(connection: Connection, shop_id: UUID, order_ids: Sequence[UUID]) -> None:
    """Ask for the open attempts to pay these orders to be closed at their providers."""
    await connection.execute(CLOSE_ATTEMPTS, shop_id, order_ids)


DUE_CLOSINGS = """
SELECT * FROM orders.payments WHERE close_at <= statement_timestamp() ORDER BY close_at LIMIT $1
"""


async def due_closings(connection: Connection, most: int) -> list[Payment]:
    """Read which attempts are to be closed, over all shops."""
    return [payment_of(row) for row in await connection.fetch(DUE_CLOSINGS, most)]


POSTPONE_CLOSING = """
UPDATE orders.payments SET close_at = statement_timestamp() + make_interval(secs => $3)
WHERE shop_id = $1 AND id = $2 AND close_at IS NOT NULL
"""


async def postpone_closing(
    connection: Connection, shop_id: UUID, payment_id: UUID, seconds: float
) -> None:
    """Try again later to close an attempt."""
    await connection.execute(POSTPONE_CLOSING, shop_id, payment_id, seconds)


PAY_ORDERS = """
UPDATE orders.orders o
SET paid_at = statement_timestamp(), paid_by = p.payment_id, late = p.late, stock_check_at = NULL,
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
