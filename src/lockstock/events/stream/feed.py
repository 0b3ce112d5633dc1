"""The one who looks at a shop for all who watch it in this process, as long as somebody does."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from lockstock.events.stream import rules
from lockstock.events.stream.contract import (
    SHOP_CHANGED,
    Catalogue,
    ShopsWithSettings,
    StockSettings,
)
from lockstock.events.stream.places import Places
from lockstock.events.stream.rules import Seen
from lockstock.events.stream.store import News
from lockstock.events.stream.subscription import Subscription
from lockstock.kernel import telemetry
from lockstock.kernel.errors import Refusal
from lockstock.warehouses.low_stock.contract import AvailabilityGrade, Freed, LowStockWatch
from lockstock.warehouses.stock.contract import Stock

PAUSE_SECONDS = 0.25
# The share of its time that a feed rests: one that takes long must not take all the connections.
REST = 4
AFTER_A_FAULT_SECONDS = 5.0
# Events that one look reads, and that a stream may have missed.
MOST_EVENTS = 1_000
MOST_MISSED = 5_000
# With more variants than this, the reader loads the list anew instead.
MOST_VARIANTS = 1_000
# Of which it is remembered what customers were told, in a shop that hides its numbers.
MOST_GRADES = 10_000
# Variants in one question to another service.
AT_ONCE = 500


class Log(Protocol):
    """What a feed reads of the log of events."""

    async def last(self, shop_id: UUID) -> int:
        """The sequence of the newest event."""
        ...

    async def news(self, shop_id: UUID, after: int, most: int) -> News:
        """What up to `most` events after one say."""
        ...

    async def happened_at(self, shop_id: UUID, sequence: int) -> datetime:
        """When an event happened."""
        ...


@dataclass(frozen=True)
class Sources:
    """Where a feed looks. `turns` bounds how many feeds do at a time."""

    log: Log
    low_stock: LowStockWatch
    stock: Stock
    catalogue: Catalogue
    shops: ShopsWithSettings
    places: Places
    turns: asyncio.Semaphore


# What each reader is to be told of; None: to load all anew.
Wanted = dict[Subscription, set[UUID] | None]


class Feed:
    """Looks at one shop, and hands what changed to its subscriptions."""

    def __init__(self, shop_id: UUID, sources: Sources) -> None:
        self._shop_id = shop_id
        self._sources = sources
        self._members: set[Subscription] = set()
        self._newcomers: list[Subscription] = []
        self._woken = asyncio.Event()
        # Up to where was looked: in the log, and by the clock.
        self._sequence: int | None = None
        self._until: datetime | None = None
        self._settings: StockSettings | None = None
        self._grades: OrderedDict[UUID, AvailabilityGrade] = OrderedDict()

    @property
    def is_watched(self) -> bool:
        """Whether there is anybody to look for."""
        return bool(self._members or self._newcomers)

    def join(self, subscription: Subscription) -> None:
        """Let somebody watch; the next look is at once, and also for them."""
        self._newcomers.append(subscription)
        self._woken.set()

    def leave(self, subscription: Subscription) -> None:
        """Let somebody go."""
        self._members.discard(subscription)
        self._newcomers = [each for each in self._newcomers if each is not subscription]
        self._woken.set()

    async def run(self) -> None:
        """Look again and again, until nobody watches."""
        clock = asyncio.get_running_loop().time
        while self.is_watched:
            self._woken.clear()
            pause = PAUSE_SECONDS
            try:
                async with self._sources.turns:
                    started = clock()
                    await self.look()
                pause = max(pause, REST * (clock() - started))
            except Refusal as refusal:
                telemetry.log().warning("stream_put_off", reason=refusal.detail)
            except Exception:
                # The next look goes on where this one began: nothing is lost by it.
                telemetry.log().exception("stream_failed", shop=str(self._shop_id))
                pause = AFTER_A_FAULT_SECONDS
            await self._rest(pause)

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return

    async def look(self) -> None:
        """Look once: what is new since the last look, and what newcomers have missed."""
        newcomers = list(self._newcomers)
        if self._sequence is None:
            self._sequence = await self._sources.log.last(self._shop_id)
        news = await self._sources.log.news(self._shop_id, self._sequence, MOST_EVENTS)
        freed = await self._sources.low_stock.freed(self._shop_id, self._until, MOST_VARIANTS)
        everything = await self._settle(news)
        changed = news.variant_ids | set(freed.variant_ids)
        everything = everything or freed.more or len(changed) > MOST_VARIANTS
        wanted: Wanted = {
            each: each.concerned(set(changed), everything=everything) for each in self._members
        }
        for each in newcomers:
            wanted[each] = await self._missed(each, self._sequence, changed)
        await self._tell(wanted, newcomers, news, freed)
        self._sequence, self._until = news.sequence, freed.until

    async def _settle(self, news: News) -> bool:
        """Learn the shop's settings; whether any variant may be told of otherwise from now on."""
        if self._settings is not None and SHOP_CHANGED not in news.kinds:
            return news.anything
        before = self._settings
        self._settings = await self._sources.shops.get(self._shop_id)
        now = self._settings
        is_other = before is not None and (before.hide_exact, before.low_stock_threshold) != (
            now.hide_exact,
            now.low_stock_threshold,
        )
        if is_other:
            # The same word may stand for another number now, or for one that was told before.
            self._grades.clear()
        return is_other or news.anything

    async def _missed(
        self, newcomer: Subscription, sequence: int, changed: frozenset[UUID] | set[UUID]
    ) -> set[UUID] | None:
        """Return what a newcomer is to be told first; None: to load all anew."""
        watch = newcomer.watch
        if watch.variant_ids is not None:
            # All of what it asks for, since it is not much: so nothing of it can be missed.
            return set(watch.variant_ids)
        if watch.last_event_id is None:
            return set()
        after = self._sources.places.read(
            self._shop_id, watch.last_event_id, hidden=self._hides(newcomer)
        )
        if after is None or after > sequence:
            return None
        gap = await self._sources.log.news(self._shop_id, after, MOST_MISSED + 1)
        since = await self._sources.log.happened_at(self._shop_id, after)
        freed = await self._sources.low_stock.freed(self._shop_id, since, MOST_VARIANTS)
        missed = {*gap.variant_ids, *freed.variant_ids, *changed}
        is_too_much = gap.count > MOST_MISSED or freed.more or len(missed) > MOST_VARIANTS
        if is_too_much or gap.anything or SHOP_CHANGED in gap.kinds:
            return None
        return missed

    async def _tell(
        self, wanted: Wanted, newcomers: Sequence[Subscription], news: News, freed: Freed
    ) -> None:
        asked = {variant_id for ids in wanted.values() for variant_id in ids or ()}
        states = await self._states(sorted(asked), freed.until)
        same = self._told_before(states.values())
        for each, ids in wanted.items():
            hidden = self._hides(each)
            is_new = each in newcomers
            if is_new:
                if each not in self._newcomers:
                    continue
                self._newcomers.remove(each)
                self._members.add(each)
                each.begin(self._given_to(each, news.sequence), hidden=hidden)
            if ids is None:
                each.reset(news.sequence, hidden=hidden)
                continue
            # Who sees no numbers must not see either how often they change.
            skipped = same if hidden and not is_new else frozenset()
            each.offer(
                [states[key] for key in ids if key in states and key not in skipped],
                news.sequence,
                hidden=hidden,
            )

    def _given_to(self, newcomer: Subscription, sequence: int) -> int:
        """Return up to where a newcomer knows what happened."""
        event_id = newcomer.watch.last_event_id
        if event_id is None:
            return sequence
        places = self._sources.places
        after = places.read(self._shop_id, event_id, hidden=self._hides(newcomer))
        return sequence if after is None else min(after, sequence)

    def _hides(self, subscription: Subscription) -> bool:
        settings = self._settings
        return settings is not None and settings.hide_exact and not subscription.watch.exact

    async def _states(self, asked: Sequence[UUID], at: datetime) -> dict[UUID, Seen]:
        settings = self._settings
        states: dict[UUID, Seen] = {}
        if settings is None:
            return states
        for start in range(0, len(asked), AT_ONCE):
            part = asked[start : start + AT_ONCE]
            published = await self._sources.catalogue.published(self._shop_id, part)
            for one in await self._sources.stock.availability(
                [(self._shop_id, variant_id) for variant_id in published]
            ):
                states[one.variant_id] = rules.seen(
                    one.variant_id,
                    one.available,
                    settings,
                    at,
                    published=published[one.variant_id],
                )
        return states

    def _told_before(self, states: Iterable[Seen]) -> set[UUID]:
        """Remember what each is now in a word; return those that were told of in this word."""
        same = set()
        for each in states:
            if not each.published:
                self._grades.pop(each.variant_id, None)
            elif self._grades.get(each.variant_id) == each.availability:
                same.add(each.variant_id)
            else:
                self._grades[each.variant_id] = each.availability
        while len(self._grades) > MOST_GRADES:
            self._grades.popitem(last=False)
        return same
