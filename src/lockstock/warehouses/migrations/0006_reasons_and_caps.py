"""Why a warehouse was chosen, kept with what it gives; and how much one customer holds."""

from alembic import op

revision = "0006"
down_revision = "0005"

STATEMENTS = (
    # Why this warehouse. Null where it was not kept: of allocations older than this.
    "ALTER TABLE warehouses.allocations ADD COLUMN reason jsonb",
    # What the warehouses had free when it was decided, for the shop's own people.
    "ALTER TABLE warehouses.reservations ADD COLUMN considered jsonb",
    # The open reservations of a customer: those with a cap are counted.
    """
    CREATE INDEX reservations_open ON warehouses.reservations (shop_id, customer_id, expires_at)
        WHERE status = 'held'
    """,
    # One row for each customer of a shop with a cap: their reservations wait for each other here.
    """
    CREATE TABLE warehouses.capped_customers (
        shop_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        PRIMARY KEY (shop_id, customer_id)
    )
    """,
)


def upgrade() -> None:
    """Add the columns, the index and the table."""
    for statement in STATEMENTS:
        op.execute(statement)
