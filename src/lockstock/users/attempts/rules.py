"""How often something may be tried."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from lockstock.users.rules import Identifier, UserLimits, digest, network_of

FAILURES_SECONDS = 900
CODES_SECONDS = 900
ADDRESS_SECONDS = 60


@dataclass(frozen=True)
class Limit:
    """At most `most` in `seconds`, from the first one on. `key` is whose, hashed."""

    kind: str
    key: bytes
    most: int
    seconds: int


@dataclass(frozen=True)
class Attempts:
    """How many there were, and when the count starts again."""

    count: int
    ends_at: datetime


def seconds_to_wait(attempts: Attempts | None, limit: Limit, now: datetime) -> int:
    """Return 0 while one more may be tried, else the whole seconds until it may."""
    if attempts is None or attempts.ends_at <= now or attempts.count < limit.most:
        return 0
    return math.ceil((attempts.ends_at - now).total_seconds())


def one_more(attempts: Attempts | None, limit: Limit, now: datetime) -> Attempts:
    """Count one more. The first opens the window, the others leave its end where it is."""
    if attempts is None or attempts.ends_at <= now:
        return Attempts(1, now + timedelta(seconds=limit.seconds))
    return Attempts(attempts.count + 1, attempts.ends_at)


class Limits:
    """Which attempts are limited, and how."""

    def __init__(self, limits: UserLimits) -> None:
        self._limits = limits

    def passwords(self, identity: Identifier) -> Limit:
        """Wrong passwords for an identity, somebody's or nobody's."""
        return self._of("password", self._limits.failures_per_identity, FAILURES_SECONDS, *identity)

    def changes(self, user_id: UUID) -> Limit:
        """Wrong current passwords when a user sets another one."""
        return self._of("change", self._limits.failures_per_identity, FAILURES_SECONDS, user_id.hex)

    def guesses(self, identity: Identifier, *whose: str) -> Limit:
        """Wrong codes for an identity. Apart from passwords: who is locked out may use the other.

        `whose` tells those apart who try to prove that it is theirs.
        """
        most = self._limits.failures_per_identity
        return self._of("guess", most, FAILURES_SECONDS, *identity, *whose)

    def codes(self, identity: Identifier) -> Limit:
        """Codes sent to an identity, whatever for."""
        return self._of("code", self._limits.codes_per_identity, CODES_SECONDS, *identity)

    def letters(self, identity: Identifier) -> Limit:
        """Letters that an identity did not ask for. Apart from codes: these must not stop those."""
        return self._of("letter", self._limits.codes_per_identity, CODES_SECONDS, *identity)

    def address(self, address: str) -> Limit:
        """Failures and codes of a network address."""
        most = self._limits.failures_per_address
        return self._of("address", most, ADDRESS_SECONDS, network_of(address))

    def _of(self, kind: str, most: int, seconds: int, *whose: str) -> Limit:
        return Limit(kind, digest(self._limits.secret, "attempts", kind, *whose), most, seconds)
