"""Payments through Stripe: events signed as Stripe signs them, and localstripe as a counterpart."""

import json
import time
from typing import Any
from uuid import UUID

import httpx2
import pytest
import stripe
from pydantic import SecretStr

from lockstock import app as wiring
from lockstock.kernel.errors import InvalidInput
from lockstock.kernel.ids import new_id
from lockstock.kernel.money import Money
from lockstock.orders.payments.stripe import our_amount, stripe_amount
from lockstock.settings import Settings
from tests.conftest import SIGNING_KEY
from tests.orders.payments.till import (
    API_KEY,
    PRICE_MINOR,
    WEBHOOK_SECRET,
    Till,
    answered,
    refused,
    stripe_settings,
)

HOOK = "/v1/webhooks/stripe"


@pytest.fixture
def settings() -> Settings:
    """Settings of a server with Stripe. Nothing listens there: a test of events calls nobody."""
    return stripe_settings("http://127.0.0.1:9")


def event(kind: str, payment: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An event as Stripe writes it, about the intent of a payment."""
    metadata = {name: payment[name] for name in ("shop_id", "order_id")}
    intent = {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": PRICE_MINOR,
        "amount_received": PRICE_MINOR if kind.endswith("succeeded") else 0,
        "currency": "eur",
        "client_secret": "pi_1_secret_canary",
        "metadata": metadata | {"payment_id": payment["id"]},
    }
    return {
        "id": f"evt_{new_id()}",
        "object": "event",
        "type": kind,
        "created": int(time.time()),
        "data": {"object": intent | fields},
    }


async def send(
    till: Till, content: Any, *, secret: str = WEBHOOK_SECRET, seconds_ago: int = 0
) -> httpx2.Response:
    """Send an event, signed by Stripe's own code."""
    body = json.dumps(content)
    signature = stripe.WebhookSignature.generate_signature_header(
        body, secret, timestamp=int(time.time()) - seconds_ago
    )
    headers = {"Stripe-Signature": signature, "Content-Type": "application/json"}
    return await till.client.post(HOOK, content=body, headers=headers)


@pytest.fixture
async def waiting(till: Till) -> tuple[dict[str, Any], dict[str, Any]]:
    """An order and its payment at Stripe, as if Stripe had opened it."""
    order = await till.place()
    body = {"provider": "stripe"}
    refused(await till.post(order["pay"], body, key="pay"), 503, "provider_unavailable")
    await till.run(
        "UPDATE orders.payments SET reference = 'pi_1', client_secret = 'pi_1_secret_canary'"
    )
    return order, answered(await till.post(order["pay"], body, key="pay"))


Waiting = tuple[dict[str, Any], dict[str, Any]]


async def test_a_signed_event_pays_the_order_once(till: Till, waiting: Waiting) -> None:
    order, payment = waiting
    assert payment["client_secret"] == "pi_1_secret_canary"
    assert payment["pay_url"] is None
    content = event("payment_intent.succeeded", payment)
    for _ in range(3):
        assert answered(await send(till, content), 202)["event_id"] == content["id"]
    assert await till.stands(order) == ("paid", ["captured"], [])
    assert await till.outcomes() == ["pay"]


async def test_what_the_customer_pays_with_is_shown_and_kept_nowhere_else(
    till: Till, waiting: Waiting
) -> None:
    order, payment = waiting
    answered(await send(till, event("payment_intent.succeeded", payment)), 202)
    listed = await till.get(f"{till.base}/orders/{order['id']}/payments")
    assert "canary" not in json.dumps(listed)
    assert "canary" not in json.dumps(await till.get(f"{till.base}/payments", till.owner))
    events = await till.rows("SELECT payload::text AS text FROM orders.payment_events")
    assert events
    assert all("canary" not in row["text"] for row in events)


async def test_failed_and_cancelled_events_are_told_apart(till: Till, waiting: Waiting) -> None:
    order, payment = waiting
    answered(await send(till, event("payment_intent.payment_failed", payment)), 202)
    assert await till.stands(order) == ("awaiting_payment", ["failed"], [])
    answered(await send(till, event("payment_intent.succeeded", payment)), 202)
    assert await till.stands(order) == ("paid", ["captured"], [])
    answered(await send(till, event("payment_intent.canceled", payment)), 202)
    assert await till.outcomes() == ["attempt_failed", "pay", "ignored"]


async def test_events_of_other_things_are_taken_and_not_kept(till: Till, waiting: Waiting) -> None:
    order, payment = waiting
    answered(await send(till, event("charge.refunded", payment)), 202)
    foreign = event("payment_intent.succeeded", payment, metadata={})
    answered(await send(till, foreign), 202)
    assert await till.outcomes() == []
    assert (await till.order(order))["status"] == "awaiting_payment"


async def test_another_amount_received_is_not_accepted(till: Till, waiting: Waiting) -> None:
    order, payment = waiting
    content = event("payment_intent.succeeded", payment, amount_received=PRICE_MINOR - 1)
    answered(await send(till, content), 202)
    assert await till.stands(order) == (
        "awaiting_payment",
        ["captured"],
        [("mismatch", "pending")],
    )


def refund_event(kind: str, refund: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An event as Stripe writes it, about a refund that it was asked for."""
    metadata = {"shop_id": refund["shop_id"], "refund_id": refund["id"]}
    content: dict[str, Any] = {
        "id": "re_1",
        "object": "refund",
        "amount": refund["amount"]["amount_minor"],
        "currency": "eur",
        "payment_intent": "pi_1",
        "status": "failed",
        "failure_reason": "expired_or_canceled_card",
        "metadata": metadata,
    }
    return {
        "id": f"evt_{new_id()}",
        "object": "event",
        "type": kind,
        "created": int(time.time()),
        "data": {"object": content | fields},
    }


@pytest.fixture
async def refunded(till: Till, waiting: Waiting) -> tuple[dict[str, Any], dict[str, Any]]:
    """A cancelled order, and its refund, which Stripe has taken."""
    order, payment = waiting
    answered(await send(till, event("payment_intent.succeeded", payment)), 202)
    answered(await till.post(f"{till.base}/orders/{order['id']}/cancel"), 200)
    await till.run(
        "UPDATE orders.refunds SET status = 'done', next_try_at = NULL,"
        " done_at = statement_timestamp()",
        "UPDATE orders.payments SET status = 'refunded'",
    )
    [refund] = (await till.get(f"{till.base}/orders/{order['id']}/refunds"))["items"]
    return order, refund


@pytest.mark.parametrize("kind", ["refund.failed", "refund.updated", "charge.refund.updated"])
async def test_a_refund_that_fails_after_all_is_flagged_once(
    till: Till, refunded: Waiting, kind: str
) -> None:
    """A bank may send the money back days later: it is with the shop again, and somebody looks."""
    order, refund = refunded
    content = refund_event(kind, refund)
    assert answered(await send(till, content), 202)["event_id"] == content["id"]
    assert await till.stands(order) == ("cancelled", ["captured"], [("cancelled", "failed")])
    here = f"{till.base}/orders/{order['id']}/refunds"
    [failed] = (await till.get(here, till.owner))["items"]
    assert (failed["failure"], failed["done_at"]) == ("Stripe: expired_or_canceled_card.", None)
    path = f"{till.base}/payments"
    [flagged] = (await till.get(f"{path}?review=true", till.owner))["items"]
    said = {"reason": "paid back by bank transfer"}
    answered(await till.post(f"{path}/{flagged['id']}/reviewed", said, user=till.owner), 200)
    # The other kinds of event say the same once more: nobody has to look twice.
    answered(await send(till, refund_event("refund.updated", refund)), 202)
    assert (await till.get(f"{path}?review=true", till.owner))["items"] == []


async def test_a_refund_that_fails_before_it_is_noted_as_done_stays_failed(
    till: Till, refunded: Waiting
) -> None:
    order, refund = refunded
    await till.run(
        "UPDATE orders.refunds SET status = 'pending', done_at = NULL,"
        " next_try_at = statement_timestamp() + interval '1 hour'",
        "UPDATE orders.payments SET status = 'captured'",
    )
    answered(await send(till, refund_event("refund.failed", refund)), 202)
    found = await till.services.refunds.list_refunds(UUID(refund["shop_id"]), UUID(order["id"]))
    await till.services.refunds._end(found[0].shop_id, found[0], None)  # noqa: SLF001
    assert (await till.stands(order))[2] == [("cancelled", "failed")]


async def test_other_news_of_refunds_changes_nothing(till: Till, refunded: Waiting) -> None:
    order, refund = refunded
    for content in (
        refund_event("refund.updated", refund, status="succeeded"),
        refund_event("refund.created", refund),
        refund_event("refund.failed", refund, metadata={}),
        refund_event("refund.failed", refund | {"id": str(new_id())}),
    ):
        answered(await send(till, content), 202)
    assert (await till.stands(order))[2] == [("cancelled", "done")]
    broken = refund_event("refund.failed", refund | {"id": "?"})
    refused(await send(till, broken), 422, "invalid_input")


async def test_an_event_that_stripe_did_not_sign_is_refused(till: Till, waiting: Waiting) -> None:
    order, payment = waiting
    content = event("payment_intent.succeeded", payment)
    refused(await send(till, content, secret="whsec_other"), 400, "bad_signature")
    refused(await send(till, content, seconds_ago=301), 400, "bad_signature")
    body = json.dumps(content)
    for signature in (None, "", "v1=1", "t=x,v1=y", "t=1", f"t={int(time.time())},v1=00"):
        headers = {} if signature is None else {"Stripe-Signature": signature}
        answer = await till.client.post(HOOK, content=body, headers=headers)
        refused(answer, 400, "bad_signature")
    answer = await till.client.post(HOOK, content=b"\xff", headers={"Stripe-Signature": "t=1"})
    refused(answer, 400, "bad_signature")
    assert (await till.order(order))["status"] == "awaiting_payment"


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"type": "payment_intent.succeeded"},
        {"type": "payment_intent.succeeded", "id": "evt_1", "data": {"object": None}},
        {"type": ["payment_intent.succeeded"], "id": "evt_1"},
        {
            "type": "payment_intent.succeeded",
            "id": "evt_1",
            "data": {"object": {"metadata": {"payment_id": "x", "shop_id": "y"}}},
        },
    ],
    ids=str,
)
async def test_a_signed_event_of_another_shape_is_refused(till: Till, content: Any) -> None:
    refused(await send(till, content), 422, "invalid_input")


@pytest.mark.parametrize(
    ("amount", "currency", "theirs"),
    [
        (1250, "EUR", 1250),
        (1250, "JPY", 1250),
        (1250, "ISK", 125_000),
        (1250, "KWD", 1250),
        (0, "USD", 0),
    ],
)
def test_amounts_are_in_stripes_minor_units(amount: int, currency: str, theirs: int) -> None:
    money = Money(amount_minor=amount, currency=currency)
    assert stripe_amount(money) == theirs
    assert our_amount(theirs, currency) == money


def test_an_amount_that_we_cannot_write_is_refused() -> None:
    with pytest.raises(InvalidInput):
        our_amount(125_050, "ISK")
    with pytest.raises(InvalidInput):
        our_amount(-1, "EUR")


async def test_half_of_the_settings_is_refused_at_the_start(database_url: str) -> None:
    place = wiring.Place(database_url, database_url, [SIGNING_KEY])
    half = Settings(_env_file=None, stripe_api_key=SecretStr(API_KEY))
    with pytest.raises(ValueError, match="LOCKSTOCK_STRIPE_WEBHOOK_SECRET"):
        async with wiring.services(half, place):
            pass


async def test_without_the_extra_it_says_what_to_install(
    database_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = wiring.Place(database_url, database_url, [SIGNING_KEY])
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ValueError, match=r"lockstock\[stripe\]"):
        async with wiring.services(settings, place):
            pass
