"""What the verbs of users are made of."""

from dataclasses import dataclass

from lockstock.kernel.database import Database
from lockstock.users.attempts.rules import Limits
from lockstock.users.codes.service import Codes
from lockstock.users.hashing import Passwords
from lockstock.users.rules import UserLimits
from lockstock.users.senders.courier import Courier
from lockstock.users.sessions.service import Sessions


@dataclass(frozen=True)
class Parts:
    """The parts, each made once."""

    database: Database
    rules: UserLimits
    limits: Limits
    passwords: Passwords
    codes: Codes
    sessions: Sessions
    courier: Courier
