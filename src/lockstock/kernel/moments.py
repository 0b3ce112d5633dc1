"""Moments in queries: RFC 3339 and nothing else. No number is taken for seconds or for a year."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_REFUSED = "is not a moment as in 2026-11-23T20:55:41Z (RFC 3339; in a query + is written %2B)"


def moment_of(typed: object) -> datetime:
    """Read a moment, in UTC. Raises ValueError for anything but RFC 3339 with a zone."""
    if not isinstance(typed, str) or not _RFC_3339.fullmatch(typed):
        raise ValueError(_REFUSED)
    try:
        return datetime.fromisoformat(typed.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        # There is no such day, or in UTC it is before the year 1.
        raise ValueError(_REFUSED) from None


Moment = Annotated[
    datetime,
    BeforeValidator(moment_of),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
