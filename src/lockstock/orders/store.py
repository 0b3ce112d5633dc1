"""Orders in the database. Statements lock order rows by id, before any other row of this schema."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from lockstock.kernel.database import Connection, Row
from lockstock.kernel.money import Money
from lockstock.orders import rules
from lockstock.orders.contract import NoSuchOrder, Order, OrderLine, OrderList, OrderStatus, ShipTo
from lockstock.orders.rules import Draft, Kept
from lockstock.warehouses.contract import Allocation


def _uuid_of(value: str) -> UUID:
    return UUID(value)


def allocations_of(value: list[dict[str, Any]]) -> list[Allocation]:
    """Read allocations as they are kept in a row."""
    return [
        Allocation(
            warehouse_id=UUID(item["warehouse_id"]),
            variant_id=UUID(item["variant_id"]),
            quantity=item["quantity"],
        )
        for item in value
    ]


def kept_list(items: Sequence[BaseModel]) -> str:
    """Write a list as it is kept in a row, for a statement that takes many such lists.

    As text: in an array of jsonb, the driver takes a list for one more dimension.
    """
    return json.dumps([item.model_dump(mode="json") for item in items])


def _line_of(item: dict[str, Any], currency: str) -> OrderLine:
    price = item["unit_price_minor"]
    return OrderLine(
        variant_id=_uuid_of(item["variant_id"]),
        product_id=_uuid_of(item["product_id"]),
        sku=item["sku"],
        name=item["name"],
        quantity=item["quantity"],
        unit_price=Money(amount_minor=price, currency=currency),
        total=Money(amount_minor=price * item["quantity"], currency=currency),
    )


def _kept_of(row: Row) -> Kept:
    placed = allocations_of(row["allocations"])
    again = row["taken_again"]
    order = Order(
        id=row["id"],
        shop_id=row["shop_id"],
        customer_id=row["customer_id"],
        status=row["status_now"],
        total=Money(amount_minor=row["total_minor"], currency=row["currency"]),
        lines=[_line_of(item, row["currency"]) for item in row["lines"]],
        allocations=placed if again is None else allocations_of(again),
        ship_to=None if row["ship_to"] is None else ShipTo(**row["ship_to"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        paid_at=row["paid_at"],
        late=row["late"],
        pay=rules.pay_path(row["shop_id"], row["id"]),
    )
    return Kept(order, row["status"], row["digest"], row["attempt"], placed, row["paid_by"])


PLACE_ORDERS = """
INSERT INTO orders.orders (shop_id, id, customer_id, status, currency, total_minor, digest, attempt,
    allocations, ship_to, created_at, expires_at, late, transitions)
SELECT $1, o.id, o.customer_id, 'awaiting_payment', o.currency, o.total_minor, o.digest, o.attempt,
    o.allocations::jsonb, o.ship_to, statement_timestamp(), o.expires_at, false, 0
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::bytea[], $7::integer[],
    $8::text[], $9::jsonb[], $10::timestamptz[])
    AS o (id, customer_id, currency, total_minor, digest, attempt, allocations, ship_to, expires_at)
WHERE o.expires_at > statement_timestamp()
ON CONFLICT DO NOTHING
RETURNING id, created_at
"""


async def place_orders(
    connection: Connection, shop_id: UUID, drafts: Sequence[Draft]
) -> dict[UUID, datetime]:
    """Write orders whose stock is held; return when each was placed, by id.

    Left out: ids that exist already, and orders whose deadline has passed meanwhile.
    """
    held = [(draft, draft.reservation) for draft in drafts if draft.reservation is not None]
    rows = await connection.fetch(
        PLACE_ORDERS,
        shop_id,
        [draft.id for draft, _ in held],
        [draft.customer_id for draft, _ in held],
        [draft.total.currency for draft, _ in held],
        [draft.total.amount_minor for draft, _ in held],
        [draft.digest for draft, _ in held],
        [reservation.attempt for _, reservation in held],
        [kept_list(reservation.allocations) for _, reservation in held],
        [None if d.ship_to is None else d.ship_to.model_dump(mode="json") for d, _ in held],
        [reservation.expires_at for _, reservation in held],
    )
    return {row["id"]: row["created_at"] for row in rows}


PLACE_LINES = """
INSERT INTO orders.lines (shop_id, order_id, line, variant_id, product_id, sku, name, quantity,
    unit_price_minor)
SELECT $1, l.order_id, l.line, l.variant_id, l.product_id, l.sku, l.name, l.quantity,
    l.unit_price_minor
FROM unnest($2::uuid[], $3::integer[], $4::uuid[], $5::uuid[], $6::text[], $7::text[],
    $8::integer[], $9::bigint[])
    AS l (order_id, line, variant_id, product_id, sku, name, quantity, unit_price_minor)
"""


async def place_lines(connection: Connection, shop_id: UUID, drafts: Sequence[Draft]) -> None:
    """Write the lines of orders that were placed in this transaction."""
    lines = [
        (draft.id, number, line)
        for draft in drafts
        for number, line in enumerate(draft.lines, start=1)
    ]
    await connection.execute(
        PLACE_LINES,
        shop_id,
        [order_id for order_id, _, _ in lines],
        [number for _, number, _ in lines],
        [line.variant_id for _, _, line in lines],
        [line.product_id for _, _, line in lines],
        [line.sku for _, _, line in lines],
        [line.name for _, _, line in lines],
        [line.quantity for _, _, line in lines],
        [line.unit_price.amount_minor for _, _, line in lines],
    )


FIND_ORDERS = """
SELECT o.*,
    CASE WHEN o.status = 'awaiting_payment' AND o.expires_at <= statement_timestamp()
        THEN 'expired' ELSE o.status END AS status_now,
    (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.line) FROM orders.lines l
        WHERE l.shop_id = $1 AND l.order_id = o.id) AS lines
FROM orders.orders o
WHERE o.shop_id = $1 AND o.id = ANY($2::uuid[])
"""


async def find_orders(
    connection: Connection, shop_id: UUID, order_ids: Sequence[UUID]
) -> dict[UUID, Kept]:
    """Read the orders among these that exist, by id."""
    rows = await connection.fetch(FIND_ORDERS, shop_id, order_ids)
    return {row["id"]: _kept_of(row) for row in rows}


LOCK_ROWS = """
SELECT id FROM orders.orders WHERE shop_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR UPDATE
"""


async def lock_rows(connection: Connection, shop_id: UUID, order_ids: Sequence[UUID]) -> None:
    """Lock orders, in order."""
    await connection.fetch(LOCK_ROWS, shop_id, order_ids)


async def lock_orders(
    connection: Connection, shop_id: UUID, order_ids: Sequence[UUID]
) -> dict[UUID, Kept]:
    """Lock orders, then read them: the clock is looked at after the lock is held."""
    await lock_rows(connection, shop_id, order_ids)
    return await find_orders(connection, shop_id, order_ids)


async def lock_order(connection: Connection, shop_id: UUID, order_id: UUID) -> Kept:
    """Lock one order and read it. Raises NoSuchOrder."""
    found = await lock_orders(connection, shop_id, [order_id])
    if order_id not in found:
        raise NoSuchOrder("There is no such order.")
    return found[order_id]


LIST_ORDERS = """
SELECT o.*, s.status_now,
    (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.line) FROM orders.lines l
        WHERE l.shop_id = $1 AND l.order_id = o.id) AS lines
FROM orders.orders o
CROSS JOIN LATERAL (SELECT CASE WHEN o.status = 'awaiting_payment'
    AND o.expires_at <= statement_timestamp() THEN 'expired' ELSE o.status END AS status_now) s
WHERE o.shop_id = $1
    AND ($2::text IS NULL OR s.status_now = $2)
    AND ($3::uuid IS NULL OR o.customer_id = $3)
    AND ($4::timestamptz IS NULL OR (o.created_at, o.id) < ($4, $5::uuid))
ORDER BY o.created_at DESC, o.id DESC
LIMIT $6
"""


async def list_orders(connection: Connection, shop_id: UUID, ask: OrderList) -> list[Order]:
    """Read a shop's orders, newest first, one more than asked for."""
    after = (None, None) if ask.after is None else (ask.after.created_at, ask.after.id)
    rows = await connection.fetch(
        LIST_ORDERS, shop_id, ask.status, ask.customer_id, *after, ask.limit + 1
    )
    return [_kept_of(row).order for row in rows]


LIST_OWN_ORDERS = """
SELECT o.*, s.status_now,
    (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.line) FROM orders.lines l
        WHERE l.shop_id = o.shop_id AND l.order_id = o.id) AS lines
FROM orders.orders o
CROSS JOIN LATERAL (SELECT CASE WHEN o.status = 'awaiting_payment'
    AND o.expires_at <= statement_timestamp() THEN 'expired' ELSE o.status END AS status_now) s
WHERE o.customer_id = $1
    AND ($2::text IS NULL OR s.status_now = $2)
    AND ($3::timestamptz IS NULL OR (o.created_at, o.id) < ($3, $4::uuid))
ORDER BY o.created_at DESC, o.id DESC
LIMIT $5
"""


async def list_own_orders(connection: Connection, customer_id: UUID, ask: OrderList) -> list[Order]:
    """Read a customer's orders over all shops, newest first, one more than asked for."""
    after = (None, None) if ask.after is None else (ask.after.created_at, ask.after.id)
    rows = await connection.fetch(LIST_OWN_ORDERS, customer_id, ask.status, *after, ask.limit + 1)
    return [_kept_of(row).order for row in rows]


@dataclass(frozen=True)
class Move:
    """A change of an order's status. Without an actor it was Lockstock itself."""

    order_id: UUID
    before: OrderStatus
    after: OrderStatus
    actor_id: UUID | None = None
    reason: str | None = None
    request_id: str | None = None


# The clock of a stock check never goes back behind one that is still ahead: that one belongs to
# somebody who may be taking stock right now.
MOVE_ORDERS = """
WITH moved AS (
    UPDATE orders.orders o
    SET status = m.after, transitions = o.transitions + 1,
        stock_check_at = CASE
            WHEN m.after = 'cancelled'
            THEN GREATEST(o.stock_check_at, statement_timestamp())
            ELSE o.stock_check_at END
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[])
        AS m (id, before, after, actor_id, reason, request_id)
    WHERE o.shop_id = $1 AND o.id = m.id AND o.status = m.before
    RETURNING o.id, o.transitions, m.before, m.after, m.actor_id, m.reason, m.request_id
)
INSERT INTO orders.transitions
    (shop_id, order_id, sequence, from_status, to_status, at, actor_id, reason, request_id)
SELECT $1, id, transitions, before, after, statement_timestamp(), actor_id, reason, request_id
FROM moved
RETURNING order_id
"""


async def move_orders(connection: Connection, shop_id: UUID, moves: Sequence[Move]) -> set[UUID]:
    """Change statuses of locked orders, each with its transition; return which were changed.

    An order that is not in the status it should come from is left alone.
    """
    for move in moves:
        assert rules.may_become(move.before, move.after), move  # noqa: S101
    rows = await connection.fetch(
        MOVE_ORDERS,
        shop_id,
        [move.order_id for move in moves],
        [move.before for move in moves],
        [move.after for move in moves],
        [move.actor_id for move in moves],
        [move.reason for move in moves],
        [move.request_id for move in moves],
    )
    return {row["order_id"] for row in rows}


DUE_ORDERS = """
SELECT shop_id, id FROM orders.orders
WHERE status = 'awaiting_payment' AND expires_at <= statement_timestamp()
ORDER BY expires_at LIMIT $1
"""


async def due_orders(connection: Connection, most: int) -> dict[UUID, list[UUID]]:
    """Read which orders are past their deadline and not marked yet, by shop, over all shops."""
    due: dict[UUID, list[UUID]] = {}
    for row in await connection.fetch(DUE_ORDERS, most):
        due.setdefault(row["shop_id"], []).append(row["id"])
    return due


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
    due: dict[UUID, list[UUID]] = {}
    for row in await connection.fetch(DUE_STOCK_CHECKS, most):
        due.setdefault(row["shop_id"], []).append(row["id"])
    return due


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
