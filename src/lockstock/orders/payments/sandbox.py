"""The sandbox provider: for development and tests. It keeps nothing and always says yes.

Its events are signed and delivered like a real provider's (the header convention is that of
standardwebhooks.com), so that the whole way of an event is the same.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, ValidationError

from lockstock.kernel.errors import InvalidInput
from lockstock.kernel.ids import new_id
from lockstock.kernel.money import Currency, Minor
from lockstock.kernel.nouns import Ask, Id
from lockstock.kernel.strict_json import decode
from lockstock.orders.payments.contract import (
    BadSignature,
    EventKind,
    Opened,
    Payment,
    PaymentEvent,
    Refund,
)

NAME = "sandbox"
TOLERANCE_SECONDS = 300

EventId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class SandboxAsk(Ask):
    """Tell the sandbox what to do. What is left out is as the payment has it."""

    amount_minor: Minor | None = None
    currency: Currency | None = None
    event_id: EventId | None = None


class SandboxEvent(Ask):
    """An event as the sandbox sends it. `created`: seconds since 1970."""

    event_id: EventId
    shop_id: Id
    order_id: Id
    payment_id: Id
    kind: EventKind
    amount_minor: Minor
    currency: Currency
    created: int


def event_for(payment: Payment, kind: EventKind, ask: SandboxAsk) -> SandboxEvent:
    """Make the event that says what has happened to a payment."""
    amount = payment.amount.amount_minor if ask.amount_minor is None else ask.amount_minor
    return SandboxEvent(
        event_id=ask.event_id or str(new_id()),
        shop_id=payment.shop_id,
        order_id=payment.order_id,
        payment_id=payment.id,
        kind=kind,
        amount_minor=amount,
        currency=ask.currency or payment.amount.currency,
        created=int(time.time()),
    )


class Sandbox:
    """The adapter. `keys` are the server's signing keys: the first signs, all of them verify."""

    def __init__(self, keys: list[str], base_url: str) -> None:
        # Keys of their own: who learns to sign events has not learned to sign tokens.
        self._secrets = [hashlib.sha256(f"sandbox-webhook:{key}".encode()).digest() for key in keys]
        self._base_url = base_url.rstrip("/")

    async def create(self, payment: Payment) -> Opened:
        """Open a payment."""
        return Opened(
            reference=str(payment.id),
            pay_url=f"{self._base_url}/v1/sandbox/payments/{payment.id}",
        )

    async def cancel(self, payment: Payment) -> None:
        """Close a payment. The sandbox would still take the money, as a race would have it."""

    async def refund(self, payment: Payment, refund: Refund) -> None:
        """Give money back, at once."""

    def sign(self, event: SandboxEvent) -> tuple[dict[str, str], bytes]:
        """Return the headers and the body with which the event is delivered."""
        body = event.model_dump_json().encode()
        timestamp = str(int(time.time()))
        signature = _signature(self._secrets[0], event.event_id, timestamp, body)
        headers = {
            "webhook-id": event.event_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
        }
        return headers, body

    def verify(self, headers: Mapping[str, str], body: bytes) -> PaymentEvent:
        """Read an event. Raises BadSignature, MalformedBody, InvalidInput."""
        event_id = headers.get("webhook-id", "")
        self._check_signature(event_id, headers, body)
        try:
            event = SandboxEvent.model_validate(decode(body))
        except ValidationError as error:
            raise InvalidInput("The event is not one of the sandbox's.") from error
        if event.event_id != event_id:
            raise InvalidInput.at("event_id", "is not the one in the header webhook-id")
        return _event_of(event)

    def _check_signature(self, event_id: str, headers: Mapping[str, str], body: bytes) -> None:
        timestamp = headers.get("webhook-timestamp", "")
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            raise BadSignature("The header webhook-timestamp is missing or no time.")
        if abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
            raise BadSignature("The event was signed too long ago, or in the future.")
        given = [_given(part) for part in headers.get("webhook-signature", "").split(" ")[:10]]
        for secret in self._secrets:
            expected = _signature(secret, event_id, timestamp, body)
            if any(hmac.compare_digest(expected, signature) for signature in given):
                return
        raise BadSignature("The event is not signed by the sandbox.")


def _event_of(event: SandboxEvent) -> PaymentEvent:
    return PaymentEvent(
        provider=NAME,
        event_id=event.event_id,
        shop_id=event.shop_id,
        payment_id=event.payment_id,
        kind=event.kind,
        amount_minor=event.amount_minor,
        currency=event.currency,
        payload=event.model_dump(mode="json"),
    )


def _signature(secret: bytes, event_id: str, timestamp: str, body: bytes) -> bytes:
    return hmac.digest(secret, f"{event_id}.{timestamp}.".encode() + body, "sha256")


def _given(part: str) -> bytes:
    version, _, encoded = part.partition(",")
    if version != "v1":
        return b""
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""
