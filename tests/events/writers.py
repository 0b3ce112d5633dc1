"""Writers of events and readers of the log, for tests."""

import asyncio
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from lockstock.events.log.contract import Event, EventLog
from lockstock.kernel.database import Connection, Database
from lockstock.kernel.ids import new_id
from lockstock.kernel.outbox import SCHEMAS, NewEvent, PendingEvent, Schema, write_events

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class GivenUp(Exception):
    """The writer has thought better of it."""


@dataclass
class Writer:
    """Tells what happens to subjects, each under the lock of a row of its own, as services do."""

    database: Database
    log: EventLog
    shop_id: UUID = field(default_factory=new_id)

    async def count_up(self, subject_id: UUID, upto: int, schema: Schema = "orders") -> None:
        """Tell 0, 1, 2 and so on of a subject, now and then failing on the way."""
        for number in range(upto):
            if random.random() < 0.2:
                await self._tell_number(subject_id, number, schema, fails=True)
            await self._tell_number(subject_id, number, schema, fails=False)
            await asyncio.sleep(random.random() * 0.004)

    async def _tell_number(
        self, subject_id: UUID, number: int, schema: Schema, *, fails: bool
    ) -> None:
        async def work(connection: Connection) -> None:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", hash(subject_id))
            event = NewEvent("order.paid", subject_id, {"number": number})
            await write_events(connection, schema, self.shop_id, [event])
            # Others write and commit before this one does, although they began later.
            await connection.execute("SELECT pg_sleep($1)", random.random() * 0.003)
            if fails:
                raise GivenUp

        try:
            await self.database.transaction(work)
        except GivenUp:
            assert fails

    async def read_all(self) -> list[Event]:
        """Read the whole log, page by page."""
        found: list[Event] = []
        while page := await self.log.after(self.shop_id, len(found), 50):
            found += page
        return found

    async def left(self) -> int:
        """Return how many events are in the outboxes, over all services."""

        async def work(connection: Connection) -> int:
            counts = [
                await connection.fetchval(f"SELECT count(*) FROM {schema}.outbox")  # noqa: S608
                for schema in SCHEMAS
            ]
            return sum(counts)

        return await self.database.read(work)


def pending(number: int = 0, **fields: Any) -> PendingEvent:
    """Make an event as it is in an outbox."""
    data = f'{{"number": {number}}}'
    made = PendingEvent("orders", new_id(), "order.paid", new_id(), data, NOON)
    return replace(made, **fields)
