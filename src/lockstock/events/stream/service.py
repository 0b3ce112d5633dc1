"""Streams of stock: who may open one, and who looks for them."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from lockstock.events.stream import store
from lockstock.events.stream.contract import (
    Catalogue,
    ShopsWithSettings,
    TooManyStreams,
    Watch,
)
from lockstock.events.stream.feed import Feed, Sources
from lockstock.events.stream.store import News
from lockstock.events.stream.subscription import Subscription
from lockstock.kernel import telemetry
from lockstock.kernel.database import Connection, Database, reading
from lockstock.kernel.errors import Refusal, TooManyRequests
from lockstock.warehouses.low_stock.contract import LowStockWatch
from lockstock.warehouses.stock.contract import Stock

# Feeds that look at the same time: buyers need the connections more.
TURNS = 2
RETRY_AFTER_SECONDS = 10
# How soon open streams notice that the server is stopping.
LOOK_FOR_THE_END_SECONDS = 0.1
# How soon who works there no longer is seen to do so.
CHECK_SECONDS = 30.0

MaySee = Callable[[], Awaitable[bool]]


@dataclass(frozen=True)
class StreamLimits:
    """How many streams one process holds open: in all, and to one network address."""

    streams: int
    per_address: int


class LastOfLog(Protocol):
    """What streams need of the log itself."""

    async def last(self, shop_id: UUID) -> int:
        """The sequence of the newest event; 0 where there is none."""
        ...


@dataclass(frozen=True)
class StockSources:
    """The services that streams ask."""

    low_stock: LowStockWatch
    stock: Stock
    catalogue: Catalogue
    shops: ShopsWithSettings


class StreamsService:
    """The streams that this process holds open."""

    def __init__(
        self,
        database: Database,
        log: LastOfLog,
        sources: StockSources,
        limits: StreamLimits,
    ) -> None:
        self.database = database
        self._log = log
        self._shops = sources.shops
        self._limits = limits
        self._sources = Sources(
            log=self,
            low_stock=sources.low_stock,
            stock=sources.stock,
            catalogue=sources.catalogue,
            shops=sources.shops,
            turns=asyncio.Semaphore(TURNS),
        )
        self._open: set[Subscription] = set()
        self._addresses: Counter[str] = Counter()
        self._feeds: dict[UUID, Feed] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # Whether the server is stopping. It waits for open streams before it says so to anybody.
        self.stopping: Callable[[], bool] = lambda: False
        self._ended = False

    @property
    def count(self) -> int:
        """How many streams are open."""
        return len(self._open)

    async def open(self, watch: Watch, may_see: MaySee | None = None) -> Subscription:
        """Open a stream; `close` it, whatever happens.

        `may_see`: whether the reader may still see numbers; when not, the stream ends. Raises
        NotFound, TooManyStreams (this process), TooManyRequests (this address).
        """
        self._admit(watch)
        await self._shops.get(watch.shop_id)
        # Once more, as others came meanwhile; from here on nobody comes in between.
        self._admit(watch)
        subscription = Subscription(watch)
        if not self._open:
            self._start(self._look_for_the_end())
        if watch.exact and may_see is not None:
            self._start(self._check(subscription, may_see))
        self._open.add(subscription)
        self._addresses[watch.address] += 1
        feed = self._feeds.get(watch.shop_id)
        if feed is None:
            feed = self._feeds[watch.shop_id] = Feed(watch.shop_id, self._sources)
            feed.join(subscription)
            self._start(self._run(watch.shop_id, feed))
        else:
            feed.join(subscription)
        return subscription

    def close(self, subscription: Subscription) -> None:
        """Forget a stream. Harmless twice."""
        if subscription not in self._open:
            return
        subscription.end()
        self._open.discard(subscription)
        address = subscription.watch.address
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]
        if feed := self._feeds.get(subscription.watch.shop_id):
            feed.leave(subscription)

    async def last(self, shop_id: UUID) -> int:
        """The sequence of the newest event; 0 where there is none."""
        return await self._log.last(shop_id)

    @reading
    async def news(self, connection: Connection, shop_id: UUID, after: int, most: int) -> News:
        """What up to `most` events after one say."""
        return await store.news(connection, shop_id, after, most)

    @reading
    async def happened_at(self, connection: Connection, shop_id: UUID, sequence: int) -> datetime:
        """When an event happened; long ago where there is none of this number."""
        return await store.happened_at(connection, shop_id, sequence)

    def end(self) -> None:
        """Let every stream end, and open no more."""
        self._ended = True
        for subscription in self._open:
            subscription.end()

    async def stop(self) -> None:
        """End all streams, and all that looks for them."""
        self.end()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _admit(self, watch: Watch) -> None:
        if self._ended or self.stopping():
            raise TooManyStreams("This process is stopping.", retry_after_seconds=1)
        if len(self._open) >= self._limits.streams:
            raise TooManyStreams(
                f"This process has {self._limits.streams} streams open, and takes no more.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        if self._addresses[watch.address] >= self._limits.per_address:
            raise TooManyRequests(
                f"Your address has {self._limits.per_address} streams open, and gets no more.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, shop_id: UUID, feed: Feed) -> None:
        await feed.run()
        # No await since it looked whether anybody watches: nobody can have joined since.
        del self._feeds[shop_id]

    async def _check(self, subscription: Subscription, may_see: MaySee) -> None:
        """End the stream of somebody who no longer works there. They may open a customer's."""
        while not await subscription.ended_within(CHECK_SECONDS):
            try:
                if not await may_see():
                    subscription.end()
            except Refusal as refusal:
                telemetry.log().warning("stream_not_checked", reason=refusal.detail)

    async def _look_for_the_end(self) -> None:
        while self._open and not self._ended:
            if self.stopping():
                self.end()
            await asyncio.sleep(LOOK_FOR_THE_END_SECONDS)
