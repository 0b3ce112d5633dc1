"""Who did what to an order, by kind; leases of their own; refunds that failed after all."""

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = (
    # Null in these: not kept at the time. The history tells the kind by the id then.
    """
    ALTER TABLE orders.transitions ADD COLUMN actor_kind text
        -- Somebody changed it, or something did; there are no other kinds.
        CONSTRAINT transitions_actor CHECK (
            actor_kind IN ('customer', 'staff', 'key', 'system', 'provider'))
    """,
    "ALTER TABLE orders.payments ADD COLUMN actor_id uuid",
    "ALTER TABLE orders.payments ADD COLUMN actor_kind text",
    "ALTER TABLE orders.payments ADD COLUMN request_id text",
    "ALTER TABLE orders.shipments ADD COLUMN actor_kind text",
    "ALTER TABLE orders.returns ADD COLUMN actor_kind text",
    "ALTER TABLE orders.returns ADD COLUMN done_at timestamptz",
    "ALTER TABLE orders.refunds ADD COLUMN actor_kind text",
    "ALTER TABLE orders.refunds ADD COLUMN failed_at timestamptz",
    "ALTER TABLE orders.refunds ADD COLUMN failure text",
    # Who takes stock again for late money, alone until then. Apart from the stock check, which
    # stays due when the lease is given back.
    "ALTER TABLE orders.orders ADD COLUMN leased_until timestamptz",
    # A shop's orders of one status, newest first: what is to be shipped, for instance.
    "CREATE INDEX orders_by_status ON orders.orders (shop_id, status, created_at, id)",
)


def upgrade() -> None:
    """Add columns, one statement at a time."""
    for statement in STATEMENTS:
        op.execute(statement)
