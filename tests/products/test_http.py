"""Products over HTTP: who may do what, and what is refused."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from lockstock.kernel.ids import new_id
from tests.conftest import Register
from tests.products.catalogue import post_product
from tests.shops.people import ROLES, People, check_refused, people, shop_of, somebody

EVERYBODY = (*ROLES, "other", "stranger", "nobody", "admin")
KEEPERS = {"owner", "manager", "admin"}
WORKERS = {*ROLES, "admin"}


@pytest.fixture
async def there(client: httpx2.AsyncClient, register: Register) -> People:
    return await people(client, register)


async def test_only_owner_manager_and_admin_keep_the_catalogue(
    client: httpx2.AsyncClient, there: People
) -> None:
    products = f"/v1/shops/{there.shop['id']}/products"
    made = await post_product(client, there.headers["owner"], there.shop)
    for who in EVERYBODY:
        refusal = {"nobody": 401, "other": 404, "stranger": 404}.get(who, 403)
        body = {"name": "Tea", "variants": [{"sku": f"SKU-{who}", "price_minor": 1}]}
        headers = there.headers[who]
        created = await client.post(products, json=body, headers=headers)
        assert created.status_code == (201 if who in KEEPERS else refusal), who
        change = {"description": who}
        changed = await client.patch(f"{products}/{made['id']}", json=change, headers=headers)
        assert changed.status_code == (200 if who in KEEPERS else refusal), who


async def test_everybody_sees_what_is_published_and_workers_the_rest(
    client: httpx2.AsyncClient, there: People
) -> None:
    keeper = there.headers["manager"]
    shown = await post_product(client, keeper, there.shop)
    variants = [{"sku": "HIDDEN", "price_minor": 1}]
    hidden = await post_product(client, keeper, there.shop, published=False, variants=variants)
    url = f"/v1/shops/{there.shop['id']}/products/"
    of_shop = {"shop": there.shop["id"]}
    for who in EVERYBODY:
        headers = there.headers[who]
        assert (await client.get(url + shown["id"], headers=headers)).json() == shown
        answer = await client.get(url + hidden["id"], headers=headers)
        assert answer.status_code == (200 if who in WORKERS else 404), who
        listed = await client.get("/v1/products", headers=headers)
        assert listed.json() == {"items": [shown], "next": None}
        everything = of_shop | {"unpublished": "true"}
        answer = await client.get("/v1/products", params=everything, headers=headers)
        assert answer.status_code == (200 if who in WORKERS else {"nobody": 401}.get(who, 404)), who
        if who in WORKERS:
            assert {item["id"] for item in answer.json()["items"]} == {shown["id"], hidden["id"]}
    check_refused(
        await client.get("/v1/products", params={"unpublished": "true"}, headers=keeper),
        422,
        "unpublished",
    )


async def test_another_shops_ids_are_not_there(client: httpx2.AsyncClient, there: People) -> None:
    theirs = await post_product(client, there.headers["owner"], there.shop)
    headers = there.headers["other"]
    [other] = (await client.get("/v1/shops", headers=headers)).json()["items"]
    mine = await post_product(client, headers, other)
    url = f"/v1/shops/{other['id']}/products"
    for product_id in (theirs["id"], str(new_id()), "1", "00000000-0000-0000-0000-000000000000"):
        check_refused(await client.get(f"{url}/{product_id}", headers=headers), 404)
        check_refused(
            await client.patch(f"{url}/{product_id}", json={"name": "Mine"}, headers=headers), 404
        )
    borrowed = {"variants": [{"id": theirs["variants"][0]["id"], "price_minor": 0}]}
    check_refused(
        await client.patch(f"{url}/{mine['id']}", json=borrowed, headers=headers),
        422,
        "variants.0.id",
    )
    kept = await client.get(f"/v1/shops/{there.shop['id']}/products/{theirs['id']}")
    assert kept.json() == theirs


async def test_prices_are_in_the_currency_of_the_shop(client: httpx2.AsyncClient) -> None:
    owner = somebody()
    asked = {"name": "Shop", "currency": "BHD"}
    shop = (await client.post("/v1/shops", json=asked, headers=owner.headers)).json()
    variants = [{"sku": "a", "price_minor": 2**63 - 1}, {"sku": "b", "price_minor": 0}]
    product = await post_product(client, owner.headers, shop, variants=variants)
    assert [variant["price"] for variant in product["variants"]] == [
        {"amount_minor": 2**63 - 1, "currency": "BHD"},
        {"amount_minor": 0, "currency": "BHD"},
    ]


async def test_an_admin_cannot_sell_in_a_shop_that_is_not_there(
    client: httpx2.AsyncClient,
) -> None:
    body = {"name": "Tea", "variants": [{"sku": "a", "price_minor": 1}]}
    headers = somebody(is_admin=True).headers
    url = f"/v1/shops/{new_id()}/products"
    check_refused(await client.post(url, json=body, headers=headers), 404)


async def test_a_retry_returns_the_first_product(client: httpx2.AsyncClient) -> None:
    owner = somebody()
    shop = await shop_of(client, owner, "Shop")
    headers = owner.headers | {"Idempotency-Key": "k"}
    first = await post_product(client, headers, shop)
    assert await post_product(client, headers, shop) == first
    url = f"/v1/shops/{shop['id']}/products"
    body = {"name": "Coffee", "variants": [{"sku": "C", "price_minor": 1}]}
    reused = await client.post(url, json=body, headers=headers)
    check_refused(reused, 422)
    assert reused.json()["code"] == "idempotency_key_reused"
    taken = await client.post(
        url, json={"name": "Tea", "variants": first_asked()}, headers=owner.headers
    )
    check_refused(taken, 409)
    assert (taken.json()["code"], taken.json()["skus"]) == ("sku_taken", ["TEA-1"])


def first_asked() -> list[dict[str, Any]]:
    return [{"sku": "TEA-1", "price_minor": 1}]


BAD_PRICES: tuple[object, ...] = (-1, 1.0, 1.5, "2", True, None, 1e300, [], {})
BAD_FIELDS: dict[str, tuple[object, ...]] = {
    "name": ("", " ", None, 1, "x" * 201, "a\u202eb", "a\x00b"),
    "description": ("", 1, "x" * 10_001),
    "published": (None, 1, "true"),
    "variants": ([], None, {}, "x"),
    **dict.fromkeys(("id", "shop_id", "currency", "price", "available"), ("x",)),
}
BAD_VARIANTS: dict[str, tuple[object, ...]] = {
    "price_minor": BAD_PRICES,
    "sku": ("", " ", "a b", "é", "x" * 65, None, 1, "a\n"),
    "attributes": (None, {str(n): "x" for n in range(21)}, {"\u00e9": "x", "e\u0301": "y"}),
    **dict.fromkeys(("id", "price", "stock", "available"), ("x",)),
}
BAD_ATTRIBUTES: tuple[object, ...] = (1, None, "", "x" * 201)


def bad_products() -> Iterator[tuple[dict[str, Any], str]]:
    """Bodies, each with the path of what is wrong with it."""
    first: dict[str, Any] = {"sku": "a", "price_minor": 1}
    for field, values in BAD_FIELDS.items():
        for value in values:
            yield {"name": "Tea", "variants": [first]} | {field: value}, field
    second: list[tuple[dict[str, Any], str]] = [
        ({field: value}, field) for field, values in BAD_VARIANTS.items() for value in values
    ]
    second += [({"attributes": {"size": value}}, "attributes.size") for value in BAD_ATTRIBUTES]
    for wrong, path in second:
        variant = {"sku": "b", "price_minor": 1} | wrong
        yield {"name": "Tea", "variants": [first, variant]}, f"variants.1.{path}"


async def test_a_bad_value_is_refused_and_named(client: httpx2.AsyncClient) -> None:
    owner = somebody()
    shop = await shop_of(client, owner, "Shop")
    url = f"/v1/shops/{shop['id']}/products"
    for body, path in bad_products():
        answer = await client.post(url, json=body, headers=owner.headers)
        if "\\u0000" in answer.request.content.decode():
            check_refused(answer, 400)
        else:
            check_refused(answer, 422, path)
    listed = await client.get("/v1/products", params={"shop": shop["id"]})
    assert listed.json()["items"] == []


async def test_what_is_no_product_is_refused(client: httpx2.AsyncClient) -> None:
    owner = somebody()
    shop = await shop_of(client, owner, "Shop")
    headers = owner.headers | {"Content-Type": "application/json"}
    url = f"/v1/shops/{shop['id']}/products"
    for body, status in (
        ('{"name": "T", "variants": [{"sku": "a", "price_minor": 9223372036854775808}]}', 400),
        ('{"name": "T", "variants": [{"sku": "a", "price_minor": NaN}]}', 400),
        ('{"name": "T", "variants": [{"sku": "a", "price_minor": 1, "price_minor": 2}]}', 400),
        ('{"name": "T", "variants": [{"sku": "a", "price_minor": 1}]} x', 400),
        ("[]", 422),
        ("", 422),
    ):
        check_refused(await client.post(url, content=body, headers=headers), status)


async def test_a_bad_change_is_refused_named_and_changes_nothing(
    client: httpx2.AsyncClient,
) -> None:
    owner = somebody()
    shop = await shop_of(client, owner, "Shop")
    product = await post_product(client, owner.headers, shop)
    variant_id = product["variants"][0]["id"]
    url = f"/v1/shops/{shop['id']}/products/{product['id']}"
    changes: list[tuple[dict[str, Any], str]] = [
        ({"name": None}, "name"),
        ({"published": None}, "published"),
        ({"variants": None}, "variants"),
        ({"currency": "USD"}, "currency"),
        ({"variants": [{"id": variant_id, "price_minor": None}]}, "variants.0.price_minor"),
        ({"variants": [{"id": variant_id, "price_minor": 1.0}]}, "variants.0.price_minor"),
        ({"variants": [{"id": variant_id, "sku": None}]}, "variants.0.sku"),
        ({"variants": [{"id": "1", "price_minor": 1}]}, "variants.0.id"),
        ({"variants": [{"id": None, "sku": "x", "price_minor": 1}]}, "variants.0.id"),
        ({"variants": [{"id": str(new_id()), "price_minor": 1}]}, "variants.0.id"),
        ({"variants": [{"sku": "x"}]}, "variants.0.price_minor"),
        ({"variants": [{"id": variant_id, "stock": 1}]}, "variants.0.stock"),
    ]
    for change, path in changes:
        body = {"description": "Changed"} | change
        check_refused(await client.patch(url, json=body, headers=owner.headers), 422, path)
    assert (await client.get(url)).json() == product


async def test_a_bad_parameter_is_refused_and_named(client: httpx2.AsyncClient) -> None:
    for query in (
        "limit=0",
        "limit=201",
        "limit=1000000000",
        "limit=x",
        "limit=1&limit=2",
        "sort=id",
        "sort=",
        "shop=1",
        "in_stock=perhaps",
        "cursor=x",
        "cursor=é",
        "cursor=",
        "q=" + "x" * 201,
        "q=%00",
        "page=2",
    ):
        path, _, _ = query.partition("=")
        check_refused(await client.get(f"/v1/products?{query}"), 422, path)


async def test_any_search_is_answered(client: httpx2.AsyncClient) -> None:
    owner = somebody()
    shop = await shop_of(client, owner, "Shop")
    await post_product(client, owner.headers, shop)
    for q in (
        "'; DROP TABLE products.products; --",
        "%",
        "_",
        "\\",
        "a & | ! (",
        "<script>alert(1)</script>",
        "{{7*7}}",
        "../../etc/passwd",
        "\u202e\ufeff",
        "\ud7ff\U0010ffff",
        "(" * 200,
        "é" * 200,
    ):
        answer = await client.get("/v1/products", params={"q": q})
        assert (answer.status_code, answer.json()) == (200, {"items": [], "next": None}), q
    broken = await client.get("/v1/products?q=%ff%ed%a0%80")
    assert broken.status_code == 422
    found = await client.get("/v1/products", params={"q": "tea", "in_stock": "false"})
    assert len(found.json()["items"]) == 1


async def test_pages_follow_each_other(client: httpx2.AsyncClient) -> None:
    owner = somebody()
    shop = await shop_of(client, owner, "Shop")
    for n in range(5):
        variants = [{"sku": f"s{n}", "price_minor": n}]
        await post_product(client, owner.headers, shop, name=f"P{n}", variants=variants)
    seen: list[str] = []
    params = {"shop": shop["id"], "sort": "-price", "limit": "2"}
    while True:
        page = (await client.get("/v1/products", params=params)).json()
        seen += [item["name"] for item in page["items"]]
        if page["next"] is None:
            break
        params["cursor"] = page["next"]
    assert seen == ["P4", "P3", "P2", "P1", "P0"]
