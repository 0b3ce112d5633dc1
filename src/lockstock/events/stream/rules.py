"""What a stream says, and to whom: pure decisions on plain values."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

from fastapi.sse import format_sse_event

from lockstock.events.stream.contract import StockSettings, StockState
from lockstock.warehouses.low_stock.contract import AvailabilityGrade, grade_of

# How long a client waits before it connects again.
RETRY_MILLISECONDS = 2_000
# The id of all events where numbers are hidden. A place in the log moves with each sale: even
# encrypted it would tell when something is sold. Not empty, as then clients would not send it back.
HIDDEN_ID = "hidden"


@dataclass(frozen=True)
class Seen:
    """What was seen of a variant in one look. It is written out once for all who watch."""

    variant_id: UUID
    published: bool
    available: int
    availability: AvailabilityGrade
    at: datetime

    @cached_property
    def exact(self) -> str:
        """As JSON, with the number."""
        return self._state(self.available).model_dump_json()

    @cached_property
    def hidden(self) -> str:
        """As JSON, without it."""
        return self._state(None).model_dump_json()

    def _state(self, available: int | None) -> StockState:
        return StockState(
            variant_id=self.variant_id,
            available=available,
            availability=self.availability,
            at=self.at,
        )


def seen(
    variant_id: UUID, available: int, settings: StockSettings, at: datetime, *, published: bool
) -> Seen:
    """Say what is seen of a variant in a shop with these settings."""
    grade = grade_of(available, settings.low_stock_threshold)
    return Seen(variant_id, published, available, grade, at)


def id_of(place: int, *, hidden: bool) -> str:
    """Write out a place in the log, as the id of an event."""
    return HIDDEN_ID if hidden else str(place)


def place_of(event_id: str) -> int | None:
    """Read the place that an id stands for; None for one that stands for none."""
    # No more digits than PostgreSQL's bigint surely takes.
    is_number = event_id.isascii() and event_id.isdigit() and len(event_id) <= 18
    return int(event_id) if is_number else None


def stock(data: str, event_id: str) -> bytes:
    """Write out what is available of a variant now."""
    return format_sse_event(event="stock", data_str=data, id=event_id)


def ready(event_id: str) -> bytes:
    """Write out where a stream begins."""
    return format_sse_event(event="ready", data_str="{}", id=event_id, retry=RETRY_MILLISECONDS)


def reset(event_id: str) -> bytes:
    """Write out that anything may have changed: the client is to load it anew."""
    return format_sse_event(event="reset", data_str="{}", id=event_id)


def heartbeat(event_id: str | None) -> bytes:
    """Write out that the stream lives. Without data it is no event: only its id is taken.

    None: the reader keeps the id that it has.
    """
    return format_sse_event(comment="alive", id=event_id)
