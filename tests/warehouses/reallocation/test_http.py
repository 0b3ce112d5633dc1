"""A warehouse is left, through the HTTP interface: foreseen, done, and what orders show then."""

from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from lockstock.audit.service import audit, report
from lockstock.kernel.database import Database
from tests.conftest import OpenShop, Register, User

pytestmark = pytest.mark.journeys


@dataclass
class Town:
    """A shop with three warehouses, and a customer."""

    client: httpx2.AsyncClient
    owner: User
    customer: User
    shop: str
    variant: str
    warehouses: list[str]

    async def post(
        self, path: str, body: Any, key: str | None = None, who: User | None = None
    ) -> httpx2.Response:
        """Send a body as the owner or as somebody else."""
        headers = (who or self.owner).headers | ({"Idempotency-Key": key} if key else {})
        return await self.client.post(f"{self.shop}/{path}", json=body, headers=headers)

    async def get(self, path: str, who: User | None = None) -> Any:
        """Read as the owner or as somebody else."""
        answer = await self.client.get(f"{self.shop}/{path}", headers=(who or self.owner).headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def receive(self, number: int, units: int) -> None:
        """Receive units in one of the warehouses."""
        body = {"lines": [{"variant_id": self.variant, "quantity": units}]}
        path = f"warehouses/{self.warehouses[number]}/receive"
        done(await self.post(path, body, key=f"receive {number} {units}"))

    async def order(self, units: int, key: str) -> dict[str, Any]:
        """Place an order as the customer."""
        body = {"lines": [{"variant_id": self.variant, "quantity": units}]}
        return done(await self.post("orders", body, key=key, who=self.customer), 201)

    async def leave(self, number: int = 0, **fields: Any) -> dict[str, Any]:
        """Switch one off and move its orders."""
        path = f"warehouses/{self.warehouses[number]}/deactivate"
        return done(await self.post(path, {"promises": "reallocate"} | fields))


def done(answer: httpx2.Response, status: int = 200) -> dict[str, Any]:
    """Return what was answered."""
    assert answer.status_code == status, answer.text
    content: dict[str, Any] = answer.json()
    return content


@pytest.fixture
async def town(client: httpx2.AsyncClient, register: Register, open_shop: OpenShop) -> Town:
    """A shop of its own, with nothing in it."""
    owner, customer = await register(), await register()
    shop = await open_shop(owner)
    town = Town(client, owner, customer, f"/v1/shops/{shop['id']}", "", [])
    ask: dict[str, Any] = {"name": "Teapot", "variants": [{"sku": "POT", "price_minor": 100}]}
    town.variant = done(await town.post("products", ask), 201)["variants"][0]["id"]
    town.warehouses.append(shop["warehouses"][0]["id"])
    for priority in (200, 300):
        ask = {"name": f"W{priority}", "priority": priority}
        town.warehouses.append(done(await town.post("warehouses", ask), 201)["id"])
    return town


def places(order: dict[str, Any]) -> dict[str, int]:
    """Units by warehouse."""
    return {part["warehouse_id"]: part["quantity"] for part in order["allocations"]}


async def test_a_manager_looks_first_then_leaves_and_the_customer_sees_the_same_order(
    town: Town, database: Database
) -> None:
    await town.receive(0, 10)
    small, big = await town.order(2, "small"), await town.order(5, "big")
    await town.receive(1, 4)
    foreseen = await town.leave(dry_run=True)
    assert foreseen["moved"] == [small["id"]]
    assert foreseen["stranded"] == [big["id"]]
    assert (foreseen["kept_orders"], foreseen["kept_transfers"]) == (1, 0)
    assert foreseen["warehouse"]["active"] is False
    assert (await town.get(f"warehouses/{town.warehouses[0]}"))["active"] is True
    assert await town.get(f"orders/{small['id']}", town.customer) == small
    left = await town.leave()
    assert left == foreseen | {"dry_run": False}
    seen = await town.get(f"orders/{small['id']}", town.customer)
    assert places(seen) == {town.warehouses[1]: 2}
    assert {k: v for k, v in seen.items() if k != "allocations"} == {
        k: v for k, v in small.items() if k != "allocations"
    }
    assert await town.get(f"orders/{big['id']}", town.customer) == big
    listed = (await town.get("orders"))["items"]
    assert {order["id"]: places(order) for order in listed} == {
        small["id"]: places(seen),
        big["id"]: places(big),
    }
    # The request that placed it is answered as it was.
    assert await town.order(2, "small") == small
    await town.receive(1, 6)
    assert (await town.leave())["moved"] == [big["id"]]
    again = await town.leave()
    assert (again["moved"], again["stranded"], again["kept_orders"]) == ([], [], 0)
    verdict = await audit(database)
    assert verdict.holds, "\n".join(report(verdict))


async def test_a_move_follows_the_settings_of_the_shop(town: Town) -> None:
    done(await town.client.patch(town.shop, json={"may_split": False}, headers=town.owner.headers))
    await town.receive(0, 5)
    order = await town.order(5, "whole")
    await town.receive(1, 3)
    await town.receive(2, 2)
    assert (await town.leave())["stranded"] == [order["id"]]
    done(await town.client.patch(town.shop, json={"may_split": True}, headers=town.owner.headers))
    assert (await town.leave())["moved"] == [order["id"]]
    seen = await town.get(f"orders/{order['id']}")
    assert places(seen) == {town.warehouses[1]: 3, town.warehouses[2]: 2}


async def test_nobody_else_may_leave_a_warehouse_and_other_words_are_refused(
    town: Town, register: Register
) -> None:
    path = f"warehouses/{town.warehouses[0]}/deactivate"
    body = {"promises": "reallocate"}
    clerk = await register()
    role = f"{town.shop}/members/{clerk.id}"
    done(await town.client.put(role, json={"role": "clerk"}, headers=town.owner.headers))
    assert (await town.post(path, body, who=clerk)).status_code == 403
    assert (await town.post(path, body, who=town.customer)).status_code == 404
    assert (await town.post(path, {"promises": "forget"})).status_code == 422
    elsewhere = f"warehouses/{town.variant}/deactivate"
    for dry_run in (True, False):
        answer = await town.post(elsewhere, body | {"dry_run": dry_run})
        assert answer.status_code == 404
    assert (await town.get(f"warehouses/{town.warehouses[0]}"))["active"] is True
