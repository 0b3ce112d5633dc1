"""The list of products: each exactly once, in order, with what is available now."""

import random
from typing import Any, get_args
from uuid import UUID

import pytest

from lockstock.app import Services
from lockstock.kernel.database import Connection, Database
from lockstock.kernel.errors import InvalidInput
from lockstock.kernel.ids import new_id
from lockstock.products.contract import Product, ProductList, Sort
from lockstock.products.listing import service as listing
from lockstock.products.listing import store
from lockstock.warehouses.contract import Deactivate, Line
from lockstock.warehouses.reservations.contract import Reserve
from tests.products.catalogue import create, names, new_product, pages, skus_of, stock_up

SORTS = [sort for sort in get_args(Sort) if sort != "relevance"]


def in_order(products: list[Product], sort: Sort) -> list[Any]:
    """What the list is sorted by, negated where it goes down."""
    prices = [[variant.price.amount_minor for variant in one.variants] for one in products]
    if sort == "price":
        return [min(of_one) for of_one in prices]
    if sort == "-price":
        return [-max(of_one) for of_one in prices]
    if sort == "newest":
        return [-one.created_at.timestamp() for one in products]
    names_of_all = [one.name.casefold() for one in products]
    return names_of_all if sort == "name" else names_of_all[::-1]


async def five_hundred(services: Services, shop_id: UUID) -> set[UUID]:
    """Products with many names and prices alike, made in five batches."""
    chance = random.Random(7)
    made: list[Product] = []
    for batch in range(5):
        asks = [
            new_product(
                chance.choice(["tea", "Tea", "Éclair", "zebra", "Apple"]) + chance.choice("ABC"),
                f"{batch}-{n}",
                price_minor=chance.choice([0, 5, 5, 2**63 - 1]),
            )
            for n in range(100)
        ]
        made += await create(services, shop_id, *asks)
    return {product.id for product in made}


@pytest.mark.parametrize("everywhere", [False, True])
async def test_paging_gives_each_product_once_while_others_come_in(
    services: Services, everywhere: bool
) -> None:
    shop_id = new_id()
    there = await five_hundred(services, shop_id)
    for sort in SORTS:
        ask = ProductList(shop_id=None if everywhere else shop_id, sort=sort, limit=37)
        seen: list[Product] = []
        while True:
            page = await services.products.list_products(ask)
            seen += page.items
            newcomers = [new_product(name, str(new_id())) for name in ("Aaa", "tea", "Zzz")]
            await create(services, shop_id, *newcomers)
            if page.next is None:
                break
            ask = ask.model_copy(update={"cursor": page.next})
        ids = [product.id for product in seen]
        assert len(ids) == len(set(ids)), sort
        assert there <= set(ids), sort


@pytest.mark.parametrize("sort", SORTS)
async def test_a_list_is_in_its_order(services: Services, sort: Sort) -> None:
    shop_id = new_id()
    await five_hundred(services, shop_id)
    for of_shop in (shop_id, None):
        found = await pages(services, ProductList(shop_id=of_shop, sort=sort, limit=200))
        assert [len(page) for page in found] == [200, 200, 100]
        keys = in_order([product for page in found for product in page], sort)
        # Accents and case are folded for names, which casefold alone cannot tell.
        assert keys == sorted(
            keys, key=lambda key: str(key).replace("é", "e") if "name" in sort else key
        )


async def test_over_all_shops_each_currency_has_its_own_prices(services: Services) -> None:
    for currency, price_minor in (("USD", 1), ("EUR", 500), ("USD", 900), ("EUR", 2)):
        ask = new_product(f"{currency} {price_minor}", "s", price_minor=price_minor)
        await services.products.create(new_id(), currency, [ask])
    up = ["EUR 2", "EUR 500", "USD 1", "USD 900"]
    assert await names(services, sort="price", limit=1) == up
    assert await names(services, sort="-price", limit=3) == up[::-1]


async def test_a_product_with_many_prices_stands_by_its_lowest_or_highest(
    services: Services,
) -> None:
    shop_id = new_id()
    wide = new_product("Wide", "w1", "w2")
    wide.variants[0] = wide.variants[0].model_copy(update={"price_minor": 10})
    wide.variants[1] = wide.variants[1].model_copy(update={"price_minor": 30})
    await create(services, shop_id, wide, new_product("Middle", "m", price_minor=20))
    assert await names(services, shop_id=shop_id, sort="price") == ["Wide", "Middle"]
    assert await names(services, shop_id=shop_id, sort="-price") == ["Wide", "Middle"]


async def test_variants_are_listed_in_their_order_each_with_its_product(
    services: Services,
) -> None:
    one, other = new_id(), new_id()
    await create(services, one, new_product("B", "z", "y", "x"), new_product("A", "w"))
    await create(services, other, new_product("C", "z"))
    [page] = await pages(services, ProductList())
    assert [skus_of(product) for product in page] == [["w"], ["z", "y", "x"], ["z"]]
    assert [product.shop_id for product in page] == [one, one, other]


@pytest.mark.parametrize("of_shop", [True, False])
async def test_only_what_is_in_stock_is_listed_when_asked(
    services: Services, of_shop: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop_id = new_id()
    products = await create(
        services, shop_id, *(new_product(f"P{n:03}", f"s{n}") for n in range(120))
    )
    kept = [products[n] for n in (0, 1, 30, 31, 77, 119)]
    for product in kept:
        await stock_up(services, product, 2)
    expected = [product.name for product in kept]
    ask = ProductList(shop_id=shop_id if of_shop else None, in_stock=True, limit=2)
    found = await pages(services, ask)
    assert [[product.name for product in page] for page in found] == [
        expected[0:2],
        expected[2:4],
        expected[4:6],
    ]
    assert {product.available for page in found for product in page} == {2}
    # Where little is in stock a page ends early; nothing is lost and nothing comes twice.
    monkeypatch.setattr(listing, "MOST_LOOKED_AT", 5)
    assert await names(services, shop_id=ask.shop_id, in_stock=True, limit=2) == expected


async def test_a_hold_a_shut_warehouse_and_an_empty_one_are_not_in_stock(
    services: Services,
) -> None:
    shop_id = new_id()
    held, shut, gone, sold = await create(
        services, shop_id, *(new_product(name, name) for name in ("Held", "Shut", "Gone", "Sold"))
    )
    await stock_up(services, held, 1)
    await stock_up(services, gone, 1)
    await stock_up(services, sold, 3)
    warehouse_id = await stock_up(services, shut, 1)
    await services.warehouses.deactivate(shop_id, warehouse_id, Deactivate())
    asks = [
        Reserve(
            order_id=new_id(),
            customer_id=new_id(),
            lines=[Line(variant_id=product.variants[0].id, quantity=1)],
            seconds=seconds,
        )
        for product, seconds in ((held, 600), (sold, 600))
    ]
    await services.reservations.reserve(shop_id, asks)
    assert await names(services, shop_id=shop_id, in_stock=True) == ["Gone", "Sold"]
    [page] = await pages(services, ProductList(shop_id=shop_id))
    assert {product.name: product.available for product in page} == {
        "Gone": 1,
        "Held": 0,
        "Shut": 0,
        "Sold": 2,
    }


async def test_the_fullest_warehouse_is_shown(services: Services) -> None:
    shop_id = new_id()
    [product] = await create(services, shop_id, new_product("Tea", "t", "u"))
    await stock_up(services, product, 5)
    await stock_up(services, product, 3)
    [[found]] = await pages(services, ProductList())
    assert [(variant.available, variant.largest) for variant in found.variants] == [(8, 5)] * 2
    assert found.available == 16


async def test_a_cursor_of_another_list_is_refused(services: Services) -> None:
    shop_id = new_id()
    await create(services, shop_id, *(new_product(f"P{n}", f"s{n}") for n in range(3)))
    ask = ProductList(shop_id=shop_id, limit=1)
    page = await services.products.list_products(ask)
    assert page.next is not None
    for other in (
        ProductList(limit=1),
        ProductList(shop_id=new_id()),
        ProductList(shop_id=shop_id, sort="-name"),
        ProductList(shop_id=shop_id, q="p"),
    ):
        with pytest.raises(InvalidInput):
            await services.products.list_products(other.model_copy(update={"cursor": page.next}))
    tampered = page.next[:-4] + ("AAAA" if page.next[-4:] != "AAAA" else "BBBB")
    with pytest.raises(InvalidInput):
        await services.products.list_products(ask.model_copy(update={"cursor": tampered}))


async def test_a_page_is_found_along_an_index(services: Services, database: Database) -> None:
    for _ in range(4):
        shop_id = new_id()
        for batch in range(2):
            asks = [new_product(f"P {n}", f"{batch}-{n}", price_minor=n) for n in range(500)]
            await create(services, shop_id, *asks)

    async def explain(connection: Connection) -> dict[str, str]:
        await connection.execute("ANALYZE products.products")
        plans = {}
        for (in_shop, searching), statements in store.STATEMENTS.items():
            for sort, statement in statements.items():
                if searching:
                    continue
                types = {"name": "text", "newest": "timestamptz", "price": "bigint"}[
                    sort.removeprefix("-")
                ]
                values = {"text": "'p'", "timestamptz": "'2100-01-01'", "bigint": "100"}[types]
                currency = "'EUR', " if "price" in sort and not in_shop else ""
                shop = f"'{shop_id}', false, " if in_shop else ""
                parameters = f"{shop}51, {currency}{values}, '{new_id()}'"
                await connection.execute(f"PREPARE page AS {statement}")
                rows = await connection.fetch(f"EXPLAIN EXECUTE page ({parameters})")
                await connection.execute("DEALLOCATE page")
                plans[f"{sort} {in_shop}"] = "\n".join(row[0] for row in rows)
        return plans

    for which, plan in (await database.read(explain)).items():
        assert "Index Scan" in plan, (which, plan)
        assert "Sort" not in plan, (which, plan)
        assert "Seq Scan" not in plan, (which, plan)
