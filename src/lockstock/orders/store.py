"""Orders in the database. Statements lock order rows by id, before any other row of this schema."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_json

from lockstock.kernel.database import Connection, Row
from lockstock.kernel.ids import new_id
from lockstock.kernel.money import Money
from lockstock.orders import events, rules
from lockstock.orders.contract import (
    ActorKind,
    NoSuchOrder,
    Order,
    OrderLine,
    OrderStatus,
    ShipTo,
)
from lockstock.orders.rules import By, Draft, Kept
from lockstock.warehouses.contract import Allocation, AllocationReason


def _uuid_of(value: str) -> UUID:
    return UUID(value)


def allocations_of(value: list[dict[str, Any]]) -> list[Allocation]:
    """Read allocations as they are kept in a row."""
    return [
        Allocation(
            warehouse_id=UUID(item["warehouse_id"]),
            variant_id=UUID(item["variant_id"]),
            quantity=item["quantity"],
            # Orders that are older than reasons have none.
            reason=AllocationReason(**item["reason"]) if item.get("reason") else None,
        )
        for item in value
    ]


def kept_list(items: Sequence[BaseModel]) -> str:
    """Write a list as it is kept in a row, for a statement that takes many such lists.

    As text: in an array of jsonb, the driver takes a list for one more dimension.
    """
    return to_json(items).decode()


def by_of(row: Row) -> By:
    """Read who of the shop wanted what a row is about."""
    return By(row["actor_id"], row["actor_kind"] or "staff", row["request_id"])


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


def kept_of(row: Row) -> Kept:
    """Read an order from its row with its lines."""
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
WITH placed AS (
    INSERT INTO orders.orders (shop_id, id, customer_id, status, currency, total_minor, digest,
        attempt, allocations, ship_to, created_at, expires_at, late, transitions)
    SELECT $1, o.id, o.customer_id, 'awaiting_payment', o.currency, o.total_minor, o.digest,
        o.attempt, o.allocations::jsonb, o.ship_to, statement_timestamp(), o.expires_at, false, 0
    FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::bytea[], $7::integer[],
        $8::text[], $9::jsonb[], $10::timestamptz[]) AS o (id, customer_id, currency, total_minor,
        digest, attempt, allocations, ship_to, expires_at)
    WHERE o.expires_at > statement_timestamp()
    ON CONFLICT DO NOTHING
    RETURNING id, created_at
),
told AS (
    INSERT INTO orders.outbox (shop_id, occurred_at, id, kind, subject_id, data)
    SELECT $1, p.created_at, e.id, 'order.placed', p.id, e.data::jsonb
    FROM placed p
    JOIN unnest($2::uuid[], $11::uuid[], $12::text[]) AS e (order_id, id, data)
        ON e.order_id = p.id
)
SELECT id, created_at FROM placed
"""


async def place_orders(
    connection: Connection, shop_id: UUID, drafts: Sequence[Draft]
) -> dict[UUID, datetime]:
    """Write orders whose stock is held, and tell of them; return when each was placed, by id.

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
        [new_id() for _ in held],
        [events.data_of_placed(draft, reservation.expires_at) for draft, reservation in held],
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
    return {row["id"]: kept_of(row) for row in rows}


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


@dataclass(frozen=True)
class Move:
    """A change of an order's status. Without an actor it was Lockstock itself, or a provider."""

    order_id: UUID
    before: OrderStatus
    after: OrderStatus
    actor_id: UUID | None = None
    reason: str | None = None
    request_id: str | None = None
    actor_kind: ActorKind = "system"


def move_by(kept: Kept, after: OrderStatus, by: By, reason: str | None = None) -> Move:
    """Return what somebody makes of a locked order."""
    order_id, before = kept.order.id, kept.status
    return Move(order_id, before, after, by.actor_id, reason, by.request_id, by.actor_kind)


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
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[],
        $8::text[], $9::uuid[])
        AS m (id, before, after, actor_id, reason, request_id, actor_kind, event_id)
    WHERE o.shop_id = $1 AND o.id = m.id AND o.status = m.before
    RETURNING o.id, o.transitions, m.before, m.after, m.actor_id, m.reason, m.request_id,
        m.actor_kind, m.event_id
),
told AS (
    INSERT INTO orders.outbox (shop_id, occurred_at, id, kind, subject_id, data)
    SELECT $1, statement_timestamp(), m.event_id, 'order.' || m.after, m.id, jsonb_build_object(
        'transition', m.transitions, 'from_status', m.before,
        'variant_ids', (SELECT jsonb_agg(DISTINCT l.variant_id) FROM orders.lines l
            WHERE l.shop_id = $1 AND l.order_id = m.id))
    FROM moved m
)
INSERT INTO orders.transitions
    (shop_id, order_id, sequence, from_status, to_status, at, actor_id, reason, request_id,
    actor_kind)
SELECT $1, id, transitions, before, after, statement_timestamp(), actor_id, reason, request_id,
    actor_kind
FROM moved
RETURNING order_id
"""


async def move_orders(connection: Connection, shop_id: UUID, moves: Sequence[Move]) -> set[UUID]:
    """Change statuses of locked orders, each with its transition and its event; return which.

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
        [move.actor_kind for move in moves],
        [new_id() for _ in moves],
    )
    return {row["order_id"] for row in rows}
