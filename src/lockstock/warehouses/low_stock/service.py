"""Low stock: compared with the threshold, remembered, told of once per crossing."""

from datetime import datetime
from uuid import UUID

from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.nouns import Page
from lockstock.kernel.outbox import write_events
from lockstock.kernel.paging import Cursors
from lockstock.warehouses.low_stock import rules, store
from lockstock.warehouses.low_stock.contract import Freed, Look, LowStock, LowStockList

FIRST = UUID(int=0)


class LowStockService:
    """What is low in the shops of a database."""

    def __init__(self, database: Database, cursors: Cursors) -> None:
        self.database = database
        self._cursors = cursors

    @reading
    async def freed(
        self, connection: Connection, shop_id: UUID, since: datetime | None, most: int
    ) -> Freed:
        """Name up to `most` variants of which a hold came due after `since`."""
        return await store.freed(connection, shop_id, since, most)

    @transaction
    async def look(self, connection: Connection, shop_id: UUID, ask: Look) -> bool:
        """Compare, remember, and tell of each crossing. False for a look that knew too little."""
        await store.ensure_look(connection, shop_id)
        # One look at a shop at a time, and what is there is read with the lock held: else of two
        # the one with the older numbers could have the last word.
        known = await store.lock_look(connection, shop_id)
        if known > ask.sequence:
            return False
        if known < ask.sequence:
            await store.set_look(connection, shop_id, ask.sequence)
        standings = await store.standings(connection, shop_id, ask.variant_ids)
        before = await store.low_among(connection, shop_id, ask.variant_ids)
        found = rules.crossings(standings, before, ask.threshold)
        if found.low and ask.threshold is not None:
            await store.remember_low(connection, shop_id, ask.threshold, found.low)
        if found.risen:
            await store.forget_low(connection, shop_id, found.risen)
        await write_events(connection, "warehouses", shop_id, found.events)
        return True

    @reading
    async def due(self, connection: Connection, most: int) -> list[UUID]:
        """Return shops where something low may no longer be, as a hold on it came due."""
        return await store.due_low(connection, most)

    @reading
    async def due_variants(self, connection: Connection, shop_id: UUID, most: int) -> list[UUID]:
        """Return the variants of a shop for which that is so."""
        return await store.due_low_variants(connection, shop_id, most)

    @reading
    async def stocked(
        self, connection: Connection, shop_id: UUID, after: UUID, most: int
    ) -> list[UUID]:
        """Return variants that have or had stock, by id, those after one of them."""
        return await store.stocked(connection, shop_id, after, most)

    @reading
    async def low(self, connection: Connection, shop_id: UUID, ask: LowStockList) -> Page[LowStock]:
        """A page of what is low now, by variant."""
        scope = f"low-stock:{shop_id}"
        after = self._cursors.read(scope, ask.cursor)
        rows = await store.low_page(
            connection, shop_id, UUID(after[0]) if after else FIRST, ask.limit + 1
        )
        items, more = rows[: ask.limit], len(rows) > ask.limit
        key = [str(items[-1].variant_id)] if more else []
        return Page(items=items, next=self._cursors.write(scope, key) if more else None)
