"""How far the watch of low stock has read the log of each shop."""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    """
    CREATE TABLE events.low_stock_cursors (
        shop_id uuid PRIMARY KEY,
        sequence bigint NOT NULL,
        -- That all of the shop's stock was compared with. Null: none was set.
        threshold integer
    )
    """,
)


def upgrade() -> None:
    """Create the cursors."""
    for statement in STATEMENTS:
        op.execute(statement)
