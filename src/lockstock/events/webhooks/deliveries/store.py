"""The statements of deliveries. Whoever writes one holds the lock of its webhook.

`next_try_at` is there for the first waiting delivery of each subject only: what is due is so found
by one index, and the order is kept without looking for what is before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from lockstock.events.log.contract import Event
from lockstock.events.webhooks.deliveries.contract import Attempt, Delivery, DeliveryList
from lockstock.kernel.database import Connection, Row
from lockstock.kernel.ids import new_id


def _delivery_of(row: Row) -> Delivery:
    return Delivery(
        id=row["id"],
        webhook_id=row["webhook_id"],
        event_id=row["event_id"],
        kind=row["kind"],
        subject_id=row["subject_id"],
        sequence=row["sequence"],
        status=row["status"],
        attempts=row["attempts"],
        next_try_at=row["next_try_at"],
        created_at=row["created_at"],
        ended_at=row["ended_at"],
    )


ADD_DELIVERIES = """
    INSERT INTO events.deliveries (
        shop_id, id, webhook_id, event_id, kind, subject_id, sequence, status, sending, attempts,
        tries, next_try_at, created_at
    )
    SELECT $1, n.id, $2, n.event_id, n.kind, n.subject_id, n.sequence, 'waiting', false, 0, 0,
        CASE WHEN n.is_first AND NOT EXISTS (
            SELECT FROM events.deliveries AS d
            WHERE d.shop_id = $1 AND d.webhook_id = $2 AND d.subject_id = n.subject_id
                AND d.status = 'waiting'
        ) THEN statement_timestamp() END,
        statement_timestamp()
    FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::bigint[], $8::boolean[])
        AS n (id, event_id, kind, subject_id, sequence, is_first)
"""


async def add_deliveries(
    connection: Connection, shop_id: UUID, webhook_id: UUID, events: Sequence[Event]
) -> None:
    """Write events that are to be delivered, in their order."""
    seen: set[UUID] = set()
    first = []
    for event in events:
        first.append(event.subject_id not in seen)
        seen.add(event.subject_id)
    await connection.execute(
        ADD_DELIVERIES,
        shop_id,
        webhook_id,
        [new_id() for _ in events],
        [event.id for event in events],
        [event.kind for event in events],
        [event.subject_id for event in events],
        [event.sequence for event in events],
        first,
    )


ADD_PING = """
    INSERT INTO events.deliveries (
        shop_id, id, webhook_id, event_id, kind, subject_id, sequence, status, sending, attempts,
        tries, next_try_at, created_at
    )
    VALUES ($1, $2, $3, $4, $5, $3, NULL, 'waiting', false, 0, 0, statement_timestamp(),
        statement_timestamp())
    RETURNING *
"""


async def add_ping(connection: Connection, shop_id: UUID, webhook_id: UUID, kind: str) -> Delivery:
    """Write a ping that is to be delivered; its subject is the webhook."""
    row = await connection.fetchrow(ADD_PING, shop_id, new_id(), webhook_id, new_id(), kind)
    return _delivery_of(row)


@dataclass(frozen=True)
class Position:
    """Where a page begins: after this delivery."""

    created_at: datetime
    id: UUID


LIST_DELIVERIES = """
    SELECT * FROM events.deliveries
    WHERE shop_id = $1 AND webhook_id = $2
        AND ($3::text IS NULL OR status = $3)
        AND ($4::timestamptz IS NULL OR (created_at, id) < ($4, $5::uuid))
    ORDER BY created_at DESC, id DESC
    LIMIT $6
"""


async def list_deliveries(
    connection: Connection,
    shop_id: UUID,
    webhook_id: UUID,
    ask: DeliveryList,
    after: Position | None,
) -> list[Delivery]:
    """Read one delivery more than a page has, newest first."""
    rows = await connection.fetch(
        LIST_DELIVERIES,
        shop_id,
        webhook_id,
        ask.status,
        after and after.created_at,
        after and after.id,
        ask.limit + 1,
    )
    return [_delivery_of(row) for row in rows]


GET_DELIVERY = """
    SELECT * FROM events.deliveries WHERE shop_id = $1 AND webhook_id = $2 AND id = $3
"""


async def get_delivery(
    connection: Connection, shop_id: UUID, webhook_id: UUID, delivery_id: UUID
) -> Delivery | None:
    """Read one delivery."""
    row = await connection.fetchrow(GET_DELIVERY, shop_id, webhook_id, delivery_id)
    return None if row is None else _delivery_of(row)


LIST_ATTEMPTS = """
    SELECT number, begun_at, duration_ms, status_code, answer, error
    FROM events.attempts
    WHERE shop_id = $1 AND delivery_id = $2
    ORDER BY number DESC
    LIMIT 100
"""


async def list_attempts(connection: Connection, shop_id: UUID, delivery_id: UUID) -> list[Attempt]:
    """Read the newest attempts of a delivery, newest first."""
    rows = await connection.fetch(LIST_ATTEMPTS, shop_id, delivery_id)
    return [Attempt(**row) for row in rows]


# What is on its way stays so, and what waits for an earlier event goes on waiting for it.
RESEND_DELIVERY = """
    UPDATE events.deliveries
    SET status = 'waiting', ended_at = NULL, tries = 0,
        next_try_at = CASE WHEN status <> 'waiting' OR next_try_at IS NOT NULL
            THEN statement_timestamp() END
    WHERE shop_id = $1 AND id = $2 AND NOT sending
"""


async def resend_delivery(connection: Connection, shop_id: UUID, delivery_id: UUID) -> None:
    """Make a delivery due, with all of its tries before it."""
    await connection.execute(RESEND_DELIVERY, shop_id, delivery_id)


AGE_OF_OLDEST = """
    SELECT extract(epoch FROM statement_timestamp() - d.created_at)::float8
    FROM events.deliveries AS d
    JOIN events.webhooks AS w ON w.shop_id = d.shop_id AND w.id = d.webhook_id AND w.active
    WHERE d.status = 'waiting'
    ORDER BY d.created_at
    LIMIT 1
"""


async def age_of_oldest(connection: Connection) -> float:
    """Return the age in seconds of the oldest delivery that waits, of all shops."""
    age: float | None = await connection.fetchval(AGE_OF_OLDEST)
    return age or 0.0


WORN_DELIVERIES = """
    SELECT shop_id, id FROM events.deliveries
    WHERE ended_at < statement_timestamp() - make_interval(secs => $1)
    ORDER BY ended_at
    LIMIT $2
"""


async def worn_deliveries(
    connection: Connection, keep_seconds: float, most: int
) -> dict[UUID, list[UUID]]:
    """Read which deliveries ended longer ago than that, by shop, over all shops."""
    worn: dict[UUID, list[UUID]] = {}
    for row in await connection.fetch(WORN_DELIVERIES, keep_seconds, most):
        worn.setdefault(row["shop_id"], []).append(row["id"])
    return worn


LEFT_DELIVERIES = """
    SELECT d.shop_id, d.id
    FROM events.webhooks AS w
    JOIN events.deliveries AS d ON d.shop_id = w.shop_id AND d.webhook_id = w.id
    WHERE w.deleted_at IS NOT NULL
    LIMIT $1
"""


async def left_deliveries(connection: Connection, most: int) -> dict[UUID, list[UUID]]:
    """Read deliveries of webhooks that were deleted, by shop, over all shops."""
    left: dict[UUID, list[UUID]] = {}
    for row in await connection.fetch(LEFT_DELIVERIES, most):
        left.setdefault(row["shop_id"], []).append(row["id"])
    return left


DELETE_DELIVERIES = """
    WITH gone AS (
        DELETE FROM events.deliveries AS d
        WHERE d.shop_id = $1 AND d.id = ANY($2::uuid[])
            AND (d.ended_at IS NOT NULL OR EXISTS (
                SELECT FROM events.webhooks AS w
                WHERE w.shop_id = $1 AND w.id = d.webhook_id AND w.deleted_at IS NOT NULL
            ))
        RETURNING d.id
    )
    DELETE FROM events.attempts WHERE shop_id = $1 AND delivery_id IN (SELECT id FROM gone)
"""


async def delete_deliveries(
    connection: Connection, shop_id: UUID, delivery_ids: Sequence[UUID]
) -> None:
    """Delete deliveries with their attempts, but not what was asked for again meanwhile."""
    await connection.execute(DELETE_DELIVERIES, shop_id, delivery_ids)


EMPTIED_WEBHOOKS = """
    SELECT w.shop_id, w.id
    FROM events.webhooks AS w
    WHERE w.deleted_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM events.deliveries AS d WHERE d.shop_id = w.shop_id AND d.webhook_id = w.id
    )
    LIMIT $1
"""


async def emptied_webhooks(connection: Connection, most: int) -> list[tuple[UUID, UUID]]:
    """Read (shop, webhook) that were deleted and have no deliveries any more."""
    rows = await connection.fetch(EMPTIED_WEBHOOKS, most)
    return [(row["shop_id"], row["id"]) for row in rows]


FORGET_WEBHOOK = """
    DELETE FROM events.webhooks WHERE shop_id = $1 AND id = $2 AND deleted_at IS NOT NULL
"""


async def forget_webhook(connection: Connection, shop_id: UUID, webhook_id: UUID) -> None:
    """Delete the row of a webhook that was deleted."""
    await connection.execute(FORGET_WEBHOOK, shop_id, webhook_id)
