"""Where the goods of a reservation go: who plans it anew must know what the first plan knew."""

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = (
    "ALTER TABLE warehouses.reservations ADD COLUMN latitude double precision",
    "ALTER TABLE warehouses.reservations ADD COLUMN longitude double precision",
    # A place has both coordinates or none.
    """
    ALTER TABLE warehouses.reservations ADD CONSTRAINT destination_is_whole
        CHECK ((latitude IS NULL) = (longitude IS NULL))
    """,
)


def upgrade() -> None:
    """Add the columns."""
    for statement in STATEMENTS:
        op.execute(statement)
