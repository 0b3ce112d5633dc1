"""The watch on low stock: behind the log of events, so that no buyer waits for it.

Any number of processes may watch. What is low is remembered by warehouses, which tells of each
crossing once; here is only who is to be looked at.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Protocol
from uuid import UUID

from lockstock.events.low_stock import store
from lockstock.events.low_stock.store import Cursor
from lockstock.events.stream.store import News
from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.errors import Refusal
from lockstock.kernel.telemetry import log
from lockstock.warehouses.low_stock.contract import Look, LowStockWatch

# Shops that one round looks at, and variants that are compared in one transaction.
MOST_SHOPS = 200
AT_ONCE = 500
# Events read at once. With more variants than this in them, all of the shop is compared.
MOST_EVENTS = 1_000
MOST_VARIANTS = 5_000

FIRST = UUID(int=0)


class ShopWithThreshold(Protocol):
    """What the watch needs to know of a shop."""

    @property
    def id(self) -> UUID: ...

    @property
    def low_stock_threshold(self) -> int | None: ...


class ShopsWithThresholds(Protocol):
    """What the watch needs of shops."""

    async def get_many(self, shop_ids: list[UUID]) -> Sequence[ShopWithThreshold]:
        """The shops among these that exist."""
        ...


class LogOfWatch(Protocol):
    """What the watch reads of the log."""

    async def news(self, shop_id: UUID, after: int, most: int) -> News:
        """What up to `most` events after one say."""
        ...


class LowStockWatcher:
    """Watches the stock of all shops that have a threshold."""

    def __init__(
        self,
        database: Database,
        log: LogOfWatch,
        low_stock: LowStockWatch,
        shops: ShopsWithThresholds,
    ) -> None:
        self.database = database
        self._log = log
        self._low_stock = low_stock
        self._shops = shops
        self._place = FIRST

    async def run_once(self) -> int:
        """Look at the shops with something new; return how many, if there may be more of them."""
        fresh = await self._next_shops()
        due = await self._low_stock.due(MOST_SHOPS)
        shop_ids = sorted({*fresh, *due})
        if not shop_ids:
            return 0
        # The thresholds after the end of the log: an older one is never taken for a newer look.
        cursors = await self._cursors(shop_ids)
        shops = await self._shops.get_many(shop_ids)
        thresholds = {shop.id: shop.low_stock_threshold for shop in shops}
        watched: list[tuple[UUID, int, int | None]] = []
        for cursor in cursors:
            threshold = thresholds.get(cursor.shop_id)
            if await self._watched_or_left(cursor, threshold):
                watched.append((cursor.shop_id, cursor.last, threshold))
        if watched:
            await self._save(watched)
        return len(watched) if len(fresh) == MOST_SHOPS else 0

    async def _next_shops(self) -> list[UUID]:
        """Return the next shops with news: all have their turn, however busy some are."""
        found = await self._shops_with_news(self._place)
        if not found and self._place != FIRST:
            found = await self._shops_with_news(FIRST)
        self._place = found[-1] if len(found) == MOST_SHOPS else FIRST
        return found

    async def _watched_or_left(self, cursor: Cursor, threshold: int | None) -> bool:
        try:
            return await self._watched(cursor, threshold)
        except Refusal:
            raise
        except Exception:
            # What is wrong in one shop must not keep the others waiting.
            log().exception("low_stock_left_for_later", shop=str(cursor.shop_id))
            return False

    async def _watched(self, cursor: Cursor, threshold: int | None) -> bool:
        """Compare what is to be compared; False where another process knows more than this one."""
        is_other = cursor.settings_changed or cursor.threshold != threshold
        if threshold is None and not is_other:
            return True
        async for variant_ids in self._to_compare(cursor, threshold):
            look = Look(sequence=cursor.last, threshold=threshold, variant_ids=variant_ids)
            if not await self._low_stock.look(cursor.shop_id, look):
                return False
        return True

    async def _to_compare(self, cursor: Cursor, threshold: int | None) -> AsyncIterator[list[UUID]]:
        changed = None
        # Also where the threshold is as before: a process that had read another one at the same
        # place of the log may have had the last word.
        is_other = cursor.settings_changed or cursor.threshold != threshold
        if cursor.sequence is not None and not is_other:
            changed = await self._changed(cursor.shop_id, cursor.sequence, cursor.last)
        if changed is None:
            after = FIRST
            while part := await self._low_stock.stocked(cursor.shop_id, after, AT_ONCE):
                yield part
                after = part[-1]
            return
        due = await self._low_stock.due_variants(cursor.shop_id, MOST_VARIANTS)
        for part in _parts({*changed, *due}):
            yield part

    async def _changed(self, shop_id: UUID, after: int, last: int) -> set[UUID] | None:
        """Return what the log says has changed; None: anything may have."""
        changed: set[UUID] = set()
        while after < last:
            news = await self._log.news(shop_id, after, MOST_EVENTS)
            changed |= news.variant_ids
            if news.anything or len(changed) > MOST_VARIANTS or not news.count:
                return None
            after = news.sequence
        return changed

    @reading
    async def _shops_with_news(self, connection: Connection, after: UUID) -> list[UUID]:
        return await store.shops_with_news(connection, after, MOST_SHOPS)

    @reading
    async def _cursors(self, connection: Connection, shop_ids: Sequence[UUID]) -> list[Cursor]:
        return await store.cursors(connection, shop_ids)

    @transaction
    async def _save(
        self, connection: Connection, watched: Sequence[tuple[UUID, int, int | None]]
    ) -> None:
        await store.save_cursors(connection, watched)


def _parts(variant_ids: Collection[UUID]) -> list[list[UUID]]:
    in_order = sorted(variant_ids)
    return [in_order[start : start + AT_ONCE] for start in range(0, len(in_order), AT_ONCE)]
