"""ETag, If-Match, If-None-Match and Link, on the real application."""

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel
from starlette.datastructures import URL

from lockstock.kernel.http import StrictRoute
from lockstock.kernel.nouns import Page
from lockstock.kernel.paging import link_next, page_parameter
from tests.conftest import OpenShop, Register


@dataclass
class House:
    """A shop with a product, and its owner."""

    client: httpx2.AsyncClient
    headers: dict[str, str]
    shop: dict[str, Any]
    product: dict[str, Any]

    def paths(self) -> dict[str, str]:
        shop = f"/v1/shops/{self.shop['id']}"
        return {
            "shop": shop,
            "product": f"{shop}/products/{self.product['id']}",
            "warehouse": f"{shop}/warehouses/{self.shop['warehouses'][0]['id']}",
        }

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.get(path, headers=self.headers | given)

    async def patch(self, path: str, name: str, if_match: str | None = None) -> httpx2.Response:
        given = {} if if_match is None else {"If-Match": if_match}
        return await self.client.patch(path, json={"name": name}, headers=self.headers | given)

    async def receive(self) -> None:
        line = {"variant_id": self.product["variants"][0]["id"], "quantity": 3}
        url = f"{self.paths()['warehouse']}/receive"
        answer = await self.client.post(url, json={"lines": [line]}, headers=self.headers)
        assert answer.is_success, answer.text


@pytest.fixture
async def house(client: httpx2.AsyncClient, register: Register, open_shop: OpenShop) -> House:
    owner = await register()
    shop = await open_shop(owner)
    body = {"name": "Tea", "variants": [{"sku": "TEA", "price_minor": 450}]}
    url = f"/v1/shops/{shop['id']}/products"
    made = await client.post(url, json=body, headers=owner.headers)
    return House(client, owner.headers, shop, made.json())


THINGS = ("shop", "product", "warehouse")


@pytest.mark.parametrize("thing", THINGS)
async def test_an_edit_of_what_was_changed_meanwhile_is_refused(house: House, thing: str) -> None:
    path = house.paths()[thing]
    seen = (await house.get(path)).headers["ETag"]
    first = await house.patch(path, "Ann's", seen)
    assert first.status_code == 200
    assert first.headers["ETag"] != seen
    refused = await house.patch(path, "Bob's", seen)
    assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed")
    now = await house.get(path)
    assert now.json()["name"] == "Ann's"
    assert refused.headers["ETag"] == refused.json()["etag"] == now.headers["ETag"]
    assert first.headers["ETag"] == now.headers["ETag"]
    again = await house.patch(path, "Bob's", refused.headers["ETag"])
    assert again.json()["name"] == "Bob's"


@pytest.mark.parametrize("thing", THINGS)
async def test_of_many_edits_of_one_edition_one_is_made(house: House, thing: str) -> None:
    path = house.paths()[thing]
    seen = (await house.get(path)).headers["ETag"]
    answers = await asyncio.gather(*(house.patch(path, f"No. {n}", seen) for n in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 9


@pytest.mark.parametrize("thing", THINGS)
async def test_without_a_condition_an_edit_is_made(house: House, thing: str) -> None:
    path = house.paths()[thing]
    seen = (await house.get(path)).headers["ETag"]
    for condition in (None, "*", '"other", {}', 'W/"other",{}'):
        given = condition and condition.format(seen)
        assert (await house.patch(path, "Tea", given)).status_code == 200
        seen = (await house.get(path)).headers["ETag"]
    for weak in (f"W/{seen}", '"other"', '""'):
        assert (await house.patch(path, "Tea", weak)).status_code == 412
    for bad in (seen.strip('"'), "", '"a" "b"', '"a'):
        refused = await house.patch(path, "Tea", bad)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input"), bad


@pytest.mark.parametrize("thing", THINGS)
async def test_what_is_known_is_not_sent_again(house: House, thing: str) -> None:
    path = house.paths()[thing]
    first = await house.get(path)
    etag = first.headers["ETag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = await house.get(path, If_None_Match=known)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == etag
    assert (await house.get(path, If_None_Match='"other"')).json() == first.json()
    await house.patch(path, "Changed")
    assert (await house.get(path, If_None_Match=etag)).json()["name"] == "Changed"


async def test_stock_that_moves_spoils_no_edit_and_is_seen(house: House) -> None:
    """Availability is part of what is answered, and no part of what is edited."""
    path = house.paths()["product"]
    seen = (await house.get(path)).headers["ETag"]
    await house.receive()
    live = await house.get(path, If_None_Match=seen)
    assert (live.status_code, live.json()["available"]) == (200, 3)
    assert (await house.patch(path, "Green tea", seen)).status_code == 200


async def test_a_price_that_changed_is_another_edition(house: House) -> None:
    path = house.paths()["product"]
    seen = (await house.get(path)).headers["ETag"]
    price = {"variants": [{"id": house.product["variants"][0]["id"], "price_minor": 500}]}
    await house.client.patch(path, json=price, headers=house.headers)
    assert (await house.patch(path, "Tea", seen)).status_code == 412


async def test_a_stranger_learns_nothing_from_conditions(house: House, register: Register) -> None:
    stranger = (await register()).headers
    for thing in ("shop", "warehouse"):
        path = house.paths()[thing]
        for headers in ({"If-Match": '"x"'}, {"If-Match": "*"}):
            answer = await house.client.patch(path, json={}, headers=stranger | headers)
            assert answer.status_code == 404
            assert "ETag" not in answer.headers


async def test_every_list_names_its_next_page_in_the_header_too(house: House) -> None:
    """The address of the next page, with the filters of this one."""
    shop = house.paths()["shop"]
    for n in range(3):
        body = {"name": f"Cup & saucer {n}", "variants": [{"sku": f"C{n}", "price_minor": 1}]}
        made = await house.client.post(f"{shop}/products", json=body, headers=house.headers)
        line = {"variant_id": made.json()["variants"][0]["id"], "quantity": 1}
        url = f"{house.paths()['warehouse']}/receive"
        await house.client.post(url, json={"lines": [line]}, headers=house.headers)
    lists = (
        f"/v1/products?shop={house.shop['id']}&q=cup+%26&limit=1",
        f"{shop}/stock?limit=1",
        f"{shop}/movements?limit=1&kind=receive",
    )
    for url in lists:
        seen, following = 0, url
        while following:
            answer = await house.get(following)
            assert answer.status_code == 200, answer.text
            seen += len(answer.json()["items"])
            link = answer.links.get("next", {}).get("url", "")
            assert bool(link) == (answer.json()["next"] is not None)
            following = str(link)
        assert seen == 3, url


def test_a_link_is_read_from_the_end_of_the_answer_only() -> None:
    """What looks like a cursor inside of an item is none."""
    answer = httpx2.Response(200)
    inside = b'{"items":[{"name":"\\"next\\":\\"abc\\"}"}],"next":null}'
    for body, link in ((inside, None), (b'{"items":[],"next":"a-_1"}', "a-_1")):
        answer.body = body  # type: ignore[attr-defined]
        link_next(URL("/v1/x?q=%C3%A9&cursor=old"), answer)  # type: ignore[arg-type]
        expected = None if link is None else f'</v1/x?q=%C3%A9&cursor={link}>; rel="next"'
        assert answer.headers.get("Link") == expected


def test_a_list_whose_next_is_not_last_is_refused() -> None:
    class Longer(Page[int]):
        more: int

    with pytest.raises(TypeError):
        page_parameter(Longer, ["cursor"])
    assert page_parameter(Page[int], ["limit", "cursor"]) == "cursor"
    assert page_parameter(Page[int], []) is None
    assert page_parameter(BaseModel, ["cursor"]) is None
    assert StrictRoute is not None
