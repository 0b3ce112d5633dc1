"""SQL of sessions and refresh tokens. Locks: the token's row, then its session's."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from lockstock.kernel.access import Actor
from lockstock.kernel.database import Connection
from lockstock.users import contract
from lockstock.users.contract import SessionPlace
from lockstock.users.sessions.rules import KeptToken, Origin, Session


@dataclass(frozen=True)
class NewSession:
    """A session as it is inserted."""

    id: UUID
    user_id: UUID
    opened_at: datetime
    expires_at: datetime
    origin: Origin


OPEN_SESSION = """
    INSERT INTO users.sessions
        (id, user_id, created_at, last_used_at, expires_at, address, user_agent)
    VALUES ($1, $2, $3, $3, $4, $5, $6)
"""


async def open_session(connection: Connection, session: NewSession) -> None:
    """Keep a new session."""
    await connection.execute(
        OPEN_SESSION,
        session.id,
        session.user_id,
        session.opened_at,
        session.expires_at,
        *session.origin,
    )


KEEP_TOKEN = """
    INSERT INTO users.refresh_tokens (token_hash, session_id, user_id, issued_at)
    VALUES ($1, $2, $3, $4)
"""  # noqa: S105 (SQL)


async def keep_token(
    connection: Connection, token_hash: bytes, session_id: UUID, user_id: UUID, now: datetime
) -> None:
    """Keep the hash of a new refresh token."""
    await connection.execute(KEEP_TOKEN, token_hash, session_id, user_id, now)


LOCK_TOKEN = """
    SELECT session_id, user_id, used_at
    FROM users.refresh_tokens
    WHERE token_hash = $1
    FOR UPDATE
"""  # noqa: S105 (SQL)


async def lock_token(connection: Connection, token_hash: bytes) -> KeptToken | None:
    """Return a refresh token, which nobody else can exchange until the transaction ends."""
    row = await connection.fetchrow(LOCK_TOKEN, token_hash)
    return None if row is None else KeptToken(row["session_id"], row["user_id"], row["used_at"])


LOCK_SESSION = """
    SELECT expires_at, revoked_at
    FROM users.sessions
    WHERE id = $1
    FOR NO KEY UPDATE
"""


async def lock_session(connection: Connection, session_id: UUID) -> Session | None:
    """Return a session, which nobody else can end or extend until the transaction ends."""
    row = await connection.fetchrow(LOCK_SESSION, session_id)
    return None if row is None else Session(row["expires_at"], row["revoked_at"])


FIND_SESSION = """
    SELECT expires_at, revoked_at
    FROM users.sessions
    WHERE id = $1 AND user_id = $2
"""


async def find_session(connection: Connection, session_id: UUID, user_id: UUID) -> Session | None:
    """Return a session of the user's as it is now."""
    row = await connection.fetchrow(FIND_SESSION, session_id, user_id)
    return None if row is None else Session(row["expires_at"], row["revoked_at"])


USE_TOKEN = """
    UPDATE users.refresh_tokens SET used_at = $2 WHERE token_hash = $1
"""  # noqa: S105 (SQL)


async def use_token(connection: Connection, token_hash: bytes, now: datetime) -> None:
    """Mark a refresh token as exchanged. The caller holds its lock."""
    await connection.execute(USE_TOKEN, token_hash, now)


EXTEND_SESSION = """
    UPDATE users.sessions
    SET last_used_at = $2, expires_at = $3, address = coalesce($4, address),
        user_agent = coalesce($5, user_agent)
    WHERE id = $1
"""


async def extend_session(
    connection: Connection, session_id: UUID, now: datetime, expires_at: datetime, origin: Origin
) -> None:
    """Let a session last longer. The caller holds its lock."""
    await connection.execute(EXTEND_SESSION, session_id, now, expires_at, *origin)


REVOKE_SESSION = """
    UPDATE users.sessions
    SET revoked_at = statement_timestamp()
    WHERE id = $1 AND revoked_at IS NULL
"""


async def revoke_session(connection: Connection, session_id: UUID) -> None:
    """End a session, once."""
    await connection.execute(REVOKE_SESSION, session_id)


END_SESSION_OF = """
    UPDATE users.sessions
    SET revoked_at = statement_timestamp()
    WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > statement_timestamp()
    RETURNING id
"""


async def end_session_of(connection: Connection, session_id: UUID, user_id: UUID) -> bool:
    """End a session of the user's; False if they have none of this id that lasts."""
    ended = await connection.fetchval(END_SESSION_OF, session_id, user_id)
    return ended is not None


END_SESSIONS_BUT = """
    UPDATE users.sessions
    SET revoked_at = statement_timestamp()
    WHERE user_id = $1 AND id IS DISTINCT FROM $2::uuid AND revoked_at IS NULL
"""


async def end_sessions_but(connection: Connection, user_id: UUID, spared: UUID | None) -> None:
    """End all sessions of a user, but one if it is given."""
    await connection.execute(END_SESSIONS_BUT, user_id, spared)


LIST_SESSIONS = """
    SELECT id, created_at, last_used_at, expires_at, address, user_agent
    FROM users.sessions
    WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > statement_timestamp()
        AND ($2::timestamptz IS NULL OR (last_used_at, id) < ($2, $3::uuid))
    ORDER BY last_used_at DESC, id DESC
    LIMIT $4
"""


async def list_sessions(
    connection: Connection, actor: Actor, after: SessionPlace | None, limit: int
) -> list[contract.Session]:
    """Return sessions of a user that last, those used last first."""
    place = (None, None) if after is None else (after.last_used_at, after.id)
    return [
        contract.Session(**row, current=row["id"] == actor.session_id)
        for row in await connection.fetch(LIST_SESSIONS, actor.user_id, *place, limit)
    ]


FIND_SESSION_OF_TOKEN = """
    SELECT session_id FROM users.refresh_tokens WHERE token_hash = $1
"""  # noqa: S105 (SQL)


async def find_session_of_token(connection: Connection, token_hash: bytes) -> UUID | None:
    """Return whose refresh token this is, used or not."""
    session_id: UUID | None = await connection.fetchval(FIND_SESSION_OF_TOKEN, token_hash)
    return session_id


DELETE_ENDED_SESSIONS = """
    WITH gone AS (
        DELETE FROM users.sessions WHERE id IN (
            SELECT id FROM users.sessions
            WHERE expires_at <= statement_timestamp()
            LIMIT $1
            FOR UPDATE SKIP LOCKED
        )
        RETURNING 1
    )
    SELECT count(*) FROM gone
"""


async def delete_ended_sessions(connection: Connection, most: int) -> int:
    """Delete sessions past their end, with their tokens; return how many."""
    count: int = await connection.fetchval(DELETE_ENDED_SESSIONS, most)
    return count


# Used so long ago that a session would have ended since: the reuse of such a token is refused as
# that of an unknown one.
DELETE_WORN_TOKENS = """
    WITH gone AS (
        DELETE FROM users.refresh_tokens WHERE token_hash IN (
            SELECT token_hash FROM users.refresh_tokens
            WHERE used_at <= statement_timestamp() - make_interval(secs => $2::float8)
            LIMIT $1
            FOR UPDATE SKIP LOCKED
        )
        RETURNING 1
    )
    SELECT count(*) FROM gone
"""


async def delete_worn_tokens(connection: Connection, most: int, lifetime_seconds: float) -> int:
    """Delete tokens that were used long ago; return how many."""
    count: int = await connection.fetchval(DELETE_WORN_TOKENS, most, lifetime_seconds)
    return count
