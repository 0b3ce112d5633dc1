"""A shop with keys and stock, for tests."""

from typing import Any

import httpx2

from tests.shops.people import People

SCOPES = ["read", "stock", "catalogue", "warehouses", "orders"]
ANN, BOB = "a" * 32, "b" * 32


async def make(client: httpx2.AsyncClient, there: People, *scopes: str) -> dict[str, Any]:
    """Make a key: publishable without scopes, secret with them."""
    ask: dict[str, Any] = {"name": "till", "kind": "secret" if scopes else "publishable"}
    if scopes:
        ask["scopes"] = list(scopes)
    answer = await client.post(keys_of(there), json=ask, headers=there.headers["owner"])
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def keys_of(there: People) -> str:
    """Return where the shop's keys are."""
    return f"/v1/shops/{there.shop['id']}/api-keys"


def bearer(key: dict[str, Any], customer: str | None = None, **more: str) -> dict[str, str]:
    """Return the headers of a request with the key."""
    named = {"Lockstock-Customer": customer} if customer else {}
    return {"Authorization": f"Bearer {key['key']}"} | named | more


async def stocked(client: httpx2.AsyncClient, there: People) -> str:
    """Put ten of one variant into the shop; return the variant."""
    shop, headers = f"/v1/shops/{there.shop['id']}", there.headers["owner"]
    ask = {"name": "Teapot", "variants": [{"sku": "POT-1", "price_minor": 1250}]}
    made = await client.post(f"{shop}/products", json=ask, headers=headers)
    variant: str = made.json()["variants"][0]["id"]
    warehouse = there.shop["warehouses"][0]["id"]
    lines = {"lines": [{"variant_id": variant, "quantity": 10}]}
    url = f"{shop}/warehouses/{warehouse}/receive"
    assert (await client.post(url, json=lines, headers=headers)).status_code == 200
    return variant


async def order(
    client: httpx2.AsyncClient, shop_id: str, variant: str, headers: dict[str, str]
) -> httpx2.Response:
    """Order one."""
    return await client.post(
        f"/v1/shops/{shop_id}/orders",
        json={"lines": [{"variant_id": variant, "quantity": 1}]},
        headers={"Idempotency-Key": "basket"} | headers,
    )
