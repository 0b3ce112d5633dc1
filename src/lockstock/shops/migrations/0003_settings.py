"""Settings of a shop: what buyers see of its stock, when stock is low, how much one may hold."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE shops.shops ADD COLUMN hide_exact boolean NOT NULL DEFAULT false",
    # The application always says it.
    "ALTER TABLE shops.shops ALTER COLUMN hide_exact DROP DEFAULT",
    # Null: the shop is not told when stock is low.
    """
    ALTER TABLE shops.shops ADD COLUMN low_stock_threshold integer
        -- Units, never fewer than one: below that there is none, which is another thing than low.
        CONSTRAINT shops_low_stock_threshold
            CHECK (low_stock_threshold BETWEEN 1 AND 2147483647)
    """,
    # Null: the default of the platform.
    """
    ALTER TABLE shops.shops ADD COLUMN max_open_reservations integer
        -- A shop where nobody may reserve anything sells nothing.
        CONSTRAINT shops_max_open_reservations
            CHECK (max_open_reservations BETWEEN 1 AND 1000000)
    """,
)


def upgrade() -> None:
    """Add the columns."""
    for statement in STATEMENTS:
        op.execute(statement)
