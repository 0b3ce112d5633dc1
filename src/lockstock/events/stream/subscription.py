"""One open stream: what is still to be said to its reader, however slow that reader is."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from uuid import UUID

from lockstock.events.stream import rules
from lockstock.events.stream.contract import Watch
from lockstock.events.stream.rules import Seen

HEARTBEAT_SECONDS = 15.0
# Written at once: until the reader has taken them, what comes meanwhile replaces what waits.
AT_ONCE = 50
# More variants than this do not wait for a reader: it is told to load them anew.
MOST_WAITING = 2_000


class Subscription:
    """What waits for a reader: the newest state of each variant, once."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self._hidden = False
        self._waiting: dict[UUID, Seen] = {}
        self._reset = False
        self._ended = asyncio.Event()
        # All up to here was given to the reader, and up to there it is known what to give.
        self._given: int | None = None
        self._known = 0
        self._woken = asyncio.Event()

    def __len__(self) -> int:
        """How many variants wait for the reader."""
        return len(self._waiting)

    def concerned(self, changed: set[UUID], *, everything: bool) -> set[UUID] | None:
        """Say which variants this reader is to be told of; None: to load all anew."""
        if self.watch.variant_ids is not None:
            return set(self.watch.variant_ids) if everything else changed & self.watch.variant_ids
        return None if everything else changed

    def begin(self, given: int, *, hidden: bool) -> None:
        """Let the stream begin: all up to `given` is known to its reader."""
        self._given = self._known = given
        self._hidden = hidden
        self._woken.set()

    def offer(self, states: Iterable[Seen], known: int, *, hidden: bool) -> None:
        """Give states that are newer than what waits. With them all up to `known` is told."""
        self._waiting |= {
            each.variant_id: each for each in states if each.published or self.watch.exact
        }
        self._known = known
        self._hidden = hidden
        if len(self._waiting) > MOST_WAITING:
            self.reset(known, hidden=hidden)
        elif self._waiting:
            self._woken.set()

    def reset(self, known: int, *, hidden: bool) -> None:
        """Give up on telling each change: the reader is to load all anew."""
        self._waiting.clear()
        self._reset = True
        self._known = known
        self._hidden = hidden
        self._woken.set()

    def end(self) -> None:
        """Let the stream end when what waits has been taken."""
        self._ended.set()
        self._woken.set()

    async def ended_within(self, seconds: float) -> bool:
        """Wait for the end of the stream, but not longer than this; whether it has ended."""
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    async def texts(self) -> AsyncIterator[bytes]:
        """Write out the stream. Between two parts of it the reader may take its time."""
        while self._given is None and not self._ended.is_set():
            if await self._waited():
                self._woken.clear()
            else:
                yield rules.heartbeat(None)
        if self._given is not None:
            yield rules.ready(self._id())
            self._woken.set()
        while self._given is not None:
            if not await self._waited():
                if not self._waiting:
                    self._given = self._known
                yield rules.heartbeat(self._id())
                continue
            self._woken.clear()
            while text := self._next():
                yield text
            if self._ended.is_set():
                return

    async def _waited(self) -> bool:
        """Wait for something to say; False where there was nothing for a while."""
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await self._woken.wait()
        except TimeoutError:
            return False
        return True

    def _next(self) -> bytes:
        if self._reset:
            self._reset = False
            self._given = self._known
            return rules.reset(self._id())
        taken = [self._waiting.pop(key) for key in list(self._waiting)[:AT_ONCE]]
        if not taken:
            self._given = self._known
            return b""
        # Who is cut off after the first of them must be told of the others: only the last one
        # takes the reader further.
        texts = [rules.stock(self._data(each), self._id()) for each in taken[:-1]]
        if not self._waiting:
            self._given = self._known
        return b"".join([*texts, rules.stock(self._data(taken[-1]), self._id())])

    def _data(self, seen: Seen) -> str:
        return seen.hidden if self._hidden else seen.exact

    def _id(self) -> str:
        return rules.id_of(self._given or 0, hidden=self._hidden)
