"""How far the log of each shop was read for what its products may have units of."""

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS = (
    """
    CREATE TABLE events.in_stock_cursors (
        shop_id uuid PRIMARY KEY,
        sequence bigint NOT NULL
    )
    """,
)


def upgrade() -> None:
    """Create the cursors."""
    for statement in STATEMENTS:
        op.execute(statement)
