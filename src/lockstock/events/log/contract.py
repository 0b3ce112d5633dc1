"""What the log of events offers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from lockstock.kernel.nouns import Noun
from lockstock.kernel.outbox import PendingEvent


class Event(Noun):
    """Something that has happened in a shop.

    `sequence` counts the events of the shop: 1, 2, 3 and no gap. `subject_id` is what it happened
    to: the events of one subject are in the order in which they happened. `occurred_at` is the
    database's time of the change.
    """

    id: UUID
    shop_id: UUID
    sequence: int
    kind: str
    subject_id: UUID
    data: dict[str, Any]
    occurred_at: datetime


class EventLog(Protocol):
    """The log of every shop. Each verb is one transaction, or one read."""

    async def append(self, shop_id: UUID, events: Sequence[PendingEvent]) -> int:
        """Add events in this order; return how many were new. One that is there stays as it is."""
        ...

    async def after(
        self, shop_id: UUID, sequence: int, limit: int, kinds: Sequence[str] | None = None
    ) -> list[Event]:
        """The events with a greater sequence, ascending; of these kinds only, where given.

        Whoever has read up to n never misses one that comes in at or below n later.
        """
        ...

    async def last(self, shop_id: UUID) -> int:
        """The sequence of the newest event; 0 where there is none."""
        ...

    async def find(self, shop_id: UUID, event_ids: Sequence[UUID]) -> dict[UUID, Event]:
        """Those of these events that are in the shop's log, by id."""
        ...
