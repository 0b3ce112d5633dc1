"""Payments through Stripe: payment intents, by its own SDK. Needs the extra `stripe`.

The customer pays in the shop's page, where Stripe's script is given the `client_secret`. The SDK
blocks, so its calls run in a few threads of their own, each bounded in time.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import stripe
from babel.numbers import get_currency_precision
from pydantic import SecretStr

from lockstock.kernel.errors import InvalidInput
from lockstock.kernel.money import MOST_MINOR, Money
from lockstock.kernel.strict_json import decode
from lockstock.orders.payments.contract import (
    BadSignature,
    EventKind,
    Ignored,
    News,
    Opened,
    Payment,
    PaymentEvent,
    ProviderRefused,
    Refund,
    RefundFailed,
)
from lockstock.orders.payments.provider import RefundImpossible, looked_up_id

T = TypeVar("T")

NAME = "stripe"
WORKERS = 4
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 15.0
# As Stripe's own libraries have it.
TOLERANCE_SECONDS = 300
# Stripe forgets idempotency keys after a day, so refunds are looked for first; 100 is a page.
REFUNDS_PER_PAGE = 100

_KINDS: Mapping[str, EventKind] = {
    "payment_intent.succeeded": "captured",
    "payment_intent.payment_failed": "failed",
    "payment_intent.canceled": "cancelled",
}
# What Stripe says of a refund, by the versions of its API; the last is of the older ones.
_REFUND_NEWS = frozenset({"refund.failed", "refund.updated", "charge.refund.updated"})
_GIVEN_UP = frozenset({"failed", "canceled"})
# https://docs.stripe.com/currencies: where Stripe's minor unit is not the hundredth. All others
# are hundredths there, also some that have no decimals in ISO 4217, such as ISK.
_WHOLE = frozenset(
    "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split()  # noqa: SIM905
)
_THOUSANDTHS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})


@dataclass(frozen=True)
class StripeAccount:
    """Whose Stripe account it is. `api_base`: where its API is, if not at Stripe."""

    api_key: SecretStr
    webhook_secret: SecretStr
    api_base: str | None = None


def _units(currency: str) -> tuple[int, int]:
    """Return how many of Stripe's units, and how many of ours, are one unit of the other kind.

    One of the two is 1.
    """
    theirs = 0 if currency in _WHOLE else 3 if currency in _THOUSANDTHS else 2
    ours = int(get_currency_precision(currency))
    return int(10 ** max(theirs - ours, 0)), int(10 ** max(ours - theirs, 0))


def stripe_amount(money: Money) -> int:
    """Write an amount in Stripe's minor units. Raises ProviderRefused where there is no such."""
    theirs, ours = _units(money.currency)
    amount, rest = divmod(money.amount_minor * theirs, ours)
    if rest:
        raise ProviderRefused(f"Stripe has no such small part of {money.currency}.")
    return amount


def our_amount(amount: int, currency: str) -> Money:
    """Read an amount in Stripe's minor units. Raises InvalidInput where there is no such."""
    theirs, ours = _units(currency)
    minor, rest = divmod(amount * ours, theirs)
    if rest or not 0 <= minor <= MOST_MINOR:
        raise InvalidInput.at("amount", f"{amount} is no amount in {currency}")
    return Money(amount_minor=minor, currency=currency)


class Stripe:
    """The adapter."""

    def __init__(self, account: StripeAccount) -> None:
        self._webhook_secret = account.webhook_secret.get_secret_value()
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="stripe")
        timeout = (CONNECT_SECONDS, ANSWER_SECONDS)
        self._client = stripe.StripeClient(
            account.api_key.get_secret_value(),
            base_addresses={"api": account.api_base} if account.api_base else None,
            http_client=stripe.RequestsClient(timeout=timeout),
            # Whoever calls tries again, later and with the same key.
            max_network_retries=0,
        )

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._workers, work)

    async def create(self, payment: Payment) -> Opened:
        """Open a payment intent, once per payment."""
        intents = self._client.v1.payment_intents
        amount = stripe_amount(payment.amount)
        try:
            intent = await self._call(
                lambda: intents.create(
                    {
                        "amount": amount,
                        "currency": payment.amount.currency.lower(),
                        "metadata": {
                            "shop_id": str(payment.shop_id),
                            "order_id": str(payment.order_id),
                            "payment_id": str(payment.id),
                        },
                    },
                    {"idempotency_key": str(payment.id)},
                )
            )
        except stripe.InvalidRequestError as error:
            raise ProviderRefused(f"Stripe: {error.user_message or error.code}.") from error
        return Opened(reference=intent.id, pay_url=None, client_secret=intent.client_secret)

    async def cancel(self, payment: Payment) -> None:
        """Cancel the intent. One that has succeeded stays as it is."""
        if payment.reference is None:
            # Nobody was ever given what it takes to pay it.
            return
        reference = payment.reference
        try:
            await self._call(lambda: self._client.v1.payment_intents.cancel(reference))
        except stripe.InvalidRequestError:
            if (await self._intent(reference)).status not in ("succeeded", "canceled"):
                raise

    async def refund(self, payment: Payment, refund: Refund) -> None:
        """Give money back. Raises RefundImpossible."""
        if payment.reference is None:
            raise RefundImpossible("It was never opened at Stripe.")
        reference = payment.reference
        try:
            made = await self._call(lambda: self._find_refund(reference, refund.id))
            if made is None:
                made = await self._call(lambda: self._make_refund(reference, refund))
            if made.status in _GIVEN_UP:
                raise RefundImpossible(_why(made.to_dict()))
        except (stripe.InvalidRequestError, ProviderRefused) as error:
            raise RefundImpossible(str(error)) from error

    def _find_refund(self, reference: str, refund_id: UUID) -> stripe.Refund | None:
        found = self._client.v1.refunds.list(
            {"payment_intent": reference, "limit": REFUNDS_PER_PAGE}
        )
        for item in found.auto_paging_iter():
            if (item.to_dict().get("metadata") or {}).get("refund_id") == str(refund_id):
                return item
        return None

    def _make_refund(self, reference: str, refund: Refund) -> stripe.Refund:
        return self._client.v1.refunds.create(
            {
                "payment_intent": reference,
                "amount": stripe_amount(refund.amount),
                "metadata": {"shop_id": str(refund.shop_id), "refund_id": str(refund.id)},
            },
            {"idempotency_key": str(refund.id)},
        )

    async def look_up(self, payment: Payment) -> PaymentEvent | None:
        """Retrieve the intent and say how it stands."""
        if payment.reference is None:
            return None
        intent = (await self._intent(payment.reference)).to_dict()
        kind = _kind_of(intent)
        if kind is None:
            return None
        amount = _amount_of(intent, kind)
        return PaymentEvent(
            provider=NAME,
            event_id=looked_up_id(payment, kind),
            shop_id=payment.shop_id,
            payment_id=payment.id,
            kind=kind,
            amount_minor=amount.amount_minor,
            currency=amount.currency,
            payload={"looked_up": {"id": intent["id"], "status": intent["status"]}},
        )

    async def _intent(self, reference: str) -> stripe.PaymentIntent:
        return await self._call(lambda: self._client.v1.payment_intents.retrieve(reference))

    def verify(self, headers: Mapping[str, str], body: bytes) -> News:
        """Read an event. Raises BadSignature, MalformedBody, InvalidInput."""
        try:
            stripe.WebhookSignature.verify_header(
                body,
                headers.get("stripe-signature"),
                self._webhook_secret,
                tolerance=TOLERANCE_SECONDS,
            )
        except (stripe.SignatureVerificationError, TypeError, ValueError):
            raise BadSignature("The event is not signed by Stripe, or too long ago.") from None
        event = decode(body)
        try:
            return _read(event)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvalidInput("The event is not one of Stripe's.") from error

    async def close(self) -> None:
        """Stop the threads. A call that is under way ends by its own time limit."""
        self._workers.shutdown(wait=False, cancel_futures=True)


def _kind_of(intent: Mapping[str, Any]) -> EventKind | None:
    if intent["status"] == "succeeded":
        return "captured"
    if intent["status"] == "canceled":
        return "cancelled"
    # Without an error nobody has tried yet.
    if intent["status"] == "requires_payment_method" and intent.get("last_payment_error"):
        return "failed"
    return None


def _amount_of(intent: Mapping[str, Any], kind: EventKind) -> Money:
    amount = intent["amount"]
    if kind == "captured":
        # Where nothing is said of it, all was taken.
        amount = intent.get("amount_received", amount)
    return our_amount(int(amount), str(intent["currency"]).upper())


def _why(refund: Mapping[str, Any]) -> str:
    return f"Stripe: {refund.get('failure_reason') or refund['status']}."


def _read_refund(event: Any) -> RefundFailed | Ignored:  # noqa: ANN401 (as below)
    refund, event_id = event["data"]["object"], str(event["id"])
    metadata = refund.get("metadata") or {}
    is_ours = "refund_id" in metadata and "shop_id" in metadata
    if not is_ours or refund["status"] not in _GIVEN_UP:
        return Ignored(provider=NAME, event_id=event_id)
    return RefundFailed(
        provider=NAME,
        event_id=event_id,
        shop_id=UUID(metadata["shop_id"]),
        refund_id=UUID(metadata["refund_id"]),
        reason=_why(refund),
    )


def _read(event: Any) -> News:  # noqa: ANN401 (JSON, and every step is checked)
    if event["type"] in _REFUND_NEWS:
        return _read_refund(event)
    kind = _KINDS.get(event["type"])
    event_id = str(event["id"])
    if kind is None:
        return Ignored(provider=NAME, event_id=event_id)
    intent = event["data"]["object"]
    metadata = intent.get("metadata") or {}
    if "payment_id" not in metadata or "shop_id" not in metadata:
        # The account takes other money too.
        return Ignored(provider=NAME, event_id=event_id)
    amount = _amount_of(intent, kind)
    # What the intent is paid with is nothing to keep.
    kept = {name: value for name, value in intent.items() if name != "client_secret"}
    return PaymentEvent(
        provider=NAME,
        event_id=event_id,
        shop_id=UUID(metadata["shop_id"]),
        payment_id=UUID(metadata["payment_id"]),
        kind=kind,
        amount_minor=amount.amount_minor,
        currency=amount.currency,
        payload={**event, "data": {"object": kept}},
    )
