"""The statements of sending: what is due, for whom, and what came of it.

Whoever writes here holds the lock of the webhook, so what one process takes no other one does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from lockstock.events.webhooks.deliveries.contract import DeliveryStatus
from lockstock.events.webhooks.sender import Outcome
from lockstock.kernel.database import Connection

DUE_WEBHOOKS = """
    SELECT w.shop_id, w.id
    FROM events.webhooks AS w
    LEFT JOIN events.counters AS c ON c.shop_id = w.shop_id
    WHERE w.active AND (w.shop_id, w.id) > ($1, $2)
        AND (c.last > w.sequence OR EXISTS (
            SELECT FROM events.deliveries AS d
            WHERE d.shop_id = w.shop_id AND d.webhook_id = w.id
                AND d.next_try_at <= statement_timestamp()
        ))
    ORDER BY w.shop_id, w.id
    LIMIT $3
"""

Place = tuple[UUID, UUID]


async def due_webhooks(connection: Connection, after: Place, most: int) -> list[Place]:
    """Return (shop, webhook) where there is something to do, by id, those after one of them."""
    rows = await connection.fetch(DUE_WEBHOOKS, *after, most)
    return [(row["shop_id"], row["id"]) for row in rows]


@dataclass(frozen=True)
class Receiver:
    """A locked webhook, as sending sees it. `under_way`: attempts of all processes."""

    url: str = field(repr=False)
    kinds: list[str]
    secrets: tuple[str, ...] = field(repr=False)
    sequence: int
    failing: bool
    under_way: int


# A receiver that another process is at is left to it.
LOCK_RECEIVER = """
    SELECT w.url, w.kinds, w.secret, w.sequence, w.failing_since IS NOT NULL AS failing,
        CASE WHEN w.previous_until > statement_timestamp() THEN w.previous_secret END AS previous
    FROM events.webhooks AS w
    WHERE w.shop_id = $1 AND w.id = $2 AND w.active
    FOR UPDATE SKIP LOCKED
"""


async def lock_receiver(connection: Connection, shop_id: UUID, webhook_id: UUID) -> Receiver | None:
    """Lock an active webhook; None where it is none, or another process is at it."""
    row = await connection.fetchrow(LOCK_RECEIVER, shop_id, webhook_id)
    if row is None:
        return None
    return Receiver(
        url=row["url"],
        kinds=row["kinds"],
        secrets=(row["secret"], row["previous"]) if row["previous"] else (row["secret"],),
        sequence=row["sequence"],
        failing=row["failing"],
        under_way=await _count_under_way(connection, shop_id, webhook_id),
    )


COUNT_UNDER_WAY = """
    SELECT count(*) FROM events.deliveries
    WHERE shop_id = $1 AND webhook_id = $2 AND sending AND next_try_at > statement_timestamp()
"""


async def _count_under_way(connection: Connection, shop_id: UUID, webhook_id: UUID) -> int:
    count: int = await connection.fetchval(COUNT_UNDER_WAY, shop_id, webhook_id)
    return count


SET_SEQUENCE = """
    UPDATE events.webhooks SET sequence = $3 WHERE shop_id = $1 AND id = $2
"""


async def set_sequence(
    connection: Connection, shop_id: UUID, webhook_id: UUID, sequence: int
) -> None:
    """Note how far in the log a locked webhook is."""
    await connection.execute(SET_SEQUENCE, shop_id, webhook_id, sequence)


@dataclass(frozen=True)
class Taken:
    """A delivery that this process sends now, as its attempt of this number."""

    id: UUID
    event_id: UUID
    kind: str
    subject_id: UUID
    attempt: int
    tries: int
    is_ping: bool
    created_at: datetime


# If this process dies, another one takes over when the lease is over.
TAKE_DUE = """
    UPDATE events.deliveries AS d
    SET sending = true, attempts = d.attempts + 1, tries = d.tries + 1,
        next_try_at = statement_timestamp() + make_interval(secs => $4)
    WHERE d.shop_id = $1 AND d.id IN (
        SELECT n.id FROM events.deliveries AS n
        WHERE n.shop_id = $1 AND n.webhook_id = $2 AND n.next_try_at <= statement_timestamp()
        ORDER BY n.next_try_at, n.sequence
        LIMIT $3
    )
    RETURNING d.id, d.event_id, d.kind, d.subject_id, d.attempts AS attempt, d.tries,
        d.sequence IS NULL AS is_ping, d.created_at
"""


async def take_due(
    connection: Connection, shop_id: UUID, webhook_id: UUID, most: int, lease_seconds: float
) -> list[Taken]:
    """Take deliveries that are due, of a locked webhook."""
    rows = await connection.fetch(TAKE_DUE, shop_id, webhook_id, most, lease_seconds)
    return [Taken(**row) for row in rows]


BEGIN_ATTEMPTS = """
    INSERT INTO events.attempts (shop_id, delivery_id, number, begun_at)
    SELECT $1, b.delivery_id, b.number, statement_timestamp()
    FROM unnest($2::uuid[], $3::integer[]) AS b (delivery_id, number)
"""


async def begin_attempts(connection: Connection, shop_id: UUID, taken: Sequence[Taken]) -> None:
    """Note that these are being sent."""
    await connection.execute(
        BEGIN_ATTEMPTS, shop_id, [one.id for one in taken], [one.attempt for one in taken]
    )


END_ATTEMPT = """
    UPDATE events.attempts
    SET duration_ms = $4, status_code = $5, answer = $6, error = $7
    WHERE shop_id = $1 AND delivery_id = $2 AND number = $3
"""


async def end_attempt(
    connection: Connection, shop_id: UUID, taken: Taken, outcome: Outcome
) -> None:
    """Note what came of an attempt."""
    await connection.execute(
        END_ATTEMPT,
        shop_id,
        taken.id,
        taken.attempt,
        outcome.duration_ms,
        outcome.status_code,
        outcome.answer,
        outcome.error,
    )


# Only by whoever made its newest attempt: who was too slow has been followed by somebody else.
END_DELIVERY = """
    UPDATE events.deliveries
    SET status = $4, sending = false,
        next_try_at = CASE WHEN $4 = 'waiting'
            THEN statement_timestamp() + make_interval(secs => $5) END,
        ended_at = CASE WHEN $4 <> 'waiting' THEN statement_timestamp() END
    WHERE shop_id = $1 AND id = $2 AND attempts = $3 AND sending
    RETURNING true
"""


async def end_delivery(
    connection: Connection,
    shop_id: UUID,
    taken: Taken,
    status: DeliveryStatus,
    delay_seconds: float,
) -> bool:
    """Note how a delivery stands after an attempt; False if it is no longer this process's."""
    return bool(
        await connection.fetchval(
            END_DELIVERY, shop_id, taken.id, taken.attempt, status, delay_seconds
        )
    )


LET_NEXT_GO = """
    UPDATE events.deliveries AS d SET next_try_at = statement_timestamp()
    WHERE d.shop_id = $1 AND d.next_try_at IS NULL AND d.id = (
        SELECT n.id FROM events.deliveries AS n
        WHERE n.shop_id = $1 AND n.webhook_id = $2 AND n.subject_id = $3 AND n.status = 'waiting'
        ORDER BY n.sequence
        LIMIT 1
    )
"""


async def let_next_go(
    connection: Connection, shop_id: UUID, webhook_id: UUID, subject_id: UUID
) -> None:
    """Make the next event of a subject due, of a locked webhook."""
    await connection.execute(LET_NEXT_GO, shop_id, webhook_id, subject_id)
