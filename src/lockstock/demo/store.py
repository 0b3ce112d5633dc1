"""The past, written: one statement per table, all rows at once, in one transaction.

No verb can backdate, for the database's clock is the only clock. So this file, and nothing else
besides the audit, names the tables of other services. All rows come as one JSON array per table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from lockstock.demo import past
from lockstock.demo.events import Event, events_of
from lockstock.kernel.database import Connection


def _plain(rows: Sequence[object]) -> list[dict[str, Any]]:
    """Turn rows into what JSON has; PostgreSQL reads it back as the column's type."""
    return [{name: _text(value) for name, value in vars(row).items()} for row in rows]


def _text(value: object) -> object:
    match value:
        case UUID():
            return str(value)
        case datetime():
            return value.isoformat()
        case bytes():
            return f"\\x{value.hex()}"
        case _:
            return value


@dataclass(frozen=True)
class Progress:
    """What of the demo is there. `stock`: anybody's, for a past is written on empty shelves."""

    stock: bool
    open_orders: bool


PROGRESS = """
    SELECT EXISTS (SELECT FROM warehouses.stock WHERE shop_id = $1) AS stock,
        EXISTS (SELECT FROM orders.orders WHERE shop_id = $1 AND id = ANY($2::uuid[]))
            AS open_orders
"""


async def progress(
    connection: Connection, shop_id: UUID, open_order_ids: Sequence[UUID]
) -> Progress:
    """How far an earlier start has come."""
    [row] = await connection.fetch(PROGRESS, shop_id, open_order_ids)
    return Progress(row["stock"], row["open_orders"])


LOCK_WAREHOUSES = """
    SELECT id FROM warehouses.warehouses WHERE shop_id = $1 ORDER BY id FOR UPDATE
"""


async def lock_warehouses(connection: Connection, shop_id: UUID) -> None:
    """Let nobody else write this shop's past, or take from it, meanwhile."""
    await connection.fetch(LOCK_WAREHOUSES, shop_id)


CLOCK = "SELECT statement_timestamp()"


async def clock(connection: Connection) -> datetime:
    """The database's time."""
    now: datetime = await connection.fetchval(CLOCK)
    return now


async def write(connection: Connection, shop_id: UUID, rows: past.Past) -> None:
    """Write a past."""
    await write_stock(connection, shop_id, rows.stock)
    await write_movements(connection, shop_id, rows.movements)
    await write_transfers(connection, shop_id, rows.transfers)
    await write_reservations(connection, shop_id, rows.reservations)
    await write_allocations(connection, shop_id, rows.allocations)
    await write_orders(connection, shop_id, rows.orders)
    await write_lines(connection, shop_id, rows.lines)
    await write_transitions(connection, shop_id, rows.transitions)
    await write_payments(connection, shop_id, rows.payments)
    await write_payment_events(connection, shop_id, rows.events)
    await write_refunds(connection, shop_id, rows.refunds)
    await write_shipments(connection, shop_id, rows.shipments)
    await write_returns(connection, shop_id, rows.returns)
    await write_order_events(connection, shop_id, list(events_of(rows)))


WRITE_STOCK = """
    INSERT INTO warehouses.stock
        (shop_id, variant_id, warehouse_id, on_hand, held, committed, incoming, sequence)
    SELECT $1, r.variant_id, r.warehouse_id, r.on_hand, r.held, r.committed, 0, r.sequence
    FROM jsonb_to_recordset($2::jsonb) AS r (variant_id uuid, warehouse_id uuid, on_hand bigint,
        held bigint, committed bigint, sequence bigint)
"""


async def write_stock(connection: Connection, shop_id: UUID, rows: Sequence[past.Stock]) -> None:
    """Write the counters."""
    await connection.execute(WRITE_STOCK, shop_id, _plain(rows))


WRITE_MOVEMENTS = """
    INSERT INTO warehouses.movements
        (shop_id, variant_id, warehouse_id, sequence, delta, balance, kind, cause_id, actor_id,
         reason, request_id, occurred_at)
    SELECT $1, r.variant_id, r.warehouse_id, r.sequence, r.delta, r.balance, r.kind, r.cause_id,
        r.actor_id, r.reason, r.request_id, r.occurred_at
    FROM jsonb_to_recordset($2::jsonb) AS r (variant_id uuid, warehouse_id uuid, sequence bigint,
        delta bigint, balance bigint, kind text, cause_id uuid, actor_id uuid, reason text,
        request_id text, occurred_at timestamptz)
"""


async def write_movements(
    connection: Connection, shop_id: UUID, rows: Sequence[past.Movement]
) -> None:
    """Write the ledger."""
    await connection.execute(WRITE_MOVEMENTS, shop_id, _plain(rows))


WRITE_TRANSFERS = """
    WITH r AS (
        SELECT id, from_warehouse_id, to_warehouse_id, lines, reason, actor_id, created_at
        FROM jsonb_to_recordset($2::jsonb) AS r (id uuid, from_warehouse_id uuid,
            to_warehouse_id uuid, lines jsonb, reason text, actor_id uuid, created_at timestamptz)
    ),
    line AS (
        INSERT INTO warehouses.transfer_lines
            (shop_id, transfer_id, variant_id, position, quantity, dispatched, received, damaged,
             returned, lost)
        SELECT $1, r.id, (l.line ->> 'variant_id')::uuid, l.place, (l.line ->> 'quantity')::bigint,
            (l.line ->> 'quantity')::bigint, (l.line ->> 'quantity')::bigint, 0, 0, 0
        FROM r
        CROSS JOIN LATERAL jsonb_array_elements(r.lines) WITH ORDINALITY AS l (line, place)
    ),
    step AS (
        INSERT INTO warehouses.transfer_steps
            (shop_id, transfer_id, sequence, step, to_status, lines, reason, actor_id, request_id,
             occurred_at)
        SELECT $1, r.id, 1, 'immediate', 'received', '[]'::jsonb, r.reason, r.actor_id, 'demo',
            r.created_at
        FROM r
    )
    INSERT INTO warehouses.transfers
        (shop_id, id, from_warehouse_id, to_warehouse_id, status, reason, actor_id, created_at)
    SELECT $1, r.id, r.from_warehouse_id, r.to_warehouse_id, 'received', r.reason, r.actor_id,
        r.created_at
    FROM r
"""


async def write_transfers(
    connection: Connection, shop_id: UUID, rows: Sequence[past.Transfer]
) -> None:
    """Write what was moved between warehouses."""
    await connection.execute(WRITE_TRANSFERS, shop_id, _plain(rows))


WRITE_RESERVATIONS = """
    INSERT INTO warehouses.reservations
        (shop_id, order_id, attempt, customer_id, digest, status, created_at, expires_at, ended_at)
    SELECT $1, r.order_id, 1, r.customer_id, r.digest, r.status, r.created_at, r.expires_at,
        r.ended_at
    FROM jsonb_to_recordset($2::jsonb) AS r (order_id uuid, customer_id uuid, digest bytea,
        status text, created_at timestamptz, expires_at timestamptz, ended_at timestamptz)
"""


async def write_reservations(
    connection: Connection, shop_id: UUID, rows: Sequence[past.Reservation]
) -> None:
    """Write the reservations, of one attempt each."""
    await connection.execute(WRITE_RESERVATIONS, shop_id, _plain(rows))


WRITE_ALLOCATIONS = """
    INSERT INTO warehouses.allocations
        (shop_id, order_id, attempt, variant_id, warehouse_id, quantity, shipped, returned, status,
         expires_at)
    SELECT $1, r.order_id, 1, r.variant_id, r.warehouse_id, r.quantity, r.shipped, r.returned,
        r.status, r.expires_at
    FROM jsonb_to_recordset($2::jsonb) AS r (order_id uuid, variant_id uuid, warehouse_id uuid,
        quantity bigint, shipped bigint, returned bigint, status text, expires_at timestamptz)
"""


async def write_allocations(
    connection: Connection, shop_id: UUID, rows: Sequence[past.Allocation]
) -> None:
    """Write what was promised from where."""
    await connection.execute(WRITE_ALLOCATIONS, shop_id, _plain(rows))


WRITE_ORDERS = """
    INSERT INTO orders.orders
        (shop_id, id, customer_id, status, currency, total_minor, digest, attempt, allocations,
         ship_to, created_at, expires_at, paid_at, paid_by, late, transitions)
    SELECT $1, r.id, r.customer_id, r.status, r.currency, r.total_minor, r.digest, 1,
        r.allocations, r.ship_to, r.created_at, r.expires_at, r.paid_at, r.paid_by, false,
        r.transitions
    FROM jsonb_to_recordset($2::jsonb) AS r (id uuid, customer_id uuid, status text, currency text,
        total_minor bigint, digest bytea, allocations jsonb, ship_to jsonb, created_at timestamptz,
        expires_at timestamptz, paid_at timestamptz, paid_by uuid, transitions integer)
"""


async def write_orders(connection: Connection, shop_id: UUID, rows: Sequence[past.Order]) -> None:
    """Write the orders."""
    await connection.execute(WRITE_ORDERS, shop_id, _plain(rows))


WRITE_LINES = """
    INSERT INTO orders.lines
        (shop_id, order_id, line, variant_id, product_id, sku, name, quantity, unit_price_minor)
    SELECT $1, r.order_id, r.line, r.variant_id, r.product_id, r.sku, r.name, r.quantity,
        r.unit_price_minor
    FROM jsonb_to_recordset($2::jsonb) AS r (order_id uuid, line integer, variant_id uuid,
        product_id uuid, sku text, name text, quantity integer, unit_price_minor bigint)
"""


async def write_lines(connection: Connection, shop_id: UUID, rows: Sequence[past.Line]) -> None:
    """Write what was bought."""
    await connection.execute(WRITE_LINES, shop_id, _plain(rows))


WRITE_TRANSITIONS = """
    INSERT INTO orders.transitions
        (shop_id, order_id, sequence, from_status, to_status, at, actor_id, reason, request_id)
    SELECT $1, r.order_id, r.sequence, r.from_status, r.to_status, r.at, r.actor_id, r.reason,
        r.request_id
    FROM jsonb_to_recordset($2::jsonb) AS r (order_id uuid, sequence integer, from_status text,
        to_status text, at timestamptz, actor_id uuid, reason text, request_id text)
"""


async def write_transitions(
    connection: Connection, shop_id: UUID, rows: Sequence[past.Transition]
) -> None:
    """Write how the orders came along."""
    await connection.execute(WRITE_TRANSITIONS, shop_id, _plain(rows))


WRITE_PAYMENTS = """
    INSERT INTO orders.payments
        (shop_id, id, order_id, provider, status, amount_minor, currency, captured_minor,
         captured_currency, review, reference, created_at)
    SELECT $1, r.id, r.order_id, 'sandbox', r.status, r.amount_minor, r.currency, r.captured_minor,
        r.captured_currency, false, r.reference, r.created_at
    FROM jsonb_to_recordset($2::jsonb) AS r (id uuid, order_id uuid, status text,
        amount_minor bigint, currency text, captured_minor bigint, captured_currency text,
        reference text, created_at timestamptz)
"""


async def write_payments(
    connection: Connection, shop_id: UUID, rows: Sequence[past.Payment]
) -> None:
    """Write the attempts to pay."""
    await connection.execute(WRITE_PAYMENTS, shop_id, _plain(rows))


WRITE_PAYMENT_EVENTS = """
    INSERT INTO orders.payment_events
        (shop_id, id, provider, event_id, payment_id, kind, amount_minor, currency, payload,
         received_at, applied_at, outcome, tries)
    SELECT $1, r.id, 'sandbox', r.event_id, r.payment_id, r.kind, r.amount_minor, r.currency,
        r.payload, r.received_at, r.applied_at, r.outcome, 0
    FROM jsonb_to_recordset($2::jsonb) AS r (id uuid, event_id text, payment_id uuid, kind text,
        amount_minor bigint, currency text, payload jsonb, received_at timestamptz,
        applied_at timestamptz, outcome text)
"""


async def write_payment_events(
    connection: Connection, shop_id: UUID, rows: Sequence[past.PaymentEvent]
) -> None:
    """Write what the provider said."""
    await connection.execute(WRITE_PAYMENT_EVENTS, shop_id, _plain(rows))


WRITE_REFUNDS = """
    INSERT INTO orders.refunds
        (shop_id, id, order_id, payment_id, amount_minor, currency, cause, reason, status, tries,
         created_at, done_at, actor_id, request_id)
    SELECT $1, r.id, r.order_id, r.payment_id, r.amount_minor, r.currency, r.cause, r.reason,
        'done', 1, r.created_at, r.done_at, r.actor_id, r.request_id
    FROM jsonb_to_recordset($2::jsonb) AS r (id uuid, order_id uuid, payment_id uuid,
        amount_minor bigint, currency text, cause text, reason text, created_at timestamptz,
        done_at timestamptz, actor_id uuid, request_id text)
"""


async def write_refunds(connection: Connection, shop_id: UUID, rows: Sequence[past.Refund]) -> None:
    """Write what was given back."""
    await connection.execute(WRITE_REFUNDS, shop_id, _plain(rows))


WRITE_SHIPMENTS = """
    INSERT INTO orders.shipments
        (shop_id, id, order_id, action_id, warehouse_id, lines, status, actor_id, request_id,
         created_at, shipped_at)
    SELECT $1, r.id, r.order_id, r.action_id, r.warehouse_id, r.lines, 'shipped', r.actor_id,
        r.request_id, r.created_at, r.shipped_at
    FROM jsonb_to_recordset($2::jsonb) AS r (id uuid, order_id uuid, action_id uuid,
        warehouse_id uuid, lines jsonb, actor_id uuid, request_id text, created_at timestamptz,
        shipped_at timestamptz)
"""


async def write_shipments(
    connection: Connection, shop_id: UUID, rows: Sequence[past.Shipment]
) -> None:
    """Write the parcels."""
    await connection.execute(WRITE_SHIPMENTS, shop_id, _plain(rows))


WRITE_RETURNS = """
    INSERT INTO orders.returns
        (shop_id, id, order_id, parts, refund_minor, reason, status, actor_id, request_id,
         created_at)
    SELECT $1, r.id, r.order_id, r.parts, r.refund_minor, r.reason, 'done', r.actor_id,
        r.request_id, r.created_at
    FROM jsonb_to_recordset($2::jsonb) AS r (id uuid, order_id uuid, parts jsonb,
        refund_minor bigint, reason text, actor_id uuid, request_id text, created_at timestamptz)
"""


async def write_returns(connection: Connection, shop_id: UUID, rows: Sequence[past.Return]) -> None:
    """Write what came back."""
    await connection.execute(WRITE_RETURNS, shop_id, _plain(rows))


WRITE_ORDER_EVENTS = """
    INSERT INTO orders.outbox (shop_id, occurred_at, id, kind, subject_id, data)
    SELECT $1, r.occurred_at, r.id, r.kind, r.subject_id, r.data
    FROM jsonb_to_recordset($2::jsonb) AS r (id uuid, kind text, subject_id uuid, data jsonb,
        occurred_at timestamptz)
"""


async def write_order_events(connection: Connection, shop_id: UUID, rows: Sequence[Event]) -> None:
    """Write what the orders have told."""
    await connection.execute(WRITE_ORDER_EVENTS, shop_id, _plain(rows))
