"""Gathers concurrent calls of one verb into one call of its set-based form.

No timer: what is waiting is taken the moment the last batch of the shop has ended. Alone, a call
goes at once and pays nothing; among many, one transaction serves them all, and the variant that
everybody wants becomes the fast case: one lock, one row, many orders.

    class ReservationsService:
        @batched
        @transaction
        async def reserve(self, connection, shop_id, asks): ...

A caller sees no difference: `await service.reserve(shop_id, [ask])`. A server that stops waits for
the requests that are under way, and with them for their batches.
"""

import asyncio
import contextvars
import copy
import itertools
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, overload

from lockstock.kernel import telemetry
from lockstock.kernel.errors import Overloaded, Refusal, Unavailable

Key = TypeVar("Key", bound=Hashable)
Ask = TypeVar("Ask")
Answer = TypeVar("Answer")
Verb = Callable[[Any, Key, Sequence[Ask]], Coroutine[Any, Any, list[Answer]]]

# One batch is one transaction: with more, buyers wait longer and are not served faster.
MOST_PER_BATCH = 512
# Asks that wait in one shop and process. Who comes then is told at once to come back.
MOST_WAITING = 4096
# Who would wait for longer than this is told at once, too: most clients give up soon after.
PATIENCE_SECONDS = 10.0
# How much the last batch counts in the pace that waits are foretold by.
PACE_WEIGHT = 0.2


@dataclass(slots=True, eq=False)
class _Call(Generic[Ask, Answer]):
    """One call that waits: its asks stay together, in order."""

    asks: Sequence[Ask]
    answer: asyncio.Future[list[Answer]]
    came: float


@dataclass(slots=True)
class _Lane(Generic[Ask, Answer]):
    """The calls of one key. One batch is under way at a time."""

    waiting: deque[_Call[Ask, Answer]] = field(default_factory=deque)
    # Asks in `waiting`.
    size: int = 0
    running: asyncio.Task[None] | None = None
    # When the batch under way was begun.
    begun: float = 0.0
    # Of the batches before, whatever their size: most of it does not depend on that.
    seconds_per_batch: float = 0.0


class Batcher(Generic[Key, Ask, Answer]):
    """Gathers the calls of one verb, key by key: by the shop, for what writes.

    `verb(key, asks)` answers each ask in its place; a refusal is an answer. What it raises as a
    Refusal is the answer to the whole batch: the database is away, for example. On anything else
    the calls are run again one by one, so that a call that trips over a bug fails alone; verbs that
    write are idempotent by an id of the caller's, which makes that safe.
    """

    def __init__(
        self,
        name: str,
        verb: Callable[[Key, Sequence[Ask]], Awaitable[list[Answer]]],
        *,
        most_per_batch: int = MOST_PER_BATCH,
        most_waiting: int = MOST_WAITING,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._name = name
        self._verb = verb
        self._most_per_batch = most_per_batch
        self._most_waiting = most_waiting
        self._patience_seconds = patience_seconds
        self._lanes: dict[Key, _Lane[Ask, Answer]] = {}
        self._sizes = telemetry.BATCH_ASKS.labels(name)
        self._waits = telemetry.BATCH_WAITS.labels(name)

    async def __call__(self, key: Key, asks: Sequence[Ask]) -> list[Answer]:
        """Wait for the answers to these asks. Raises Overloaded, and what the verb raises.

        Whoever is cancelled while waiting is not run. Once its batch is under way it is done
        nevertheless, as it would be if the answer were lost on its way.
        """
        if not asks:
            return []
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
        self._check_load(lane, len(asks))
        call = _Call(asks, asyncio.get_running_loop().create_future(), time.monotonic())
        lane.waiting.append(call)
        lane.size += len(asks)
        if lane.running is None:
            # In a context of its own: what is bound to the log belongs to one request, not to all.
            lane.running = asyncio.get_running_loop().create_task(
                self._drain(key, lane), context=contextvars.Context()
            )
        try:
            return await call.answer
        except asyncio.CancelledError:
            if call in lane.waiting:
                lane.waiting.remove(call)
                lane.size -= len(asks)
            raise

    def _check_load(self, lane: _Lane[Ask, Answer], more: int) -> None:
        wait = lane.seconds_per_batch * (lane.size // self._most_per_batch + 1)
        if lane.begun:
            # A batch that hangs says more than those before it.
            wait = max(wait, time.monotonic() - lane.begun)
        # A call alone may be longer than the queue: it is for the verb to refuse, not for us.
        if (lane.size and lane.size + more > self._most_waiting) or wait > self._patience_seconds:
            telemetry.BATCH_REFUSED.labels(self._name).inc()
            raise Overloaded(
                "More is asked for than can be done. Nothing was done.",
                retry_after_seconds=max(1, math.ceil(wait)),
            )

    async def _drain(self, key: Key, lane: _Lane[Ask, Answer]) -> None:
        try:
            while calls := self._take(lane):
                lane.begun = time.monotonic()
                await self._run(key, calls)
                _note_pace(lane)
        except BaseException:
            _refuse(lane.waiting, Unavailable("This process is stopping. Nothing was done."))
            lane.waiting.clear()
            lane.size = 0
            raise
        finally:
            lane.running = None
            lane.begun = 0.0
            if not lane.waiting:
                # A shop where nobody buys costs nothing. The next call makes another lane.
                self._lanes.pop(key, None)

    def _take(self, lane: _Lane[Ask, Answer]) -> list[_Call[Ask, Answer]]:
        """Take what waits, oldest first, up to the most of a batch; at least one call."""
        calls: list[_Call[Ask, Answer]] = []
        size = 0
        now = time.monotonic()
        while lane.waiting and (
            not calls or size + len(lane.waiting[0].asks) <= self._most_per_batch
        ):
            call = lane.waiting.popleft()
            lane.size -= len(call.asks)
            if call.answer.done():
                continue
            self._waits.observe(now - call.came)
            size += len(call.asks)
            calls.append(call)
        if calls:
            self._sizes.observe(size)
        return calls

    async def _run(self, key: Key, calls: list[_Call[Ask, Answer]]) -> None:
        try:
            await self._answer(key, calls)
        except asyncio.CancelledError:
            _refuse(calls, Unavailable("This process is stopping. The same key finds out."))
            raise
        except Refusal as refusal:
            _refuse(calls, refusal)
        except Exception as error:
            await self._run_apart(key, calls, error)
        except BaseException as end:
            # Not to be survived. But nobody is left waiting for it.
            for call in calls:
                _fail(call, end)
            raise

    async def _answer(self, key: Key, calls: Sequence[_Call[Ask, Answer]]) -> None:
        asks = [ask for call in calls for ask in call.asks]
        answers = iter(await self._verb(key, asks))
        shares = [list(itertools.islice(answers, len(call.asks))) for call in calls]
        if len(shares[-1]) < len(calls[-1].asks) or next(answers, None) is not None:
            msg = f"{self._name} gave another number of answers than it was asked for"
            raise RuntimeError(msg)
        for call, share in zip(calls, shares, strict=True):
            if not call.answer.done():
                call.answer.set_result(share)

    async def _run_apart(self, key: Key, calls: list[_Call[Ask, Answer]], error: Exception) -> None:
        """Run the calls of a failed batch one by one: the bug of one is not that of the others."""
        if len(calls) == 1:
            _fail(calls[0], error)
            return
        telemetry.BATCH_APART.labels(self._name).inc()
        telemetry.log().warning("batch_taken_apart", verb=self._name, error=repr(error))
        for number, call in enumerate(calls):
            try:
                await self._answer(key, [call])
            except asyncio.CancelledError:
                _refuse(calls[number:], Unavailable("This process is stopping."))
                raise
            except Exception as own:
                _fail(call, own)

    def __len__(self) -> int:
        """How many keys have calls that wait or are under way."""
        return len(self._lanes)


def _note_pace(lane: _Lane[Ask, Answer]) -> None:
    seconds = time.monotonic() - lane.begun
    before = lane.seconds_per_batch or seconds
    lane.seconds_per_batch = before + PACE_WEIGHT * (seconds - before)


def _refuse(calls: Iterable[_Call[Ask, Answer]], refusal: Refusal) -> None:
    for call in calls:
        # One each: the traceback of an exception grows with every task that raises it.
        _fail(call, copy.copy(refusal))


def _fail(call: _Call[Ask, Answer], error: BaseException) -> None:
    if not call.answer.done():
        call.answer.set_exception(error)


class batched(Generic[Key, Ask, Answer]):  # noqa: N801 (a decorator, named as one)
    """Gather concurrent calls of a set-based verb: see the top of this module.

    Each service that has the verb gets a Batcher of its own when it is first called.
    """

    def __init__(self, verb: Verb[Key, Ask, Answer]) -> None:
        self._verb = verb
        self.__doc__ = verb.__doc__
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        """Remember the name, which is the verb's in the metrics."""
        self._name = name

    @overload
    def __get__(self, service: None, owner: type) -> "batched[Key, Ask, Answer]": ...
    @overload
    def __get__(self, service: object, owner: type) -> Batcher[Key, Ask, Answer]: ...
    def __get__(
        self, service: object | None, owner: type
    ) -> "batched[Key, Ask, Answer] | Batcher[Key, Ask, Answer]":
        """Give the batcher of this service; it is kept on it under the name of the verb."""
        if service is None:
            return self
        batcher = Batcher(self._name, self._verb.__get__(service))
        service.__dict__[self._name] = batcher
        return batcher
