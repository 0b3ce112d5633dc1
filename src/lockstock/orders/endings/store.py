"""SQL of what ends orders: deadlines, and the checks that the stock of ended ones is free."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from lockstock.kernel.database import Connection
from lockstock.orders.contract import OrderStatus
from lockstock.orders.rules import by_shop

DUE_ORDERS = """
SELECT shop_id, id FROM orders.orders
WHERE status = 'awaiting_payment' AND expires_at <= statement_timestamp()
ORDER BY expires_at LIMIT $1
"""


async def due_orders(connection: Connection, most: int) -> dict[UUID, list[UUID]]:
    """Read which orders are past their deadline and not marked yet, by shop, over all shops."""
    return by_shop(await connection.fetch(DUE_ORDERS, most))


LOCK_DUE_ORDERS = """
SELECT id FROM orders.orders
WHERE shop_id = $1 AND id = ANY($2::uuid[]) AND status = 'awaiting_payment'
ORDER BY id FOR UPDATE SKIP LOCKED
"""


async def lock_due_orders(
    connection: Connection, shop_id: UUID, order_ids: Sequence[UUID]
) -> list[UUID]:
    """Lock those of these orders that still await payment and that nobody else is changing."""
    rows = await connection.fetch(LOCK_DUE_ORDERS, shop_id, order_ids)
    return [row["id"] for row in rows]


@dataclass(frozen=True)
class StockCheck:
    """An ended order whose stock must be seen to be free; `at` is when that was asked for."""

    order_id: UUID
    status: OrderStatus
    at: datetime


DUE_STOCK_CHECKS = """
SELECT shop_id, id FROM orders.orders
WHERE stock_check_at <= statement_timestamp() ORDER BY stock_check_at LIMIT $1
"""


async def due_stock_checks(connection: Connection, most: int) -> dict[UUID, list[UUID]]:
    """Read which orders have a stock check due, by shop, over all shops."""
    return by_shop(await connection.fetch(DUE_STOCK_CHECKS, most))


# An expired order with an event still to be applied may be about to be paid late: leave it alone.
STOCK_CHECKS = """
SELECT o.id, o.status, o.stock_check_at FROM orders.orders o
WHERE o.shop_id = $1 AND o.id = ANY($2::uuid[]) AND o.stock_check_at IS NOT NULL
    AND (o.status = 'cancelled' OR NOT EXISTS (
        SELECT 1 FROM orders.payments p
        JOIN orders.payment_events e ON e.shop_id = $1 AND e.payment_id = p.id
        WHERE p.shop_id = $1 AND p.order_id = o.id AND e.applied_at IS NULL))
"""


async def stock_checks(
    connection: Connection, shop_id: UUID, order_ids: Sequence[UUID]
) -> list[StockCheck]:
    """Read the stock checks of these orders that can be made now."""
    rows = await connection.fetch(STOCK_CHECKS, shop_id, order_ids)
    return [StockCheck(row["id"], row["status"], row["stock_check_at"]) for row in rows]


# Only the very check that was made is cleared: one asked for meanwhile stays.
CLEAR_STOCK_CHECKS = """
UPDATE orders.orders o SET stock_check_at = NULL
FROM unnest($2::uuid[], $3::timestamptz[]) AS c (id, at)
WHERE o.shop_id = $1 AND o.id = c.id AND o.stock_check_at = c.at
    AND o.stock_check_at <= statement_timestamp()
"""


async def clear_stock_checks(
    connection: Connection, shop_id: UUID, checks: Sequence[StockCheck]
) -> None:
    """Note that these checks were made."""
    await connection.execute(
        CLEAR_STOCK_CHECKS,
        shop_id,
        [check.order_id for check in checks],
        [check.at for check in checks],
    )
