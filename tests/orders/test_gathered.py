"""Many at once are served by few transactions, and each is answered as if alone."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from lockstock.kernel.database import Connection, Database
from lockstock.kernel.errors import Refusal
from lockstock.orders import store
from lockstock.orders.contract import Answered, PlaceAsk
from lockstock.orders.payments.inbox import store as inbox
from lockstock.orders.rules import Draft
from tests.orders.market import Market

AT_ONCE = 60


@pytest.fixture
def transactions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the transactions that are begun from here on."""
    begun: list[int] = []
    run = Database.transaction

    async def counted(self: Database, work: Callable[[Connection], Awaitable[Any]]) -> object:
        begun.append(1)
        return await run(self, work)

    monkeypatch.setattr(Database, "transaction", counted)
    return begun


async def place_all(market: Market, asks: Sequence[PlaceAsk]) -> list[Answered[Any] | Refusal]:
    answers = await asyncio.gather(*(market.orders.place(market.shop.id, [ask]) for ask in asks))
    return [answer for [answer] in answers]


async def test_orders_at_once_are_placed_in_few_transactions(
    market: Market, transactions: list[int]
) -> None:
    await market.receive(AT_ONCE)
    transactions.clear()
    answers = await place_all(market, [market.asking() for _ in range(AT_ONCE)])
    assert all(isinstance(answer, Answered) for answer in answers)
    # The first goes alone; the others wait for it and then go together: two each.
    assert len(transactions) <= 4
    assert (await market.counts())[1] == AT_ONCE
    await market.check()


async def test_of_orders_at_once_those_are_refused_that_cannot_be_filled(market: Market) -> None:
    # There are 10 units.
    answers = await place_all(market, [market.asking() for _ in range(AT_ONCE)])
    codes = Counter(a.code if isinstance(a, Refusal) else "placed" for a in answers)
    assert codes == {"placed": 10, "out_of_stock": AT_ONCE - 10}
    await market.check()


async def test_the_same_key_in_one_batch_is_one_order(market: Market) -> None:
    same = [market.asking(key="same") for _ in range(20)]
    answers = await place_all(market, [*same, market.asking(2, key="same")])
    placed = [answer for answer in answers if isinstance(answer, Answered)]
    assert len(placed) == 20
    assert len({answer.answer.id for answer in placed}) == 1
    assert Counter(answer.replayed for answer in placed) == {False: 1, True: 19}
    assert isinstance(answers[-1], Refusal)
    assert answers[-1].code == "idempotency_key_reused"
    assert (await market.counts())[1] == 1


async def test_a_bug_that_one_order_meets_is_not_that_of_the_others(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursed = market.asking(key="cursed")
    write = store.place_orders

    async def trip(connection: Connection, shop_id: Any, drafts: Sequence[Draft]) -> Any:
        if any(draft.id == cursed.order_id for draft in drafts):
            raise ZeroDivisionError
        return await write(connection, shop_id, drafts)

    monkeypatch.setattr(store, "place_orders", trip)
    asks = [*(market.asking() for _ in range(4)), cursed, *(market.asking() for _ in range(4))]
    told = await asyncio.gather(
        *(market.orders.place(market.shop.id, [ask]) for ask in asks), return_exceptions=True
    )
    assert [type(answer) for answer in told] == [list] * 4 + [ZeroDivisionError] + [list] * 4
    placed = [answer[0] for answer in told if isinstance(answer, list)]
    assert all(isinstance(answer, Answered) for answer in placed)
    await market.check()


async def test_payments_at_once_are_applied_in_few_transactions(
    market: Market, transactions: list[int]
) -> None:
    await market.receive(AT_ONCE)
    orders = [await market.place() for _ in range(AT_ONCE)]
    payments = [await market.start(order) for order in orders]
    transactions.clear()
    await asyncio.gather(*(market.send(payment) for payment in payments))
    # Each batch: one to keep them, one to commit their stock, one to settle.
    assert len(transactions) <= 9
    assert {(await market.order(order.id)).status for order in orders} == {"paid"}
    assert (await market.counts())[2] == AT_ONCE
    await market.check()


async def test_an_event_that_cannot_be_applied_does_not_keep_the_others(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [await market.place() for _ in range(5)]
    payments = [await market.start(order) for order in orders]
    look = inbox.look_at_events
    cursed = payments[2].id

    async def trip(*asked: Any) -> Any:
        found = await look(*asked)
        if any(facts.payment_id == cursed for facts in found):
            raise ZeroDivisionError
        return found

    monkeypatch.setattr(inbox, "look_at_events", trip)
    # The provider is told that they are kept, all of them.
    await asyncio.gather(*(market.send(payment) for payment in payments))
    statuses = [(await market.order(order.id)).status for order in orders]
    assert statuses == ["paid", "paid", "awaiting_payment", "paid", "paid"]
    monkeypatch.setattr(inbox, "look_at_events", look)
    await market.make_due()
    await market.sweep()
    assert (await market.order(orders[2].id)).status == "paid"
    await market.check()
