"""API keys: made, shown once, used, revoked; what each may do, and where."""

import asyncio
from typing import Any
from uuid import UUID

import httpx2
import pytest

from lockstock.app import Services
from lockstock.kernel.database import Connection
from lockstock.kernel.ids import new_id
from lockstock.shops.keys.contract import MOST_KEYS, NewKey
from lockstock.shops.tokens import new_token
from tests.conftest import Register
from tests.shops.people import People, check_refused, people, shop_of, somebody
from tests.shops.tills import ANN, SCOPES, bearer, keys_of, make, stocked


@pytest.fixture
async def there(client: httpx2.AsyncClient, register: Register) -> People:
    return await people(client, register)


async def test_a_key_is_shown_once_and_kept_hashed(
    client: httpx2.AsyncClient, there: People, services: Services
) -> None:
    made = await make(client, there, "read", "stock", "read")
    assert made["key"].startswith("lsk_sec_")
    assert made["key"].startswith(made["prefix"])
    assert len(made["key"]) > len(made["prefix"]) + 40
    assert made["scopes"] == ["read", "stock"]
    [listed] = (await client.get(keys_of(there), headers=there.headers["owner"])).json()["items"]
    assert "key" not in listed
    assert listed == {name: made[name] for name in listed}
    assert listed["created_by"] == str(there.ids["owner"])

    async def work(connection: Connection) -> int:
        held = "SELECT count(*) FROM shops.api_keys AS k WHERE k::text LIKE '%' || $1 || '%'"
        number: int = await connection.fetchval(held, made["key"].removeprefix(made["prefix"]))
        return number

    assert await services.keys.database.read(work) == 0


async def test_only_owners_have_to_do_with_keys(client: httpx2.AsyncClient, there: People) -> None:
    made = await make(client, there, *SCOPES)
    ask = {"name": "till", "kind": "publishable"}
    refused = {"manager": 403, "clerk": 403, "viewer": 403, "other": 404, "stranger": 404}
    for who, status in (refused | {"nobody": 401}).items():
        headers = there.headers[who]
        answers = [
            await client.post(keys_of(there), json=ask, headers=headers),
            await client.get(keys_of(there), headers=headers),
            await client.get(f"{keys_of(there)}/{made['id']}", headers=headers),
            await client.delete(f"{keys_of(there)}/{made['id']}", headers=headers),
        ]
        assert [answer.status_code for answer in answers] == [status] * 4, who
    # Not even a key with all scopes makes keys.
    answer = await client.post(keys_of(there), json=ask, headers=bearer(made))
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "ask",
    [
        {"kind": "secret"},
        {"kind": "secret", "scopes": []},
        {"kind": "secret", "scopes": ["shop"]},
        {"kind": "publishable", "scopes": ["read"]},
        {"kind": "other"},
        {"kind": "secret", "scopes": ["read"], "key": "lsk_sec_mine"},
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(
    client: httpx2.AsyncClient, there: People, ask: dict[str, Any]
) -> None:
    url = keys_of(there)
    answer = await client.post(url, json={"name": "a"} | ask, headers=there.headers["owner"])
    check_refused(answer, 422)


async def test_a_revoked_key_is_refused_at_once(client: httpx2.AsyncClient, there: People) -> None:
    made, kept = await make(client, there, "read"), await make(client, there, "read")
    shop, owner = f"/v1/shops/{there.shop['id']}", there.headers["owner"]
    assert (await client.get(shop, headers=bearer(made))).status_code == 200
    for _ in range(2):
        answer = await client.delete(f"{keys_of(there)}/{made['id']}", headers=owner)
        assert answer.status_code == 204
    assert (await client.get(shop, headers=bearer(made))).status_code == 401
    assert (await client.get(shop, headers=bearer(kept))).status_code == 200
    assert [k["id"] for k in (await client.get(keys_of(there), headers=owner)).json()["items"]] == [
        kept["id"]
    ]
    shown = (await client.get(f"{keys_of(there)}/{made['id']}", headers=owner)).json()
    assert shown["revoked_at"] is not None
    for nothing in (new_id(), "nonsense"):
        answer = await client.delete(f"{keys_of(there)}/{nothing}", headers=owner)
        assert answer.status_code == 404


async def test_a_key_that_is_none_is_refused(client: httpx2.AsyncClient, there: People) -> None:
    made = await make(client, there, "read")
    other = await shop_of(client, somebody(), "Third shop")
    key: str = made["key"]
    tried = [
        key[:-1],
        key + "A",
        key.replace("lsk_sec_", "lsk_pub_"),
        new_token("lsk_sec_", there.ids["owner"]),
        "lsk_sec_",
        "lsk_",
        "lsk_sec_" + "é" * 20,
        "lsk_sec_" + "A" * 5000,
        key.swapcase(),
    ]
    for token in tried:
        headers: Any = {"Authorization": f"Bearer {token}".encode()}
        for shop in (there.shop, other):
            answer = await client.get(f"/v1/shops/{shop['id']}", headers=headers)
            assert answer.status_code == 401, token


async def test_each_scope_opens_what_a_member_with_it_may_do(
    client: httpx2.AsyncClient, there: People
) -> None:
    variant = await stocked(client, there)
    shop = f"/v1/shops/{there.shop['id']}"
    warehouse = f"{shop}/warehouses/{there.shop['warehouses'][0]['id']}"
    lines = {"lines": [{"variant_id": variant, "quantity": 1}]}
    product = {"name": "Cup", "variants": [{"sku": "CUP-1", "price_minor": 1}]}
    calls: list[tuple[str, str, str, Any]] = [
        ("read", "GET", shop, None),
        ("read", "GET", f"{shop}/stock", None),
        ("read", "GET", f"{shop}/orders", None),
        ("read", "GET", f"{shop}/warehouses", None),
        ("read", "GET", f"{shop}/members", None),
        ("stock", "POST", f"{warehouse}/receive", lines),
        ("catalogue", "POST", f"{shop}/products", product),
        ("warehouses", "POST", f"{shop}/warehouses", {"name": "Shed"}),
        ("orders", "POST", f"{shop}/orders", lines),
    ]
    for scope in SCOPES:
        key = await make(client, there, scope)
        for number, (needed, method, url, body) in enumerate(calls):
            headers = bearer(key, **{"Idempotency-Key": f"{number}"})
            answer = await client.request(method, url, json=body, headers=headers)
            allowed = answer.status_code in {200, 201}
            assert allowed or answer.status_code == 403, answer.text
            assert allowed == (scope == needed), (scope, method, url)


async def test_a_key_is_nobody_in_another_shop(client: httpx2.AsyncClient, there: People) -> None:
    variant = await stocked(client, there)
    made, public = await make(client, there, *SCOPES), await make(client, there)
    other = await shop_of(client, somebody(), "Third shop")
    shop = f"/v1/shops/{other['id']}"
    warehouse = f"{shop}/warehouses/{other['warehouses'][0]['id']}"
    lines = {"lines": [{"variant_id": variant, "quantity": 1}]}
    calls: list[tuple[str, str, Any]] = [
        ("GET", shop, None),
        ("PATCH", shop, {"name": "Mine"}),
        ("GET", f"{shop}/members", None),
        ("GET", f"{shop}/stock", None),
        ("POST", f"{warehouse}/receive", lines),
        ("POST", f"{shop}/products", {"name": "a", "variants": [{"sku": "a", "price_minor": 1}]}),
        ("GET", f"{shop}/orders", None),
        ("POST", f"{shop}/orders", lines),
        ("GET", f"{shop}/api-keys", None),
        ("POST", f"{shop}/invitations", {"identifier": "a@example.com", "role": "owner"}),
    ]
    for key in (made, public):
        for method, url, body in calls:
            headers = bearer(key, ANN, **{"Idempotency-Key": "a"})
            answer = await client.request(method, url, json=body, headers=headers)
            assert answer.status_code == 404, (method, url, answer.text)


async def test_what_is_for_people_is_not_for_keys(
    client: httpx2.AsyncClient, there: People
) -> None:
    made, public = await make(client, there, *SCOPES), await make(client, there)
    shop = f"/v1/shops/{there.shop['id']}"
    calls: list[tuple[str, str, Any]] = [
        ("GET", "/v1/me", None),
        ("GET", "/v1/me/sessions", None),
        ("DELETE", "/v1/me/sessions", None),
        ("PUT", "/v1/me/password", {"current_password": "a" * 8, "new_password": "b" * 8}),
        ("POST", "/v1/me/identities", {"email": "a@example.com"}),
        ("GET", "/v1/users?identifier=a@example.com", None),
        ("POST", "/v1/shops", {"name": "Mine", "currency": "EUR"}),
        ("GET", "/v1/shops", None),
        ("POST", "/v1/invitations/accept", {"token": "inv_a"}),
        ("PATCH", shop, {"name": "Mine"}),
        ("PUT", f"{shop}/members/{there.ids['viewer']}", {"role": "owner"}),
        ("POST", f"{shop}/invitations", {"identifier": "a@example.com", "role": "owner"}),
    ]
    for key in (made, public):
        for method, url, body in calls:
            answer = await client.request(method, url, json=body, headers=bearer(key, ANN))
            assert answer.status_code == 403, (method, url, answer.text)


async def test_the_ledger_names_the_key(client: httpx2.AsyncClient, there: People) -> None:
    variant = await stocked(client, there)
    key, shop = await make(client, there, "stock", "read"), there.shop["id"]
    url = f"/v1/shops/{shop}/warehouses/{there.shop['warehouses'][0]['id']}/receive"
    lines = {"lines": [{"variant_id": variant, "quantity": 1}]}
    await client.post(url, json=lines, headers=bearer(key))
    newest = (await client.get(f"/v1/shops/{shop}/movements", headers=bearer(key))).json()
    assert newest["items"][0]["actor_id"] == key["id"]


async def test_last_use_is_written_at_most_once_a_minute(
    client: httpx2.AsyncClient, there: People, services: Services
) -> None:
    made = await make(client, there, "read")
    shop, owner = f"/v1/shops/{there.shop['id']}", there.headers["owner"]

    async def last_used() -> str | None:
        shown = await client.get(f"{keys_of(there)}/{made['id']}", headers=owner)
        at: str | None = shown.json()["last_used_at"]
        return at

    async def version() -> str:
        async def work(connection: Connection) -> str:
            xmin = "SELECT xmin::text FROM shops.api_keys WHERE key_id = $1::text::uuid"
            found: str = await connection.fetchval(xmin, made["id"])
            return found

        return await services.keys.database.read(work)

    async def let_pass(seconds: int) -> None:
        async def work(connection: Connection) -> None:
            back = (
                "UPDATE shops.api_keys SET last_used_at = last_used_at - make_interval(secs => $1)"
            )
            await connection.execute(back, seconds)

        await services.keys.database.transaction(work)

    assert await last_used() is None
    await asyncio.gather(*(client.get(shop, headers=bearer(made)) for _ in range(10)))
    first, written = await last_used(), await version()
    assert first is not None
    await client.get(shop, headers=bearer(made))
    assert (await last_used(), await version()) == (first, written)
    await let_pass(59)
    written = await version()
    await client.get(shop, headers=bearer(made))
    assert await version() == written
    await let_pass(1)
    await client.get(shop, headers=bearer(made))
    assert (await last_used() or "") > first


async def test_a_shop_has_a_bounded_number_of_keys(
    client: httpx2.AsyncClient, there: People, services: Services
) -> None:
    shop_id = UUID(there.shop["id"])
    ask = NewKey(name="till", kind="secret", scopes=["read"])
    for _ in range(MOST_KEYS - 1):
        await services.keys.make(shop_id, there.ids["owner"], ask)
    url, body = keys_of(there), {"name": "one more", "kind": "publishable"}

    async def one_more(_: int) -> httpx2.Response:
        return await client.post(url, json=body, headers=there.headers["owner"])

    answers = await asyncio.gather(*map(one_more, range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"too_many_keys"}
