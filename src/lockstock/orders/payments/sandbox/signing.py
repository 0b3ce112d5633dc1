"""The sandbox's signature. The header convention is that of standardwebhooks.com."""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping

from pydantic import ValidationError

from lockstock.kernel.errors import InvalidInput
from lockstock.kernel.ids import new_id
from lockstock.kernel.strict_json import decode
from lockstock.orders.payments.contract import BadSignature, EventKind, Payment, PaymentEvent
from lockstock.orders.payments.sandbox.contract import NAME, SandboxAsk, SandboxEvent

TOLERANCE_SECONDS = 300


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


class Signer:
    """Signs and verifies events. `keys` are the server's signing keys: the first one signs."""

    def __init__(self, keys: list[str]) -> None:
        # Keys of their own: who learns to sign events has not learned to sign tokens.
        self._secrets = [hashlib.sha256(f"sandbox-webhook:{key}".encode()).digest() for key in keys]

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
            errors = [
                {"path": ".".join(map(str, fault["loc"])) or "body", "message": fault["msg"]}
                for fault in error.errors()
            ]
            raise InvalidInput("The event is not one of the sandbox's.", errors=errors) from error
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
