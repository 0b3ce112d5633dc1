"""Streams of stock: what is available, told at once, to however many and however slow readers."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI

from lockstock.app import Services
from lockstock.events.stream import feed, subscription
from lockstock.events.stream.contract import TooManyStreams, Watch
from lockstock.events.stream.rules import Seen
from lockstock.events.stream.subscription import MOST_WAITING, Subscription
from lockstock.kernel.database import Connection, Database
from lockstock.kernel.ids import new_id
from lockstock.products.contract import NewProduct, NewVariant, Product, ProductChange
from lockstock.warehouses import service as warehouses
from lockstock.warehouses.contract import Cause, Deactivate
from lockstock.warehouses.stock.contract import Adjust, Adjustment
from tests.events.streaming import PATH, looked, reading, reading_slowly
from tests.orders.market import Market
from tests.servers import environment, running, servers

# Nobody tidies up, and nothing depends on it.
NEVER_SWEPT = {"sweep_seconds": "0"}


@pytest.fixture
async def market(database: Database) -> Market:
    """A shop with ten units of one variant."""
    return await Market(database).open()


@pytest.fixture
async def address(database_url: str) -> AsyncIterator[str]:
    """A server on the database of the test, which is another process."""
    async with servers(1, environment(database_url, **NEVER_SWEPT)) as [found]:
        yield found


async def adjust(market: Market, delta: int) -> None:
    """Change what is on hand of the variant."""
    line = Adjustment(variant_id=market.variant_id, delta=delta)
    cause = Cause(change_id=new_id(), actor_id=None, request_id="test")
    ask = Adjust(lines=[line], reason="test")
    await market.stock.adjust(market.shop.id, market.warehouse_id, ask, cause)


async def bring_deadlines_near(market: Market) -> None:
    """Let all holds end in a moment: after this has been committed, on any machine."""

    async def move(connection: Connection) -> None:
        for table in ("reservations", "allocations"):
            await connection.execute(
                f"UPDATE warehouses.{table}"  # noqa: S608
                " SET expires_at = now() + interval '3 s' WHERE status = 'held'"
            )

    await market.database.transaction(move)


async def another_variant(market: Market, *, published: bool = True) -> Product:
    """Put another product on the shelves of the shop, with no stock."""
    variants = [NewVariant(sku=f"N{new_id()}", price_minor=1)]
    ask = NewProduct(name="Other", variants=variants, published=published)
    [product] = await market.products.create(market.shop.id, "EUR", [ask])
    assert isinstance(product, Product)
    return product


async def test_a_sale_shows_on_the_stream_of_another_process(market: Market, address: str) -> None:
    async with reading(address, shop=market.shop.id) as reader:
        await market.place(3)
        await reader.until_available(7)
        assert reader.retry
        [event] = [each for each in reader.events if each.kind == "stock"]
        assert set(event.data) == {"variant_id", "available", "availability", "at"}
        assert event.data["variant_id"] == str(market.variant_id)
        assert event.data["availability"] == "in_stock"
        assert event.id.isdigit()


async def test_named_variants_come_first_as_they_are_now(market: Market, address: str) -> None:
    other = await another_variant(market)
    mine = [str(market.variant_id), str(other.variants[0].id)]
    async with reading(address, shop=market.shop.id, variant=[*mine, str(new_id())]) as reader:
        await reader.until(lambda seen: len(seen.stock) >= 2)
        assert {each["variant_id"]: each["available"] for each in reader.stock} == {
            mine[0]: 10,
            mine[1]: 0,
        }
    async with reading(address, shop=market.shop.id, variant=mine[1]) as reader:
        await market.place(1)
        await reader.until_available(0, mine[1])
        async with reading(address, shop=market.shop.id) as whole:
            await market.place(1)
            await whole.until_available(8)
        assert {each["variant_id"] for each in reader.stock} == {mine[1]}


async def test_a_deadline_shows_without_a_sweep(market: Market, address: str) -> None:
    async with reading(address, shop=market.shop.id) as reader:
        order = await market.place(4)
        await reader.until_available(6)
        await bring_deadlines_near(market)
        await reader.until_available(10)
    rows = await market.fetch(
        "SELECT status FROM warehouses.reservations WHERE shop_id = $1 AND order_id = $2",
        market.shop.id,
        order.id,
    )
    assert [row["status"] for row in rows] == ["held"]


async def test_what_changed_while_nobody_was_connected_is_told_on_return(
    market: Market, address: str
) -> None:
    async with reading(address, shop=market.shop.id) as reader:
        await market.place(1)
        await reader.until_available(9)
        left_at = reader.last_id
    for _ in range(3):
        await market.place(2)
    async with reading(address, {"Last-Event-ID": left_at}, shop=market.shop.id) as reader:
        await reader.until_available(3)
        assert int(reader.last_id) > int(left_at)
    async with reading(address, shop=market.shop.id, last_event_id=left_at) as reader:
        await reader.until_available(3)
        assert [each.kind for each in reader.events if each.kind == "reset"] == []


async def test_a_deadline_that_passed_while_nobody_was_connected_is_told_on_return(
    market: Market, address: str
) -> None:
    async with reading(address, shop=market.shop.id) as reader:
        await market.place(4)
        await reader.until_available(6)
        left_at = reader.last_id
    await bring_deadlines_near(market)
    async with asyncio.timeout(60):
        while True:
            [there] = await market.stock.availability([(market.shop.id, market.variant_id)])
            if there.available == 10:
                break
            await asyncio.sleep(0.1)
    async with reading(address, {"Last-Event-ID": left_at}, shop=market.shop.id) as reader:
        await reader.until_available(10)


@pytest.mark.parametrize("event_id", ["999999999", "yesterday", "-1", "1.5", "9" * 30])
async def test_an_id_that_means_nothing_leads_to_a_reset(
    market: Market, address: str, event_id: str
) -> None:
    async with reading(address, {"Last-Event-ID": event_id}, shop=market.shop.id) as reader:
        await reader.until_kind("reset")
        await market.place(1)
        await reader.until_available(9)


async def test_a_switched_warehouse_shows(market: Market, address: str) -> None:
    async with reading(address, shop=market.shop.id) as reader:
        await market.warehouses.deactivate(market.shop.id, market.warehouse_id, Deactivate())
        await reader.until_available(0)


async def test_an_event_of_too_many_variants_to_name_is_of_all(
    app: FastAPI, services: Services, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouses, "MOST_VARIANTS", 0)
    async with (
        reading_slowly(app, shop=market.shop.id) as whole,
        reading_slowly(app, shop=market.shop.id, variant=market.variant_id) as reader,
    ):
        await reader.until_available(10)
        await market.warehouses.deactivate(market.shop.id, market.warehouse_id, Deactivate())
        await services.relay.drain()
        await reader.until_available(0)
        await whole.until_kind("reset")


async def test_what_is_not_published_is_not_told_of(market: Market, address: str) -> None:
    secret = await another_variant(market, published=False)
    secret_id = secret.variants[0].id
    watched = [str(market.variant_id), str(secret_id)]
    named = reading(address, shop=market.shop.id, variant=watched)
    async with reading(address, shop=market.shop.id) as reader, named as asking:
        kept, market.variant_id = market.variant_id, secret_id
        await market.receive(5)
        market.variant_id = kept
        await market.place(1)
        await reader.until_available(9)
        await asking.until_available(9)
        told = {each["variant_id"] for each in reader.stock + asking.stock}
        assert told == {str(market.variant_id)}
        await market.products.change(market.shop.id, secret.id, ProductChange(published=True))
        await reader.until_available(5, str(secret_id))


async def test_there_is_nothing_to_watch_where_there_is_no_shop(address: str) -> None:
    async with httpx2.AsyncClient(base_url=address) as client:
        assert (await client.get(PATH, params={"shop": str(new_id())})).status_code == 404
        assert (await client.get(PATH)).status_code == 422
        many = {"shop": str(new_id()), "variant": [str(new_id()) for _ in range(101)]}
        assert (await client.get(PATH, params=many)).status_code == 422


async def test_too_many_streams_are_refused_and_a_place_is_free_again(
    market: Market, database_url: str
) -> None:
    env = environment(database_url, streams="3", streams_per_address="2")
    async with running(env) as (address, _), httpx2.AsyncClient(base_url=address) as client:

        async def refused() -> httpx2.Response:
            return await client.get(PATH, params={"shop": str(market.shop.id)})

        async with reading(address, shop=market.shop.id):
            async with reading(address, shop=market.shop.id):
                answer = await refused()
                assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
                assert int(answer.headers["retry-after"]) > 0
                assert answer.headers["content-type"] == "application/problem+json"
            async with asyncio.timeout(60):
                while True:
                    try:
                        async with reading(address, shop=market.shop.id):
                            break
                    except AssertionError:
                        await asyncio.sleep(0.1)


async def test_a_full_process_refuses_whoever_comes(market: Market, database_url: str) -> None:
    async with running(environment(database_url, streams="1")) as (address, _):
        client = httpx2.AsyncClient(base_url=address)
        async with client, reading(address, shop=market.shop.id):
            answer = await client.get(PATH, params={"shop": str(market.shop.id)})
            assert (answer.status_code, answer.json()["code"]) == (503, "too_many_streams")
            assert int(answer.headers["retry-after"]) > 0


async def test_a_server_that_stops_ends_its_streams(market: Market, database_url: str) -> None:
    async with running(environment(database_url)) as (address, process):
        async with reading(address, shop=market.shop.id) as reader:
            process.terminate()
            # The body ends as it should. One that the server has to cancel is cut off instead.
            await reader.until(lambda seen: seen.ended)
        assert await process.wait() == 0


async def test_a_slow_reader_is_told_the_newest_state_only(
    app: FastAPI, services: Services, market: Market
) -> None:
    async with reading_slowly(app, shop=market.shop.id) as reader:
        await adjust(market, 1)
        await services.relay.drain()
        await reader.until_available(11)
        reader.reads.clear()
        for _ in range(30):
            await adjust(market, 1)
            await services.relay.drain()
            await looked(services, market.shop.id)
        assert reader.newest() == 11
        [stream] = services.streams._open  # noqa: SLF001
        assert len(stream) <= 1
        reader.reads.set()
        await reader.until_available(41)
        # One was being written when the reader stopped, and one came of all the others.
        assert len(reader.stock) <= 3


async def test_a_reader_who_goes_away_leaves_nothing_behind(
    app: FastAPI, services: Services, market: Market
) -> None:
    async with reading_slowly(app, shop=market.shop.id):
        assert services.streams.count == 1
    assert services.streams.count == 0
    async with asyncio.timeout(60):
        while services.streams._feeds or services.streams._tasks:  # noqa: ASYNC110, SLF001
            await asyncio.sleep(0.01)
    services.streams.end()
    with pytest.raises(TooManyStreams):
        await services.streams.open(_watch(market.shop.id))


async def test_an_idle_stream_says_that_it_lives_and_how_far_it_is(
    app: FastAPI, services: Services, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "HEARTBEAT_SECONDS", 0.05)
    other = await another_variant(market)
    async with reading_slowly(app, shop=market.shop.id, variant=other.variants[0].id) as reader:
        began_at = reader.last_id
        await adjust(market, 1)
        await services.relay.drain()
        await reader.until(lambda seen: seen.comments > 2 and seen.last_id != began_at)
        assert reader.newest(str(market.variant_id)) == -1


async def test_too_many_changes_at_once_are_a_reset(
    app: FastAPI, services: Services, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MOST_VARIANTS", 0)
    async with reading_slowly(app, shop=market.shop.id) as reader:
        await adjust(market, 1)
        await services.relay.drain()
        await reader.until_kind("reset")
        assert reader.stock == []


async def test_who_was_away_for_too_long_is_reset(
    app: FastAPI, services: Services, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MOST_MISSED", 3)
    for _ in range(3):
        await adjust(market, 1)
    await services.relay.drain()
    last = await services.event_log.last(market.shop.id)
    near, far = {"last_event_id": last - 3}, {"last_event_id": last - 4}
    async with reading_slowly(app, shop=market.shop.id, **near) as reader:
        await reader.until_available(13)
    async with reading_slowly(app, shop=market.shop.id, **far) as reader:
        await reader.until_kind("reset")


def _watch(shop_id: UUID) -> Watch:
    return Watch(shop_id=shop_id, exact=False, variant_ids=None, last_event_id=None, address="test")


def _seen(number: int) -> Seen:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    return Seen(UUID(int=number), True, number, "in_stock", at)


def test_what_waits_for_a_reader_is_bounded() -> None:
    stream = Subscription(_watch(new_id()))
    stream.begin(1, hidden=False)
    for number in range(10 * MOST_WAITING):
        stream.offer([_seen(number)], number, hidden=False)
        assert len(stream) <= MOST_WAITING


async def test_who_is_cut_off_between_two_of_many_is_told_all_of_them_again() -> None:
    stream = Subscription(_watch(new_id()))
    stream.begin(1, hidden=False)
    stream.offer([_seen(number) for number in range(120)], 9, hidden=False)
    stream.end()
    texts = [text.decode() async for text in stream.texts()]
    ids = [line for text in texts for line in text.split("\n") if line.startswith("id:")]
    # The first is that of `ready`.
    assert ids == ["id: 1"] * 120 + ["id: 9"]
