"""The relay: moves events from the outboxes of the services to the log.

Any number of processes may do this at once, and any of them may die at any point. Events are taken
from an outbox only after they are in the log, so none is lost; the log keeps each once, so none is
there twice.
"""

from collections.abc import Sequence
from uuid import UUID

from lockstock.events.log.contract import EventLog
from lockstock.kernel import outbox
from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.errors import Refusal
from lockstock.kernel.outbox import PendingEvent, Schema
from lockstock.kernel.telemetry import log

# Events of one shop that are moved at once.
BATCH = 500
# Shops that one round looks at in each outbox; the next round goes on after them.
MOST_SHOPS = 200

FIRST = UUID(int=0)


class Relay:
    """Moves events on a database."""

    def __init__(self, database: Database, event_log: EventLog) -> None:
        self.database = database
        self._log = event_log
        self._places: dict[Schema, UUID] = {}

    async def drain(self) -> int:
        """Move all that there is; return how many events."""
        moved = 0
        while now := await self.run_once():
            moved += now
        return moved

    async def run_once(self) -> int:
        """Move a batch of each shop that has something to tell; return how many events."""
        shops: dict[UUID, None] = {}
        for schema in outbox.SCHEMAS:
            shops |= dict.fromkeys(await self._next_shops(schema))
        return sum([await self._move_or_leave(shop_id) for shop_id in shops])

    async def _next_shops(self, schema: Schema) -> list[UUID]:
        after = self._places.get(schema, FIRST)
        shops = await self._shops(schema, after)
        if not shops and after != FIRST:
            shops = await self._shops(schema, FIRST)
        self._places[schema] = shops[-1] if len(shops) == MOST_SHOPS else FIRST
        return shops

    async def _move_or_leave(self, shop_id: UUID) -> int:
        try:
            return await self._move(shop_id)
        except Refusal:
            raise
        except Exception:
            # What one shop has to tell must not keep the others waiting.
            log().exception("events_left_for_later", shop=str(shop_id))
            return 0

    async def _move(self, shop_id: UUID) -> int:
        events = await self._pending(shop_id)
        if events:
            await self._log.append(shop_id, events)
            await self._delete(shop_id, events)
        return len(events)

    @reading
    async def _shops(self, connection: Connection, schema: Schema, after: UUID) -> list[UUID]:
        return await outbox.shops_with_events(connection, schema, after, MOST_SHOPS)

    @reading
    async def _pending(self, connection: Connection, shop_id: UUID) -> list[PendingEvent]:
        return await outbox.pending_events(connection, shop_id, BATCH)

    @transaction
    async def _delete(
        self, connection: Connection, shop_id: UUID, events: Sequence[PendingEvent]
    ) -> None:
        for schema in outbox.SCHEMAS:
            of_schema = [event for event in events if event.schema == schema]
            if of_schema:
                await outbox.delete_events(connection, schema, shop_id, of_schema)
