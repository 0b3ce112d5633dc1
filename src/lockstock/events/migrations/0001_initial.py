"""The log of events: one per shop, dense and append-only."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    """
    CREATE TABLE events.counters (
        shop_id uuid NOT NULL,
        -- The sequence of the shop's newest event.
        last bigint NOT NULL,
        -- One row per shop: who holds its lock is the one who adds to the log.
        PRIMARY KEY (shop_id)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE events.log (
        shop_id uuid NOT NULL,
        sequence bigint NOT NULL,
        id uuid NOT NULL,
        kind text NOT NULL,
        subject_id uuid NOT NULL,
        data jsonb NOT NULL,
        occurred_at timestamptz NOT NULL,
        -- Each place in the log is taken once.
        PRIMARY KEY (shop_id, sequence),
        -- The first event of a shop has number 1.
        CONSTRAINT sequence_is_positive CHECK (sequence > 0)
    )
    """,
    # An event is in the log once, however often it is delivered.
    "CREATE UNIQUE INDEX log_by_id ON events.log (shop_id, id)",
    # The log of a shop by kind.
    "CREATE INDEX log_by_kind ON events.log (shop_id, kind, sequence)",
    # Nobody rewrites what was told: this also binds the owner of the table, the application.
    "REVOKE UPDATE, DELETE, TRUNCATE ON events.log FROM CURRENT_USER, PUBLIC",
)


def upgrade() -> None:
    """Create what the service owns."""
    for statement in STATEMENTS:
        op.execute(statement)
