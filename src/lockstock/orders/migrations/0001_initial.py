"""Orders, payments, refunds, shipments, returns."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    """
    CREATE TABLE orders.orders (
        shop_id uuid NOT NULL,
        id uuid NOT NULL,
        customer_id uuid NOT NULL,
        status text NOT NULL,
        currency text NOT NULL,
        total_minor bigint NOT NULL,
        digest bytea NOT NULL,
        attempt integer NOT NULL,
        allocations jsonb NOT NULL,
        taken_again jsonb,
        ship_to jsonb,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        paid_at timestamptz,
        paid_by uuid,
        late boolean NOT NULL,
        transitions integer NOT NULL,
        stock_check_at timestamptz,
        -- One order per id, and the id is the customer's idempotency key.
        CONSTRAINT orders_pkey PRIMARY KEY (shop_id, id),
        -- An order has one of the statuses of the contract.
        CONSTRAINT orders_status CHECK (status IN ('awaiting_payment', 'paid', 'partly_shipped',
            'shipped', 'completed', 'cancelled', 'expired')),
        -- Nobody is owed money for buying.
        CONSTRAINT orders_total CHECK (total_minor >= 0),
        -- What is paid says when, and by which payment.
        CONSTRAINT orders_paid CHECK (status NOT IN ('paid', 'partly_shipped', 'shipped',
            'completed') OR (paid_at IS NOT NULL AND paid_by IS NOT NULL))
    )
    """,
    "CREATE INDEX orders_newest ON orders.orders (shop_id, created_at, id)",
    "CREATE INDEX orders_of_customer ON orders.orders (customer_id, created_at, id)",
    """
    CREATE INDEX orders_past_deadline ON orders.orders (expires_at)
        WHERE status = 'awaiting_payment'
    """,
    """
    CREATE INDEX orders_stock_to_check ON orders.orders (stock_check_at)
        WHERE stock_check_at IS NOT NULL
    """,
    """
    CREATE TABLE orders.lines (
        shop_id uuid NOT NULL,
        order_id uuid NOT NULL,
        line integer NOT NULL,
        variant_id uuid NOT NULL,
        product_id uuid NOT NULL,
        sku text NOT NULL,
        name text NOT NULL,
        quantity integer NOT NULL,
        unit_price_minor bigint NOT NULL,
        -- The lines of an order are numbered.
        CONSTRAINT lines_pkey PRIMARY KEY (shop_id, order_id, line),
        -- A line is for at least one unit, at a price that is not negative.
        CONSTRAINT lines_amounts CHECK (quantity > 0 AND unit_price_minor >= 0)
    )
    """,
    """
    CREATE TABLE orders.transitions (
        shop_id uuid NOT NULL,
        order_id uuid NOT NULL,
        sequence integer NOT NULL,
        from_status text NOT NULL,
        to_status text NOT NULL,
        at timestamptz NOT NULL,
        actor_id uuid,
        reason text,
        request_id text,
        -- The changes of an order are numbered without gaps, so none can be lost or doubled.
        CONSTRAINT transitions_pkey PRIMARY KEY (shop_id, order_id, sequence)
    )
    """,
    """
    CREATE TABLE orders.actions (
        shop_id uuid NOT NULL,
        id uuid NOT NULL,
        order_id uuid NOT NULL,
        digest bytea NOT NULL,
        answer jsonb,
        at timestamptz NOT NULL,
        -- The same caller, order, action and key is the same request, done once.
        CONSTRAINT actions_pkey PRIMARY KEY (shop_id, id)
    )
    """,
    """
    CREATE TABLE orders.payments (
        shop_id uuid NOT NULL,
        id uuid NOT NULL,
        order_id uuid NOT NULL,
        provider text NOT NULL,
        status text NOT NULL,
        amount_minor bigint NOT NULL,
        currency text NOT NULL,
        captured_minor bigint,
        captured_currency text,
        review boolean NOT NULL,
        pay_url text,
        reference text,
        created_at timestamptz NOT NULL,
        close_at timestamptz,
        -- One attempt to pay per id, and the id is the caller's idempotency key.
        CONSTRAINT payments_pkey PRIMARY KEY (shop_id, id),
        -- A payment has one of the statuses of the contract.
        CONSTRAINT payments_status CHECK (status IN ('pending', 'captured', 'failed', 'cancelled',
            'refunded')),
        -- Captured money is a known amount in a known currency.
        CONSTRAINT payments_captured CHECK (status NOT IN ('captured', 'refunded')
            OR (captured_minor IS NOT NULL AND captured_currency IS NOT NULL)),
        -- Amounts are not negative.
        CONSTRAINT payments_amounts CHECK (amount_minor >= 0 AND captured_minor >= 0)
    )
    """,
    "CREATE INDEX payments_of_order ON orders.payments (shop_id, order_id)",
    "CREATE INDEX payments_by_id ON orders.payments (id)",
    """
    CREATE INDEX payments_to_close ON orders.payments (close_at) WHERE close_at IS NOT NULL
    """,
    """
    CREATE TABLE orders.payment_events (
        shop_id uuid NOT NULL,
        id uuid NOT NULL,
        provider text NOT NULL,
        event_id text NOT NULL,
        payment_id uuid NOT NULL,
        kind text NOT NULL,
        amount_minor bigint NOT NULL,
        currency text NOT NULL,
        payload jsonb NOT NULL,
        received_at timestamptz NOT NULL,
        applied_at timestamptz,
        outcome text,
        tries integer NOT NULL,
        next_try_at timestamptz,
        -- A provider's event is kept once, however often it is sent: the id is made of its name.
        CONSTRAINT payment_events_pkey PRIMARY KEY (shop_id, id),
        -- An event is either applied, with its outcome, or due to be tried again.
        CONSTRAINT payment_events_open CHECK ((applied_at IS NULL) = (next_try_at IS NOT NULL)
            AND (applied_at IS NULL) = (outcome IS NULL))
    )
    """,
    "CREATE INDEX payment_events_of_payment ON orders.payment_events (shop_id, payment_id)",
    """
    CREATE INDEX payment_events_due ON orders.payment_events (next_try_at)
        WHERE next_try_at IS NOT NULL
    """,
    """
    CREATE TABLE orders.refunds (
        shop_id uuid NOT NULL,
        id uuid NOT NULL,
        order_id uuid NOT NULL,
        payment_id uuid NOT NULL,
        amount_minor bigint NOT NULL,
        currency text NOT NULL,
        cause text NOT NULL,
        reason text,
        status text NOT NULL,
        tries integer NOT NULL,
        next_try_at timestamptz,
        created_at timestamptz NOT NULL,
        done_at timestamptz,
        actor_id uuid,
        request_id text,
        -- One refund per id; the id is made of what it is for, so it cannot be made twice.
        CONSTRAINT refunds_pkey PRIMARY KEY (shop_id, id),
        -- A refund gives something back.
        CONSTRAINT refunds_amount CHECK (amount_minor > 0),
        -- A refund has one of the statuses of the contract, and is due while it is pending.
        CONSTRAINT refunds_status CHECK (status IN ('pending', 'done', 'failed')
            AND (status = 'pending') = (next_try_at IS NOT NULL)
            AND (status = 'done') = (done_at IS NOT NULL))
    )
    """,
    "CREATE INDEX refunds_of_order ON orders.refunds (shop_id, order_id)",
    """
    CREATE INDEX refunds_due ON orders.refunds (next_try_at) WHERE next_try_at IS NOT NULL
    """,
    """
    CREATE TABLE orders.shipments (
        shop_id uuid NOT NULL,
        id uuid NOT NULL,
        order_id uuid NOT NULL,
        action_id uuid NOT NULL,
        warehouse_id uuid NOT NULL,
        lines jsonb NOT NULL,
        status text NOT NULL,
        actor_id uuid NOT NULL,
        request_id text NOT NULL,
        created_at timestamptz NOT NULL,
        shipped_at timestamptz,
        next_try_at timestamptz,
        -- One parcel per id; the id is made of the request that asked for it.
        CONSTRAINT shipments_pkey PRIMARY KEY (shop_id, id),
        -- A shipment is on its way out of the building until it is shipped.
        CONSTRAINT shipments_status CHECK (status IN ('pending', 'shipped')
            AND (status = 'shipped') = (shipped_at IS NOT NULL)
            AND (status = 'pending') = (next_try_at IS NOT NULL))
    )
    """,
    "CREATE INDEX shipments_of_order ON orders.shipments (shop_id, order_id)",
    """
    CREATE INDEX shipments_due ON orders.shipments (next_try_at) WHERE next_try_at IS NOT NULL
    """,
    """
    CREATE TABLE orders.returns (
        shop_id uuid NOT NULL,
        id uuid NOT NULL,
        order_id uuid NOT NULL,
        parts jsonb NOT NULL,
        refund_minor bigint NOT NULL,
        reason text,
        status text NOT NULL,
        actor_id uuid NOT NULL,
        request_id text NOT NULL,
        created_at timestamptz NOT NULL,
        next_try_at timestamptz,
        -- One return per id; the id is made of the request that asked for it.
        CONSTRAINT returns_pkey PRIMARY KEY (shop_id, id),
        -- Nobody pays for bringing something back.
        CONSTRAINT returns_refund CHECK (refund_minor >= 0),
        -- A return is pending until the units are back on hand.
        CONSTRAINT returns_status CHECK (status IN ('pending', 'done')
            AND (status = 'pending') = (next_try_at IS NOT NULL))
    )
    """,
    "CREATE INDEX returns_of_order ON orders.returns (shop_id, order_id)",
    """
    CREATE INDEX returns_due ON orders.returns (next_try_at) WHERE next_try_at IS NOT NULL
    """,
)


def upgrade() -> None:
    """Create the tables, one statement at a time."""
    for statement in STATEMENTS:
        op.execute(statement)
