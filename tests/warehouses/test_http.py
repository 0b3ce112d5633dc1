"""Warehouses over HTTP: what is refused, and what a change changes."""

from typing import Any

import httpx2
import pytest

from tests.conftest import OpenShop, Register

PLACE = {"latitude": 1.5, "longitude": 2.5}


@pytest.mark.parametrize("immediate", [1, 1.0, "true", None])
async def test_a_transfer_is_immediate_by_true_and_nothing_like_it(
    client: httpx2.AsyncClient, register: Register, open_shop: OpenShop, immediate: Any
) -> None:
    owner = await register()
    shop = await open_shop(owner)
    ids = [shop["warehouses"][0]["id"], shop["id"]]
    ask = {
        "from_warehouse_id": ids[0],
        "to_warehouse_id": ids[1],
        "lines": [{"variant_id": ids[1], "quantity": 1}],
        "immediate": immediate,
    }
    answer = await client.post(f"/v1/shops/{shop['id']}/transfers", json=ask, headers=owner.headers)
    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == ["immediate"]


async def test_a_change_changes_what_is_given(
    client: httpx2.AsyncClient, register: Register, open_shop: OpenShop
) -> None:
    owner = await register()
    shop = await open_shop(owner, warehouse={"name": "Main", "priority": 1, "location": PLACE})
    path = f"/v1/shops/{shop['id']}/warehouses/{shop['warehouses'][0]['id']}"
    kept = {"name": "Main", "priority": 1, "location": PLACE}
    for change in ({}, {"name": "North"}, {"priority": 5}, {"location": None}, {"location": PLACE}):
        answer = await client.patch(path, json=change, headers=owner.headers)
        kept |= change
        assert {name: answer.json()[name] for name in kept} == kept
    for field in ("name", "priority"):
        answer = await client.patch(path, json={field: None}, headers=owner.headers)
        assert answer.status_code == 422
        assert [error["path"] for error in answer.json()["errors"]] == [field]
