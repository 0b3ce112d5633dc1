"""The log of events: what is appended under one lock per shop is read without a gap."""

from collections.abc import Sequence
from uuid import UUID

from lockstock.events.log import store
from lockstock.events.log.contract import Event
from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.outbox import PendingEvent


class EventLogService:
    """The events of every shop."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @transaction
    async def append(
        self, connection: Connection, shop_id: UUID, events: Sequence[PendingEvent]
    ) -> int:
        """Add events in this order; return how many were new. One that is there stays as it is.

        The counter's lock is held until they are committed: n is never seen before n - 1.
        """
        last = await store.lock_counter(connection, shop_id)
        if last is None:
            await store.add_counter(connection, shop_id)
            last = await store.lock_counter(connection, shop_id) or 0
        return await store.add_events(connection, shop_id, last, events) - last

    @reading
    async def after(
        self,
        connection: Connection,
        shop_id: UUID,
        sequence: int,
        limit: int,
        kinds: Sequence[str] | None = None,
    ) -> list[Event]:
        """The events with a greater sequence, ascending; of these kinds only, where given."""
        if kinds is None:
            return await store.events_after(connection, shop_id, sequence, limit)
        return await store.events_of_kinds_after(connection, shop_id, sequence, limit, kinds)

    @reading
    async def last(self, connection: Connection, shop_id: UUID) -> int:
        """The sequence of the newest event; 0 where there is none."""
        return await store.last_sequence(connection, shop_id)

    @reading
    async def find(
        self, connection: Connection, shop_id: UUID, event_ids: Sequence[UUID]
    ) -> dict[UUID, Event]:
        """Those of these events that are in the shop's log, by id."""
        return await store.find_events(connection, shop_id, event_ids)
