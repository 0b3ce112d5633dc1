"""API keys of a shop, and invitations to work there."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE shops.api_keys (
        shop_id uuid NOT NULL REFERENCES shops.shops,
        key_id uuid NOT NULL,
        name text NOT NULL,
        -- A key is either safe to show to everybody, or not.
        kind text NOT NULL CHECK (kind IN ('publishable', 'secret')),
        scopes text[] NOT NULL,
        -- The beginning of the key, to tell it from others.
        prefix text NOT NULL,
        -- SHA-256 of the key, which nobody can find by guessing: 192 random bits.
        key_hash bytea NOT NULL CHECK (length(key_hash) = 32),
        created_by uuid NOT NULL,
        created_at timestamptz NOT NULL,
        last_used_at timestamptz,
        revoked_at timestamptz,
        PRIMARY KEY (shop_id, key_id),
        -- A publishable key has no scopes, a secret one has some, all of them known.
        CONSTRAINT api_keys_scopes CHECK (
            (kind = 'publishable') = (cardinality(scopes) = 0)
            AND scopes <@ ARRAY['read', 'stock', 'catalogue', 'warehouses', 'orders']
        )
    )
    """,
    # A key is one key.
    "CREATE UNIQUE INDEX api_keys_by_hash ON shops.api_keys (shop_id, key_hash)",
    """
    CREATE TABLE shops.invitations (
        shop_id uuid NOT NULL REFERENCES shops.shops,
        invitation_id uuid NOT NULL,
        -- Where it was sent: an e-mail address or a phone number, in the one form that is kept.
        identifier text NOT NULL,
        -- Who is invited will have one of the known roles.
        role text NOT NULL CHECK (role IN ('owner', 'manager', 'clerk', 'viewer')),
        -- SHA-256 of the token, which nobody can find by guessing: 192 random bits.
        token_hash bytea NOT NULL CHECK (length(token_hash) = 32),
        invited_by uuid NOT NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (shop_id, invitation_id),
        -- An invitation lasts for some time.
        CONSTRAINT invitations_last CHECK (expires_at > created_at)
    )
    """,
    # One invitation at a time: a new one takes the place of the one before.
    "CREATE UNIQUE INDEX invitations_by_identifier ON shops.invitations (shop_id, identifier)",
)


def upgrade() -> None:
    """Make the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
