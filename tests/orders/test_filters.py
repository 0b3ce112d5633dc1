"""Lists of orders: which, in which order, and page by page whatever was asked for."""

from typing import Any

import httpx2
import pytest

from tests.conftest import OpenShop, Register, User


class Orders:
    """Five orders of one customer, the first of them cancelled, and who may list them."""

    def __init__(self, client: httpx2.AsyncClient, owner: User, path: str) -> None:
        self._client = client
        self._owner = owner
        self.paths = {path: owner, "/v1/me/orders": owner}
        self.placed: list[dict[str, Any]] = []

    async def page(self, path: str, **query: Any) -> httpx2.Response:
        """One page."""
        return await self._client.get(path, params=query, headers=self.paths[path].headers)

    async def all(self, path: str, **query: Any) -> list[int]:
        """Which orders a list has, by their place among those that were placed, page by page."""
        ids = [order["id"] for order in self.placed]
        found: list[int] = []
        cursor: dict[str, str] = {}
        while True:
            answer = await self.page(path, limit=2, **query, **cursor)
            assert answer.status_code == 200, answer.text
            found += [ids.index(order["id"]) for order in answer.json()["items"]]
            if answer.json()["next"] is None:
                assert "link" not in answer.headers
                return found
            assert f"cursor={answer.json()['next']}" in answer.headers["link"]
            cursor = {"cursor": answer.json()["next"]}


@pytest.fixture
async def orders(client: httpx2.AsyncClient, register: Register, open_shop: OpenShop) -> Orders:
    owner = await register()
    shop = await open_shop(owner)
    base = f"/v1/shops/{shop['id']}"

    async def post(path: str, body: Any, key: str) -> dict[str, Any]:
        headers = owner.headers | {"Idempotency-Key": key}
        answer = await client.post(f"{base}/{path}", json=body, headers=headers)
        assert answer.is_success, answer.text
        content: dict[str, Any] = answer.json()
        return content

    tea = {"name": "Tea", "variants": [{"sku": "T", "price_minor": 450}]}
    variant = (await post("products", tea, "p"))["variants"][0]["id"]
    lines = {"lines": [{"variant_id": variant, "quantity": 10}]}
    await post(f"warehouses/{shop['warehouses'][0]['id']}/receive", lines, "r")
    made = Orders(client, owner, f"{base}/orders")
    one = {"lines": [{"variant_id": variant, "quantity": 1}]}
    made.placed = [await post("orders", one, f"o{place}") for place in range(5)]
    await post(f"orders/{made.placed[0]['id']}/cancel", {}, "c")
    return made


async def test_orders_are_listed_in_either_direction(orders: Orders) -> None:
    """Page by page, nothing is left out and nothing comes twice."""
    for path in orders.paths:
        assert await orders.all(path) == [4, 3, 2, 1, 0]
        assert await orders.all(path, sort="newest") == [4, 3, 2, 1, 0]
        assert await orders.all(path, sort="oldest") == [0, 1, 2, 3, 4]


async def test_orders_are_listed_of_a_span_of_time(orders: Orders) -> None:
    """`since` is inclusive, `until` is not, in either direction."""
    at = [order["created_at"] for order in orders.placed]
    for path in orders.paths:
        assert await orders.all(path, since=at[2]) == [4, 3, 2]
        assert await orders.all(path, until=at[2]) == [1, 0]
        assert await orders.all(path, since=at[1], until=at[4]) == [3, 2, 1]
        assert await orders.all(path, since=at[1], until=at[4], sort="oldest") == [1, 2, 3]
        assert await orders.all(path, since=at[4], until=at[1]) == []


async def test_filters_and_order_go_together(orders: Orders) -> None:
    """Each statement of the list, in each direction."""
    at = [order["created_at"] for order in orders.placed]
    for path in orders.paths:
        for sort, waiting in (("newest", [3, 2, 1]), ("oldest", [1, 2, 3])):
            asked = {"sort": sort, "until": at[4], "status": "awaiting_payment"}
            assert await orders.all(path, **asked) == waiting
            assert await orders.all(path, sort=sort, status="cancelled") == [0]
            assert await orders.all(path, sort=sort, status="cancelled", since=at[1]) == []
            assert await orders.all(path, sort=sort, status="expired") == []
    path = next(iter(orders.paths))
    customer = orders.placed[0]["customer_id"]
    asked = {"customer": customer, "status": "awaiting_payment"}
    assert await orders.all(path, **asked) == [4, 3, 2, 1]
    assert await orders.all(path, **asked, sort="oldest", since=at[2]) == [2, 3, 4]
    assert await orders.all(path, customer=customer, sort="oldest", until=at[2]) == [0, 1]


async def test_a_cursor_is_good_for_its_own_list_only(orders: Orders) -> None:
    """With another order or filter it would leave things out."""
    at = [order["created_at"] for order in orders.placed]
    for path in orders.paths:
        cursor = (await orders.page(path, limit=2)).json()["next"]
        for other in ({"sort": "oldest"}, {"since": at[0]}, {"until": at[4]}, {"status": "paid"}):
            refused = await orders.page(path, limit=2, cursor=cursor, **other)
            assert refused.status_code == 422
            assert refused.json()["errors"][0]["path"] == "cursor"


@pytest.mark.parametrize(
    ("query", "allowed"),
    [
        ({"sort": "price"}, ("'newest'", "'oldest'")),
        ({"status": "odd"}, ("'awaiting_payment'", "'expired'")),
        ({"since": "yesterday"}, ("RFC 3339",)),
        ({"colour": "red"}, ("not a parameter",)),
    ],
)
async def test_what_is_not_on_the_list_of_filters_is_refused(
    orders: Orders, query: dict[str, str], allowed: tuple[str, ...]
) -> None:
    """The field is named, and what it may be."""
    for path in orders.paths:
        refused = await orders.page(path, **query)
        assert refused.status_code == 422
        [error] = refused.json()["errors"]
        assert error["path"] == next(iter(query))
        assert all(text in error["message"] for text in allowed), error
