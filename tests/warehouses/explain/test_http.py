"""Explanations, reasons and caps through the HTTP interface."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from lockstock.app import Services
from lockstock.explain.cli import Asked, answer, lines
from lockstock.kernel.errors import Refusal
from lockstock.kernel.ids import new_id
from tests.conftest import OpenShop, Register, User

REASON = {
    "code": "only_one_has_all",
    "strategy": "fewest_warehouses",
    "candidates": 1,
    "tied": 1,
    "decided_by": None,
    "turn": 1,
    "distance_km": None,
    "text": "No other warehouse had the whole order.",
}


@dataclass
class Counter:
    """A shop with ten teapots in its one warehouse, its owner, and a customer."""

    client: httpx2.AsyncClient
    services: Services
    owner: User
    customer: User
    shop: dict[str, Any]
    variant_id: str
    orders: int = 0

    @property
    def path(self) -> str:
        """The shop."""
        return f"/v1/shops/{self.shop['id']}"

    @property
    def warehouse_id(self) -> str:
        """Its warehouse."""
        found: str = self.shop["warehouses"][0]["id"]
        return found

    async def order(self, quantity: int = 1, key: str | None = None) -> httpx2.Response:
        """Order as the customer, under a key of its own."""
        self.orders += 1
        headers = {"Idempotency-Key": key or f"k{self.orders}"} | self.customer.headers
        body = {"lines": [{"variant_id": self.variant_id, "quantity": quantity}]}
        return await self.client.post(f"{self.path}/orders", json=body, headers=headers)

    async def explain(self, **params: object) -> httpx2.Response:
        """Ask why, as the owner."""
        return await self.explain_to(self.owner, params)

    async def explain_to(self, user: User, params: Mapping[str, object]) -> httpx2.Response:
        """Ask why, as somebody."""
        typed = {name: str(value) for name, value in params.items()}
        headers = user.headers
        return await self.client.get(f"{self.path}/explain", params=typed, headers=headers)

    async def change_shop(self, **fields: object) -> dict[str, Any]:
        """Change its settings."""
        answered = await self.client.patch(self.path, json=fields, headers=self.owner.headers)
        assert answered.status_code == 200, answered.text
        found: dict[str, Any] = answered.json()
        return found


@pytest.fixture
async def counter(
    client: httpx2.AsyncClient, services: Services, register: Register, open_shop: OpenShop
) -> Counter:
    owner, customer = await register(), await register()
    shop = await open_shop(owner)
    base = f"/v1/shops/{shop['id']}"
    product = {"name": "Teapot", "variants": [{"sku": "TEAPOT", "price_minor": 1250}]}
    made = await client.post(f"{base}/products", json=product, headers=owner.headers)
    variant_id = made.json()["variants"][0]["id"]
    received = await client.post(
        f"{base}/warehouses/{shop['warehouses'][0]['id']}/receive",
        json={"lines": [{"variant_id": variant_id, "quantity": 10}]},
        headers=owner.headers,
    )
    assert received.status_code == 200, received.text
    return Counter(client, services, owner, customer, shop, variant_id)


def refused(answered: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    content: dict[str, Any] = answered.json()
    assert (answered.status_code, content["code"]) == (status, code), answered.text
    return content


async def test_an_order_says_why_this_warehouse_to_its_customer_and_to_the_shop(
    counter: Counter,
) -> None:
    placed = (await counter.order(2)).json()
    [part] = placed["allocations"]
    assert part["reason"] == REASON
    for user in (counter.customer, counter.owner):
        url = f"{counter.path}/orders/{placed['id']}"
        seen = (await counter.client.get(url, headers=user.headers)).json()
        assert seen["allocations"] == placed["allocations"]


async def test_why_so_much_is_available_and_no_more(counter: Counter) -> None:
    placed = (await counter.order(3)).json()
    found = (await counter.explain(variant=counter.variant_id)).json()
    assert (found["question"], found["available"]) == ("available", 7)
    [here] = found["warehouses"]
    assert (here["on_hand"], here["held"], here["available"]) == (10, 3, 7)
    [held] = here["held_by"]
    assert held == {"order_id": placed["id"], "quantity": 3, "expires_at": placed["expires_at"]}
    assert found["sentences"][0] == "7 units can be sold, from 1 of 1 warehouse."


async def test_why_so_much_is_on_hand_now_and_then(counter: Counter) -> None:
    asked = {"variant": counter.variant_id, "warehouse": counter.warehouse_id}
    found = (await counter.explain(**asked)).json()
    assert (found["question"], found["on_hand"], found["agrees"]) == ("on_hand", 10, True)
    assert found["by_kind"] == [{"kind": "receive", "movements": 1, "units": 10}]
    then = (await counter.explain(**asked, as_of="2020-01-01T00:00:00Z")).json()
    assert (then["on_hand"], then["as_of"]) == (0, "2020-01-01T00:00:00Z")


async def test_why_an_order_comes_from_its_warehouses(counter: Counter) -> None:
    placed = (await counter.order(2)).json()
    found = (await counter.explain(order=placed["id"])).json()
    assert (found["question"], found["status"]) == ("order", "held")
    assert found["allocations"] == placed["allocations"]
    [seen] = found["considered"]
    assert (seen["name"], seen["free"]) == (
        counter.shop["warehouses"][0]["name"],
        [{"variant_id": counter.variant_id, "units": 10}],
    )


async def test_it_is_explained_to_who_works_there_and_to_nobody_else(counter: Counter) -> None:
    questions: list[dict[str, object]] = [{"variant": counter.variant_id}, {"order": new_id()}]
    for asked in questions:
        refused(await counter.explain_to(counter.customer, asked), 404, "not_found")
    anonymous = await counter.client.get(f"{counter.path}/explain")
    refused(anonymous, 401, "unauthenticated")


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ((), "variant"),
        (("variant", "order"), "variant"),
        (("order", "warehouse"), "warehouse"),
        (("variant", "as_of"), "as_of"),
        (("warehouse",), "variant"),
    ],
)
async def test_what_is_no_question_is_refused_with_those_there_are(
    counter: Counter, asked: tuple[str, ...], path: str
) -> None:
    params = {name: "2020-01-01T00:00:00Z" if name == "as_of" else new_id() for name in asked}
    problem = refused(await counter.explain(**params), 422, "invalid_input")
    assert [error["path"] for error in problem["errors"]] == [path]


async def test_what_the_shop_does_not_have_is_not_found(counter: Counter) -> None:
    questions: list[dict[str, object]] = [
        {"variant": new_id()},
        {"order": new_id()},
        {"variant": counter.variant_id, "warehouse": new_id()},
    ]
    for asked in questions:
        refused(await counter.explain(**asked), 404, "not_found")
    tomorrow = {"variant": counter.variant_id, "warehouse": counter.warehouse_id}
    refused(await counter.explain(**tomorrow, as_of="2199-01-01T00:00:00Z"), 422, "invalid_input")


async def test_a_shop_caps_what_one_customer_holds(counter: Counter) -> None:
    changed = await counter.change_shop(max_open_reservations=1)
    assert changed["max_open_reservations"] == 1
    first = await counter.order(key="first")
    assert first.status_code == 201, first.text
    problem = refused(await counter.order(), 409, "too_many_open_reservations")
    assert (problem["most"], problem["open"]) == (1, 1)
    assert problem["orders"] == [first.json()["id"]]
    assert "Pay or cancel one of them" in problem["detail"]
    # A retry is no second order.
    assert (await counter.order(key="first")).json() == first.json()
    cancel = f"{counter.path}/orders/{first.json()['id']}/cancel"
    headers = {"Idempotency-Key": "cancel"} | counter.customer.headers
    assert (await counter.client.post(cancel, headers=headers)).status_code == 200
    assert (await counter.order()).status_code == 201
    assert (await counter.change_shop(max_open_reservations=None))["max_open_reservations"] is None
    assert (await counter.order()).status_code == 201


async def test_settings_of_a_shop_are_kept_and_bounded(counter: Counter) -> None:
    assert counter.shop["hide_exact"] is False
    assert counter.shop["low_stock_threshold"] is None
    changed = await counter.change_shop(hide_exact=True, low_stock_threshold=3)
    assert (changed["hide_exact"], changed["low_stock_threshold"]) == (True, 3)
    seen = await counter.client.get(counter.path, headers=counter.owner.headers)
    assert seen.json() == changed
    for wrong in (
        {"hide_exact": None},
        {"low_stock_threshold": 0},
        {"max_open_reservations": 0},
        {"max_open_reservations": True},
    ):
        told = await counter.client.patch(counter.path, json=wrong, headers=counter.owner.headers)
        refused(told, 422, "invalid_input")


async def explained(counter: Counter, **typed: str) -> list[str]:
    """Return what `lockstock explain` prints for people."""
    none = dict.fromkeys(("variant", "warehouse", "order", "as_of"))
    asked = Asked(**{"shop": counter.shop["id"]} | none | typed)
    return lines(await answer(counter.services, asked))


async def test_the_command_takes_a_sku_or_an_id_and_names_it(counter: Counter) -> None:
    by_sku = await explained(counter, variant="TEAPOT")
    assert by_sku[:2] == ["TEAPOT (Teapot)", "10 units can be sold, from 1 of 1 warehouse."]
    assert "  10 on hand - 0 held - 0 committed = 10 free." in by_sku
    assert await explained(counter, variant=counter.variant_id) == by_sku


async def test_the_command_takes_a_warehouse_by_its_name(counter: Counter) -> None:
    name = counter.shop["warehouses"][0]["name"]
    told = await explained(counter, variant="TEAPOT", warehouse=name)
    assert told[1] == "10 on hand: +10 received."
    assert await explained(counter, variant="TEAPOT", warehouse=counter.warehouse_id) == told
    then = await explained(counter, variant="TEAPOT", warehouse=name, as_of="2020-01-01T00:00:00Z")
    assert then[1].startswith("None on hand as of 2020-01-01 00:00:00 UTC")


async def test_the_command_tells_an_order_in_skus(counter: Counter) -> None:
    placed = (await counter.order(2)).json()
    told = await explained(counter, order=placed["id"])
    assert told[0] == (
        "2 units of TEAPOT (Teapot) from Main warehouse: No other warehouse had the whole order."
    )


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ({"variant": "KETTLE"}, "no variant with the SKU or id KETTLE"),
        ({"variant": str(new_id())}, "no variant with the SKU or id"),
        ({"variant": "TEAPOT", "warehouse": "North"}, "There are: Main warehouse ("),
        ({"order": "first"}, "--order takes the id of an order"),
        ({"order": str(new_id())}, "No stock was ever reserved"),
        ({"variant": "TEAPOT", "shop": "mine"}, "--shop takes the id of a shop"),
        ({"variant": "TEAPOT", "shop": str(new_id())}, "no such shop"),
    ],
)
async def test_the_command_says_what_is_missing(
    counter: Counter, typed: dict[str, str], hint: str
) -> None:
    with pytest.raises((ValueError, Refusal)) as told:
        await explained(counter, **typed)
    assert hint in str(told.value)
