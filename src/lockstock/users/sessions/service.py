"""Sessions within the caller's transaction: open, exchange, end."""

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from lockstock.kernel import telemetry
from lockstock.kernel.access import AccessTokens, Actor
from lockstock.kernel.database import Connection
from lockstock.kernel.errors import Unauthenticated
from lockstock.kernel.ids import new_id
from lockstock.users import store as users
from lockstock.users.contract import (
    InvalidRefreshToken,
    NoSuchSession,
    Session,
    SessionPlace,
    Tokens,
)
from lockstock.users.sessions import store
from lockstock.users.sessions.rules import Origin, is_alive, worth
from lockstock.users.sessions.store import NewSession

TOKEN_BYTES = 32


class Sessions:
    """Opens sessions and keeps them going, each for `lifetime_seconds` after its last use."""

    def __init__(self, tokens: AccessTokens, lifetime_seconds: int) -> None:
        self._tokens = tokens
        self._lifetime = timedelta(seconds=lifetime_seconds)

    async def open(self, connection: Connection, user_id: UUID, origin: Origin) -> Tokens:
        """Open a session."""
        actor = Actor(
            user_id=user_id,
            session_id=new_id(),
            is_admin=await users.is_admin(connection, user_id),
        )
        now = await users.read_clock(connection)
        session = NewSession(actor.session_id, user_id, now, now + self._lifetime, origin)
        await store.open_session(connection, session)
        return await self._issue(connection, actor, now)

    async def refresh(
        self, connection: Connection, refresh_token: str, origin: Origin
    ) -> Tokens | InvalidRefreshToken:
        """Exchange a token. The refusal is returned, as what it did must be committed."""
        token_hash = _hash(refresh_token)
        token = await store.lock_token(connection, token_hash)
        session = None if token is None else await store.lock_session(connection, token.session_id)
        now = await users.read_clock(connection)
        judged = worth(token, session, now)
        if token is None or judged == "over":
            return InvalidRefreshToken("The refresh token is not valid, or no longer. Log in.")
        if judged == "reused":
            telemetry.log().warning(
                "refresh_token_reused", user=str(token.user_id), session=str(token.session_id)
            )
            await store.revoke_session(connection, token.session_id)
            return InvalidRefreshToken("The refresh token is not valid, or no longer. Log in.")
        await store.use_token(connection, token_hash, now)
        expires_at = now + self._lifetime
        await store.extend_session(connection, token.session_id, now, expires_at, origin)
        actor = Actor(
            user_id=token.user_id,
            session_id=token.session_id,
            is_admin=await users.is_admin(connection, token.user_id),
        )
        return await self._issue(connection, actor, now)

    async def end(self, connection: Connection, refresh_token: str) -> None:
        """End the session of a token, used or not."""
        session_id = await store.find_session_of_token(connection, _hash(refresh_token))
        if session_id is not None:
            await store.revoke_session(connection, session_id)

    async def end_one(self, connection: Connection, actor: Actor, session_id: UUID) -> None:
        """End one of the caller's sessions. Raises NoSuchSession."""
        await self.require(connection, actor)
        if not await store.end_session_of(connection, session_id, actor.user_id):
            raise NoSuchSession("You have no such session.")

    async def end_all(
        self, connection: Connection, user_id: UUID, *, but: UUID | None = None
    ) -> None:
        """End all sessions of a user, but one if it is given."""
        await store.end_sessions_but(connection, user_id, but)

    async def list_own(
        self, connection: Connection, actor: Actor, after: SessionPlace | None, limit: int
    ) -> list[Session]:
        """Return the caller's sessions that last, those used last first."""
        await self.require(connection, actor)
        return await store.list_sessions(connection, actor, after, limit)

    async def require(self, connection: Connection, actor: Actor) -> None:
        """Raise Unauthenticated when the session has ended, though the access token has not."""
        session = await store.find_session(connection, actor.session_id, actor.user_id)
        if not is_alive(session, await users.read_clock(connection)):
            raise Unauthenticated("The session has ended. Log in.")

    async def sweep(self, connection: Connection, most: int) -> int:
        """Delete what is over, at most so many of each; return how many rows."""
        ended = await store.delete_ended_sessions(connection, most)
        seconds = self._lifetime.total_seconds()
        return ended + await store.delete_worn_tokens(connection, most, seconds)

    async def _issue(self, connection: Connection, actor: Actor, now: datetime) -> Tokens:
        refresh_token = secrets.token_urlsafe(TOKEN_BYTES)
        await store.keep_token(
            connection, _hash(refresh_token), actor.session_id, actor.user_id, now
        )
        return Tokens(
            access_token=self._tokens.issue(actor),
            refresh_token=refresh_token,
            expires_in=self._tokens.lifetime_seconds,
        )


def _hash(refresh_token: str) -> bytes:
    return hashlib.sha256(refresh_token.encode()).digest()
