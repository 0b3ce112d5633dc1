"""What a refresh token is worth."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

Worth = Literal["good", "reused", "over"]


LONGEST_AGENT = 200


class Origin(NamedTuple):
    """Where a request comes from: the network address, and the program as it calls itself."""

    address: str | None
    user_agent: str | None


def origin_of(address: str | None, user_agent: str | None) -> Origin:
    """Return what is kept: anybody may send any name of a program, of any length."""
    if user_agent is None:
        return Origin(address, None)
    printable = "".join(c for c in user_agent[:LONGEST_AGENT] if c.isprintable()).strip()
    return Origin(address, printable or None)


@dataclass(frozen=True)
class KeptToken:
    """A refresh token as it is kept."""

    session_id: UUID
    user_id: UUID
    used_at: datetime | None


@dataclass(frozen=True)
class Session:
    """A session as it is kept."""

    expires_at: datetime
    revoked_at: datetime | None


def is_alive(session: Session | None, now: datetime) -> bool:
    """Whether the session lasts."""
    return session is not None and session.revoked_at is None and session.expires_at > now


def worth(token: KeptToken | None, session: Session | None, now: datetime) -> Worth:
    """Judge a refresh token. A used one of a session that lasts is in two hands."""
    if token is None or not is_alive(session, now):
        return "over"
    return "good" if token.used_at is None else "reused"
