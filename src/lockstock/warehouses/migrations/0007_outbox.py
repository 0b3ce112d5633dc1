"""What the rest of the world is to be told about warehouses, until it is in the log of events."""

from alembic import op

revision = "0007"
down_revision = "0006"

STATEMENTS = (
    """
    CREATE TABLE warehouses.outbox (
        shop_id uuid NOT NULL,
        occurred_at timestamptz NOT NULL,
        id uuid NOT NULL,
        kind text NOT NULL,
        subject_id uuid NOT NULL,
        data jsonb NOT NULL,
        -- What happened first is told first.
        PRIMARY KEY (shop_id, occurred_at, id)
    ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)
    """,
)


def upgrade() -> None:
    """Make the table."""
    for statement in STATEMENTS:
        op.execute(statement)
