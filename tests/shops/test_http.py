"""Shops over HTTP: who may do what, and what is refused."""

from typing import Any

import httpx2
import pytest

from lockstock.kernel.ids import new_id
from tests.conftest import Register
from tests.shops.people import ROLES, People, check_refused, people, shop_of, somebody

EVERYBODY = (*ROLES, "other", "stranger", "nobody", "admin")
STRANGERS = {"other": 404, "stranger": 404, "nobody": 401}


@pytest.fixture
async def there(client: httpx2.AsyncClient, register: Register) -> People:
    return await people(client, register)


async def test_each_role_may_do_its_own(client: httpx2.AsyncClient, there: People) -> None:
    shop = f"/v1/shops/{there.shop['id']}"
    nobody_else = {"manager": 403, "clerk": 403, "viewer": 403} | STRANGERS
    viewer = f"{shop}/members/{there.ids['viewer']}"
    calls: list[tuple[str, str, Any, int, dict[str, int]]] = [
        ("GET", shop, None, 200, STRANGERS),
        ("GET", f"{shop}/members", None, 200, STRANGERS),
        ("PATCH", shop, {"name": "Other"}, 200, nobody_else),
        ("PUT", viewer, {"role": "viewer"}, 200, nobody_else),
        ("DELETE", f"{shop}/members/{new_id()}", None, 204, nobody_else),
    ]
    for method, url, body, status, refused in calls:
        for who in EVERYBODY:
            answer = await client.request(method, url, json=body, headers=there.headers[who])
            assert answer.status_code == refused.get(who, status), (who, method, url)


async def test_everybody_sees_their_own_shops_and_an_admin_all(
    client: httpx2.AsyncClient, there: People
) -> None:
    expected = {who: ["Corner shop"] for who in ROLES} | {
        "other": ["Another shop"],
        "stranger": [],
        "admin": ["Another shop", "Corner shop"],
    }
    for who, names in expected.items():
        answer = await client.get("/v1/shops", headers=there.headers[who])
        assert [shop["name"] for shop in answer.json()["items"]] == names, who
    assert (await client.get("/v1/shops")).status_code == 401


async def test_shops_come_page_by_page(client: httpx2.AsyncClient) -> None:
    user = somebody()
    for n in range(5):
        await shop_of(client, user, f"Shop {n % 2}")
    seen, cursor = [], None
    while True:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/shops", params=params, headers=user.headers)).json()
        seen += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
        assert len(page["items"]) == 2
        stolen = await client.get(
            "/v1/shops", params={"cursor": cursor}, headers=somebody().headers
        )
        check_refused(stolen, 422, "cursor")
    assert [shop["name"] for shop in seen] == ["Shop 0"] * 3 + ["Shop 1"] * 2
    assert len({shop["id"] for shop in seen}) == 5


async def test_a_retry_returns_the_first_shop(client: httpx2.AsyncClient) -> None:
    body = {"name": "Corner shop", "currency": "JPY"}
    headers = somebody().headers | {"Idempotency-Key": ""}
    check_refused(await client.post("/v1/shops", json=body, headers=headers), 400)
    headers["Idempotency-Key"] = "a-key"
    answers = [await client.post("/v1/shops", json=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    other = await client.post("/v1/shops", json=body | {"name": "Other"}, headers=headers)
    check_refused(other, 422)
    theirs = somebody().headers | {"Idempotency-Key": "a-key"}
    answer = await client.post("/v1/shops", json=body, headers=theirs)
    assert answer.status_code == 201
    assert answer.json()["id"] != answers[0].json()["id"]


BAD_VALUES: dict[str, tuple[object, ...]] = {
    "name": ("", "  ", None, 3, "x" * 201, "a\u202eb", "a\x07", []),
    "currency": ("eur", "EURO", "ZZZ", "", None, 978),
    "reservation_seconds": (0, -1, 604_801, 1.0, "900", True, 2**31, 2**63 - 1),
    "allocation": ("random", "", None, 1),
    "may_split": ("true", 1, None),
    "warehouse": ("Cellar", []),
    **dict.fromkeys(("id", "shop_id", "owner_id", "role", "created_at"), ("x",)),
}


async def test_a_bad_value_is_refused_and_named(client: httpx2.AsyncClient) -> None:
    user = somebody()
    for field, value in [(field, one) for field, all_ in BAD_VALUES.items() for one in all_]:
        body = {"name": "Shop", "currency": "EUR"} | {field: value}
        check_refused(await client.post("/v1/shops", json=body, headers=user.headers), 422, field)
    assert (await client.get("/v1/shops", headers=user.headers)).json()["items"] == []


async def test_a_bad_change_is_refused_and_named(client: httpx2.AsyncClient) -> None:
    user = somebody()
    shop = await shop_of(client, user, "Corner shop")
    url = f"/v1/shops/{shop['id']}"
    before = (await client.get(url, headers=user.headers)).json()
    for field, value in (
        ("name", None),
        ("reservation_seconds", None),
        ("allocation", None),
        ("may_split", None),
        ("reservation_seconds", 0),
        ("currency", "USD"),
        ("id", str(new_id())),
    ):
        body = {"name": "Other"} | {field: value}
        check_refused(await client.patch(url, json=body, headers=user.headers), 422, field)
    assert (await client.get(url, headers=user.headers)).json() == before


async def test_members_are_refused_with_a_reason(client: httpx2.AsyncClient, there: People) -> None:
    members = f"/v1/shops/{there.shop['id']}/members"
    headers = there.headers["owner"]
    owner, clerk = f"{members}/{there.ids['owner']}", f"{members}/{there.ids['clerk']}"
    last = await client.delete(owner, headers=headers)
    check_refused(last, 409)
    assert last.json()["code"] == "last_owner"
    for role in ("admin", "Owner", "", None, 1):
        body = {"role": role}
        check_refused(await client.put(clerk, json=body, headers=headers), 422, "role")
    nobody = await client.put(f"{members}/{new_id()}", json={"role": "clerk"}, headers=headers)
    check_refused(nobody, 404)
    check_refused(await client.put(f"{members}/1", json={"role": "clerk"}, headers=headers), 404)


async def test_an_admin_finds_no_shop_where_there_is_none(client: httpx2.AsyncClient) -> None:
    admin = somebody(is_admin=True).headers
    for method, suffix, body in (
        ("GET", "", None),
        ("GET", "/members", None),
        ("PATCH", "", {"name": "Mine"}),
        ("DELETE", f"/members/{new_id()}", None),
    ):
        url = f"/v1/shops/{new_id()}{suffix}"
        check_refused(await client.request(method, url, json=body, headers=admin), 404)


async def test_a_role_counts_from_the_next_request(
    client: httpx2.AsyncClient, there: People
) -> None:
    url = f"/v1/shops/{there.shop['id']}"
    manager = f"{url}/members/{there.ids['manager']}"
    assert (await client.get(url, headers=there.headers["manager"])).status_code == 200
    answer = await client.delete(manager, headers=there.headers["owner"])
    assert (answer.status_code, answer.content) == (204, b"")
    check_refused(await client.get(url, headers=there.headers["manager"]), 404)
