"""Orders through the HTTP interface: the whole story, and who may tell it."""

import json
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from lockstock.app import Services
from lockstock.audit.service import audit, report
from lockstock.kernel.ids import new_id
from lockstock.orders.payments.sandbox.contract import SandboxAsk
from lockstock.orders.payments.sandbox.signing import Signer, event_for
from tests.conftest import SIGNING_KEY, OpenShop, Register, User

pytestmark = pytest.mark.journeys


@dataclass
class Counter:
    """A shop with ten units of one variant, its owner, and a customer."""

    client: httpx2.AsyncClient
    services: Services
    register: Register
    owner: User
    customer: User
    shop: dict[str, Any]
    variant_id: str
    keys: int = 0

    @property
    def path(self) -> str:
        """The shop's orders."""
        return f"/v1/shops/{self.shop['id']}/orders"

    async def post(
        self, path: str, body: Any = None, user: User | None = None, key: str | None = None
    ) -> httpx2.Response:
        """Send a body as the customer, under a key of its own."""
        self.keys += 1
        headers = {"Idempotency-Key": key or f"k{self.keys}"} | (user or self.customer).headers
        return await self.client.post(path, json=body, headers=headers)

    async def get(self, path: str, user: User | None = None) -> httpx2.Response:
        """Read as the customer."""
        return await self.client.get(path, headers=(user or self.customer).headers)

    def lines(self, quantity: int = 1) -> dict[str, Any]:
        """Ask for so many units."""
        return {"lines": [{"variant_id": self.variant_id, "quantity": quantity}]}

    async def place(self, quantity: int = 1) -> dict[str, Any]:
        """Place an order."""
        return made(await self.post(self.path, self.lines(quantity)))

    async def start(self, order: dict[str, Any]) -> dict[str, Any]:
        """Start a payment."""
        return made(await self.post(order["pay"], {"provider": "sandbox"}))

    async def pay(self, order: dict[str, Any]) -> dict[str, Any]:
        """Start a payment and let the sandbox take it."""
        payment = await self.start(order)
        done = await self.post(f"/v1/sandbox/payments/{payment['id']}/succeed")
        assert done.status_code == 202, done.text
        return payment

    async def status(self, order: dict[str, Any]) -> str:
        """How the order stands."""
        answer = await self.get(f"{self.path}/{order['id']}")
        assert answer.status_code == 200, answer.text
        status: str = answer.json()["status"]
        return status


def made(answer: httpx2.Response, status: int = 201) -> dict[str, Any]:
    """Return what was answered."""
    assert answer.status_code == status, answer.text
    content: dict[str, Any] = answer.json()
    return content


def refused(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """Return the problem that was answered."""
    content: dict[str, Any] = answer.json()
    assert (answer.status_code, content["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return content


@pytest.fixture
async def counter(
    client: httpx2.AsyncClient, services: Services, register: Register, open_shop: OpenShop
) -> Any:
    """An open shop. Whatever happens at its counter, all invariants hold afterwards."""
    owner, customer = await register(), await register()
    shop = await open_shop(owner)
    base = f"/v1/shops/{shop['id']}"
    product = {"name": "Tea", "variants": [{"sku": "T1", "price_minor": 1250}]}
    answer = await client.post(f"{base}/products", json=product, headers=owner.headers)
    variant_id = made(answer)["variants"][0]["id"]
    warehouse = shop["warehouses"][0]["id"]
    received = await client.post(
        f"{base}/warehouses/{warehouse}/receive",
        json={"lines": [{"variant_id": variant_id, "quantity": 10}]},
        headers=owner.headers,
    )
    assert received.status_code == 200, received.text
    yield Counter(client, services, register, owner, customer, shop, variant_id)
    verdict = await audit(services.orders.database)
    assert verdict.holds, "\n".join(report(verdict))


async def test_from_the_shelf_to_the_customer_and_back(counter: Counter) -> None:
    order = await counter.place(2)
    assert order["status"] == "awaiting_payment"
    assert order["total"] == {"amount_minor": 2500, "currency": "EUR"}
    payment = await counter.pay(order)
    assert payment["status"] == "pending"
    assert payment["pay_url"].endswith(f"/v1/sandbox/payments/{payment['id']}")
    assert await counter.status(order) == "paid"
    here = f"{counter.path}/{order['id']}"
    parcels = made(await counter.post(f"{here}/shipments", user=counter.owner))
    assert [parcel["status"] for parcel in parcels["items"]] == ["shipped"]
    assert await counter.status(order) == "shipped"
    back = made(await counter.post(f"{here}/returns", counter.lines(1), user=counter.owner))
    assert back["refund"]["amount_minor"] == 1250
    refund = {"amount_minor": 1250, "reason": "sorry"}
    made(await counter.post(f"{here}/refunds", refund, user=counter.owner))
    problem = refused(
        await counter.post(f"{here}/refunds", refund, user=counter.owner), 409, "refund_too_much"
    )
    assert problem["refundable_minor"] == 0
    done = await counter.post(f"{here}/complete", user=counter.owner)
    assert made(done, 200)["status"] == "completed"
    for noun, many in (("payments", 1), ("shipments", 1), ("returns", 1), ("refunds", 2)):
        assert len(made(await counter.get(f"{here}/{noun}"), 200)["items"]) == many


async def test_a_replay_says_so_and_another_body_is_refused(counter: Counter) -> None:
    first = await counter.post(counter.path, counter.lines(2), key="same")
    again = await counter.post(counter.path, counter.lines(2), key="same")
    assert made(again) == made(first)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    other = await counter.post(counter.path, counter.lines(3), key="same")
    refused(other, 422, "idempotency_key_reused")


async def test_keys_are_private_to_the_caller(counter: Counter) -> None:
    first = made(await counter.post(counter.path, counter.lines(1), key="same"))
    stranger = await counter.register()
    other = await counter.post(counter.path, counter.lines(1), user=stranger, key="same")
    assert made(other)["id"] != first["id"]
    assert "idempotency-replayed" not in other.headers


async def test_a_refusal_can_be_retried_with_the_same_key(counter: Counter) -> None:
    first = await counter.place(8)
    body = counter.lines(5)
    answer = await counter.post(counter.path, body, key="same")
    [line] = refused(answer, 409, "out_of_stock")["lines"]
    assert (line["requested"], line["available"]) == (5, 2)
    assert line["variant_id"] == counter.variant_id
    await counter.post(f"{counter.path}/{first['id']}/cancel")
    made(await counter.post(counter.path, body, key="same"))


async def test_without_a_key_nothing_is_taken(counter: Counter) -> None:
    headers = counter.customer.headers
    answer = await counter.client.post(counter.path, json=counter.lines(), headers=headers)
    refused(answer, 400, "idempotency_key_required")
    order = await counter.place()
    for noun in ("payments", "cancel", "shipments", "returns", "refunds"):
        path = f"{counter.path}/{order['id']}/{noun}"
        answer = await counter.client.post(path, json={}, headers=headers)
        assert answer.status_code in (400, 404, 422), noun


BAD_ORDERS: list[Any] = [
    {},
    {"lines": []},
    {"lines": [{"variant_id": "nope", "quantity": 1}]},
    {"lines": [{"variant_id": str(new_id()), "quantity": 1}]},
    {"lines": [{"variant_id": "VARIANT", "quantity": 0}]},
    {"lines": [{"variant_id": "VARIANT", "quantity": -1}]},
    {"lines": [{"variant_id": "VARIANT", "quantity": 1.0}]},
    {"lines": [{"variant_id": "VARIANT", "quantity": "1"}]},
    {"lines": [{"variant_id": "VARIANT", "quantity": True}]},
    {"lines": [{"variant_id": "VARIANT", "quantity": 2**31}]},
    {"lines": [{"variant_id": "VARIANT", "quantity": 2**31 - 1}] * 2},
    {"lines": [{"variant_id": "VARIANT", "quantity": 1}] * 101},
    {"lines": [{"variant_id": "VARIANT", "quantity": 1, "price": 1}]},
    {"lines": [{"variant_id": "VARIANT", "quantity": 1}], "status": "paid"},
    {"lines": [{"variant_id": "VARIANT", "quantity": 1}], "ship_to": {"latitude": 1}},
    {"lines": [{"variant_id": "VARIANT", "quantity": 1}], "ship_to": {"country": "Germany"}},
]


async def test_bad_orders_are_refused_and_leave_nothing(counter: Counter) -> None:
    for body in BAD_ORDERS:
        text = json.dumps(body).replace("VARIANT", counter.variant_id)
        answer = await counter.post(counter.path, json.loads(text))
        assert refused(answer, 422, "invalid_input")["errors"], body
    answer = await counter.get("/v1/me/orders")
    assert made(answer, 200)["items"] == []


async def test_an_order_in_a_shop_that_is_not_there_is_not_found(counter: Counter) -> None:
    answer = await counter.post(f"/v1/shops/{new_id()}/orders", counter.lines())
    assert answer.status_code == 404, answer.text


async def test_anothers_order_is_not_there(counter: Counter) -> None:
    order = await counter.place()
    payment = await counter.start(order)
    stranger = await counter.register()
    here = f"{counter.path}/{order['id']}"
    refused(await counter.get(here, stranger), 404, "not_found")
    refused(await counter.get(f"{here}/payments", stranger), 404, "not_found")
    for noun, body in (
        ("cancel", None),
        ("payments", {"provider": "sandbox"}),
        ("shipments", None),
        ("returns", counter.lines()),
        ("refunds", {"amount_minor": 1, "reason": "x"}),
        ("complete", None),
    ):
        answer = await counter.post(f"{here}/{noun}", body, user=stranger)
        refused(answer, 404, "not_found")
    for verb in ("succeed", "fail"):
        path = f"/v1/sandbox/payments/{payment['id']}/{verb}"
        refused(await counter.post(path, user=stranger), 404, "not_found")
    answer = await counter.client.get(here)
    refused(answer, 401, "unauthenticated")
    assert await counter.status(order) == "awaiting_payment"


async def test_a_customer_cannot_do_what_the_shop_does(counter: Counter) -> None:
    order = await counter.place()
    await counter.pay(order)
    here = f"{counter.path}/{order['id']}"
    for noun, body in (
        ("shipments", None),
        ("refunds", {"amount_minor": 1, "reason": "x"}),
        ("complete", None),
    ):
        refused(await counter.post(f"{here}/{noun}", body), 404, "not_found")
    refused(await counter.get(counter.path), 404, "not_found")


async def test_a_clerk_ships_and_a_viewer_looks(counter: Counter) -> None:
    people = {}
    for role in ("clerk", "viewer"):
        people[role] = await counter.register()
        path = f"/v1/shops/{counter.shop['id']}/members/{people[role].id}"
        headers = counter.owner.headers
        answer = await counter.client.put(path, json={"role": role}, headers=headers)
        assert answer.status_code < 300, answer.text
    order = await counter.place()
    await counter.pay(order)
    here = f"{counter.path}/{order['id']}"
    made(await counter.get(here, people["viewer"]), 200)
    refused(await counter.post(f"{here}/shipments", user=people["viewer"]), 403, "forbidden")
    refused(await counter.post(f"{here}/cancel", user=people["clerk"]), 403, "forbidden")
    refund = {"amount_minor": 1, "reason": "x"}
    answer = await counter.post(f"{here}/refunds", refund, user=people["clerk"])
    refused(answer, 403, "forbidden")
    made(await counter.post(f"{here}/shipments", user=people["clerk"]))


async def test_lists_page_and_filter(counter: Counter) -> None:
    orders = [await counter.place() for _ in range(3)]
    await counter.pay(orders[0])
    newest = [order["id"] for order in reversed(orders)]
    for path, user in ((counter.path, counter.owner), ("/v1/me/orders", counter.customer)):
        seen: list[str] = []
        cursor = ""
        while cursor is not None:
            page = made(await counter.get(f"{path}?limit=2{cursor}", user), 200)
            seen += [order["id"] for order in page["items"]]
            cursor = page["next"] and f"&cursor={page['next']}"
        assert seen == newest
        paid = made(await counter.get(f"{path}?status=paid", user), 200)["items"]
        assert [order["id"] for order in paid] == newest[-1:]
        refused(await counter.get(f"{path}?cursor=nope", user), 422, "invalid_input")
        refused(await counter.get(f"{path}?status=odd", user), 422, "invalid_input")
    mine = f"{counter.path}?customer={counter.customer.id}"
    assert len(made(await counter.get(mine, counter.owner), 200)["items"]) == 3
    none = f"{counter.path}?customer={new_id()}"
    assert made(await counter.get(none, counter.owner), 200)["items"] == []


async def test_money_after_a_cancel_goes_back(counter: Counter) -> None:
    order = await counter.place()
    payment = await counter.start(order)
    cancelled = await counter.post(f"{counter.path}/{order['id']}/cancel", {"reason": "no"})
    assert made(cancelled, 200)["status"] == "cancelled"
    await counter.post(f"/v1/sandbox/payments/{payment['id']}/succeed")
    assert await counter.status(order) == "cancelled"
    path = f"{counter.path}/{order['id']}/refunds"
    [refund] = made(await counter.get(path), 200)["items"]
    assert (refund["cause"], refund["amount"]["amount_minor"]) == ("cancelled", 1250)
    again = await counter.post(order["pay"], {"provider": "sandbox"})
    assert refused(again, 409, "order_not_payable")["order_status"] == "cancelled"


async def test_the_sandbox_can_be_told_to_misbehave(counter: Counter) -> None:
    order = await counter.place()
    payment = await counter.start(order)
    here = f"/v1/sandbox/payments/{payment['id']}"
    made(await counter.post(f"{here}/fail"), 202)
    assert await counter.status(order) == "awaiting_payment"
    other = await counter.start(order)
    path = f"/v1/sandbox/payments/{other['id']}/succeed"
    made(await counter.post(path, {"amount_minor": 1, "event_id": "odd"}), 202)
    assert await counter.status(order) == "awaiting_payment"
    made(await counter.post(path, {"event_id": "odd"}), 202)
    made(await counter.post(f"{here}/succeed"), 202)
    assert await counter.status(order) == "paid"


async def test_webhooks_are_taken_signed_and_refused_otherwise(counter: Counter) -> None:
    order = await counter.place()
    payment = await counter.services.payments.find((await counter.start(order))["id"])
    event = event_for(payment, "captured", SandboxAsk())
    headers, body = Signer([SIGNING_KEY]).sign(event)
    hook = "/v1/webhooks/sandbox"
    client = counter.client
    refused(await client.post(hook, content=body), 400, "bad_signature")
    refused(await client.post("/v1/webhooks/odd", content=body), 404, "not_found")
    bad = {**headers, "webhook-signature": "v1,bm9uZQ=="}
    refused(await client.post(hook, content=body, headers=bad), 400, "bad_signature")
    assert await counter.status(order) == "awaiting_payment"
    for _ in range(2):
        made(await client.post(hook, content=body, headers=headers), 202)
    assert await counter.status(order) == "paid"


async def test_where_the_sandbox_is_off_it_is_not_there(counter: Counter) -> None:
    order = await counter.place()
    payment = await counter.start(order)
    counter.services.payments.providers = {}
    counter.services.payments.inbox.providers = {}
    path = f"/v1/sandbox/payments/{payment['id']}/succeed"
    refused(await counter.post(path), 404, "not_found")
    answer = await counter.post(order["pay"], {"provider": "sandbox"})
    refused(answer, 422, "invalid_input")
    refused(await counter.client.post("/v1/webhooks/sandbox", content=b"{}"), 404, "not_found")
