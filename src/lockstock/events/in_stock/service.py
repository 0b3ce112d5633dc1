"""The watch on what is on hand: behind the log of events, so that nobody waits for it.

Any number of processes may watch. Products knows what to do with what it is told to look at; here
is only what that is.
"""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from lockstock.events.in_stock import store
from lockstock.events.in_stock.store import Cursor, Moved
from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.errors import Refusal
from lockstock.kernel.telemetry import log

# Shops that one round looks at, and products that are due in any of them.
MOST_SHOPS = 200
MOST_DUE = 500
# Events read at once. With more variants than this in them, all of the shop is looked at.
MOST_EVENTS = 1_000
MOST_VARIANTS = 5_000

FIRST = UUID(int=0)


class Marks(Protocol):
    """What the watch needs of products. To look once more than needed is harmless."""

    async def look(self, shop_id: UUID, variant_ids: Sequence[UUID]) -> None:
        """Look at what is on hand of the products of these variants."""
        ...

    async def look_at_all(self, shop_id: UUID) -> None:
        """Look at all products of a shop."""
        ...

    async def look_at_due(self, most: int) -> int:
        """Look at up to `most` products that it is time to look at; return how many."""
        ...


class InStockWatcher:
    """Watches what is on hand in all shops."""

    def __init__(self, database: Database, marks: Marks) -> None:
        self.database = database
        self._marks = marks
        self._place = FIRST

    async def run_once(self) -> int:
        """Look at what has moved, and at what is due; return how many, if there may be more."""
        fresh = await self._next_cursors()
        read = [
            (cursor.shop_id, cursor.last) for cursor in fresh if await self._read_or_left(cursor)
        ]
        if read:
            await self._save(read)
        due = await self._marks.look_at_due(MOST_DUE)
        return len(read) if len(fresh) == MOST_SHOPS else due if due == MOST_DUE else 0

    async def _next_cursors(self) -> list[Cursor]:
        """Return those of the next shops with news: all have their turn, however busy some are."""
        found = await self._cursors(self._place)
        if not found and self._place != FIRST:
            found = await self._cursors(FIRST)
        self._place = found[-1].shop_id if len(found) == MOST_SHOPS else FIRST
        return found

    async def _read_or_left(self, cursor: Cursor) -> bool:
        try:
            await self._read(cursor)
        except Refusal:
            raise
        except Exception:
            # What is wrong in one shop must not keep the others waiting.
            log().exception("in_stock_left_for_later", shop=str(cursor.shop_id))
            return False
        return True

    async def _read(self, cursor: Cursor) -> None:
        variant_ids = None if cursor.sequence is None else await self._all_moved(cursor)
        if variant_ids is None:
            await self._marks.look_at_all(cursor.shop_id)
        elif variant_ids:
            await self._marks.look(cursor.shop_id, sorted(variant_ids))

    async def _all_moved(self, cursor: Cursor) -> set[UUID] | None:
        """Return what the log says has moved; None: anything may have."""
        moved: set[UUID] = set()
        after = cursor.sequence or 0
        while after < cursor.last:
            news = await self._moved(cursor, after)
            if news.variant_ids is None:
                return None
            moved |= news.variant_ids
            if len(moved) > MOST_VARIANTS:
                return None
            after = news.sequence
        return moved

    @reading
    async def _cursors(self, connection: Connection, after: UUID) -> list[Cursor]:
        return await store.cursors_with_news(connection, after, MOST_SHOPS)

    @reading
    async def _moved(self, connection: Connection, cursor: Cursor, after: int) -> Moved:
        return await store.moved(connection, cursor, after, MOST_EVENTS)

    @transaction
    async def _save(self, connection: Connection, read: Sequence[tuple[UUID, int]]) -> None:
        await store.save_cursors(connection, read)
