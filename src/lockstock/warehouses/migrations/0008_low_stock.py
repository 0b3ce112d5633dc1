"""What is low: remembered per variant, so that each crossing of the threshold is told once."""

from alembic import op

revision = "0008"
down_revision = "0007"

STATEMENTS = (
    # Who looks at a shop's stock holds its row: of two processes, one sees what the other told.
    """
    CREATE TABLE warehouses.low_stock_looks (
        shop_id uuid PRIMARY KEY,
        -- Of the event log, as far as the latest look knew it: no older one may undo it.
        sequence bigint NOT NULL
    )
    """,
    """
    CREATE TABLE warehouses.low_stock (
        shop_id uuid NOT NULL,
        variant_id uuid NOT NULL,
        threshold integer NOT NULL,
        since timestamptz NOT NULL,
        -- When the next hold on it comes due and may free enough. Null: none is held.
        look_again_at timestamptz,
        -- A variant is low once.
        PRIMARY KEY (shop_id, variant_id)
    )
    """,
    # What is to be looked at because time has passed, over all shops.
    """
    CREATE INDEX low_stock_due ON warehouses.low_stock (look_again_at)
        WHERE look_again_at IS NOT NULL
    """,
    # Holds whose deadline passed a moment ago and that were tidied up since.
    """
    CREATE INDEX reservations_expired ON warehouses.reservations (shop_id, expires_at)
        WHERE status = 'expired'
    """,
)


def upgrade() -> None:
    """Create what remembers low stock."""
    for statement in STATEMENTS:
        op.execute(statement)
