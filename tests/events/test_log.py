"""The log: dense per shop, each event once, in the order in which it came."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from lockstock.app import Services
from lockstock.kernel.ids import new_id
from tests.events.writers import NOON, Writer, pending


async def test_a_shop_counts_its_events_from_one(services: Services) -> None:
    log, shop_id = services.event_log, new_id()
    assert await log.last(shop_id) == 0
    events = [pending(number) for number in range(3)]
    assert await log.append(shop_id, events) == 3
    found = await log.after(shop_id, 0, 10)
    assert [event.sequence for event in found] == [1, 2, 3]
    assert [event.id for event in found] == [event.id for event in events]
    assert [event.data for event in found] == [{"number": number} for number in range(3)]
    assert {event.shop_id for event in found} == {shop_id}
    assert found[0].occurred_at == NOON
    assert await log.last(shop_id) == 3


async def test_an_event_that_is_there_stays_as_it_is(services: Services) -> None:
    log, shop_id = services.event_log, new_id()
    first, second, third = pending(1), pending(2), pending(3)
    await log.append(shop_id, [first, second])
    again = replace(first, data='{"number": 9}')
    assert await log.append(shop_id, [again, third, second]) == 1
    found = await log.after(shop_id, 0, 10)
    assert [event.data["number"] for event in found] == [1, 2, 3]
    assert await log.append(shop_id, [first, second, third]) == 0
    assert await log.last(shop_id) == 3


async def test_shops_have_logs_of_their_own(services: Services) -> None:
    log, one, other = services.event_log, new_id(), new_id()
    event = pending(1)
    await log.append(one, [event])
    await log.append(other, [pending(2)])
    assert [found.data for found in await log.after(other, 0, 10)] == [{"number": 2}]
    assert await log.last(one) == await log.last(other) == 1
    assert await log.find(other, [event.id]) == {}
    assert (await log.find(one, [event.id]))[event.id].sequence == 1


async def test_it_is_read_from_anywhere_and_by_kind(services: Services) -> None:
    log, shop_id = services.event_log, new_id()
    kinds = ["order.placed", "order.paid", "stock.received"] * 4
    await log.append(shop_id, [pending(kind=kind) for kind in kinds])
    assert [event.sequence for event in await log.after(shop_id, 4, 3)] == [5, 6, 7]
    assert await log.after(shop_id, 12, 3) == []
    some = await log.after(shop_id, 1, 4, ["order.paid", "stock.received"])
    assert [event.sequence for event in some] == [2, 3, 5, 6]
    assert await log.after(shop_id, 0, 4, ["refund.failed"]) == []


async def test_of_relays_at_once_each_adds_what_the_others_have_not(services: Services) -> None:
    log, shop_id = services.event_log, new_id()
    events = [pending(number) for number in range(60)]
    batches = [events[start : start + 20] for start in range(0, 50, 5)]
    added = await asyncio.gather(*(log.append(shop_id, batch) for batch in batches))
    assert sum(added) == await log.last(shop_id) == len(events)
    found = await log.after(shop_id, 0, 100)
    assert [event.sequence for event in found] == list(range(1, 61))
    assert {event.id for event in found} == {event.id for event in events}


async def test_nobody_rewrites_what_was_told(writer: Writer, database_url: str) -> None:
    await writer.log.append(writer.shop_id, [pending()])
    connection = await asyncpg.connect(database_url)
    try:
        for statement in ("UPDATE events.log SET kind = ''", "DELETE FROM events.log"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()
