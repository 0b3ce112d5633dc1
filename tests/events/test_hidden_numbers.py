"""A shop that hides its numbers tells them to nobody who does not work there, by no way."""

import json
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from lockstock.app import Services
from lockstock.events.stream import service
from tests.conftest import OpenShop, Register, User
from tests.events.streaming import reading_slowly
from tests.products.catalogue import post_product

UNITS = 37


@dataclass
class Hiding:
    """A shop that hides its numbers, its owner, a customer, and what it sells."""

    client: httpx2.AsyncClient
    owner: User
    customer: User
    shop: dict[str, Any]
    product: dict[str, Any]
    sold: int = 0

    @property
    def path(self) -> str:
        return f"/v1/shops/{self.shop['id']}"

    @property
    def variant_id(self) -> str:
        variant_id: str = self.product["variants"][0]["id"]
        return variant_id

    async def listed(self, user: User | None, **query: Any) -> list[dict[str, Any]]:
        """The products as somebody sees them."""
        answer = await self.client.get(
            "/v1/products",
            params={"shop": self.shop["id"]} | query,
            headers=user.headers if user else None,
        )
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def get(self, user: User | None) -> httpx2.Response:
        """The product as somebody sees it."""
        headers = user.headers if user else None
        return await self.client.get(f"{self.path}/products/{self.product['id']}", headers=headers)

    async def order(self, quantity: int) -> httpx2.Response:
        """Ask for so many units, as the customer."""
        self.sold += 1
        lines = [{"variant_id": self.variant_id, "quantity": quantity}]
        headers = self.customer.headers | {"Idempotency-Key": f"order {self.sold}"}
        return await self.client.post(f"{self.path}/orders", json={"lines": lines}, headers=headers)


@pytest.fixture
async def hiding(client: httpx2.AsyncClient, register: Register, open_shop: OpenShop) -> Hiding:
    """Thirty-seven units of one variant, low at five."""
    owner, customer = await register(), await register()
    shop = await open_shop(owner, hide_exact=True, low_stock_threshold=5)
    product = await post_product(client, owner.headers, shop)
    received = await client.post(
        f"/v1/shops/{shop['id']}/warehouses/{shop['warehouses'][0]['id']}/receive",
        json={"lines": [{"variant_id": product["variants"][0]["id"], "quantity": UNITS}]},
        headers=owner.headers,
    )
    assert received.status_code == 200, received.text
    return Hiding(client, owner, customer, shop, product)


def numbers_of(product: dict[str, Any]) -> list[int | None]:
    """All numbers of stock in a product."""
    [variant] = product["variants"]
    return [product["available"], variant["available"], variant["largest"]]


def words_of(product: dict[str, Any]) -> set[str]:
    """All that is said of its stock in words."""
    return {product["availability"], *(each["availability"] for each in product["variants"])}


async def test_customers_see_words_and_staff_see_numbers(hiding: Hiding) -> None:
    for user in (None, hiding.customer):
        for product in (*await hiding.listed(user), (await hiding.get(user)).json()):
            assert numbers_of(product) == [None] * 3
            assert words_of(product) == {"in_stock"}
    for product in (*await hiding.listed(hiding.owner), (await hiding.get(hiding.owner)).json()):
        assert numbers_of(product) == [UNITS] * 3


async def test_the_words_follow_the_stock(hiding: Hiding) -> None:
    for quantity, word in ((UNITS - 6, "in_stock"), (1, "low"), (4, "low"), (1, "out")):
        assert (await hiding.order(quantity)).status_code == 201
        assert words_of((await hiding.get(None)).json()) == {word}
        there = await hiding.listed(None, in_stock=True)
        assert len(there) == (0 if word == "out" else 1)


async def test_an_etag_is_the_same_until_the_word_is_another(hiding: Hiding) -> None:
    before, exact = await hiding.get(None), await hiding.get(hiding.owner)
    await hiding.order(1)
    after = await hiding.get(None)
    assert after.headers["etag"] == before.headers["etag"]
    assert after.content == before.content
    assert (await hiding.get(hiding.owner)).headers["etag"] != exact.headers["etag"]
    await hiding.order(UNITS - 3)
    assert (await hiding.get(None)).headers["etag"] != before.headers["etag"]


async def test_staff_edit_with_the_etag_that_they_were_given(hiding: Hiding) -> None:
    path = f"{hiding.path}/products/{hiding.product['id']}"
    etag = (await hiding.get(hiding.owner)).headers["etag"]
    headers = hiding.owner.headers | {"If-Match": etag}
    changed = await hiding.client.patch(path, json={"name": "Other"}, headers=headers)
    assert (changed.status_code, changed.json()["available"]) == (200, UNITS)
    again = await hiding.client.patch(path, json={"name": "Third"}, headers=headers)
    assert again.status_code == 412
    assert again.headers["etag"] == (await hiding.get(hiding.owner)).headers["etag"]


async def test_a_refused_order_says_no_number(hiding: Hiding) -> None:
    answer = await hiding.order(UNITS + 1)
    assert (answer.status_code, answer.json()["code"]) == (409, "out_of_stock")
    assert answer.json()["lines"] == [
        {
            "variant_id": hiding.variant_id,
            "requested": UNITS + 1,
            "availability": "in_stock",
        }
    ]


async def test_a_shop_that_hides_nothing_says_all(hiding: Hiding) -> None:
    shown = await hiding.client.patch(
        hiding.path, json={"hide_exact": False}, headers=hiding.owner.headers
    )
    assert shown.status_code == 200, shown.text
    [product] = await hiding.listed(None)
    assert (numbers_of(product), words_of(product)) == ([UNITS] * 3, {"in_stock"})
    [line] = (await hiding.order(UNITS + 1)).json()["lines"]
    assert (line["available"], line["largest"]) == (UNITS, UNITS)


async def test_staff_see_numbers_on_the_stream(
    app: FastAPI, services: Services, hiding: Hiding, client: httpx2.AsyncClient
) -> None:
    await services.relay.drain()
    token = hiding.owner.headers["Authorization"].encode()
    query = {"shop": hiding.shop["id"], "variant": hiding.variant_id}
    async with reading_slowly(app, (b"authorization", token), **query) as reader:
        await reader.until_available(UNITS)
        assert reader.last_id.isdigit()
        # Whoever starts to hide, hides from those who watch already, too; not from the staff.
        async with reading_slowly(app, **query) as other:
            await other.until(lambda seen: len(seen.stock) > 0)
            change = {"hide_exact": False}
            await client.patch(hiding.path, json=change, headers=hiding.owner.headers)
            await services.relay.drain()
            await other.until_available(UNITS)
            change = {"hide_exact": True}
            await client.patch(hiding.path, json=change, headers=hiding.owner.headers)
            await services.relay.drain()
            await other.until_available(None)
        assert {each["available"] for each in reader.stock} == {UNITS}


async def test_who_no_longer_works_there_is_cut_off(
    app: FastAPI,
    hiding: Hiding,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "CHECK_SECONDS", 0.05)
    member = f"{hiding.path}/members/{hiding.customer.id}"
    headers = hiding.owner.headers
    joined = await hiding.client.put(member, json={"role": "viewer"}, headers=headers)
    assert joined.status_code == 200, joined.text
    token = hiding.customer.headers["Authorization"].encode()
    async with reading_slowly(app, (b"authorization", token), shop=hiding.shop["id"]) as reader:
        assert (await hiding.client.delete(member, headers=headers)).status_code == 204
        await reader.until(lambda seen: seen.ended)


async def test_no_answer_to_a_customer_has_the_number(hiding: Hiding) -> None:
    """A look at whole answers, for ways that nobody has thought of."""
    order = (await hiding.order(1)).json()
    left = UNITS - 1
    headers = hiding.customer.headers
    for path in (
        "/v1/products",
        f"/v1/products?shop={hiding.shop['id']}&in_stock=true",
        f"{hiding.path}/products/{hiding.product['id']}",
        f"{hiding.path}/orders/{order['id']}",
        f"{hiding.path}/orders/{order['id']}/history",
        "/v1/me/orders",
    ):
        answer = await hiding.client.get(path, headers=headers)
        assert answer.status_code == 200, (path, answer.text)
        assert left not in _values(json.loads(answer.text)), path


def _values(found: Any) -> list[Any]:
    if isinstance(found, dict):
        return [value for member in found.values() for value in _values(member)]
    if isinstance(found, list):
        return [value for member in found for value in _values(member)]
    return [found]
