"""The one who looks at a shop for all who watch it in this process, as long as somebody does."""

import asyncio
from collections.abc import Sequence
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
from lockstock.events.stream.rules import Seen
from lockstock.events.stream.store import News
from lockstock.events.stream.subscription import Subscription
from lockstock.events.stream.words import Turned, Words
from lockstock.kernel import telemetry
from lockstock.kernel.errors import Refusal
from lockstock.warehouses.low_stock.contract import LowStockWatch
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
# Variants whose words are read and remembered for those who watch a whole shop that hides numbers.
MOST_WORDS = 10_000
# Variants in one question to another service.
AT_ONCE = 500
FIRST = UUID(int=0)


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
        # Whether the settings are others than those by which readers were told so far.
        self._anew = False
        self._words = Words()

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
        await self._settle(news)
        changed = news.variant_ids | set(freed.variant_ids)
        too_many = news.anything or freed.more or len(changed) > MOST_VARIANTS
        everything = self._anew or too_many
        wanted: Wanted = {
            each: each.concerned(set(changed), everything=everything) for each in self._members
        }
        for each in newcomers:
            wanted[each] = await self._missed(each, self._sequence, changed)
        stocked = await self._stocked(newcomers, everything=everything)
        await self._tell(wanted, newcomers, stocked, (news.sequence, freed.until))
        self._sequence, self._until = news.sequence, freed.until

    async def _settle(self, news: News) -> None:
        """Learn the shop's settings, and whether all may be told of otherwise from now on."""
        if self._settings is not None and SHOP_CHANGED not in news.kinds:
            return
        before = self._settings
        self._settings = await self._sources.shops.get(self._shop_id)
        now = self._settings
        is_other = before is not None and (before.hide_exact, before.low_stock_threshold) != (
            now.hide_exact,
            now.low_stock_threshold,
        )
        if is_other:
            # The same word may stand for another number now, or for one that was told before.
            self._words.forget()
            self._anew = True

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
        # Where numbers are hidden an id says nothing, as what changed since would be told whatever
        # its word was before.
        after = None if self._hides(newcomer) else rules.place_of(watch.last_event_id)
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

    async def _stocked(
        self, newcomers: Sequence[Subscription], *, everything: bool
    ) -> list[UUID] | None:
        """Return what must be read for the words of the whole shop; None: nothing more than usual.

        At most one more than can be remembered.
        """
        is_whole_watched = any(
            self._hides(each) and each.watch.variant_ids is None
            for each in (*self._members, *newcomers)
        )
        if not is_whole_watched:
            if self._words.is_whole is not None:
                self._words.forget(self._named())
            return None
        if self._words.is_whole is not None and not everything:
            return None
        return await self._sources.low_stock.stocked(self._shop_id, FIRST, MOST_WORDS + 1)

    async def _tell(
        self,
        wanted: Wanted,
        newcomers: Sequence[Subscription],
        stocked: Sequence[UUID] | None,
        place: tuple[int, datetime],
    ) -> None:
        """Tell all readers. `place`: in the log and by the clock, up to where was looked."""
        sequence, until = place
        asked = {variant_id for ids in wanted.values() for variant_id in ids or ()}
        if stocked is not None and len(stocked) <= MOST_WORDS:
            asked.update(stocked)
        states = await self._states(sorted(asked), until)
        was_whole = self._words.is_whole is True
        turned = self._learn(states, stocked)
        is_whole = was_whole and self._words.is_whole is True
        for each, ids in wanted.items():
            hidden = self._hides(each)
            told = ids
            if each in newcomers:
                if each not in self._newcomers:
                    continue
                self._newcomers.remove(each)
                self._members.add(each)
                each.begin(self._given_to(each, sequence), hidden=hidden)
            elif hidden and not self._anew and (ids is not None or is_whole):
                # Whyever it was read: in the next look it is no other word any more.
                is_known = is_whole or each.watch.variant_ids is not None
                differing = turned.other | turned.new if is_known else turned.other
                told = each.concerned(differing, everything=False)
            if told is None:
                each.reset(sequence, hidden=hidden)
                continue
            each.offer([states[key] for key in told if key in states], sequence, hidden=hidden)
        self._anew = False

    def _learn(self, states: dict[UUID, Seen], stocked: Sequence[UUID] | None) -> Turned:
        """Remember the words that customers are told; say what has another one now."""
        if self._settings is None or not self._settings.hide_exact:
            return Turned(set(), set())
        is_too_much = stocked is not None and len(stocked) > MOST_WORDS
        if is_too_much:
            # Not all that changes was read: with an old word the next change would be told wrongly.
            self._words.forget(self._named())
        turned = self._words.take(states.values())
        if stocked is not None:
            self._words.is_whole = not is_too_much
        if len(self._words) > MOST_WORDS:
            is_tried = self._words.is_whole is not None
            self._words.forget(self._named())
            self._words.is_whole = False if is_tried else None
        return turned

    def _named(self) -> set[UUID]:
        """Return what is watched by name."""
        readers = (*self._members, *self._newcomers)
        return {key for each in readers for key in each.watch.variant_ids or ()}

    def _given_to(self, newcomer: Subscription, sequence: int) -> int:
        """Return up to where a newcomer knows what happened."""
        event_id = newcomer.watch.last_event_id
        if event_id is None:
            return sequence
        after = rules.place_of(event_id)
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
