"""What a one-time code is worth."""

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lockstock.users.contract import Letter

Purpose = Literal["login", "identity", "reset"]

DIGITS = 6


@dataclass(frozen=True)
class KeptCode:
    """A code as it is kept, hashed. `tries` were wrong."""

    code_hash: bytes
    tries: int
    expires_at: datetime


def is_alive(code: KeptCode | None, most_tries: int, now: datetime) -> bool:
    """Whether the code may still be tried."""
    return code is not None and code.tries < most_tries and code.expires_at > now


def is_right(code: KeptCode, shown_hash: bytes) -> bool:
    """Whether this is the code, in a time that does not depend on how much of it is right."""
    return hmac.compare_digest(code.code_hash, shown_hash)


def digits_of(shown: str) -> str:
    """Return what was meant: people copy spaces along, and read 123 456."""
    return "".join(shown.split())


def letter(purpose: Purpose, code: str, seconds: int) -> Letter:
    """Write what is sent. The code comes first, where a phone's preview shows it."""
    minutes = max(1, seconds // 60)
    unit = "minute" if minutes == 1 else "minutes"
    what = {
        "login": "your Lockstock code",
        "identity": "your Lockstock code to confirm that this is you",
        "reset": "your Lockstock code to set a new password",
    }[purpose]
    text = (
        f"{code} is {what}. It is good once, for {minutes} {unit}. "
        "If you did not ask for it, do nothing, and tell it nobody."
    )
    return Letter(subject="Your Lockstock code", text=text)
