"""What was on hand at a past moment is found with one look per stock row."""

from alembic import op

revision = "0004"
down_revision = "0002"

STATEMENTS = (
    # The last balance of a stock row by a moment.
    """
    CREATE INDEX movements_as_of
        ON warehouses.movements (shop_id, variant_id, warehouse_id, occurred_at, sequence)
    """,
)


def upgrade() -> None:
    """Make the index."""
    for statement in STATEMENTS:
        op.execute(statement)
