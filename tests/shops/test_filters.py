"""Short lists: whole, or of one kind."""

from typing import Any

import httpx2
import pytest

from tests.conftest import OpenShop, Register


@pytest.mark.parametrize(
    ("noun", "query", "expected"),
    [
        ("members", {}, ["owner", "clerk"]),
        ("members", {"role": "clerk"}, ["clerk"]),
        ("members", {"role": "viewer"}, []),
        ("api-keys", {}, ["secret", "publishable"]),
        ("api-keys", {"kind": "publishable"}, ["publishable"]),
        ("warehouses", {}, [True, False]),
        ("warehouses", {"active": "false"}, [False]),
        ("warehouses", {"active": "true"}, [True]),
    ],
)
async def test_a_list_can_be_of_one_kind(
    client: httpx2.AsyncClient,
    register: Register,
    open_shop: OpenShop,
    noun: str,
    query: dict[str, str],
    expected: list[Any],
) -> None:
    owner, clerk = await register(), await register()
    path = f"/v1/shops/{(await open_shop(owner))['id']}"

    async def send(method: str, rest: str, body: Any = None) -> Any:
        answer = await client.request(method, f"{path}/{rest}", json=body, headers=owner.headers)
        assert answer.is_success, answer.text
        return answer.json()

    await send("PUT", f"members/{clerk.id}", {"role": "clerk"})
    await send("POST", "api-keys", {"name": "a", "kind": "secret", "scopes": ["read"]})
    await send("POST", "api-keys", {"name": "b", "kind": "publishable"})
    outlet = await send("POST", "warehouses", {"name": "Outlet", "priority": 200})
    await send("POST", f"warehouses/{outlet['id']}/deactivate")

    found = await client.get(f"{path}/{noun}", params=query, headers=owner.headers)
    told = {"members": "role", "api-keys": "kind", "warehouses": "active"}[noun]
    assert [item[told] for item in found.json()["items"]] == expected
    refused = await client.get(f"{path}/{noun}", params={told: "odd"}, headers=owner.headers)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["path"] == told
