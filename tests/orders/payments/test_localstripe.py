"""Payments through Stripe against localstripe, which keeps intents and refunds as Stripe does."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from lockstock import app as wiring
from lockstock.kernel.ids import new_id
from lockstock.kernel.money import Money
from lockstock.orders.payments.contract import ProviderRefused, Refund
from lockstock.orders.payments.provider import RefundImpossible
from lockstock.orders.payments.stripe import Stripe
from lockstock.settings import Settings
from tests.orders.payments import localstripe
from tests.orders.payments.till import (
    API_KEY,
    PRICE_MINOR,
    WEBHOOK_SECRET,
    Till,
    answered,
    refused,
    stripe_settings,
)

pytestmark = pytest.mark.slow

HOOK = "/v1/webhooks/stripe"
CARD = {"exp_month": "12", "exp_year": "2040", "cvc": "123"}
GOOD_CARD, BAD_CARD = "4242424242424242", "4000000000000341"


@pytest.fixture(scope="session")
def its_python() -> Path:
    """A Python with localstripe."""
    try:
        return localstripe.python()
    except localstripe.Impossible as error:
        pytest.skip(f"localstripe cannot be installed here: {error}")


@pytest.fixture
async def api_base(its_python: Path) -> AsyncIterator[str]:
    """Its address."""
    async with localstripe.running(its_python) as address:
        yield address


@pytest.fixture
def settings(api_base: str) -> Settings:
    """Settings of a server with Stripe, where Stripe is localstripe."""
    return stripe_settings(api_base)


@pytest.fixture
async def browser(api_base: str) -> AsyncIterator[httpx2.AsyncClient]:
    """What Stripe's script in the customer's browser does, with plain requests."""
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with httpx2.AsyncClient(base_url=api_base, headers=headers, timeout=30) as opened:
        yield opened


async def pay(browser: httpx2.AsyncClient, payment: dict[str, Any], card: str) -> None:
    """Pay with a card; a bad one is declined."""
    details = {f"card[{name}]": value for name, value in CARD.items()} | {"card[number]": card}
    method = await browser.post("/v1/payment_methods", data={"type": "card", **details})
    assert method.status_code == 200, method.text
    here = f"/v1/payment_intents/{payment['reference']}"
    await browser.post(here, data={"payment_method": method.json()["id"]})
    await browser.post(f"{here}/confirm")


async def intent_of(browser: httpx2.AsyncClient, payment: dict[str, Any]) -> dict[str, Any]:
    """The intent as Stripe has it."""
    answer = await browser.get(f"/v1/payment_intents/{payment['reference']}")
    found: dict[str, Any] = answer.json()
    return found


async def test_a_payment_is_opened_with_all_that_is_needed_to_find_it(
    till: Till, browser: httpx2.AsyncClient
) -> None:
    order = await till.place()
    first = await till.start(order, "stripe", key="same")
    again = await till.start(order, "stripe", key="same")
    assert first == again
    intent = await intent_of(browser, first)
    assert first["client_secret"] == intent["client_secret"]
    assert (intent["amount"], intent["currency"]) == (PRICE_MINOR, "eur")
    assert intent["metadata"] == {
        "shop_id": till.shop["id"],
        "order_id": order["id"],
        "payment_id": first["id"],
    }


async def test_lost_money_is_found_and_the_other_attempt_cancelled(
    till: Till, browser: httpx2.AsyncClient
) -> None:
    order = await till.place()
    attempts = [await till.start(order, "stripe") for _ in range(2)]
    await pay(browser, attempts[0], GOOD_CARD)
    await till.later(look_up=True)
    assert await till.stands(order) == ("paid", ["captured", "cancelled"], [])
    statuses = [(await intent_of(browser, item))["status"] for item in attempts]
    assert statuses == ["succeeded", "canceled"]


async def test_a_declined_card_is_found_and_the_customer_may_try_again(
    till: Till, browser: httpx2.AsyncClient
) -> None:
    order = await till.place()
    payment = await till.start(order, "stripe")
    await pay(browser, payment, BAD_CARD)
    await till.later(look_up=True)
    assert await till.stands(order) == ("awaiting_payment", ["failed"], [])
    other = await till.start(order, "stripe")
    await pay(browser, other, GOOD_CARD)
    await till.later(look_up=True)
    # Stripe would let the customer try again with the first one too, so it is closed there.
    assert await till.stands(order) == ("paid", ["failed", "captured"], [])
    statuses = [(await intent_of(browser, item))["status"] for item in (payment, other)]
    assert statuses == ["canceled", "succeeded"]


async def test_money_for_a_cancelled_order_goes_back_once(
    till: Till, browser: httpx2.AsyncClient
) -> None:
    order = await till.place()
    payment = await till.start(order, "stripe")
    await pay(browser, payment, GOOD_CARD)
    answered(await till.post(f"{till.base}/orders/{order['id']}/cancel"), 200)
    await till.later()
    assert await till.stands(order) == ("cancelled", ["refunded"], [("cancelled", "done")])
    # As if the process had died before it noted that the money went back.
    await till.run(
        "UPDATE orders.refunds SET status = 'pending', done_at = NULL,"
        " next_try_at = statement_timestamp()"
    )
    await till.later()
    refunds = await browser.get("/v1/refunds", params={"payment_intent": payment["reference"]})
    assert [item["amount"] for item in refunds.json()["data"]] == [PRICE_MINOR]
    assert (await till.stands(order))[2] == [("cancelled", "done")]


async def test_its_own_signed_event_pays_the_order(till: Till, browser: httpx2.AsyncClient) -> None:
    """Localstripe signs; what it would have sent is given to the application as it came."""
    received: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        headers = dict(line.split(": ", 1) for line in head.split("\r\n") if ": " in line)
        body = await reader.readexactly(int(headers["content-length"]))
        received.put_nowait((headers["stripe-signature"], body))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(receive, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        hook = {"url": f"http://127.0.0.1:{port}/", "secret": WEBHOOK_SECRET}
        await browser.post("/_config/webhooks/lockstock", json=hook)
        order = await till.place()
        payment = await till.start(order, "stripe")
        await pay(browser, payment, GOOD_CARD)
        while b"payment_intent.succeeded" not in (taken := await received.get())[1]:
            pass
    signature, body = taken
    headers = {"Stripe-Signature": signature, "Content-Type": "application/json"}
    answered(await till.client.post(HOOK, content=body, headers=headers), 202)
    assert await till.stands(order) == ("paid", ["captured"], [])


async def test_what_stripe_refuses_leaves_no_attempt_behind(till: Till) -> None:
    """Nothing can be taken at Stripe; the sandbox takes it under the same key."""
    await till.run("UPDATE products.variants SET price_minor = 0")
    order = await till.place()
    answer = await till.post(order["pay"], {"provider": "stripe"}, key="pay")
    refused(answer, 409, "provider_refused")
    assert await till.stands(order) == ("awaiting_payment", [], [])
    await till.tell(await till.start(order, key="pay"))
    assert (await till.order(order))["status"] == "paid"


async def test_what_stripe_refuses_is_told_apart_from_what_it_does_not_answer(
    till: Till, services: wiring.Services
) -> None:
    adapter = services.payments.providers["stripe"]
    assert isinstance(adapter, Stripe)
    started = await till.start(await till.place(), "stripe")
    payment = await services.payments.find(UUID(started["id"]))
    nothing = Money(amount_minor=0, currency="EUR")
    with pytest.raises(ProviderRefused):
        await adapter.create(payment.model_copy(update={"amount": nothing}))
    with pytest.raises(RefundImpossible):
        await adapter.refund(
            payment.model_copy(update={"reference": "pi_unknown"}),
            Refund(
                id=new_id(),
                shop_id=payment.shop_id,
                order_id=payment.order_id,
                payment_id=payment.id,
                amount=payment.amount,
                cause="asked",
                reason=None,
                status="pending",
                created_at=payment.created_at,
                done_at=None,
            ),
        )
