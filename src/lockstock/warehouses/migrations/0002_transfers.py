"""Transfers that travel: lines with their own counts, and the history of their steps."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    """
    CREATE TABLE warehouses.transfer_lines (
        shop_id uuid NOT NULL,
        transfer_id uuid NOT NULL,
        variant_id uuid NOT NULL,
        -- Its place in the list that was asked for.
        position integer NOT NULL,
        quantity bigint NOT NULL,
        dispatched bigint NOT NULL,
        received bigint NOT NULL,
        damaged bigint NOT NULL,
        returned bigint NOT NULL,
        lost bigint NOT NULL,
        PRIMARY KEY (shop_id, transfer_id, variant_id),
        CONSTRAINT quantity_is_positive CHECK (quantity > 0),
        -- A line leaves whole.
        CONSTRAINT all_is_dispatched CHECK (dispatched IN (0, quantity)),
        CONSTRAINT received_is_not_negative CHECK (received >= 0),
        CONSTRAINT damaged_is_not_negative CHECK (damaged >= 0),
        CONSTRAINT returned_is_not_negative CHECK (returned >= 0),
        CONSTRAINT lost_is_not_negative CHECK (lost >= 0),
        -- No more arrives, comes back or is lost than has left.
        CONSTRAINT nothing_appears_on_the_way
            CHECK (received + damaged + returned + lost <= dispatched)
    ) WITH (fillfactor = 80)
    """,
    """
    CREATE TABLE warehouses.transfer_steps (
        shop_id uuid NOT NULL,
        transfer_id uuid NOT NULL,
        sequence integer NOT NULL,
        step text NOT NULL,
        -- Null for the first.
        from_status text,
        to_status text NOT NULL,
        -- What became of the units in this step.
        lines jsonb NOT NULL,
        reason text,
        actor_id uuid,
        request_id text NOT NULL,
        occurred_at timestamptz NOT NULL,
        PRIMARY KEY (shop_id, transfer_id, sequence)
    )
    """,
    # The lines of those there are, all made in one step.
    """
    INSERT INTO warehouses.transfer_lines
        (shop_id, transfer_id, variant_id, position, quantity, dispatched, received, damaged,
         returned, lost)
    SELECT t.shop_id, t.id, (line ->> 'variant_id')::uuid, min(place),
        sum((line ->> 'quantity')::bigint), sum((line ->> 'quantity')::bigint),
        sum((line ->> 'quantity')::bigint), 0, 0, 0
    FROM warehouses.transfers AS t
    CROSS JOIN LATERAL jsonb_array_elements(t.lines) WITH ORDINALITY AS l (line, place)
    GROUP BY t.shop_id, t.id, (line ->> 'variant_id')::uuid
    """,
    """
    INSERT INTO warehouses.transfer_steps
        (shop_id, transfer_id, sequence, step, to_status, lines, reason, actor_id, request_id,
         occurred_at)
    SELECT shop_id, id, 1, 'immediate', status, '[]'::jsonb, reason, actor_id, '', created_at
    FROM warehouses.transfers
    """,
    # The history is append-only, as the ledger is.
    "REVOKE UPDATE, DELETE, TRUNCATE ON warehouses.transfer_steps FROM CURRENT_USER, PUBLIC",
    # Nothing has been released that reads it.
    "ALTER TABLE warehouses.transfers DROP COLUMN lines",
    # When the units should have arrived.
    "ALTER TABLE warehouses.transfers ADD COLUMN expected_at timestamptz",
    "ALTER TABLE warehouses.transfers DROP CONSTRAINT status_is_known",
    """
    ALTER TABLE warehouses.transfers ADD CONSTRAINT status_is_known CHECK (status IN
        ('draft', 'ready', 'in_transit', 'partly_received', 'received', 'cancelled',
         'closed_short'))
    """,
    # The list, newest first.
    "CREATE INDEX transfers_by_time ON warehouses.transfers (shop_id, created_at, id)",
    # Who holds the stock that an adjustment would take away.
    """
    CREATE INDEX transfers_ready ON warehouses.transfers (shop_id, from_warehouse_id)
        WHERE status = 'ready'
    """,
    # What should have arrived by now.
    """
    CREATE INDEX transfers_due ON warehouses.transfers (shop_id, expected_at)
        WHERE status IN ('ready', 'in_transit', 'partly_received')
    """,
)


def upgrade() -> None:
    """Add lines and steps, and move what is there into them."""
    for statement in STATEMENTS:
        op.execute(statement)
