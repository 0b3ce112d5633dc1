"""The batcher: many concurrent calls become few, and nobody notices."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import pytest
import structlog

from lockstock.kernel.batcher import Batcher, batched
from lockstock.kernel.errors import Overloaded, Refusal, TooManyRequests, Unavailable
from lockstock.kernel.ids import new_id

SHOP = new_id()
OTHER_SHOP = new_id()


class Verb:
    """A set-based verb that remembers its calls, and ends each only when it is let."""

    def __init__(self, answer: Callable[[int], object] = lambda ask: ask * 10) -> None:
        self.calls: list[tuple[UUID, list[int]]] = []
        self.under_way = 0
        self.most_under_way = 0
        self.gate = asyncio.Event()
        self._answer = answer

    async def __call__(self, shop_id: UUID, asks: Sequence[int]) -> list[Any]:
        self.calls.append((shop_id, list(asks)))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.gate.wait()
            return [self._answer(ask) for ask in asks]
        finally:
            self.under_way -= 1

    @property
    def sizes(self) -> list[int]:
        return [len(asks) for _, asks in self.calls]


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def _start(
    batcher: Batcher[UUID, int, Any], *groups: Sequence[int], shop: UUID = SHOP
) -> list[Any]:
    return [asyncio.ensure_future(batcher(shop, group)) for group in groups]


async def test_a_lone_call_goes_at_once() -> None:
    verb = Verb()
    verb.gate.set()
    assert await Batcher("test", verb)(SHOP, [7]) == [70]
    assert verb.calls == [(SHOP, [7])]


async def test_no_asks_call_nothing() -> None:
    verb = Verb()
    assert await Batcher("test", verb)(SHOP, []) == []
    assert verb.calls == []


async def test_what_comes_meanwhile_is_one_batch() -> None:
    verb = Verb()
    batcher = Batcher("test", verb)
    first = _start(batcher, [0])
    await _settle()
    others = _start(batcher, *([number] for number in range(1, 101)))
    await _settle()
    assert verb.sizes == [1]
    verb.gate.set()
    assert await asyncio.gather(*first, *others) == [[number * 10] for number in range(101)]
    assert verb.sizes == [1, 100]


async def test_each_gets_the_answers_to_its_own_asks_in_order() -> None:
    verb = Verb()
    batcher = Batcher("test", verb)
    calls = _start(batcher, [1, 2, 3], [4], [5, 6])
    verb.gate.set()
    assert await asyncio.gather(*calls) == [[10, 20, 30], [40], [50, 60]]
    assert verb.calls == [(SHOP, [1, 2, 3, 4, 5, 6])]


async def test_a_batch_has_a_most_and_the_oldest_go_first() -> None:
    verb = Verb()
    batcher = Batcher("test", verb, most_per_batch=4)
    calls = _start(batcher, [1, 2], [3], [4, 5], [6], [7], [8], [9])
    verb.gate.set()
    await asyncio.gather(*calls)
    # The asks of one call stay together, and nobody overtakes.
    assert [asks for _, asks in verb.calls] == [[1, 2, 3], [4, 5, 6, 7], [8, 9]]


async def test_a_call_larger_than_a_batch_goes_alone() -> None:
    verb = Verb()
    verb.gate.set()
    batcher = Batcher("test", verb, most_per_batch=4, most_waiting=5)
    assert await batcher(SHOP, list(range(10))) == [number * 10 for number in range(10)]
    assert verb.sizes == [10]


async def test_one_batch_per_shop_is_under_way_and_shops_do_not_wait_for_each_other() -> None:
    verb = Verb()
    batcher = Batcher("test", verb)
    calls = _start(batcher, [1])
    await _settle()
    calls += _start(batcher, [2]) + _start(batcher, [3], shop=OTHER_SHOP)
    await _settle()
    assert verb.calls == [(SHOP, [1]), (OTHER_SHOP, [3])]
    verb.gate.set()
    await asyncio.gather(*calls)
    assert verb.most_under_way == 2


async def test_a_refusal_of_one_is_not_that_of_another() -> None:
    refusal = Refusal("not this one")
    verb = Verb(lambda ask: refusal if ask == 2 else ask)
    verb.gate.set()
    batcher = Batcher("test", verb)
    assert await asyncio.gather(*_start(batcher, [1], [2], [3])) == [[1], [refusal], [3]]


async def test_what_the_batch_is_refused_with_each_is_told_by_an_exception_of_its_own() -> None:
    async def refuse(_shop: UUID, _asks: Sequence[int]) -> list[int]:
        raise TooManyRequests("come back", retry_after_seconds=7)

    told = await asyncio.gather(
        *_start(Batcher("test", refuse), [1], [2], [3]), return_exceptions=True
    )
    assert [type(one) for one in told] == [TooManyRequests] * 3
    assert [getattr(one, "fields", None) for one in told] == [{"retry_after_seconds": 7}] * 3
    assert len({id(one) for one in told}) == 3


async def test_who_trips_over_a_bug_fails_alone() -> None:
    seen: list[list[int]] = []

    async def verb(_shop: UUID, asks: Sequence[int]) -> list[int]:
        seen.append(list(asks))
        return [100 // ask for ask in asks]

    told = await asyncio.gather(
        *_start(Batcher("test", verb), [5], [0, 10], [20]), return_exceptions=True
    )
    assert told[0] == [20]
    assert isinstance(told[1], ZeroDivisionError)
    assert told[2] == [5]
    assert seen == [[5, 0, 10, 20], [5], [0, 10], [20]]


async def test_too_few_or_too_many_answers_are_given_to_nobody() -> None:
    async def forgetful(_shop: UUID, asks: Sequence[int]) -> list[int]:
        return list(asks)[1:]

    async def talkative(_shop: UUID, asks: Sequence[int]) -> list[int]:
        return [*asks, 1]

    for verb in (forgetful, talkative):
        told = await asyncio.gather(
            *_start(Batcher("test", verb), [1], [2]), return_exceptions=True
        )
        assert [type(one) for one in told] == [RuntimeError, RuntimeError]


async def test_who_gives_up_while_waiting_is_not_run() -> None:
    verb = Verb()
    batcher = Batcher("test", verb)
    first = _start(batcher, [1])
    await _settle()
    stays, leaves = _start(batcher, [2], [3])
    await _settle()
    leaves.cancel()
    verb.gate.set()
    assert await asyncio.gather(*first, stays) == [[10], [20]]
    with pytest.raises(asyncio.CancelledError):
        await leaves
    assert [asks for _, asks in verb.calls] == [[1], [2]]


async def test_who_gives_up_while_the_batch_runs_disturbs_nobody() -> None:
    verb = Verb()
    batcher = Batcher("test", verb)
    stays, leaves = _start(batcher, [1], [2])
    await _settle()
    leaves.cancel()
    await _settle()
    verb.gate.set()
    assert await stays == [10]
    assert verb.calls == [(SHOP, [1, 2])]


async def test_a_full_queue_says_so_at_once() -> None:
    verb = Verb()
    batcher = Batcher("test", verb, most_waiting=3)
    calls = _start(batcher, [0])
    await _settle()
    calls += _start(batcher, [1], [2], [3])
    await _settle()
    with pytest.raises(Overloaded) as refused:
        await batcher(SHOP, [4])
    assert refused.value.status == 503
    assert refused.value.fields["retry_after_seconds"] >= 1
    # Another shop is not meant by it.
    calls += _start(batcher, [9], shop=OTHER_SHOP)
    verb.gate.set()
    assert await asyncio.gather(*calls) == [[0], [10], [20], [30], [90]]
    # And once there is room, this one is served again.
    assert await batcher(SHOP, [4]) == [40]


async def test_nobody_waits_behind_a_batch_that_hangs() -> None:
    verb = Verb()
    batcher = Batcher("test", verb, patience_seconds=0.0)
    calls = _start(batcher, [1])
    await _settle()
    with pytest.raises(Overloaded):
        await batcher(SHOP, [2])
    verb.gate.set()
    assert await asyncio.gather(*calls) == [[10]]
    assert await batcher(SHOP, [3]) == [30]


async def test_slow_batches_are_no_overload_while_what_waits_fits_into_one() -> None:
    """Five hundred come at once, behind a first one that took long: nobody is sent away."""
    verb = Verb()
    batcher = Batcher("test", verb, patience_seconds=1.0)
    calls = _start(batcher, [0])
    await asyncio.sleep(0.2)
    calls += _start(batcher, *([number] for number in range(1, 500)))
    verb.gate.set()
    assert len(await asyncio.gather(*calls)) == 500


async def test_who_would_wait_for_longer_than_patience_is_told_at_once() -> None:
    async def slow(_shop: UUID, asks: Sequence[int]) -> list[int]:
        await asyncio.sleep(0.1)
        return list(asks)

    batcher = Batcher("test", slow, most_per_batch=1, patience_seconds=0.5)
    first, second = _start(batcher, [0], [1])
    await first
    calls = _start(batcher, *([number] for number in range(20)))
    told = await asyncio.gather(*calls, return_exceptions=True)
    assert await second == [1]
    served = [one for one in told if isinstance(one, list)]
    assert 1 <= len(served) < 20
    assert all(isinstance(one, Overloaded) for one in told if not isinstance(one, list))


async def test_a_batch_that_is_cut_off_leaves_nobody_waiting() -> None:
    cut = asyncio.Event()

    async def verb(_shop: UUID, _asks: Sequence[int]) -> list[int]:
        await cut.wait()
        raise asyncio.CancelledError

    batcher = Batcher("test", verb)
    calls = _start(batcher, [1])
    await _settle()
    calls += _start(batcher, [2])
    await _settle()
    cut.set()
    told = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(one) for one in told] == [Unavailable, Unavailable]


async def test_the_log_of_a_batch_is_not_that_of_the_first_request_in_it() -> None:
    bound: list[dict[str, Any]] = []

    async def verb(_shop: UUID, asks: Sequence[int]) -> list[int]:
        bound.append(structlog.contextvars.get_contextvars())
        return list(asks)

    with structlog.contextvars.bound_contextvars(request_id="mine"):
        await Batcher("test", verb)(SHOP, [1])
    assert bound == [{}]


async def test_a_shop_where_nobody_buys_is_forgotten() -> None:
    verb = Verb()
    verb.gate.set()
    batcher = Batcher("test", verb)
    await asyncio.gather(*_start(batcher, [1], [2]), *_start(batcher, [3], shop=OTHER_SHOP))
    await _settle()
    assert len(batcher) == 0


async def test_each_service_has_a_batcher_of_its_own() -> None:
    class Service:
        def __init__(self, factor: int) -> None:
            self.factor = factor
            self.sizes: list[int] = []

        @batched
        async def times(self, _shop_id: UUID, asks: Sequence[int]) -> list[int]:
            """Multiply."""
            self.sizes.append(len(asks))
            return [ask * self.factor for ask in asks]

    twice, thrice = Service(2), Service(3)
    calls: list[Awaitable[list[int]]] = [twice.times(SHOP, [n]) for n in (1, 2)]
    calls += [thrice.times(SHOP, [n]) for n in (1, 2)]
    assert await asyncio.gather(*calls) == [[2], [4], [3], [6]]
    assert (twice.sizes, thrice.sizes) == ([2], [2])
    assert Service.times.__doc__ == "Multiply."
