"""The inbox in the database. Whoever applies events locks their orders first, then the events."""

import json
from collections.abc import Sequence
from uuid import UUID

from lockstock.kernel.database import Connection, Row
from lockstock.orders.payments.contract import PaymentEvent
from lockstock.orders.payments.rules import Facts
from lockstock.orders.rules import by_shop

KEEP_EVENTS = """
INSERT INTO orders.payment_events (shop_id, id, provider, event_id, payment_id, kind, amount_minor,
    currency, payload, received_at, tries, next_try_at)
SELECT $1, e.id, e.provider, e.event_id, e.payment_id, e.kind, e.amount_minor, e.currency,
    e.payload::jsonb, statement_timestamp(), 0,
    statement_timestamp() + make_interval(secs => $10)
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::bigint[], $8::text[],
    $9::text[])
    AS e (id, provider, event_id, payment_id, kind, amount_minor, currency, payload)
ON CONFLICT DO NOTHING
RETURNING id
"""


async def keep_events(
    connection: Connection, shop_id: UUID, events: Sequence[PaymentEvent], seconds: float
) -> list[UUID]:
    """Keep events, due for a worker in so many seconds; return those that were not kept before."""
    rows = await connection.fetch(
        KEEP_EVENTS,
        shop_id,
        [event.id for event in events],
        [event.provider for event in events],
        [event.event_id for event in events],
        [event.payment_id for event in events],
        [event.kind for event in events],
        [event.amount_minor for event in events],
        [event.currency for event in events],
        [json.dumps(event.payload) for event in events],
        seconds,
    )
    return [row["id"] for row in rows]


DUE_EVENTS = """
SELECT shop_id, id FROM orders.payment_events
WHERE next_try_at <= statement_timestamp() ORDER BY next_try_at LIMIT $1
"""


async def due_events(connection: Connection, most: int) -> dict[UUID, list[UUID]]:
    """Read which events are to be applied, by shop, over all shops."""
    return by_shop(await connection.fetch(DUE_EVENTS, most))


# Each try doubles the time until the next, from 10 seconds to an hour: a worker that died is
# followed soon, an event that nobody can apply does no harm.
CLAIM_EVENTS = """
UPDATE orders.payment_events e
SET tries = e.tries + 1,
    next_try_at = statement_timestamp()
        + make_interval(secs => LEAST(10 * power(2, LEAST(e.tries, 20)), 3600))
WHERE e.shop_id = $1 AND e.id IN (
    SELECT d.id FROM orders.payment_events d
    WHERE d.shop_id = $1 AND d.id = ANY($2::uuid[]) AND d.next_try_at <= statement_timestamp()
    FOR UPDATE SKIP LOCKED)
RETURNING e.id
"""


async def claim_events(
    connection: Connection, shop_id: UUID, event_ids: Sequence[UUID]
) -> list[UUID]:
    """Take those of these events that are due for oneself; other workers leave them for a while."""
    rows = await connection.fetch(CLAIM_EVENTS, shop_id, event_ids)
    return [row["id"] for row in rows]


LOCK_EVENTS = """
SELECT id FROM orders.payment_events
WHERE shop_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR UPDATE
"""


async def lock_events(connection: Connection, shop_id: UUID, event_ids: Sequence[UUID]) -> None:
    """Lock events whose orders are locked."""
    await connection.fetch(LOCK_EVENTS, shop_id, event_ids)


def _facts_of(row: Row) -> Facts:
    if row["order_id"] is None:
        return Facts(row["id"], row["kind"], row["amount_minor"], row["currency"], row["applied"])
    return Facts(
        event_id=row["id"],
        kind=row["kind"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        applied=row["applied"],
        waits=row["waits"],
        payment_id=row["payment_id"],
        payment_status=row["payment_status"],
        asked_minor=row["asked_minor"],
        asked_currency=row["asked_currency"],
        order_id=row["order_id"],
        order_status=row["order_status"],
        order_attempt=row["attempt"],
        leased=row["leased"],
    )


LOOK_AT_EVENTS = """
SELECT e.id, e.kind, e.amount_minor, e.currency, e.applied_at IS NOT NULL AS applied,
    EXISTS (SELECT 1 FROM orders.payment_events b
        WHERE b.shop_id = $1 AND b.payment_id = e.payment_id AND b.applied_at IS NULL
            AND (b.received_at, b.id) < (e.received_at, e.id)) AS waits,
    p.id AS payment_id, p.status AS payment_status, p.amount_minor AS asked_minor,
    p.currency AS asked_currency,
    o.id AS order_id, o.status AS order_status, o.attempt,
    COALESCE(o.leased_until > statement_timestamp(), false) AS leased
FROM orders.payment_events e
LEFT JOIN orders.payments p
    ON p.shop_id = $1 AND p.id = e.payment_id AND p.provider = e.provider
LEFT JOIN orders.orders o ON o.shop_id = $1 AND o.id = p.order_id
WHERE e.shop_id = $1 AND e.id = ANY($2::uuid[])
ORDER BY e.received_at, e.id
"""


async def look_at_events(
    connection: Connection, shop_id: UUID, event_ids: Sequence[UUID]
) -> list[Facts]:
    """Read events with their payments and orders, in the order in which they came."""
    rows = await connection.fetch(LOOK_AT_EVENTS, shop_id, event_ids)
    return [_facts_of(row) for row in rows]


APPLY_EVENTS = """
UPDATE orders.payment_events e
SET applied_at = statement_timestamp(), next_try_at = NULL, outcome = a.outcome
FROM unnest($2::uuid[], $3::text[]) AS a (id, outcome)
WHERE e.shop_id = $1 AND e.id = a.id AND e.applied_at IS NULL
"""


async def apply_events(
    connection: Connection, shop_id: UUID, applied: Sequence[tuple[UUID, str]]
) -> None:
    """Note what events came to. They are done."""
    await connection.execute(
        APPLY_EVENTS, shop_id, [item for item, _ in applied], [outcome for _, outcome in applied]
    )


# An event that cannot be applied yet: from 1 second, doubling, to an hour. Never given up.
POSTPONE_EVENTS = """
UPDATE orders.payment_events
SET next_try_at = statement_timestamp()
    + make_interval(secs => LEAST(power(2, LEAST(tries, 20)), 3600))
WHERE shop_id = $1 AND id = ANY($2::uuid[]) AND applied_at IS NULL
"""


async def postpone_events(connection: Connection, shop_id: UUID, event_ids: Sequence[UUID]) -> None:
    """Keep events for later."""
    await connection.execute(POSTPONE_EVENTS, shop_id, event_ids)
