"""Warehouses, stock, the ledger, reservations, transfers."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    """
    CREATE TABLE warehouses.warehouses (
        shop_id uuid NOT NULL,
        id uuid NOT NULL,
        name text NOT NULL,
        active boolean NOT NULL,
        priority integer NOT NULL,
        latitude double precision,
        longitude double precision,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (shop_id, id),
        -- A place has both coordinates or none.
        CONSTRAINT place_is_whole CHECK ((latitude IS NULL) = (longitude IS NULL))
    )
    """,
    """
    CREATE TABLE warehouses.stock (
        shop_id uuid NOT NULL,
        variant_id uuid NOT NULL,
        warehouse_id uuid NOT NULL,
        on_hand bigint NOT NULL,
        held bigint NOT NULL,
        committed bigint NOT NULL,
        incoming bigint NOT NULL,
        -- Of the last movement: the ledger is dense.
        sequence bigint NOT NULL,
        PRIMARY KEY (shop_id, variant_id, warehouse_id),
        -- Nothing is promised less than nothing.
        CONSTRAINT held_is_not_negative CHECK (held >= 0),
        CONSTRAINT committed_is_not_negative CHECK (committed >= 0),
        CONSTRAINT incoming_is_not_negative CHECK (incoming >= 0),
        -- No code path can oversell: more is never promised than there is.
        CONSTRAINT never_oversold CHECK (held + committed <= on_hand),
        -- A counter of units fits 32 bits, so that sums of them fit 64.
        CONSTRAINT on_hand_is_bounded CHECK (on_hand <= 2147483647)
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE TABLE warehouses.movements (
        shop_id uuid NOT NULL,
        variant_id uuid NOT NULL,
        warehouse_id uuid NOT NULL,
        sequence bigint NOT NULL,
        delta bigint NOT NULL,
        balance bigint NOT NULL,
        kind text NOT NULL,
        cause_id uuid,
        actor_id uuid,
        reason text,
        request_id text NOT NULL,
        occurred_at timestamptz NOT NULL,
        PRIMARY KEY (shop_id, variant_id, warehouse_id, sequence),
        -- A movement moves something.
        CONSTRAINT delta_is_not_zero CHECK (delta <> 0),
        -- No balance was ever below nothing.
        CONSTRAINT balance_is_not_negative CHECK (balance >= 0)
    )
    """,
    # The ledger of a shop, newest first.
    """
    CREATE INDEX movements_by_time
        ON warehouses.movements (shop_id, occurred_at, variant_id, warehouse_id, sequence)
    """,
    # The ledger is append-only: this also binds the owner of the table, who is the application.
    "REVOKE UPDATE, DELETE, TRUNCATE ON warehouses.movements FROM CURRENT_USER, PUBLIC",
    """
    CREATE TABLE warehouses.reservations (
        shop_id uuid NOT NULL,
        order_id uuid NOT NULL,
        attempt integer NOT NULL,
        customer_id uuid NOT NULL,
        -- Of what was asked: the same order id with another request is refused.
        digest bytea NOT NULL,
        status text NOT NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        ended_at timestamptz,
        -- One reservation per order and attempt.
        PRIMARY KEY (shop_id, order_id, attempt),
        CONSTRAINT status_is_known
            CHECK (status IN ('held', 'committed', 'released', 'expired')),
        -- It has ended if and only if it was released or has expired.
        CONSTRAINT ended_once CHECK ((ended_at IS NULL) = (status IN ('held', 'committed')))
    ) WITH (fillfactor = 80)
    """,
    # The sweeper looks for what is due, over all shops.
    """
    CREATE INDEX reservations_due ON warehouses.reservations (expires_at)
        WHERE status = 'held'
    """,
    """
    CREATE TABLE warehouses.allocations (
        shop_id uuid NOT NULL,
        order_id uuid NOT NULL,
        attempt integer NOT NULL,
        variant_id uuid NOT NULL,
        warehouse_id uuid NOT NULL,
        quantity bigint NOT NULL,
        shipped bigint NOT NULL,
        returned bigint NOT NULL,
        status text NOT NULL,
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (shop_id, order_id, attempt, variant_id, warehouse_id),
        CONSTRAINT quantity_is_positive CHECK (quantity > 0),
        -- No more goes out than was promised, and no more comes back than went out.
        CONSTRAINT shipped_is_bounded CHECK (shipped BETWEEN 0 AND quantity),
        CONSTRAINT returned_is_bounded CHECK (returned BETWEEN 0 AND shipped),
        CONSTRAINT status_is_known
            CHECK (status IN ('held', 'committed', 'released', 'expired'))
    ) WITH (fillfactor = 80)
    """,
    # Holds past their deadline, per variant: for readers, and for the buyer who comes up short.
    """
    CREATE INDEX allocations_held
        ON warehouses.allocations (shop_id, variant_id, warehouse_id, expires_at)
        WHERE status = 'held'
    """,
    # Who holds the stock that an adjustment would take away.
    """
    CREATE INDEX allocations_committed
        ON warehouses.allocations (shop_id, variant_id, warehouse_id)
        WHERE status = 'committed' AND shipped < quantity
    """,
    """
    CREATE TABLE warehouses.transfers (
        shop_id uuid NOT NULL,
        id uuid NOT NULL,
        from_warehouse_id uuid NOT NULL,
        to_warehouse_id uuid NOT NULL,
        status text NOT NULL,
        lines jsonb NOT NULL,
        reason text,
        actor_id uuid,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (shop_id, id),
        CONSTRAINT status_is_known CHECK (status IN ('received')),
        -- A transfer leads elsewhere.
        CONSTRAINT it_moves CHECK (from_warehouse_id <> to_warehouse_id)
    )
    """,
    """
    CREATE TABLE warehouses.changes (
        shop_id uuid NOT NULL,
        id uuid NOT NULL,
        digest bytea NOT NULL,
        answer jsonb NOT NULL,
        occurred_at timestamptz NOT NULL,
        -- A change of stock happens once.
        PRIMARY KEY (shop_id, id)
    )
    """,
)


def upgrade() -> None:
    """Create what the service owns."""
    for statement in STATEMENTS:
        op.execute(statement)
