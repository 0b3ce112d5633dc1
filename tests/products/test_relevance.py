"""Search by relevance: what fits best comes first, on every page, and the work is bounded."""

import random

import httpx2
import pytest

from lockstock.app import Services
from lockstock.kernel.database import Database
from lockstock.kernel.errors import InvalidInput
from lockstock.kernel.ids import new_id
from lockstock.products.contract import ProductChange, ProductList
from lockstock.products.listing.relevance import store
from tests.products.catalogue import create, names, new_product, pages, stock_up


@pytest.fixture
async def shop(services: Services) -> Services:
    """The word in the description, attributes, SKU and name, in the order of their names."""
    await create(
        services,
        new_id(),
        new_product("A", "a", description="For jasmine " + "jasmine " * 50),
        new_product("B", "b", attributes={"blend": "jasmine"}),
        new_product("C", "jasmine-1"),
        new_product("D jasmine", "d"),
        new_product("E", "e", description="Nothing of it."),
    )
    return services


async def test_the_name_counts_more_than_the_sku_the_attributes_and_the_description(
    shop: Services,
) -> None:
    best_first = ["D jasmine", "C", "B", "A"]
    for typed in ("jasmine", "jasm", "JASMINE"):
        assert await names(shop, q=typed, sort="relevance") == best_first, typed
        assert await names(shop, q=typed, sort="relevance", limit=1) == best_first, typed
    assert await names(shop, q="jasmine", sort="name") == ["A", "B", "C", "D jasmine"]


async def test_words_are_searched_by_relevance_unless_another_order_is_asked_for(
    shop: Services,
) -> None:
    assert await names(shop, q="jasmine") == ["D jasmine", "C", "B", "A"]
    assert await names(shop, q="  ") == await names(shop) == ["A", "B", "C", "D jasmine", "E"]


async def test_a_whole_sku_is_found_by_relevance_too(shop: Services) -> None:
    assert await names(shop, q="jasmine-1") == ["C"]


async def test_a_changed_name_counts_at_once(services: Services) -> None:
    shop_id = new_id()
    a, _ = await create(
        services, shop_id, new_product("A", "a", description="mint"), new_product("B", "mint")
    )
    assert await names(services, q="mint", shop_id=shop_id) == ["B", "A"]
    await services.products.change(shop_id, a.id, ProductChange(name="A mint"))
    assert await names(services, q="mint", shop_id=shop_id) == ["A mint", "B"]


@pytest.mark.parametrize("everywhere", [True, False])
async def test_every_product_is_on_one_page_whatever_their_ranks_are(
    services: Services, everywhere: bool
) -> None:
    shop_id, chance = new_id(), random.Random(7)
    asks = [
        new_product(
            f"{'tea ' * chance.randrange(2)}{n:03} {'green ' * chance.randrange(2)}",
            f"s{n}",
            description="x " * chance.randrange(9) + "green" + " y" * chance.randrange(9) + " tea",
        )
        for n in range(120)
    ]
    await create(services, shop_id, *asks)
    of_shop = None if everywhere else shop_id
    whole = await names(services, shop_id=of_shop, q="green tea", limit=200)
    assert sorted(whole) == sorted(ask.name for ask in asks)
    for limit in (1, 7):
        assert await names(services, shop_id=of_shop, q="green tea", limit=limit) == whole
    [page] = await pages(services, ProductList(shop_id=of_shop, q="green tea", limit=200))
    # Those that fit alike stand by their ids.
    first = [product.id for product in page if product.name == page[0].name]
    assert first == sorted(first, reverse=True)


async def test_only_the_newest_of_very_many_are_ranked(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop_id = new_id()
    for n in range(6):
        await create(services, shop_id, new_product(f"Tea {n}", f"s{n}"))
    monkeypatch.setattr(store, "MOST_RANKED", 4)
    for of_shop in (shop_id, None):
        found = await names(services, shop_id=of_shop, q="tea", limit=3)
        assert sorted(found) == ["Tea 2", "Tea 3", "Tea 4", "Tea 5"]
    assert len(await names(services, q="tea", sort="newest", limit=3)) == 6


async def test_a_product_from_before_there_were_weights_is_found(
    services: Services, database: Database
) -> None:
    await create(services, new_id(), new_product("Old tea", "o"), new_product("New tea", "n"))
    await database.transaction(
        lambda connection: connection.execute(
            "UPDATE products.products SET search = strip(search) WHERE name = 'Old tea'"
        )
    )
    assert await names(services, q="tea", limit=1) == ["New tea", "Old tea"]


async def test_relevance_keeps_to_what_is_in_stock_and_published(services: Services) -> None:
    shop_id = new_id()
    tea, _, _ = await create(
        services,
        shop_id,
        new_product("Tea", "t"),
        new_product("Other tea", "o"),
        new_product("Secret tea", "s", published=False),
    )
    await stock_up(services, tea, 1)
    assert await names(services, shop_id=shop_id, q="tea", in_stock=True) == ["Tea"]
    assert sorted(await names(services, shop_id=shop_id, q="tea")) == ["Other tea", "Tea"]
    assert len(await names(services, shop_id=shop_id, q="tea", unpublished=True)) == 3


@pytest.mark.parametrize("typed", [None, "", "   "])
async def test_relevance_to_nothing_is_refused(services: Services, typed: str | None) -> None:
    with pytest.raises(InvalidInput) as refused:
        await services.products.list_products(ProductList(q=typed, sort="relevance"))
    assert refused.value.fields["errors"][0]["path"] == "sort"


async def test_relevance_to_nothing_is_refused_over_http(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/v1/products?sort=relevance")
    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == ["sort"]
    assert (await client.get("/v1/products?sort=relevance&q=tea")).status_code == 200


async def test_a_cursor_by_relevance_is_of_its_list_only(services: Services) -> None:
    asks = [new_product(f"Tea {n}", f"s{n}") for n in range(3)]
    await create(services, new_id(), *asks)
    page = await services.products.list_products(ProductList(q="tea", limit=1))
    again = ProductList(q="tea", limit=1, sort="relevance", cursor=page.next)
    assert len((await services.products.list_products(again)).items) == 1
    with pytest.raises(InvalidInput):
        await services.products.list_products(again.model_copy(update={"sort": "name"}))
