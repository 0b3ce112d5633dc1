"""Payments and the events of providers, on the real database with the real warehouses."""

import asyncio
import time
from typing import Any

import pytest

from lockstock.kernel.errors import IdempotencyKeyReused, InvalidInput
from lockstock.kernel.ids import derived_id, new_id
from lockstock.orders.payments.contract import (
    BadSignature,
    NewPayment,
    NoSuchProvider,
    NotPayable,
    Payment,
)
from lockstock.orders.payments.sandbox.contract import SandboxAsk, SandboxEvent
from lockstock.orders.payments.sandbox.signing import Signer, event_for
from lockstock.warehouses.reservations.contract import ReservationExpired
from tests.orders.market import KEY, PRICE_MINOR, Market


async def test_captured_money_pays_the_order_and_commits_its_stock(market: Market) -> None:
    order = await market.place(2)
    payment = await market.pay(order)
    paid = await market.order(order.id)
    assert (paid.status, paid.late, paid.paid_at is not None) == ("paid", False, True)
    assert (await market.payment(payment)).status == "captured"
    assert await market.counts() == (10, 0, 2)
    assert await market.transitions(order) == ["paid"]


async def test_starting_again_with_the_key_answers_the_first_payment(market: Market) -> None:
    order = await market.place()
    first = await market.start(order, key="same")
    await market.send(first)
    ask = NewPayment(provider="sandbox")
    again = await market.payments.start(market.shop.id, order.id, ask, market.asked("same"))
    assert again.replayed
    assert again.answer == first


async def test_an_unknown_provider_is_refused(market: Market) -> None:
    order = await market.place()
    ask = NewPayment(provider="stripe")
    with pytest.raises(InvalidInput):
        await market.payments.start(market.shop.id, order.id, ask, market.asked())
    with pytest.raises(NoSuchProvider):
        await market.payments.receive("stripe", {}, b"{}")


async def test_a_paid_order_cannot_be_paid_and_an_expired_one_neither(market: Market) -> None:
    with pytest.raises(NotPayable):
        await market.start(await market.paid())
    short = await Market(market.database).open(reservation_seconds=1)
    order = await short.place()
    await asyncio.sleep(1.1)
    with pytest.raises(ReservationExpired):
        await short.start(order)


async def test_the_same_event_again_does_nothing(market: Market) -> None:
    order = await market.place()
    payment = await market.start(order)
    for _ in range(3):
        await market.send(payment, event_id="e1")
    assert await market.outcomes() == ["pay"]
    await market.send(payment, event_id="e2")
    assert await market.outcomes() == ["pay", "nothing"]
    assert await market.refunds_of(order) == []


async def test_a_hundred_of_the_same_event_at_once_pay_once(market: Market) -> None:
    order = await market.place()
    payment = await market.start(order)
    await asyncio.gather(*(market.send(payment, event_id="e1") for _ in range(100)))
    assert await market.outcomes() == ["pay"]
    assert await market.transitions(order) == ["paid"]


async def test_a_second_attempt_goes_back_as_surplus(market: Market) -> None:
    order = await market.place()
    first, second = await market.start(order), await market.start(order)
    await market.send(first)
    await market.send(second)
    await market.sweep()
    assert [refund.cause for refund in await market.refunds_of(order)] == ["surplus"]
    assert (await market.payment(second)).status == "refunded"
    assert (await market.payment(first)).status == "captured"
    assert (await market.order(order.id)).status == "paid"


async def test_two_attempts_at_once_pay_once(market: Market) -> None:
    order = await market.place()
    attempts = [await market.start(order) for _ in range(5)]
    await asyncio.gather(*(market.send(attempt) for attempt in attempts))
    await market.sweep()
    assert sorted(o or "" for o in await market.outcomes()) == ["pay"] + ["refund_surplus"] * 4
    assert sum(r.amount.amount_minor for r in await market.refunds_of(order)) == 4 * PRICE_MINOR
    assert await market.counts() == (10, 0, 1)


async def test_a_failed_attempt_leaves_the_order_waiting(market: Market) -> None:
    order = await market.place()
    payment = await market.start(order)
    await market.send(payment, "failed")
    assert (await market.payment(payment)).status == "failed"
    assert (await market.order(order.id)).status == "awaiting_payment"
    assert await market.counts() == (10, 1, 0)
    await market.send(payment)
    assert (await market.order(order.id)).status == "paid"


async def test_failing_after_the_money_came_is_ignored(market: Market) -> None:
    order = await market.place()
    payment = await market.pay(order)
    await market.send(payment, "failed")
    await market.send(payment, "cancelled")
    assert await market.outcomes() == ["pay", "ignored", "ignored"]
    assert (await market.order(order.id)).status == "paid"


async def test_money_for_a_cancelled_order_goes_back(market: Market) -> None:
    order = await market.place()
    payment = await market.start(order)
    await market.cancel(order)
    await market.send(payment)
    await market.sweep()
    assert (await market.order(order.id)).status == "cancelled"
    assert (await market.payment(payment)).status == "refunded"
    assert [(r.cause, r.status) for r in await market.refunds_of(order)] == [("cancelled", "done")]
    assert await market.counts() == (10, 0, 0)


@pytest.mark.parametrize("other", [{"amount_minor": 1}, {"currency": "USD"}])
async def test_other_money_than_asked_for_is_never_accepted(
    market: Market, other: dict[str, Any]
) -> None:
    order = await market.place()
    payment = await market.start(order)
    await market.send(payment, **other)
    await market.sweep()
    seen = await market.payment(payment)
    assert (seen.status, seen.review) == ("refunded", True)
    [refund] = await market.refunds_of(order)
    assert (refund.cause, refund.amount) == ("mismatch", seen.captured)
    assert (await market.order(order.id)).status == "awaiting_payment"
    assert await market.counts() == (10, 1, 0)
    await market.pay(order)
    assert (await market.order(order.id)).status == "paid"


@pytest.mark.parametrize("swept", [True, False])
async def test_late_money_takes_the_same_lines_again(market: Market, swept: bool) -> None:
    short = await Market(market.database).open(reservation_seconds=1)
    order = await short.place(2)
    payment = await short.start(order)
    await asyncio.sleep(1.1)
    if swept:
        await short.sweep()
    await short.send(payment)
    paid = await short.order(order.id)
    assert (paid.status, paid.late) == ("paid", True)
    assert await short.transitions(order) == ["expired", "paid"]
    assert await short.counts() == (10, 0, 2)


async def test_late_money_takes_from_where_there_is_stock_now(market: Market) -> None:
    short = await Market(market.database).open(units=2, reservation_seconds=1)
    order = await short.place(2)
    payment = await short.start(order)
    await asyncio.sleep(1.1)
    other = await short.place(1)
    cellar = await short.open_warehouse(5)
    await short.send(payment)
    paid = await short.order(order.id)
    assert [(a.warehouse_id, a.quantity) for a in paid.allocations] == [(cellar, 2)]
    [again] = await short.orders.place(short.shop.id, [short.asking(2, "order-0")])
    assert again.answer == order, "a replay shows the order as it was placed"  # type: ignore[union-attr]
    await short.cancel(await short.order(paid.id))
    assert await short.counts() in {(7, 1, 0), (7, 0, 0)}
    assert other.status == "awaiting_payment"


async def test_late_money_for_what_is_sold_out_goes_back(market: Market) -> None:
    short = await Market(market.database).open(units=1, reservation_seconds=1)
    order = await short.place(1)
    payment = await short.start(order)
    await asyncio.sleep(1.1)
    winner = await short.place(1)
    await short.pay(winner)
    await short.send(payment)
    await short.sweep()
    assert (await short.order(order.id)).status == "expired"
    assert (await short.payment(payment)).status == "refunded"
    assert [refund.cause for refund in await short.refunds_of(order)] == ["late"]
    assert await short.counts() == (1, 0, 1)


async def test_an_event_for_a_payment_not_known_yet_is_kept_and_applied_later(
    market: Market,
) -> None:
    order = await market.place()
    asked = market.asked("soon")
    payment_id = derived_id("payment", order.id, asked.actor_id, asked.key)
    soon = Payment(
        id=payment_id,
        shop_id=market.shop.id,
        order_id=order.id,
        provider="sandbox",
        status="pending",
        amount=order.total,
        captured=None,
        review=False,
        pay_url=None,
        created_at=order.created_at,
    )
    await market.send(soon)
    await market.sweep()
    assert await market.outcomes() == [None]
    await market.start(order, key="soon")
    await market.sweep()
    assert await market.outcomes() == ["pay"]
    assert (await market.order(order.id)).status == "paid"


async def test_an_event_that_nobody_signed_is_refused(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = await market.start(await market.place())
    headers, body = market.sandbox.sign(event_for(payment, "captured", SandboxAsk()))
    forged, _ = Signer([KEY[::-1]]).sign(event_for(payment, "captured", SandboxAsk()))
    for bad_headers, bad_body in (
        ({}, body),
        (headers | {"webhook-signature": "v1,AAAA"}, body),
        (headers | {"webhook-signature": "v1,é"}, body),
        (headers | {"webhook-id": "other"}, body),
        (headers | {"webhook-timestamp": "1"}, body),
        (headers | {"webhook-timestamp": "²"}, body),
        (forged, body),
        (headers, body + b" "),
    ):
        with pytest.raises(BadSignature):
            await market.payments.receive("sandbox", bad_headers, bad_body)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 301)
    with pytest.raises(BadSignature):
        await market.payments.receive("sandbox", headers, body)
    assert await market.outcomes() == []


async def test_an_event_signed_with_an_older_key_is_taken(market: Market) -> None:
    old, new = KEY, KEY[::-1]
    payment = await market.start(await market.place())
    headers, body = Signer([old]).sign(event_for(payment, "captured", SandboxAsk()))
    assert Signer([new, old]).verify(headers, body).payment_id == payment.id


async def test_a_signed_event_of_another_shape_is_refused_and_named() -> None:
    signer = Signer([KEY])
    fields: dict[str, Any] = {"event_id": "e1", "kind": "stolen", "amount_minor": -1}
    event = SandboxEvent.model_construct(**fields)
    headers, body = signer.sign(event)
    with pytest.raises(InvalidInput) as refusal:
        signer.verify(headers, body)
    paths = {error["path"] for error in refusal.value.fields["errors"]}
    assert {"kind", "amount_minor", "shop_id"} <= paths


async def test_another_provider_under_the_same_key_is_refused(market: Market) -> None:
    order = await market.place()
    await market.start(order, key="same")
    market.payments.providers = {"sandbox": market.sandbox, "other": market.sandbox}
    ask = NewPayment(provider="other")
    with pytest.raises(IdempotencyKeyReused):
        await market.payments.start(market.shop.id, order.id, ask, market.asked("same"))


async def test_an_event_of_another_shop_touches_nothing(market: Market) -> None:
    payment = await market.start(await market.place())
    elsewhere = payment.model_copy(update={"shop_id": new_id()})
    await market.send(elsewhere)
    await market.sweep()
    kept = await market.fetch("SELECT applied_at FROM orders.payment_events")
    assert [row["applied_at"] for row in kept] == [None]
    assert (await market.payment(payment)).status == "pending"
