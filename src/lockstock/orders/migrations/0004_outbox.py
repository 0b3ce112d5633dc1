"""What the rest of the world is to be told about orders, until it is in the log of events."""

from alembic import op

revision = "0004"
down_revision = "0002"

STATEMENTS = (
    """
    CREATE TABLE orders.outbox (
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
    # What has happened before is told too, under ids that are made of what it was.
    """
    INSERT INTO orders.outbox (shop_id, occurred_at, id, kind, subject_id, data)
    SELECT o.shop_id, o.created_at, md5('placed' || o.id)::uuid, 'order.placed', o.id,
        jsonb_build_object('total',
            jsonb_build_object('amount_minor', o.total_minor, 'currency', o.currency),
            'expires_at', o.expires_at, 'variant_ids', (SELECT jsonb_agg(l.variant_id)
                FROM orders.lines l WHERE l.shop_id = o.shop_id AND l.order_id = o.id))
    FROM orders.orders o
    """,
    """
    INSERT INTO orders.outbox (shop_id, occurred_at, id, kind, subject_id, data)
    SELECT t.shop_id, t.at, md5(t.sequence || 'moved' || t.order_id)::uuid,
        'order.' || t.to_status, t.order_id,
        jsonb_build_object('transition', t.sequence, 'from_status', t.from_status,
            'variant_ids', (SELECT jsonb_agg(l.variant_id)
                FROM orders.lines l WHERE l.shop_id = t.shop_id AND l.order_id = t.order_id))
    FROM orders.transitions t
    """,
)


def upgrade() -> None:
    """Make the table, and fill it with what has happened."""
    for statement in STATEMENTS:
        op.execute(statement)
