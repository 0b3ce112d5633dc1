"""Every answer that was given before says so."""

from typing import Any

import httpx2
import pytest

from lockstock.kernel.replays import mark_replayed, watched
from tests.conftest import OpenShop, Register

HEADER = "Idempotency-Replayed"
CHANGES: dict[str, dict[str, Any]] = {
    "receive": {"quantity": 5},
    "adjust": {"delta": -1},
    "count": {"expected": 20, "counted": 19},
    "write-off": {"quantity": 1},
    "damage": {"quantity": 1},
}


async def _twice(
    client: httpx2.AsyncClient, path: str, body: dict[str, Any], headers: dict[str, str]
) -> None:
    headers = headers | {"Idempotency-Key": "twice"}
    first = await client.post(path, json=body, headers=headers)
    assert first.is_success, first.text
    assert HEADER not in first.headers
    again = await client.post(path, json=body, headers=headers)
    assert again.headers[HEADER] == "true"
    assert again.json() == first.json()


async def _stocked(
    client: httpx2.AsyncClient, shop: dict[str, Any], headers: dict[str, str]
) -> tuple[str, str]:
    path = f"/v1/shops/{shop['id']}"
    body = {"name": "Tea", "variants": [{"sku": "T", "price_minor": 450}]}
    product = (await client.post(f"{path}/products", json=body, headers=headers)).json()
    variant = product["variants"][0]["id"]
    warehouse = f"{path}/warehouses/{shop['warehouses'][0]['id']}"
    lines = {"lines": [{"variant_id": variant, "quantity": 20}]}
    assert (await client.post(f"{warehouse}/receive", json=lines, headers=headers)).is_success
    return variant, warehouse


@pytest.mark.parametrize("verb", CHANGES)
async def test_a_change_of_stock_says_that_it_is_a_replay(
    client: httpx2.AsyncClient, register: Register, open_shop: OpenShop, verb: str
) -> None:
    owner = await register()
    variant, warehouse = await _stocked(client, await open_shop(owner), owner.headers)
    body = {"lines": [{"variant_id": variant, **CHANGES[verb]}], "reason": "test"}
    await _twice(client, f"{warehouse}/{verb}", body, owner.headers)


async def test_what_is_created_says_that_it_is_a_replay(
    client: httpx2.AsyncClient, register: Register, open_shop: OpenShop
) -> None:
    owner = await register()
    await _twice(client, "/v1/shops", {"name": "Two", "currency": "EUR"}, owner.headers)
    shop = await open_shop(owner)
    body = {"name": "Tea", "variants": [{"sku": "T", "price_minor": 450}]}
    await _twice(client, f"/v1/shops/{shop['id']}/products", body, owner.headers)


async def test_without_a_key_nothing_is_a_replay(
    client: httpx2.AsyncClient, register: Register, open_shop: OpenShop
) -> None:
    """Two deliveries of five are ten."""
    owner = await register()
    variant, warehouse = await _stocked(client, await open_shop(owner), owner.headers)
    body = {"lines": [{"variant_id": variant, "quantity": 5}]}
    for on_hand in (25, 30):
        made = await client.post(f"{warehouse}/receive", json=body, headers=owner.headers)
        assert HEADER not in made.headers
        assert made.json()["items"][0]["on_hand"] == on_hand


def test_marks_outside_of_a_request_go_nowhere() -> None:
    """A sweep marks what nobody asked for."""
    mark_replayed()
    with watched() as replay:
        assert not replay.found
        mark_replayed()
    assert replay.found
