"""Look-ups and reviews of payments; the memory of the sandbox, which plays the outside world."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    "ALTER TABLE orders.payments ADD COLUMN client_secret text",
    "ALTER TABLE orders.payments ADD COLUMN look_up_at timestamptz",
    "ALTER TABLE orders.payments ADD COLUMN look_ups integer NOT NULL DEFAULT 0",
    "ALTER TABLE orders.payments ADD COLUMN reviewed_at timestamptz",
    "ALTER TABLE orders.payments ADD COLUMN reviewed_by uuid",
    "ALTER TABLE orders.payments ADD COLUMN review_reason text",
    # Attempts that are open now are looked up as those that follow are.
    "UPDATE orders.payments SET look_up_at = created_at WHERE status IN ('pending', 'failed')",
    """
    CREATE INDEX payments_to_look_up ON orders.payments (look_up_at) WHERE look_up_at IS NOT NULL
    """,
    "CREATE INDEX payments_newest ON orders.payments (shop_id, created_at, id)",
    """
    CREATE INDEX payments_to_review ON orders.payments (shop_id, created_at, id) WHERE review
    """,
    """
    CREATE TABLE orders.sandbox_payments (
        shop_id uuid NOT NULL,
        id uuid NOT NULL,
        order_id uuid NOT NULL,
        status text NOT NULL,
        captured_minor bigint,
        captured_currency text,
        created_at timestamptz NOT NULL,
        -- Opened once per id, however often it is asked to.
        CONSTRAINT sandbox_payments_pkey PRIMARY KEY (shop_id, id),
        -- The sandbox knows how much it has taken, and of what.
        CONSTRAINT sandbox_payments_status CHECK (
            status IN ('open', 'captured', 'failed', 'cancelled')
            AND (status = 'captured') = (captured_minor IS NOT NULL)
            AND (captured_minor IS NULL) = (captured_currency IS NULL))
    )
    """,
    """
    CREATE TABLE orders.sandbox_refunds (
        shop_id uuid NOT NULL,
        id uuid NOT NULL,
        payment_id uuid NOT NULL,
        amount_minor bigint NOT NULL,
        currency text NOT NULL,
        created_at timestamptz NOT NULL,
        -- Money goes back once per id, however often it is asked to.
        CONSTRAINT sandbox_refunds_pkey PRIMARY KEY (shop_id, id)
    )
    """,
    "CREATE INDEX sandbox_refunds_of_payment ON orders.sandbox_refunds (shop_id, payment_id)",
    """
    CREATE TABLE orders.sandbox_deliveries (
        shop_id uuid NOT NULL,
        id uuid NOT NULL,
        payment_id uuid NOT NULL,
        event jsonb NOT NULL,
        times integer NOT NULL,
        turn integer NOT NULL,
        due_at timestamptz,
        delivered_at timestamptz,
        created_at timestamptz NOT NULL,
        CONSTRAINT sandbox_deliveries_pkey PRIMARY KEY (shop_id, id),
        -- What is delivered is due no more; what is neither waits for the event that overtakes it.
        CONSTRAINT sandbox_deliveries_open CHECK (delivered_at IS NULL OR due_at IS NULL)
    )
    """,
    """
    CREATE INDEX sandbox_deliveries_of_payment ON orders.sandbox_deliveries (shop_id, payment_id)
        WHERE delivered_at IS NULL
    """,
    """
    CREATE INDEX sandbox_deliveries_due ON orders.sandbox_deliveries (due_at)
        WHERE due_at IS NOT NULL
    """,
    """
    CREATE TABLE orders.sandbox_faults (
        shop_id uuid NOT NULL,
        order_id uuid NOT NULL,
        call text NOT NULL,
        times integer NOT NULL,
        -- So many of the next calls of this kind time out, for the payments of one order.
        CONSTRAINT sandbox_faults_pkey PRIMARY KEY (shop_id, order_id, call),
        -- The calls that a provider is asked for, and none of them less than never.
        CONSTRAINT sandbox_faults_call CHECK (call IN ('create', 'cancel', 'refund')
            AND times >= 0)
    )
    """,
)


def upgrade() -> None:
    """Add columns and tables, one statement at a time."""
    for statement in STATEMENTS:
        op.execute(statement)
