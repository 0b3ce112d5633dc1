"""Webhooks, what is delivered to them, and each attempt to do so."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE events.webhooks (
        shop_id uuid NOT NULL,
        id uuid NOT NULL,
        url text NOT NULL,
        -- A webhook that wants no kind of event wants nothing; '*' is all of them.
        kinds text[] NOT NULL CHECK (cardinality(kinds) > 0),
        active boolean NOT NULL,
        -- As whoever verifies has it. Signing needs the secret itself, so no hash of it would do.
        secret text NOT NULL,
        -- After a rotation this one signs along, for a while.
        previous_secret text,
        previous_until timestamptz,
        created_by uuid NOT NULL,
        created_at timestamptz NOT NULL,
        changed_at timestamptz NOT NULL,
        -- All events of the shop up to this one are deliveries, or were not wanted.
        sequence bigint NOT NULL CHECK (sequence >= 0),
        -- Since when every attempt has failed.
        failing_since timestamptz,
        -- Why Lockstock has switched it off by itself.
        disabled_reason text CHECK (disabled_reason IN ('gone', 'failing')),
        disabled_at timestamptz,
        -- Nobody sees it any more; its deliveries are being deleted.
        deleted_at timestamptz,
        PRIMARY KEY (shop_id, id),
        -- An old secret has an end.
        CONSTRAINT webhooks_previous CHECK ((previous_secret IS NULL) = (previous_until IS NULL)),
        -- What was switched off by itself is off, and says when.
        CONSTRAINT webhooks_disabled CHECK (
            (disabled_reason IS NULL) = (disabled_at IS NULL)
            AND (disabled_reason IS NULL OR NOT active)
        ),
        -- What is deleted sends nothing.
        CONSTRAINT webhooks_deleted CHECK (deleted_at IS NULL OR NOT active)
    )
    """,
    "CREATE INDEX webhooks_active ON events.webhooks (shop_id, id) WHERE active",
    "CREATE INDEX webhooks_deleted ON events.webhooks (deleted_at) WHERE deleted_at IS NOT NULL",
    """
    CREATE TABLE events.deliveries (
        shop_id uuid NOT NULL,
        id uuid NOT NULL,
        webhook_id uuid NOT NULL,
        event_id uuid NOT NULL,
        kind text NOT NULL,
        subject_id uuid NOT NULL,
        -- The event's number in the log; a ping is in no log.
        sequence bigint CHECK (sequence > 0),
        status text NOT NULL CHECK (status IN ('waiting', 'delivered', 'failed')),
        -- A process is at it. If that dies, next_try_at is when another one takes over.
        sending boolean NOT NULL,
        -- Attempts in all, and how many since it was last asked for.
        attempts integer NOT NULL CHECK (attempts >= 0),
        tries integer NOT NULL CHECK (tries BETWEEN 0 AND attempts),
        -- Null while it waits for an earlier event of its subject, and when it has ended.
        next_try_at timestamptz,
        created_at timestamptz NOT NULL,
        ended_at timestamptz,
        PRIMARY KEY (shop_id, id),
        -- What has ended is not tried again, what waits has not ended.
        CONSTRAINT deliveries_end CHECK (
            (status = 'waiting') = (ended_at IS NULL)
            AND (status = 'waiting' OR (next_try_at IS NULL AND NOT sending))
        )
    )
    """,
    # An event is one delivery to each webhook.
    """
    CREATE UNIQUE INDEX deliveries_by_event
        ON events.deliveries (shop_id, webhook_id, event_id)
    """,
    """
    CREATE INDEX deliveries_due
        ON events.deliveries (shop_id, webhook_id, next_try_at) WHERE next_try_at IS NOT NULL
    """,
    """
    CREATE INDEX deliveries_sending ON events.deliveries (shop_id, webhook_id) WHERE sending
    """,
    """
    CREATE INDEX deliveries_by_subject
        ON events.deliveries (shop_id, webhook_id, subject_id, sequence)
        WHERE status = 'waiting'
    """,
    """
    CREATE INDEX deliveries_waiting ON events.deliveries (created_at) WHERE status = 'waiting'
    """,
    "CREATE INDEX deliveries_ended ON events.deliveries (ended_at) WHERE ended_at IS NOT NULL",
    """
    CREATE INDEX deliveries_newest
        ON events.deliveries (shop_id, webhook_id, created_at DESC, id DESC)
    """,
    """
    CREATE TABLE events.attempts (
        shop_id uuid NOT NULL,
        delivery_id uuid NOT NULL,
        number integer NOT NULL CHECK (number > 0),
        begun_at timestamptz NOT NULL,
        -- Null until it has ended, and for ever if the process died at it.
        duration_ms integer CHECK (duration_ms >= 0),
        status_code integer,
        -- The beginning of what the receiver said.
        answer text,
        -- Why there was no answer, or why it was not good enough.
        error text,
        PRIMARY KEY (shop_id, delivery_id, number)
    )
    """,
)


def upgrade() -> None:
    """Make the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
