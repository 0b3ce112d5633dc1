"""SQL of transfers. A transfer's lines and steps change only while its own row is locked.

Its row is locked after the stock rows. The history is only ever added to.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from lockstock.kernel.database import Connection, Row
from lockstock.kernel.outbox import NewEvent
from lockstock.warehouses.contract import Cause
from lockstock.warehouses.events import EventKind, event, tell, texts
from lockstock.warehouses.stock.store import clock, columns
from lockstock.warehouses.transfers.contract import (
    NewTransfer,
    Transfer,
    TransferLine,
    TransferList,
    TransferStatus,
    TransferStep,
)
from lockstock.warehouses.transfers.rules import Outcome, Shift

TOLD: Mapping[TransferStep, tuple[EventKind, ...]] = {
    "create": ("transfer.created",),
    "immediate": ("transfer.created", "transfer.received"),
    "change": ("transfer.changed",),
    "ready": ("transfer.ready",),
    "dispatch": ("transfer.dispatched",),
    "receive": ("transfer.received",),
    "cancel": ("transfer.cancelled",),
    "close": ("transfer.closed",),
}

KEEP_TRANSFER = """
    INSERT INTO warehouses.transfers
        (shop_id, id, from_warehouse_id, to_warehouse_id, status, reason, actor_id, expected_at,
         created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, statement_timestamp())
    ON CONFLICT (shop_id, id) DO NOTHING
    RETURNING id
"""


async def keep_transfer(
    connection: Connection,
    shop_id: UUID,
    ask: NewTransfer,
    status: TransferStatus,
    cause: Cause,
) -> bool:
    """Keep a new transfer under the id of its cause; False where it is kept already."""
    found = await connection.fetchval(
        KEEP_TRANSFER,
        shop_id,
        cause.change_id,
        ask.from_warehouse_id,
        ask.to_warehouse_id,
        status,
        ask.reason,
        cause.actor_id,
        ask.expected_at,
    )
    return found is not None


LOCK_TRANSFER = """
    SELECT id FROM warehouses.transfers WHERE shop_id = $1 AND id = $2 FOR UPDATE
"""


async def lock_transfer(connection: Connection, shop_id: UUID, transfer_id: UUID) -> None:
    """Lock a transfer's row. What it says is read after that, in a statement of its own."""
    await connection.fetchval(LOCK_TRANSFER, shop_id, transfer_id)


# One statement, so that status, lines and history are of one moment.
GET_TRANSFER = """
    SELECT t.shop_id, t.id, t.from_warehouse_id, t.to_warehouse_id, t.status, t.reason,
        t.expected_at, t.created_at, l.lines, h.history,
        coalesce(t.status IN ('ready', 'in_transit', 'partly_received')
            AND t.expected_at <= statement_timestamp(), false) AS overdue
    FROM warehouses.transfers AS t
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'variant_id', line.variant_id, 'quantity', line.quantity,
            'dispatched', line.dispatched, 'received', line.received, 'damaged', line.damaged,
            'returned', line.returned, 'lost', line.lost, 'outstanding',
            line.dispatched - line.received - line.damaged - line.returned - line.lost
        ) ORDER BY line.position), '[]') AS lines
        FROM warehouses.transfer_lines AS line
        WHERE line.shop_id = t.shop_id AND line.transfer_id = t.id
    ) AS l
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(
            to_jsonb(s) - ARRAY['shop_id', 'transfer_id', 'request_id'] ORDER BY s.sequence
        ), '[]') AS history
        FROM warehouses.transfer_steps AS s
        WHERE s.shop_id = t.shop_id AND s.transfer_id = t.id
    ) AS h
    WHERE t.shop_id = $1 AND t.id = $2
"""


async def get_transfer(connection: Connection, shop_id: UUID, transfer_id: UUID) -> Transfer | None:
    """One transfer, or None."""
    row = await connection.fetchrow(GET_TRANSFER, shop_id, transfer_id)
    return None if row is None else _transfer_of(row)


TRANSFER_PAGE = """
    SELECT t.shop_id, t.id, t.from_warehouse_id, t.to_warehouse_id, t.status, t.reason,
        t.expected_at, t.created_at, l.lines, h.history, t.overdue
    FROM (
        SELECT shop_id, id, from_warehouse_id, to_warehouse_id, status, reason, expected_at,
            created_at,
            coalesce(status IN ('ready', 'in_transit', 'partly_received')
                AND expected_at <= statement_timestamp(), false) AS overdue
        FROM warehouses.transfers
        WHERE shop_id = $1
            AND ($2::text IS NULL OR status = $2)
            AND ($3::uuid IS NULL OR from_warehouse_id = $3 OR to_warehouse_id = $3)
            AND (NOT $4::boolean OR (status IN ('ready', 'in_transit', 'partly_received')
                AND expected_at <= statement_timestamp()))
            AND ($5::timestamptz IS NULL OR (created_at, id) < ($5, $6))
        ORDER BY created_at DESC, id DESC
        LIMIT $7
    ) AS t
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'variant_id', line.variant_id, 'quantity', line.quantity,
            'dispatched', line.dispatched, 'received', line.received, 'damaged', line.damaged,
            'returned', line.returned, 'lost', line.lost, 'outstanding',
            line.dispatched - line.received - line.damaged - line.returned - line.lost
        ) ORDER BY line.position), '[]') AS lines
        FROM warehouses.transfer_lines AS line
        WHERE line.shop_id = t.shop_id AND line.transfer_id = t.id
    ) AS l
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(
            to_jsonb(s) - ARRAY['shop_id', 'transfer_id', 'request_id'] ORDER BY s.sequence
        ), '[]') AS history
        FROM warehouses.transfer_steps AS s
        WHERE s.shop_id = t.shop_id AND s.transfer_id = t.id
    ) AS h
    ORDER BY t.created_at DESC, t.id DESC
"""


async def transfer_page(
    connection: Connection,
    shop_id: UUID,
    ask: TransferList,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Transfer]:
    """The transfers that are asked for, before a point in time, newest first."""
    rows = await connection.fetch(
        TRANSFER_PAGE,
        shop_id,
        ask.status,
        ask.warehouse_id,
        ask.overdue,
        *(after or (None, None)),
        limit,
    )
    return [_transfer_of(row) for row in rows]


def _transfer_of(row: Row) -> Transfer:
    # Not strict: what PostgreSQL has made JSON of has ids and times as text.
    return Transfer.model_validate(dict(row), strict=False)


CLEAR_LINES = """
    DELETE FROM warehouses.transfer_lines WHERE shop_id = $1 AND transfer_id = $2
"""


async def clear_lines(connection: Connection, shop_id: UUID, transfer_id: UUID) -> None:
    """Take away the lines of a draft, before it gets others."""
    await connection.execute(CLEAR_LINES, shop_id, transfer_id)


PUT_LINES = """
    INSERT INTO warehouses.transfer_lines
        (shop_id, transfer_id, variant_id, position, quantity, dispatched, received, damaged,
         returned, lost)
    SELECT $1, $2, l.variant_id, l.position, l.quantity, l.dispatched, l.received, l.damaged,
        l.returned, l.lost
    FROM unnest($3::uuid[], $4::integer[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
        $9::bigint[], $10::bigint[]) AS l (variant_id, position, quantity, dispatched, received,
        damaged, returned, lost)
    ON CONFLICT (shop_id, transfer_id, variant_id) DO UPDATE
    SET dispatched = excluded.dispatched, received = excluded.received,
        damaged = excluded.damaged, returned = excluded.returned, lost = excluded.lost
"""


async def put_lines(
    connection: Connection, shop_id: UUID, transfer_id: UUID, lines: Sequence[TransferLine]
) -> None:
    """Write the lines of a transfer, new ones and what became of those that are there."""
    rows = [
        (
            line.variant_id,
            position,
            line.quantity,
            line.dispatched,
            line.received,
            line.damaged,
            line.returned,
            line.lost,
        )
        for position, line in enumerate(lines)
    ]
    await connection.execute(PUT_LINES, shop_id, transfer_id, *columns(rows, 8))


ENTER_STATUS = """
    UPDATE warehouses.transfers SET status = $3, expected_at = $4 WHERE shop_id = $1 AND id = $2
"""


async def enter_status(
    connection: Connection, shop_id: UUID, transfer_id: UUID, outcome: Outcome
) -> None:
    """Let a locked transfer be where a step leads, and expected when it says."""
    await connection.execute(ENTER_STATUS, shop_id, transfer_id, outcome.to, outcome.expected_at)


ADD_STEP = """
    INSERT INTO warehouses.transfer_steps
        (shop_id, transfer_id, sequence, step, from_status, to_status, lines, reason, actor_id,
         request_id, occurred_at)
    SELECT $1, $2, coalesce(max(s.sequence), 0) + 1, $3, $4, $5, $6, $7, $8, $9,
        statement_timestamp()
    FROM warehouses.transfer_steps AS s
    WHERE s.shop_id = $1 AND s.transfer_id = $2
"""


async def add_step(
    connection: Connection,
    transfer: Transfer,
    step: tuple[TransferStep, str | None],
    outcome: Outcome,
    cause: Cause,
    *,
    is_first: bool = False,
) -> None:
    """Add to the history of a locked transfer, and tell of it. `step`: which, and why."""
    name, reason = step
    await connection.execute(
        ADD_STEP,
        transfer.shop_id,
        transfer.id,
        name,
        None if is_first else transfer.status,
        outcome.to,
        [line.model_dump(mode="json") for line in outcome.told],
        reason,
        cause.actor_id,
        cause.request_id,
    )
    await tell(connection, transfer.shop_id, _events(transfer, name, outcome))


def _events(transfer: Transfer, step: TransferStep, outcome: Outcome) -> list[NewEvent]:
    return [
        event(
            kind,
            transfer.id,
            status=outcome.to,
            from_warehouse_id=str(transfer.from_warehouse_id),
            to_warehouse_id=str(transfer.to_warehouse_id),
            variant_ids=texts(line.variant_id for line in outcome.lines),
        )
        for kind in TOLD[step]
    ]


# Counters and ledger change in one statement; a line of the ledger only where `on_hand` changes.
SHIFT_STOCK = """
    WITH shift AS (
        SELECT variant_id, warehouse_id, kind, on_hand, committed, incoming
        FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[])
            AS c (variant_id, warehouse_id, kind, on_hand, committed, incoming)
    ),
    shifted AS (
        UPDATE warehouses.stock AS s
        SET on_hand = s.on_hand + c.on_hand,
            committed = s.committed + c.committed,
            incoming = s.incoming + c.incoming,
            sequence = s.sequence + CASE WHEN c.on_hand = 0 THEN 0 ELSE 1 END
        FROM shift AS c
        WHERE s.shop_id = $1 AND s.variant_id = c.variant_id AND s.warehouse_id = c.warehouse_id
        RETURNING s.variant_id, s.warehouse_id, s.sequence, c.on_hand AS delta,
            s.on_hand AS balance, c.kind
    )
    INSERT INTO warehouses.movements
        (shop_id, variant_id, warehouse_id, sequence, delta, balance, kind, cause_id, actor_id,
         reason, request_id, occurred_at)
    SELECT $1, variant_id, warehouse_id, sequence, delta, balance, kind, $8, $9, $10, $11, $12
    FROM shifted
    WHERE delta <> 0
"""


async def shift_stock(
    connection: Connection,
    transfer: Transfer,
    shifts: Sequence[Shift],
    cause: Cause,
    reason: str | None,
) -> None:
    """Change the counters of locked stock rows, each at most once, with the ledger."""
    rows = [
        (s.variant_id, s.warehouse_id, s.kind, s.on_hand, s.committed, s.incoming) for s in shifts
    ]
    await connection.execute(
        SHIFT_STOCK,
        transfer.shop_id,
        *columns(rows, 6),
        transfer.id,
        cause.actor_id,
        reason,
        cause.request_id,
        await clock(connection),
    )
