"""The statements of webhooks."""

from dataclasses import dataclass, field
from uuid import UUID

from lockstock.events.webhooks.contract import DisabledReason, NewWebhook, Webhook
from lockstock.kernel.database import Connection, Row


def _webhook_of(row: Row) -> Webhook:
    return Webhook(
        id=row["id"],
        url=row["url"],
        kinds=row["kinds"],
        active=row["active"],
        disabled_reason=row["disabled_reason"],
        disabled_at=row["disabled_at"],
        failing_since=row["failing_since"],
        previous_secret_until=row["previous_secret_until"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        changed_at=row["changed_at"],
    )


@dataclass(frozen=True)
class Draft:
    """A webhook as it is inserted. All events up to `sequence` were before its time."""

    id: UUID
    secret: str = field(repr=False)
    created_by: UUID
    sequence: int
    ask: NewWebhook


INSERT_WEBHOOK = """
    INSERT INTO events.webhooks (
        shop_id, id, url, kinds, active, secret, created_by, created_at, changed_at, sequence
    )
    VALUES ($1, $2, $3, $4, $5, $6, $7, statement_timestamp(), statement_timestamp(), $8)
    RETURNING *, NULL::timestamptz AS previous_secret_until
"""


async def insert_webhook(connection: Connection, shop_id: UUID, draft: Draft) -> Webhook:
    """Write a webhook."""
    row = await connection.fetchrow(
        INSERT_WEBHOOK,
        shop_id,
        draft.id,
        draft.ask.url,
        draft.ask.kinds,
        draft.ask.active,
        draft.secret,
        draft.created_by,
        draft.sequence,
    )
    return _webhook_of(row)


LIST_WEBHOOKS = """
    SELECT *, CASE WHEN previous_until > statement_timestamp() THEN previous_until END
        AS previous_secret_until
    FROM events.webhooks
    WHERE shop_id = $1 AND deleted_at IS NULL
    ORDER BY created_at, id
"""


async def list_webhooks(connection: Connection, shop_id: UUID) -> list[Webhook]:
    """Read the webhooks of a shop, oldest first."""
    return [_webhook_of(row) for row in await connection.fetch(LIST_WEBHOOKS, shop_id)]


GET_WEBHOOK = """
    SELECT *, CASE WHEN previous_until > statement_timestamp() THEN previous_until END
        AS previous_secret_until
    FROM events.webhooks
    WHERE shop_id = $1 AND id = $2 AND deleted_at IS NULL
"""


async def get_webhook(connection: Connection, shop_id: UUID, webhook_id: UUID) -> Webhook | None:
    """Read one webhook."""
    row = await connection.fetchrow(GET_WEBHOOK, shop_id, webhook_id)
    return None if row is None else _webhook_of(row)


LOCK_WEBHOOK = """
    SELECT *, CASE WHEN previous_until > statement_timestamp() THEN previous_until END
        AS previous_secret_until
    FROM events.webhooks
    WHERE shop_id = $1 AND id = $2 AND deleted_at IS NULL
    FOR UPDATE
"""


async def lock_webhook(connection: Connection, shop_id: UUID, webhook_id: UUID) -> Webhook | None:
    """Read one webhook and keep others from changing it, or what is delivered to it."""
    row = await connection.fetchrow(LOCK_WEBHOOK, shop_id, webhook_id)
    return None if row is None else _webhook_of(row)


# Another address has not failed yet. One that is switched on begins with what happens then.
UPDATE_WEBHOOK = """
    UPDATE events.webhooks
    SET url = $3, kinds = $4, active = $5, changed_at = statement_timestamp(),
        failing_since = CASE WHEN url = $3 AND active = $5 THEN failing_since END,
        disabled_reason = CASE WHEN NOT $5 THEN disabled_reason END,
        disabled_at = CASE WHEN NOT $5 THEN disabled_at END,
        sequence = CASE WHEN $5 AND NOT active THEN $6 ELSE sequence END
    WHERE shop_id = $1 AND id = $2
    RETURNING *, CASE WHEN previous_until > statement_timestamp() THEN previous_until END
        AS previous_secret_until
"""


async def update_webhook(
    connection: Connection, shop_id: UUID, webhook: Webhook, sequence: int
) -> Webhook:
    """Write a locked webhook as it is now; `sequence` is the last event of the shop."""
    row = await connection.fetchrow(
        UPDATE_WEBHOOK,
        shop_id,
        webhook.id,
        webhook.url,
        webhook.kinds,
        webhook.active,
        sequence,
    )
    return _webhook_of(row)


ROTATE_WEBHOOK = """
    UPDATE events.webhooks
    SET previous_secret = CASE WHEN $4 > 0 THEN secret END,
        previous_until = CASE WHEN $4 > 0
            THEN statement_timestamp() + make_interval(secs => $4) END,
        secret = $3, changed_at = statement_timestamp()
    WHERE shop_id = $1 AND id = $2
    RETURNING *, previous_until AS previous_secret_until
"""


async def rotate_webhook(
    connection: Connection, shop_id: UUID, webhook_id: UUID, secret: str, overlap_seconds: float
) -> Webhook:
    """Give a locked webhook another secret; the one before signs along for so long."""
    row = await connection.fetchrow(
        ROTATE_WEBHOOK, shop_id, webhook_id, secret, float(overlap_seconds)
    )
    return _webhook_of(row)


DELETE_WEBHOOK = """
    UPDATE events.webhooks
    SET active = false, deleted_at = statement_timestamp(), disabled_reason = NULL,
        disabled_at = NULL, previous_secret = NULL, previous_until = NULL, secret = ''
    WHERE shop_id = $1 AND id = $2
"""


async def delete_webhook(connection: Connection, shop_id: UUID, webhook_id: UUID) -> None:
    """Hide a locked webhook from everybody and forget its secrets. A sweep does the rest."""
    await connection.execute(DELETE_WEBHOOK, shop_id, webhook_id)


NOTE_SUCCESS = """
    UPDATE events.webhooks SET failing_since = NULL
    WHERE shop_id = $1 AND id = $2 AND failing_since IS NOT NULL
"""


async def note_success(connection: Connection, shop_id: UUID, webhook_id: UUID) -> None:
    """Note that something arrived at a locked webhook."""
    await connection.execute(NOTE_SUCCESS, shop_id, webhook_id)


NOTE_FAILURE = """
    UPDATE events.webhooks SET failing_since = COALESCE(failing_since, statement_timestamp())
    WHERE shop_id = $1 AND id = $2
    RETURNING failing_since <= statement_timestamp() - make_interval(secs => $3)
"""


async def note_failure(
    connection: Connection, shop_id: UUID, webhook_id: UUID, patience_seconds: float
) -> bool:
    """Note that something did not arrive; return whether nothing has for longer than that."""
    failing: bool = await connection.fetchval(NOTE_FAILURE, shop_id, webhook_id, patience_seconds)
    return failing


DISABLE_WEBHOOK = """
    UPDATE events.webhooks
    SET active = false, disabled_reason = $3, disabled_at = statement_timestamp()
    WHERE shop_id = $1 AND id = $2 AND active
"""


async def disable_webhook(
    connection: Connection, shop_id: UUID, webhook_id: UUID, reason: DisabledReason
) -> None:
    """Switch a locked webhook off, and say why."""
    await connection.execute(DISABLE_WEBHOOK, shop_id, webhook_id, reason)
