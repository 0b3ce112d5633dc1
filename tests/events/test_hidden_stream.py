"""What a stream of a shop that hides its numbers tells somebody who wants to count its sales."""

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from lockstock.app import Services
from lockstock.events.stream import feed, subscription
from lockstock.kernel.database import Database
from lockstock.products.contract import NewProduct, NewVariant, Product, ProductChange
from lockstock.shops.contract import ShopChange
from tests.conftest import OpenShop, Register
from tests.events.streaming import SlowReader, looked, reading_slowly
from tests.orders.market import Market
from tests.products.catalogue import post_product

UNITS = 40


@pytest.fixture
async def market(database: Database) -> Market:
    """Forty units of one variant, in a shop that hides how many."""
    return await Market(database).open(UNITS, hide_exact=True, low_stock_threshold=5)


async def sell(services: Services, market: Market, quantity: int = 1) -> None:
    """Sell units, and let it be in the log."""
    await market.place(quantity)
    await services.relay.drain()


async def settled(services: Services, market: Market, reader: SlowReader) -> None:
    """Wait until whatever there is to tell a reader was written to them."""
    await looked(services, market.shop.id)
    # A stream says that it lives only when it has nothing else to say.
    so_far = reader.comments
    await reader.until(lambda seen: seen.comments > so_far + 1)


@pytest.fixture
def beating(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let streams say that they live all the time."""
    monkeypatch.setattr(subscription, "HEARTBEAT_SECONDS", 0.05)


def told(reader: SlowReader) -> list[tuple[str, Any, str]]:
    """All that a reader was told, but for when."""
    return [(each.kind, each.data.get("availability"), each.id) for each in reader.events]


@pytest.mark.parametrize("sales", [0, 3])
@pytest.mark.parametrize("last_event_id", [None, "hidden", "1"])
@pytest.mark.parametrize("named", [False, True])
async def test_a_stream_is_the_same_however_much_is_sold(
    app: FastAPI,
    services: Services,
    market: Market,
    sales: int,
    last_event_id: str | None,
    named: bool,
) -> None:
    query: dict[str, Any] = {"shop": market.shop.id}
    query |= {"variant": market.variant_id} if named else {}
    query |= {"last_event_id": last_event_id} if last_event_id else {}
    for _ in range(sales):
        await sell(services, market)
    await services.relay.drain()
    async with reading_slowly(app, **query) as reader:
        for _ in range(sales):
            await sell(services, market)
            await looked(services, market.shop.id)
        await sell(services, market, UNITS - 2 * sales)
        await reader.until(
            lambda seen: [each["availability"] for each in seen.stock][-1:] == ["out"]
        )
    first = {
        (False, False): [],
        (False, True): [("reset", None, "hidden")],
    }.get((named, last_event_id is not None), [("stock", "in_stock", "hidden")])
    expected = [("ready", None, "hidden"), *first, ("stock", "out", "hidden")]
    assert told(reader) == expected
    assert {each["available"] for each in reader.stock} == {None}


@pytest.mark.usefixtures("beating")
@pytest.mark.parametrize("takes_up", [False, True])
@pytest.mark.parametrize("threshold", [5, 2 * UNITS])
async def test_whoever_connects_again_for_each_sale_counts_none(
    app: FastAPI, services: Services, market: Market, takes_up: bool, threshold: int
) -> None:
    await market.shops.change(market.shop.id, ShopChange(low_stock_threshold=threshold))
    await services.relay.drain()
    seen = set()
    last_id = None
    for _ in range(3):
        query: dict[str, Any] = {"last_event_id": last_id} if takes_up and last_id else {}
        async with reading_slowly(app, shop=market.shop.id, **query) as reader:
            await sell(services, market)
            await settled(services, market, reader)
        last_id = reader.last_id
        await sell(services, market)
        seen |= {last_id, *(each.kind for each in reader.events)}
    assert seen == {"hidden", "ready"} | ({"reset"} if takes_up else set())


@pytest.mark.usefixtures("beating")
async def test_a_heartbeat_is_the_same_after_a_sale(
    app: FastAPI, services: Services, market: Market
) -> None:
    async with reading_slowly(app, shop=market.shop.id) as reader:
        await settled(services, market, reader)
        before = reader.last_id
        await sell(services, market)
        await settled(services, market, reader)
        assert (reader.last_id, reader.stock) == (before, [])


async def test_each_other_word_is_told_also_the_first(
    app: FastAPI, services: Services, market: Market
) -> None:
    async with reading_slowly(app, shop=market.shop.id) as reader:
        for quantity, units, word in ((UNITS - 3, 0, "low"), (3, 0, "out"), (0, 9, "in_stock")):
            if quantity:
                await market.place(quantity)
            if units:
                await market.receive(units)
            await services.relay.drain()
            await reader.until(lambda seen, word=word: told(seen)[-1][1] == word)  # type: ignore[misc]
        assert [each["availability"] for each in reader.stock] == ["low", "out", "in_stock"]


async def test_a_word_that_is_read_for_one_reader_is_told_to_all(
    app: FastAPI, services: Services, market: Market
) -> None:
    await services.relay.drain()
    async with reading_slowly(app, shop=market.shop.id) as reader:
        # Not in the log yet; whoever comes by name is told all the same, and then so are others.
        await market.place(UNITS)
        named = {"shop": market.shop.id, "variant": market.variant_id}
        async with reading_slowly(app, **named) as other:
            await other.until(lambda seen: len(seen.stock) > 0)
            await reader.until(lambda seen: len(seen.stock) > 0)
        await services.relay.drain()
        await market.receive(9)
        await services.relay.drain()
        await reader.until(lambda seen: seen.stock[-1]["availability"] == "in_stock")
        assert [each["availability"] for each in reader.stock] == ["out", "in_stock"]


@pytest.mark.parametrize("named", [False, True])
async def test_what_is_published_is_told_of(
    app: FastAPI, services: Services, market: Market, named: bool
) -> None:
    variants = [NewVariant(sku="S", price_minor=1)]
    ask = NewProduct(name="Secret", variants=variants, published=False)
    [product] = await market.products.create(market.shop.id, "EUR", [ask])
    assert isinstance(product, Product)
    market.variant_id = product.variants[0].id
    await market.receive(9)
    await services.relay.drain()
    query: dict[str, Any] = {"variant": market.variant_id} if named else {}
    async with reading_slowly(app, shop=market.shop.id, **query) as reader:
        await market.receive(9)
        await services.relay.drain()
        await looked(services, market.shop.id)
        shown = ProductChange(published=True)
        await market.products.change(market.shop.id, product.id, shown)
        await services.relay.drain()
        await reader.until(lambda seen: len(seen.stock) > 0)
        assert [each["variant_id"] for each in reader.stock] == [str(market.variant_id)]


@pytest.mark.usefixtures("beating")
async def test_of_many_sales_at_once_only_other_words_are_told(
    app: FastAPI, services: Services, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    await services.relay.drain()
    monkeypatch.setattr(feed, "MOST_VARIANTS", 0)
    async with reading_slowly(app, shop=market.shop.id) as reader:
        await sell(services, market)
        await settled(services, market, reader)
        await sell(services, market, UNITS - 1)
        await reader.until(lambda seen: len(seen.stock) > 0)
        assert [kind for kind, _, _ in told(reader)] == ["ready", "stock"]


@pytest.mark.usefixtures("beating")
async def test_a_shop_too_large_to_read_is_told_of_from_the_second_touch_on(
    app: FastAPI, services: Services, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MOST_WORDS", 0)
    named = {"shop": market.shop.id, "variant": market.variant_id}
    async with reading_slowly(app, shop=market.shop.id) as whole:
        await sell(services, market)
        await settled(services, market, whole)
        assert [kind for kind, _, _ in told(whole)] == ["ready"]
        # Who names what they watch misses nothing.
        async with reading_slowly(app, **named) as reader:
            await sell(services, market)
            await settled(services, market, reader)
            await sell(services, market, UNITS - 2)
            await reader.until(lambda seen: len(seen.stock) == 2)
            assert [each["availability"] for each in reader.stock] == ["in_stock", "out"]
            await whole.until(lambda seen: len(seen.stock) == 1)
            assert whole.stock[0]["availability"] == "out"


async def test_staff_take_up_a_stream_where_it_was_cut(
    app: FastAPI,
    services: Services,
    client: httpx2.AsyncClient,
    register: Register,
    open_shop: OpenShop,
) -> None:
    owner = await register()
    shop = await open_shop(owner, hide_exact=True)
    product = await post_product(client, owner.headers, shop)
    path = f"/v1/shops/{shop['id']}/warehouses/{shop['warehouses'][0]['id']}/receive"
    lines = [{"variant_id": product["variants"][0]["id"], "quantity": 7}]
    await services.relay.drain()
    header = (b"authorization", owner.headers["Authorization"].encode())
    async with reading_slowly(app, header, shop=shop["id"]) as reader:
        left_at = reader.last_id
    assert left_at.isdigit()
    answer = await client.post(path, json={"lines": lines}, headers=owner.headers)
    assert answer.status_code == 200, answer.text
    await services.relay.drain()
    again = {"shop": shop["id"], "last_event_id": left_at}
    async with reading_slowly(app, header, **again) as reader:
        await reader.until_available(7)
        assert [kind for kind, _, _ in told(reader)] == ["ready", "stock"]
    # Whoever is no longer known is a customer, whatever they have seen before.
    async with reading_slowly(app, **again) as other:
        await other.until_kind("reset")
        assert {event_id for _, _, event_id in told(other)} == {"hidden"}
