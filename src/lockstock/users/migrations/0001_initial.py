"""Users, their identities, sessions, refresh tokens, one-time codes and attempts."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    """
    CREATE TABLE users.users (
        id uuid PRIMARY KEY,
        name text,
        is_admin boolean NOT NULL,
        -- Argon2id with its parameters; null for who logs in with codes only.
        password_hash text,
        created_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE users.emails (
        -- An address is one person's: the key of this table, over all shops.
        address text PRIMARY KEY,
        user_id uuid NOT NULL REFERENCES users.users (id),
        verified_at timestamptz,
        created_at timestamptz NOT NULL,
        -- Capitals never make another identity.
        CONSTRAINT emails_normalised CHECK (
            address = lower(address COLLATE "C") AND address LIKE '%_@_%' AND length(address) <= 320
        )
    )
    """,
    "CREATE INDEX emails_of_user ON users.emails (user_id)",
    """
    CREATE TABLE users.phones (
        -- A number is one person's: the key of this table, over all shops.
        number text PRIMARY KEY,
        user_id uuid NOT NULL REFERENCES users.users (id),
        verified_at timestamptz,
        created_at timestamptz NOT NULL,
        -- Spaces, brackets or a missing country never make another identity: E.164.
        CONSTRAINT phones_normalised CHECK (number ~ '^[+][1-9][0-9]{3,14}$')
    )
    """,
    "CREATE INDEX phones_of_user ON users.phones (user_id)",
    """
    CREATE TABLE users.sessions (
        id uuid PRIMARY KEY,
        user_id uuid NOT NULL REFERENCES users.users (id),
        created_at timestamptz NOT NULL,
        last_used_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        revoked_at timestamptz,
        -- A session is good for some time after each use.
        CONSTRAINT sessions_last CHECK (expires_at > last_used_at)
    )
    """,
    "CREATE INDEX sessions_of_user ON users.sessions (user_id)",
    "CREATE INDEX sessions_by_end ON users.sessions (expires_at)",
    """
    CREATE TABLE users.refresh_tokens (
        -- SHA-256 of the token, which nobody can find by guessing: 256 random bits.
        token_hash bytea PRIMARY KEY,
        session_id uuid NOT NULL REFERENCES users.sessions (id) ON DELETE CASCADE,
        user_id uuid NOT NULL,
        issued_at timestamptz NOT NULL,
        -- A token is exchanged once; seen again, it is in two hands.
        used_at timestamptz,
        -- A hash of another length is not one of ours.
        CONSTRAINT refresh_tokens_hashed CHECK (length(token_hash) = 32)
    )
    """,
    "CREATE INDEX refresh_tokens_of_session ON users.refresh_tokens (session_id)",
    "CREATE INDEX refresh_tokens_used ON users.refresh_tokens (used_at)",
    """
    CREATE TABLE users.codes (
        purpose text NOT NULL,
        kind text NOT NULL,
        value text NOT NULL,
        -- For whom it is good. The nil id where nobody has the identity: such a row opens nothing,
        -- and is made so that both take the same work.
        user_id uuid NOT NULL,
        code_hash bytea NOT NULL,
        tries integer NOT NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        -- One code at a time: a new one takes the place of the one before.
        PRIMARY KEY (purpose, kind, value, user_id),
        -- A code belongs to an e-mail address or a phone number.
        CONSTRAINT codes_kind CHECK (kind IN ('email', 'phone')),
        -- Tries are only ever counted up.
        CONSTRAINT codes_tries CHECK (tries >= 0)
    )
    """,
    "CREATE INDEX codes_by_end ON users.codes (expires_at)",
    """
    CREATE TABLE users.attempts (
        -- An HMAC of what is limited, so that this is no list of who tried to log in.
        key bytea PRIMARY KEY,
        kind text NOT NULL,
        count integer NOT NULL,
        -- When the count starts again from nothing.
        ends_at timestamptz NOT NULL,
        -- Attempts are only ever counted up.
        CONSTRAINT attempts_counted CHECK (count >= 0)
    )
    """,
    "CREATE INDEX attempts_by_end ON users.attempts (ends_at)",
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
