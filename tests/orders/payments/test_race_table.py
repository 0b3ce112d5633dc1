"""The table of races of a payment, row by row, through HTTP, with the sandbox's faults.

The rows are those of the domain: what arrives, how the order stands, what comes of it.
"""

from typing import Any
from uuid import UUID

import pytest

from lockstock.kernel.ids import derived_id
from lockstock.orders.payments.sandbox.contract import SandboxEvent
from lockstock.orders.payments.sandbox.signing import Signer
from lockstock.orders.rules import order_id_of
from tests.conftest import SIGNING_KEY
from tests.orders.payments.till import PRICE_MINOR, Till, answered

pytestmark = pytest.mark.journeys

CAPTURED: list[dict[str, Any]] = [{}, {"delay_seconds": 60}, {"deliveries": 3}, {"lose": True}]


@pytest.mark.parametrize("fault", CAPTURED, ids=str)
async def test_captured_before_the_deadline_pays_the_order(
    till: Till, fault: dict[str, Any]
) -> None:
    """Captured, awaiting: reservation committed, order paid; late, doubled or lost on the way."""
    order = await till.place(2)
    payment = await till.start(order)
    await till.tell(payment, **fault)
    arrived = not {"delay_seconds", "lose"} & fault.keys()
    assert (await till.order(order))["status"] == ("paid" if arrived else "awaiting_payment")
    await till.later(look_up=True)
    assert await till.stands(order) == ("paid", ["captured"], [])
    assert (await till.order(order))["late"] is False
    assert await till.stock() == (10, 0, 2)


@pytest.mark.parametrize("fault", CAPTURED, ids=str)
@pytest.mark.parametrize("swept", [False, True], ids=["unswept", "expired"])
async def test_captured_past_the_deadline_takes_the_same_lines_again(
    till: Till, fault: dict[str, Any], *, swept: bool
) -> None:
    """Captured, past the deadline or expired: the same lines are taken again, and it is late."""
    order = await till.place(2)
    payment = await till.start(order)
    await till.pass_deadline(order)
    if swept:
        await till.services.orders.sweep(500)
    assert (await till.order(order))["status"] == "expired"
    await till.tell(payment, **fault)
    await till.later()
    assert await till.stands(order) == ("paid", ["captured"], [])
    assert (await till.order(order))["late"] is True
    assert await till.stock() == (10, 0, 2)


@pytest.mark.parametrize("fault", CAPTURED, ids=str)
async def test_captured_past_the_deadline_for_what_is_gone_goes_back(
    till: Till, fault: dict[str, Any]
) -> None:
    """Captured, past the deadline, sold out: refund, the order stays expired."""
    order = await till.place(10)
    payment = await till.start(order)
    await till.pass_deadline(order)
    await till.place(1)
    await till.tell(payment, **fault)
    await till.later()
    assert await till.stands(order) == ("expired", ["refunded"], [("late", "done")])
    assert await till.stock() == (10, 1, 0)


@pytest.mark.parametrize("fault", CAPTURED, ids=str)
async def test_captured_for_a_cancelled_order_goes_back(till: Till, fault: dict[str, Any]) -> None:
    """Captured, cancelled: refund."""
    order = await till.place(2)
    payment = await till.start(order)
    answered(await till.post(f"{till.base}/orders/{order['id']}/cancel"), 200)
    await till.tell(payment, **fault)
    await till.later()
    assert await till.stands(order) == ("cancelled", ["refunded"], [("cancelled", "done")])
    assert await till.stock() == (10, 0, 0)


async def test_the_same_attempt_captured_again_does_nothing(till: Till) -> None:
    """Captured, same attempt, paid: nothing, and the same answer."""
    order = await till.place()
    payment = await till.start(order)
    await till.tell(payment)
    before = await till.order(order)
    await till.tell(payment)
    await till.later(look_up=True)
    assert await till.order(order) == before
    assert await till.stands(order) == ("paid", ["captured"], [])
    assert await till.outcomes() == ["pay", "nothing"]


@pytest.mark.parametrize("fault", CAPTURED, ids=str)
async def test_another_attempt_captured_goes_back_as_surplus(
    till: Till, fault: dict[str, Any]
) -> None:
    """Captured, another attempt, paid: the surplus is refunded."""
    order = await till.place()
    first, second = await till.start(order), await till.start(order)
    await till.tell(second, **({"delay_seconds": 60} if fault == {} else fault))
    await till.tell(first)
    await till.later()
    stood = await till.stands(order)
    assert stood[0] == "paid"
    assert sorted(stood[1]) == ["captured", "refunded"]
    assert stood[2] == [("surplus", "done")]
    assert await till.stock() == (10, 0, 1)


@pytest.mark.parametrize("fault", CAPTURED, ids=str)
async def test_a_failure_leaves_the_order_waiting(till: Till, fault: dict[str, Any]) -> None:
    """Failed, awaiting: the attempt failed; the reservation stays until its deadline."""
    order = await till.place(2)
    payment = await till.start(order)
    await till.tell(payment, "fail", **fault)
    await till.later(look_up=True)
    assert await till.stands(order) == ("awaiting_payment", ["failed"], [])
    assert await till.stock() == (10, 2, 0)
    await till.tell(await till.start(order))
    assert (await till.order(order))["status"] == "paid"
    assert await till.stock() == (10, 0, 2)


async def test_a_failure_that_was_overtaken_by_the_money_is_ignored(till: Till) -> None:
    """Failed, paid: ignored. It happened first, and comes after the money that followed it."""
    order = await till.place()
    payment = await till.start(order)
    await till.tell(payment, "fail", reorder=True)
    assert await till.outcomes() == []
    await till.tell(payment)
    assert await till.outcomes() == ["pay", "ignored"]
    await till.later(look_up=True)
    assert await till.stands(order) == ("paid", ["captured"], [])


async def test_a_closed_attempt_of_a_paid_order_is_ignored(till: Till) -> None:
    """Cancelled, paid: ignored. The provider closes the attempt that is not needed, and says so."""
    order = await till.place()
    first, second = await till.start(order), await till.start(order)
    await till.tell(first)
    await till.later()
    assert await till.stands(order) == ("paid", ["captured", "cancelled"], [])
    closed = SandboxEvent(
        event_id="closed",
        shop_id=UUID(till.shop["id"]),
        order_id=UUID(order["id"]),
        payment_id=UUID(second["id"]),
        kind="cancelled",
        amount_minor=PRICE_MINOR,
        currency="EUR",
        created=0,
    )
    headers, body = Signer([SIGNING_KEY]).sign(closed)
    answer = await till.client.post("/v1/webhooks/sandbox", content=body, headers=headers)
    answered(answer, 202)
    assert await till.outcomes() == ["pay", "ignored"]
    assert (await till.order(order))["status"] == "paid"


MISMATCHES: list[dict[str, Any]] = [
    {"amount_minor": PRICE_MINOR - 1},
    {"amount_minor": 0},
    {"currency": "USD"},
]


@pytest.mark.parametrize("other", MISMATCHES, ids=str)
@pytest.mark.parametrize("stands", ["awaiting", "expired", "cancelled", "paid"])
async def test_other_money_than_asked_for_is_never_accepted(
    till: Till, stands: str, other: dict[str, Any]
) -> None:
    """Amount or currency differs, any: no commit; refunded and flagged for review."""
    order = await till.place()
    odd = await till.start(order)
    if stands == "expired":
        await till.pass_deadline(order)
    elif stands == "cancelled":
        answered(await till.post(f"{till.base}/orders/{order['id']}/cancel"), 200)
    elif stands == "paid":
        await till.tell(await till.start(order))
    await till.tell(odd, **other, lose=stands in ("awaiting", "paid"))
    await till.later(look_up=True)
    status, _, refunds = await till.stands(order)
    assert status == {"awaiting": "awaiting_payment"}.get(stands, stands)
    given = other.get("amount_minor", PRICE_MINOR)
    assert refunds == ([("mismatch", "done")] if given else [])
    assert await till.stock() == (10, int(stands == "awaiting"), int(stands == "paid"))
    flagged = (await till.get(f"{till.base}/payments?review=true", till.owner))["items"]
    assert [item["id"] for item in flagged] == [odd["id"]]


async def test_an_event_for_an_order_not_known_yet_is_kept_and_applied(till: Till) -> None:
    """Event for an order not known yet: kept and retried; never acknowledged and dropped."""
    shop_id = UUID(till.shop["id"])
    order_id = order_id_of(shop_id, till.customer.id, "basket")
    event = SandboxEvent(
        event_id="early",
        shop_id=shop_id,
        order_id=order_id,
        payment_id=derived_id("payment", order_id, till.customer.id, "payment"),
        kind="captured",
        amount_minor=PRICE_MINOR,
        currency="EUR",
        created=0,
    )
    headers, body = Signer([SIGNING_KEY]).sign(event)
    answer = await till.client.post("/v1/webhooks/sandbox", content=body, headers=headers)
    answered(answer, 202)
    await till.later()
    assert await till.outcomes() == [None]
    order = await till.place(key="basket")
    await till.start(order, key="payment")
    await till.later()
    assert await till.stands(order) == ("paid", ["captured"], [])
    assert await till.outcomes() == ["pay"]


@pytest.mark.parametrize("verb", ["succeed", "fail"])
async def test_the_same_event_again_does_nothing(till: Till, verb: str) -> None:
    """The same event again, any: nothing."""
    order = await till.place()
    payment = await till.start(order)
    await till.tell(payment, verb, event_id="same", deliveries=5)
    before = await till.stands(order), await till.stock()
    await till.tell(payment, verb, event_id="same", deliveries=5)
    await till.later()
    assert (await till.stands(order), await till.stock()) == before
    assert len(await till.outcomes()) == 1
