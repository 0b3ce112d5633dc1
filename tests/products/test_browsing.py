"""The hot route of the list of products means what the usual route means, to the letter."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from lockstock.kernel.hot import HotCall
from lockstock.kernel.ids import new_id
from lockstock.products import browsing
from lockstock.products.contract import ProductList
from lockstock.products.service import ProductsService
from tests.conftest import OpenShop, Register, User

# The plain route does not take a request that says how it is encoded: it goes the usual way.
USUAL_WAY = {"Content-Encoding": "identity"}


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The queries that the hot route answered by itself."""
    found: list[str] = []

    async def browse(call: HotCall) -> Any:
        answer = await browsing.browse(call)
        if answer is not None:
            found.append(call.scope["query_string"].decode())
        return answer

    monkeypatch.setattr(browsing.BROWSE, "answer", browse)
    return found


@pytest.fixture
async def shop(client: httpx2.AsyncClient, register: Register, open_shop: OpenShop) -> str:
    """A shop with seven products of one to two variants, some of them in stock."""
    owner = await register()
    found = await open_shop(owner)
    await fill(client, owner, found)
    shop_id: str = found["id"]
    return shop_id


async def fill(client: httpx2.AsyncClient, owner: User, shop: dict[str, Any]) -> None:
    path = f"/v1/shops/{shop['id']}"
    for number in range(7):
        variants = [
            {"sku": f"S{number}-{each}", "price_minor": 100 * number + each}
            for each in range(1 + number % 2)
        ]
        asked = {"name": f"Tee no. {number} für Ann", "variants": variants}
        made = (await client.post(f"{path}/products", json=asked, headers=owner.headers)).json()
        if number % 3 == 0:
            lines = [{"variant_id": made["variants"][0]["id"], "quantity": 5}]
            received = f"{path}/warehouses/{shop['warehouses'][0]['id']}/receive"
            answer = await client.post(received, json={"lines": lines}, headers=owner.headers)
            assert answer.status_code == 200, answer.text


def seen(answer: httpx2.Response) -> tuple[int, Any, dict[str, str]]:
    body = answer.json()
    body.pop("request_id", None)
    own = {"x-request-id", "content-length"}
    return answer.status_code, body, {k: v for k, v in answer.headers.items() if k not in own}


PLAIN = [
    "",
    "limit=3",
    "limit=3&sort=-price",
    "sort=newest&in_stock=true",
    "q=tee",
    "q=tee&sort=relevance&limit=2",
    "q=tee&in_stock=true",
    "in_stock=true&limit=2",
    "in_stock=false&limit=200",
]
NOT_PLAIN = [
    "limit=0",
    "limit=201",
    "limit=x",
    "limit=3&limit=4",
    "limit=",
    "sort=cheapest",
    "sort=relevance",
    "sort=relevance&q=",
    "sort=%2Dprice",
    "q=f%C3%BCr",
    "q=f%FCr",
    "q=no.",
    "in_stock=maybe",
    "unpublished=true",
    "colour=red",
    "limit=3;sort=price",
    "&",
    "limit=3&",
]


@pytest.mark.parametrize("query", PLAIN)
async def test_a_page_is_answered_alike(
    client: httpx2.AsyncClient, shop: str, answered: list[str], query: str
) -> None:
    for path in (f"/v1/products?shop={shop}&{query}".rstrip("&"), f"/v1/products?{query}"):
        hot, usual = await client.get(path), await client.get(path, headers=USUAL_WAY)
        assert hot.status_code == 200, hot.text
        assert seen(hot) == seen(usual)
        assert hot.text == usual.text
    assert len(answered) == 2


async def test_pages_lead_to_the_next_alike(
    client: httpx2.AsyncClient, shop: str, answered: list[str]
) -> None:
    path, names = f"/v1/products?shop={shop}&limit=2", []
    while path:
        hot, usual = await client.get(path), await client.get(path, headers=USUAL_WAY)
        assert seen(hot) == seen(usual)
        names += [item["name"] for item in hot.json()["items"]]
        path = hot.links["next"]["url"] if "next" in hot.links else ""
    assert len(set(names)) == len(names) == 7
    assert len(answered) == 4


@pytest.mark.parametrize("query", [*NOT_PLAIN, "shop=tea", "cursor=abc"])
async def test_what_is_not_plain_is_answered_alike(
    client: httpx2.AsyncClient, shop: str, query: str
) -> None:
    path = f"/v1/products?{query}"
    assert seen(await client.get(path)) == seen(await client.get(path, headers=USUAL_WAY))


async def test_who_works_in_the_shop_is_seen_by_the_usual_route(
    client: httpx2.AsyncClient, register: Register, open_shop: OpenShop, answered: list[str]
) -> None:
    owner = await register()
    shop = await open_shop(owner)
    await fill(client, owner, shop)
    hidden = {"hide_exact": True}
    path = f"/v1/shops/{shop['id']}"
    changed = await client.patch(path, json=hidden, headers=owner.headers)
    assert changed.status_code == 200, changed.text
    listed = f"/v1/products?shop={shop['id']}"
    stranger, staff = await client.get(listed), await client.get(listed, headers=owner.headers)
    assert {item["available"] for item in stranger.json()["items"]} == {None}
    assert {item["availability"] for item in stranger.json()["items"]} == {"in_stock", "out"}
    assert {item["available"] for item in staff.json()["items"]} == {0, 5}
    assert len(answered) == 1


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 (what is awaited is a call)
        await asyncio.sleep(0)


async def test_a_page_is_read_once_for_all_who_ask_at_once_and_after_each_has_asked(
    client: httpx2.AsyncClient, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[ProductList] = []
    go_on = asyncio.Event()
    read = ProductsService.list_products

    async def slowly(self: ProductsService, ask: ProductList) -> Any:
        reads.append(ask)
        await go_on.wait()
        return await read(self, ask)

    monkeypatch.setattr(ProductsService, "list_products", slowly)
    path = f"/v1/products?shop={shop}"
    first = asyncio.ensure_future(client.get(path))
    await _until(lambda: len(reads) == 1)
    # These have asked after the first reading began, so it is not for them.
    others = [asyncio.ensure_future(client.get(path)) for _ in range(20)]
    another = asyncio.ensure_future(client.get(f"{path}&limit=2"))
    await _until(lambda: len(reads) == 2)
    go_on.set()
    answers = await asyncio.gather(first, *others, another)
    assert {answer.status_code for answer in answers} == {200}
    assert len(reads) == 3


async def test_a_shop_that_is_not_there_has_no_products(client: httpx2.AsyncClient) -> None:
    answer = await client.get(f"/v1/products?shop={new_id()}")
    assert answer.json() == {"items": [], "next": None}
