"""Creating and changing products, on the real database."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from lockstock.app import Services
from lockstock.kernel.errors import IdempotencyKeyReused
from lockstock.kernel.ids import new_id
from lockstock.products.contract import (
    NewVariant,
    NoSuchProduct,
    Product,
    ProductChange,
    SkuTaken,
    VariantChange,
)
from tests.products.catalogue import create, made, names, new_product, skus_of, stock_up


async def test_a_product_is_what_was_asked_for(services: Services) -> None:
    shop_id = new_id()
    ask = new_product("Tea", "T-1", "T-2", description="Green", attributes={"size": "L"})
    [product] = await create(services, shop_id, ask)
    kept = await services.products.get(shop_id, product.id, published_only=True)
    assert kept == product
    assert (kept.name, kept.description, skus_of(kept)) == ("Tea", "Green", ["T-1", "T-2"])
    assert kept.variants[0].attributes == {"size": "L"}


async def test_a_taken_sku_refuses_only_that_product(services: Services) -> None:
    shop_id = new_id()
    await create(services, shop_id, new_product("Old", "old"))
    asks = [
        new_product("Clashes with the old one", "new", "old"),
        new_product("First", "new", "first"),
        new_product("Clashes with the first", "first"),
        new_product("Last", "last"),
    ]
    answers = await services.products.create(shop_id, "EUR", asks)
    assert [type(answer) for answer in answers] == [SkuTaken, Product, SkuTaken, Product]
    assert await names(services, shop_id=shop_id) == ["First", "Last", "Old"]


async def test_another_shop_may_have_the_same_sku(services: Services) -> None:
    await create(services, new_id(), new_product("Tea", "T"))
    await create(services, new_id(), new_product("Tea", "T"))


async def test_a_batch_takes_as_many_statements_as_one_product(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    for name, run in (
        ("fetch", asyncpg.Connection.fetch),
        ("fetchval", asyncpg.Connection.fetchval),
    ):

        async def counted(*args: Any, run: Callable[..., Any] = run, **kwargs: Any) -> Any:
            statements.append(args[1])
            return await run(*args, **kwargs)

        monkeypatch.setattr(asyncpg.Connection, name, counted)
    await create(services, new_id(), new_product("Product", "A", "B"))
    of_one = len(statements)
    products = [new_product(f"Product {n}", f"A-{n}", f"B-{n}") for n in range(500)]
    assert len(await create(services, new_id(), *products)) == 500
    assert len(statements) == 2 * of_one > 0


async def test_a_retry_returns_the_first_product(services: Services) -> None:
    shop_id, product_id, ask = new_id(), new_id(), new_product("Tea", "T")
    [first] = await services.products.create(shop_id, "EUR", [ask], [product_id])
    await stock_up(services, made(first), 3)
    [second] = await services.products.create(shop_id, "EUR", [ask], [product_id])
    assert made(second).id == made(first).id == product_id
    assert made(second).variants[0].id == made(first).variants[0].id
    assert made(second).available == 3


async def test_a_key_is_good_for_one_request(services: Services) -> None:
    shop_id, product_id = new_id(), new_id()
    await services.products.create(shop_id, "EUR", [new_product("Tea", "T")], [product_id])
    other = [new_product("Coffee", "C")]
    [answer] = await services.products.create(shop_id, "EUR", other, [product_id])
    assert isinstance(answer, IdempotencyKeyReused)
    assert await names(services, shop_id=shop_id) == ["Tea"]


@pytest.mark.races
async def test_twenty_retries_at_once_make_one_product(services: Services) -> None:
    shop_id, product_id, ask = new_id(), new_id(), new_product("Tea", "T", "U")
    answers = await asyncio.gather(
        *(services.products.create(shop_id, "EUR", [ask], [product_id]) for _ in range(20))
    )
    assert len({made(answer).model_dump_json() for [answer] in answers}) == 1
    assert await names(services, shop_id=shop_id) == ["Tea"]


@pytest.mark.races
async def test_of_twenty_who_want_a_sku_at_once_one_gets_it(services: Services) -> None:
    shop_id = new_id()
    answers = await asyncio.gather(
        *(
            # Each of them also in an order of its own: nobody waits for a circle.
            services.products.create(
                shop_id,
                "EUR",
                [new_product(f"P{n}", *(["hot", f"own-{n}"][:: 1 if n % 2 else -1]))],
            )
            for n in range(20)
        )
    )
    refused = [answer for [answer] in answers if isinstance(answer, SkuTaken)]
    assert len(refused) == 19
    assert all(refusal.fields == {"skus": ["hot"]} for refusal in refused)
    assert len(await names(services, shop_id=shop_id)) == 1


async def test_a_change_shows_in_the_list_and_the_search(services: Services) -> None:
    shop_id = new_id()
    [product] = await create(services, shop_id, new_product("Tea", "T", description="Green"))
    variant_id = product.variants[0].id
    ask = ProductChange(
        name="Coffee",
        description=None,
        variants=[
            VariantChange(id=variant_id, price_minor=900),
            VariantChange(sku="C-2", price_minor=700, attributes={"roast": "dark"}),
        ],
    )
    after = await services.products.change(shop_id, product.id, ask)
    assert after == await services.products.get(shop_id, product.id, published_only=True)
    assert (after.name, after.description, skus_of(after)) == ("Coffee", None, ["T", "C-2"])
    assert [variant.price.amount_minor for variant in after.variants] == [900, 700]
    assert await names(services, shop_id=shop_id, q="dark") == ["Coffee"]
    assert await names(services, shop_id=shop_id, q="green") == []
    await create(services, shop_id, new_product("Cocoa", "K", price_minor=800))
    assert await names(services, shop_id=shop_id, sort="price") == ["Coffee", "Cocoa"]
    assert await names(services, shop_id=shop_id, sort="-price") == ["Coffee", "Cocoa"]


async def test_two_variants_exchange_their_skus(services: Services) -> None:
    shop_id = new_id()
    [product] = await create(services, shop_id, new_product("Tea", "a", "b"))
    first, second = product.variants
    swap = [VariantChange(id=first.id, sku="b"), VariantChange(id=second.id, sku="a")]
    after = await services.products.change(shop_id, product.id, ProductChange(variants=swap))
    assert skus_of(after) == ["b", "a"]
    [quote] = await services.products.variants_by_sku(shop_id, ["b"])
    assert quote.variant_id == first.id


async def test_a_change_to_a_taken_sku_changes_nothing(services: Services) -> None:
    shop_id = new_id()
    product, _ = await create(services, shop_id, new_product("A", "a"), new_product("B", "b"))
    renamed = VariantChange(id=product.variants[0].id, sku="b")
    added = VariantChange(sku="b", price_minor=1)
    for variant in (renamed, added):
        ask = ProductChange(name="Other", variants=[variant])
        with pytest.raises(SkuTaken) as refusal:
            await services.products.change(shop_id, product.id, ask)
        assert refusal.value.fields == {"skus": ["b"]}
    assert await services.products.get(shop_id, product.id, published_only=True) == product


@pytest.mark.races
async def test_of_ten_changes_to_one_sku_one_wins(services: Services) -> None:
    shop_id = new_id()
    products = await create(services, shop_id, *(new_product(f"P{n}", f"s{n}") for n in range(10)))
    answers = await asyncio.gather(
        *(
            services.products.change(
                shop_id,
                product.id,
                ProductChange(
                    variants=[
                        VariantChange(id=product.variants[0].id, sku="hot")
                        if n % 2
                        else VariantChange(sku="hot", price_minor=1)
                    ]
                ),
            )
            for n, product in enumerate(products)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, Product) for answer in answers) == 1
    assert sum(isinstance(answer, SkuTaken) for answer in answers) == 9


@pytest.mark.races
async def test_changes_of_a_product_at_once_all_stay(services: Services) -> None:
    shop_id = new_id()
    [product] = await create(services, shop_id, new_product("Tea", "t"))
    await asyncio.gather(
        *(
            services.products.change(
                shop_id,
                product.id,
                ProductChange(variants=[VariantChange(sku=f"v{n}", price_minor=n)]),
            )
            for n in range(10)
        )
    )
    after = await services.products.get(shop_id, product.id, published_only=True)
    assert set(skus_of(after)) == {"t", *(f"v{n}" for n in range(10))}
    assert await names(services, shop_id=shop_id, q="v7") == ["Tea"]


async def test_what_is_not_published_is_shown_and_sold_to_nobody(services: Services) -> None:
    shop_id = new_id()
    [product] = await create(services, shop_id, new_product("Tea", "t", published=False))
    with pytest.raises(NoSuchProduct):
        await services.products.get(shop_id, product.id, published_only=True)
    assert await services.products.get(shop_id, product.id, published_only=False) == product
    assert await names(services) == await names(services, q="tea") == []
    assert await names(services, shop_id=shop_id) == []
    assert await names(services, shop_id=shop_id, unpublished=True) == ["Tea"]
    variant_ids = [variant.id for variant in product.variants]
    assert await services.products.quote(shop_id, variant_ids) == []
    assert await services.products.existing(shop_id, [*variant_ids, new_id()]) == {*variant_ids}
    [found] = await services.products.variants_by_sku(shop_id, ["t", "u"])
    assert found.variant_id == variant_ids[0]


async def test_a_quote_is_of_this_shop_and_of_now(services: Services) -> None:
    shop_id = new_id()
    [product] = await create(services, shop_id, new_product("Tea", "t", price_minor=2**63 - 1))
    variant_id = product.variants[0].id
    assert await services.products.quote(new_id(), [variant_id]) == []
    [quote] = await services.products.quote(shop_id, [variant_id, variant_id, new_id()])
    assert (quote.name, quote.sku, quote.price_minor) == ("Tea", "t", 2**63 - 1)
    ask = ProductChange(variants=[VariantChange(id=variant_id, price_minor=0)])
    await services.products.change(shop_id, product.id, ask)
    [quote] = await services.products.quote(shop_id, [variant_id])
    assert (quote.price_minor, quote.currency) == (0, "EUR")


async def test_another_shops_product_is_not_there(services: Services) -> None:
    [product] = await create(services, new_id(), new_product("Tea", "t"))
    with pytest.raises(NoSuchProduct):
        await services.products.get(new_id(), product.id, published_only=False)
    with pytest.raises(NoSuchProduct):
        await services.products.change(new_id(), product.id, ProductChange(name="Mine"))


async def test_the_biggest_product_fits(services: Services) -> None:
    shop_id = new_id()
    wide = "\U00020000"
    variants = [
        NewVariant(
            sku=f"{n:064}",
            price_minor=n,
            attributes={f"{wide * 90}{m}": f"{n}{m}{wide * 190}" for m in range(20)},
        )
        for n in range(100)
    ]
    ask = new_product("a", "b", description=" ".join(f"{n}{wide * 50}" for n in range(180)))
    ask = ask.model_copy(update={"name": wide * 200, "variants": variants})
    [product] = await create(services, shop_id, ask)
    assert await names(services, shop_id=shop_id, q=f"{99:064}") == [product.name]
