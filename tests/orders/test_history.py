"""The whole story of an order: who did what, when and why, and what of it its customer sees."""

from typing import Any
from uuid import UUID

import httpx2
import pytest

from lockstock.app import Services
from tests.conftest import OpenShop, Register, User
from tests.orders.payments.till import PRICE_MINOR, Till, answered, refused

KINDS_OF_A_RETURN = [
    "placed",
    "payment_started",
    "payment_captured",
    "status_changed",
    "shipped",
    "status_changed",
    "refund_started",
    "returned",
    "refund_done",
    "status_changed",
]


@pytest.fixture
async def till(
    client: httpx2.AsyncClient, services: Services, register: Register, open_shop: OpenShop
) -> Till:
    """An open shop."""
    owner, customer = await register(), await register()
    shop = await open_shop(owner)
    base = f"/v1/shops/{shop['id']}"
    product = {"name": "Tea", "variants": [{"sku": "T1", "price_minor": PRICE_MINOR}]}
    made = await client.post(f"{base}/products", json=product, headers=owner.headers)
    variant_id = answered(made)["variants"][0]["id"]
    lines = [{"variant_id": variant_id, "quantity": 10}]
    path = f"{base}/warehouses/{shop['warehouses'][0]['id']}/receive"
    answered(await client.post(path, json={"lines": lines}, headers=owner.headers), 200)
    return Till(client, services, owner, customer, shop, variant_id)


async def story(till: Till, order: dict[str, Any], user: User | None = None) -> list[Any]:
    """The history of an order, as somebody sees it."""
    page = await till.get(f"{till.base}/orders/{order['id']}/history", user)
    assert page["next"] is None
    items: list[Any] = page["items"]
    assert [item["at"] for item in items] == sorted(item["at"] for item in items)
    return items


async def act(till: Till, order: dict[str, Any], verb: str, **asked: Any) -> Any:
    """Do something to an order as the shop's owner."""
    path = f"{till.base}/orders/{order['id']}/{verb}"
    status = 200 if verb in ("cancel", "complete") else 201
    return answered(await till.post(path, asked or None, user=till.owner), status)


async def returned(till: Till) -> dict[str, Any]:
    """An order that was paid, shipped, half returned and completed."""
    order = await till.place(2)
    await till.tell(await till.start(order))
    await act(till, order, "shipments")
    line = {"variant_id": till.variant_id, "quantity": 1, "condition": "damaged"}
    await act(till, order, "returns", lines=[line], reason="torn by us")
    await till.work()
    await act(till, order, "complete")
    return order


async def test_staff_see_the_whole_story_of_an_order(till: Till) -> None:
    order = await returned(till)
    items = await story(till, order, till.owner)
    assert [item["kind"] for item in items] == KINDS_OF_A_RETURN
    changes = [item for item in items if item["kind"] == "status_changed"]
    assert [(item["from_status"], item["to_status"]) for item in changes] == [
        ("awaiting_payment", "paid"),
        ("paid", "shipped"),
        ("shipped", "completed"),
    ]
    owner, customer = str(till.owner.id), str(till.customer.id)
    who = {(item["kind"], item["actor"]["kind"], item["actor"]["id"]) for item in items}
    assert who == {
        ("placed", "customer", customer),
        ("payment_started", "customer", customer),
        ("payment_captured", "provider", None),
        ("status_changed", "provider", None),
        ("shipped", "staff", owner),
        ("status_changed", "staff", owner),
        ("returned", "staff", owner),
        ("refund_started", "staff", owner),
        ("refund_done", "provider", None),
    }
    by_kind = {item["kind"]: item for item in items}
    assert by_kind["returned"]["reason"] == "torn by us"
    assert by_kind["refund_started"]["amount"] == {"amount_minor": PRICE_MINOR, "currency": "EUR"}
    assert by_kind["payment_captured"]["outcome"] == "pay"
    assert by_kind["shipped"]["request_id"]
    # Each entry leads to the thing that it is about.
    here = f"{till.base}/orders/{order['id']}"
    for kind, name in (
        ("payment_started", "payments"),
        ("shipped", "shipments"),
        ("returned", "returns"),
        ("refund_done", "refunds"),
    ):
        [found] = (await till.get(f"{here}/{name}"))["items"]
        assert by_kind[kind]["subject_id"] == found["id"]


async def test_its_customer_sees_what_happened_and_when_and_nobodys_name(till: Till) -> None:
    order = await returned(till)
    items = await story(till, order)
    assert [item["kind"] for item in items] == KINDS_OF_A_RETURN
    assert {item["actor"]["id"] for item in items} == {str(till.customer.id), None}
    assert str(till.owner.id) not in str(items)
    assert "torn by us" not in str(items)
    others = [item for item in items if item["actor"]["kind"] != "customer"]
    assert {(item["request_id"], item["outcome"]) for item in others} == {(None, None)}


async def test_what_staff_wrote_of_a_return_and_a_refund_is_not_for_its_customer(
    till: Till,
) -> None:
    order = await returned(till)
    asked = await act(till, order, "refunds", amount_minor=1, reason="to calm them")
    await till.run(
        "UPDATE orders.refunds SET status = 'failed', next_try_at = NULL, failure = 'bank: no', "  # noqa: S608
        f"failed_at = statement_timestamp() WHERE id = '{asked['id']}'"
    )
    here = f"{till.base}/orders/{order['id']}"
    seen = {
        user.id: (await till.get(f"{here}/returns", user))["items"]
        + (await till.get(f"{here}/refunds", user))["items"]
        for user in (till.owner, till.customer)
    }
    said = [(item["reason"], item.get("failure")) for item in seen[till.owner.id]]
    assert said == [("torn by us", None), ("torn by us", None), ("to calm them", "bank: no")]
    silent = {"reason": None, "failure": None}
    assert seen[till.customer.id] == [
        item | {name: silent[name] for name in silent.keys() & item.keys()}
        for item in seen[till.owner.id]
    ]


async def test_why_a_customer_cancelled_is_kept_and_shown_to_both(till: Till) -> None:
    order = await till.place()
    path = f"{till.base}/orders/{order['id']}/cancel"
    answered(await till.post(path, {"reason": "too slow"}), 200)
    for user in (till.customer, till.owner):
        last = (await story(till, order, user))[-1]
        assert (last["to_status"], last["reason"]) == ("cancelled", "too slow")
        assert last["actor"] == {"kind": "customer", "id": str(till.customer.id)}


async def test_an_order_that_ran_out_of_time_ended_by_itself(till: Till) -> None:
    order = await till.place()
    await till.pass_deadline(order)
    await till.work()
    last = (await story(till, order, till.owner))[-1]
    assert (last["to_status"], last["actor"]) == ("expired", {"kind": "system", "id": None})


async def test_what_a_key_does_is_told_from_what_people_do(till: Till) -> None:
    asked = {"name": "till", "kind": "secret", "scopes": ["orders", "read"]}
    made = answered(await till.post(f"{till.base}/api-keys", asked, user=till.owner))
    headers = {"Authorization": f"Bearer {made['key']}"}
    order = await till.place()
    path = f"{till.base}/orders/{order['id']}/cancel"
    cancelled = await till.client.post(path, headers=headers | {"Idempotency-Key": "stop"})
    answered(cancelled, 200)
    last = (await story(till, order, till.owner))[-1]
    assert last["actor"] == {"kind": "key", "id": made["id"]}
    seen = (await story(till, order))[-1]
    assert seen["actor"] == {"kind": "key", "id": None}


async def test_a_surplus_and_its_refund_are_in_the_story(till: Till) -> None:
    order = await till.place()
    first, second = await till.start(order), await till.start(order)
    await till.tell(first)
    await till.tell(second)
    await till.work()
    items = await story(till, order, till.owner)
    assert [item["outcome"] for item in items if item["kind"] == "payment_captured"] == [
        "pay",
        "refund_surplus",
    ]
    [began] = [item for item in items if item["kind"] == "refund_started"]
    assert (began["actor"]["kind"], began["reason"]) == ("system", "surplus")


async def test_that_somebody_looked_at_a_payment_is_the_shops_own_affair(till: Till) -> None:
    order = await till.place()
    payment = await till.start(order)
    await till.tell(payment, amount_minor=1)
    path = f"{till.base}/payments/{payment['id']}/reviewed"
    answered(await till.post(path, {"reason": "called them"}, user=till.owner), 200)
    [looked] = [
        item for item in await story(till, order, till.owner) if item["kind"] == "payment_reviewed"
    ]
    assert (looked["reason"], looked["actor"]["kind"]) == ("called them", "staff")
    assert "payment_reviewed" not in {item["kind"] for item in await story(till, order)}


async def test_nobody_else_reads_the_history(till: Till, register: Register) -> None:
    order = await till.place()
    path = f"{till.base}/orders/{order['id']}/history"
    stranger = await register()
    refused(await till.client.get(path, headers=stranger.headers), 404, "not_found")
    nowhere = f"{till.base}/orders/{UUID(int=0)}/history"
    refused(await till.client.get(nowhere, headers=till.owner.headers), 404, "not_found")
    refused(await till.client.get(path), 401, "unauthenticated")
