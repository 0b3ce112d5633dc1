"""Shops and who works there."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE shops.shops (
        shop_id uuid PRIMARY KEY,
        -- A shop has a name.
        name text NOT NULL CHECK (name <> ''),
        name_key text COLLATE "C" NOT NULL,
        -- A currency is an ISO 4217 code.
        currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
        -- An order waits for money between 1 second and 7 days.
        reservation_seconds integer NOT NULL CHECK (reservation_seconds BETWEEN 1 AND 604800),
        -- Orders are allocated by one of the known strategies.
        allocation text NOT NULL
            CHECK (allocation IN ('fewest_warehouses', 'by_priority', 'most_stock', 'nearest')),
        may_split boolean NOT NULL,
        request_digest bytea NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE shops.members (
        shop_id uuid NOT NULL REFERENCES shops.shops,
        user_id uuid NOT NULL,
        -- Who works in a shop has one of the known roles.
        role text NOT NULL CHECK (role IN ('owner', 'manager', 'clerk', 'viewer')),
        since timestamptz NOT NULL,
        -- Who works in a shop has one role there.
        PRIMARY KEY (shop_id, user_id)
    )
    """,
    "CREATE INDEX shops_by_name ON shops.shops (name_key, shop_id)",
    "CREATE INDEX members_by_user ON shops.members (user_id, shop_id)",
)


def upgrade() -> None:
    """Make the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
