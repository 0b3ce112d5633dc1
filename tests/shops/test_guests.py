"""Guests: customers of an API key, who have no account."""

from typing import Any

import httpx2
import pytest

from lockstock.kernel.ids import new_id
from tests.conftest import Register
from tests.shops.people import People, check_refused, people
from tests.shops.tills import ANN, BOB, bearer, make, order, stocked


@pytest.fixture
async def there(client: httpx2.AsyncClient, register: Register) -> People:
    return await people(client, register)


async def test_a_publishable_key_checks_out_for_its_customer(
    client: httpx2.AsyncClient, there: People
) -> None:
    variant = await stocked(client, there)
    key, shop = await make(client, there), there.shop["id"]
    catalogue = await client.get("/v1/products", params={"shop": shop}, headers=bearer(key))
    assert [item["available"] for item in catalogue.json()["items"]] == [10]
    product = catalogue.json()["items"][0]["id"]
    answer = await client.get(f"/v1/shops/{shop}/products/{product}", headers=bearer(key))
    assert answer.status_code == 200
    placed = await order(client, shop, variant, bearer(key, ANN))
    assert placed.status_code == 201, placed.text
    url = f"/v1/shops/{shop}/orders/{placed.json()['id']}"
    pay = await client.post(
        f"{url}/payments",
        json={"provider": "sandbox"},
        headers=bearer(key, ANN, **{"Idempotency-Key": "pay"}),
    )
    assert pay.status_code == 201, pay.text
    own = await client.get("/v1/me/orders", headers=bearer(key, ANN))
    assert [item["id"] for item in own.json()["items"]] == [placed.json()["id"]]
    replay = await order(client, shop, variant, bearer(key, ANN))
    assert replay.headers["Idempotency-Replayed"] == "true"
    cancelled = await client.post(
        f"{url}/cancel", headers=bearer(key, ANN, **{"Idempotency-Key": "no"})
    )
    assert cancelled.json()["status"] == "cancelled"
    seen = await client.get(url, headers=there.headers["viewer"])
    assert seen.json()["customer_id"] not in {str(person) for person in there.ids.values()}


async def test_a_guest_sees_no_orders_but_their_own(
    client: httpx2.AsyncClient, there: People
) -> None:
    variant = await stocked(client, there)
    key, twin, shop = await make(client, there), await make(client, there), there.shop["id"]
    placed = (await order(client, shop, variant, bearer(key, ANN))).json()
    # The same idempotency key, of another customer: another order.
    others = (await order(client, shop, variant, bearer(key, BOB))).json()
    assert placed["id"] != others["id"]
    url = f"/v1/shops/{shop}/orders/{placed['id']}"
    for headers in (bearer(key, BOB), bearer(twin, ANN), there.headers["stranger"]):
        assert (await client.get(url, headers=headers)).status_code == 404
        key_too = headers | {"Idempotency-Key": "a"}
        assert (await client.post(f"{url}/cancel", headers=key_too)).status_code == 404
    assert (await client.get(url, headers=bearer(key, ANN))).status_code == 200
    empty = await client.get("/v1/me/orders", headers=bearer(twin, ANN))
    assert empty.json()["items"] == []
    refund = await client.post(
        f"{url}/refunds",
        json={"amount_minor": 1, "reason": "mine"},
        headers=bearer(key, ANN, **{"Idempotency-Key": "r"}),
    )
    assert refund.status_code == 403
    listed = await client.get(f"/v1/shops/{shop}/orders", headers=bearer(key, ANN))
    assert listed.status_code == 403


@pytest.mark.parametrize("customer", [None, "short", "a" * 129, "a" * 20 + " b", "ä" * 20])
async def test_a_guest_must_say_who_they_are(
    client: httpx2.AsyncClient, there: People, customer: str | None
) -> None:
    variant = await stocked(client, there)
    key, shop = await make(client, there), there.shop["id"]
    headers: Any = bearer(key)
    if customer is not None:
        headers["Lockstock-Customer"] = customer.encode()
    check_refused(await order(client, shop, variant, headers), 422, "Lockstock-Customer")
    url = f"/v1/shops/{shop}/orders/{new_id()}"
    assert (await client.get(url, headers=headers)).status_code == 422
    assert (await client.get("/v1/me/orders", headers=headers)).status_code == 422


async def test_a_guest_is_one_customer_and_not_two(
    client: httpx2.AsyncClient, there: People
) -> None:
    key = await make(client, there)
    token = key["key"]
    headers = [
        ("Authorization", f"Bearer {token}"),
        ("Lockstock-Customer", ANN),
        ("Lockstock-Customer", BOB),
    ]
    check_refused(await client.get("/v1/me/orders", headers=headers), 422, "Lockstock-Customer")


async def test_a_header_makes_nobody_of_a_person(client: httpx2.AsyncClient, there: People) -> None:
    variant = await stocked(client, there)
    headers = there.headers["stranger"] | {"Lockstock-Customer": ANN}
    placed = await order(client, there.shop["id"], variant, headers)
    assert placed.json()["customer_id"] == str(there.ids["stranger"])


async def test_a_secret_key_orders_for_itself_and_for_its_customers(
    client: httpx2.AsyncClient, there: People
) -> None:
    variant = await stocked(client, there)
    key, shop = await make(client, there, "orders"), there.shop["id"]
    own = (await order(client, shop, variant, bearer(key))).json()
    guests = (await order(client, shop, variant, bearer(key, ANN))).json()
    assert own["customer_id"] == key["id"]
    assert guests["customer_id"] not in {key["id"], own["customer_id"]}
    url = f"/v1/shops/{shop}/orders/{guests['id']}/cancel"
    answer = await client.post(url, headers=bearer(key, **{"Idempotency-Key": "a"}))
    assert answer.status_code == 200
