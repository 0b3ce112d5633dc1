"""Payments: attempts to pay an order at a provider, what providers say, and money going back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from pydantic import Field

from lockstock.kernel.errors import NotFound, Refusal, Unavailable
from lockstock.kernel.ids import derived_id
from lockstock.kernel.money import MOST_MINOR, Money
from lockstock.kernel.nouns import Ask, Noun, Reason
from lockstock.orders.contract import Answered, Asked, Position

PaymentStatus = Literal["pending", "captured", "failed", "cancelled", "refunded"]
EventKind = Literal["captured", "failed", "cancelled"]
RefundStatus = Literal["pending", "done", "failed"]
# Why money goes back: the order was cancelled; it was paid already; the money came too late; it was
# another amount than asked for; units came back; somebody of the shop wants it.
RefundCause = Literal["cancelled", "surplus", "late", "mismatch", "returned", "asked"]


class NewPayment(Ask):
    """Ask to pay an order at a provider."""

    provider: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,31}$")]


class Reviewed(Noun):
    """Somebody of the shop has looked at a payment that was flagged, and says what came of it."""

    at: datetime
    actor_id: UUID
    reason: str


class Payment(Noun):
    """One attempt to pay an order. `amount` is what is asked for."""

    id: UUID
    shop_id: UUID
    order_id: UUID
    provider: str
    status: PaymentStatus
    amount: Money
    # What the provider took, if anything.
    captured: Money | None
    # The provider took another amount or currency than it was asked for, or will not give money
    # back: a person has to look at it, and has not yet.
    review: bool
    reviewed: Reviewed | None = None
    # The provider's own name for it. None until it has opened it.
    reference: str | None = None
    # Where the customer pays. None for a provider whose own page is part of the shop's.
    pay_url: str | None
    # What the provider's script in the customer's browser pays with. Only in the answer to whoever
    # started the payment.
    client_secret: str | None = None
    created_at: datetime

    def for_customer(self) -> "Payment":
        """Return it without the shop's own affair: that its people look, and what they say."""
        return self.model_copy(update={"review": False, "reviewed": None})


class Opened(Noun):
    """A payment that a provider has opened: its name for it, and how the customer pays there."""

    reference: str
    pay_url: str | None
    client_secret: str | None = None


class PaymentEvent(Noun):
    """What a provider says has happened to a payment. `payload` is all that it sent."""

    provider: str
    event_id: str
    shop_id: UUID
    payment_id: UUID
    kind: EventKind
    amount_minor: int
    currency: str
    payload: dict[str, Any]

    @property
    def id(self) -> UUID:
        """The event's own id here: the same event, however often it comes."""
        return derived_id("event", self.provider, self.event_id)


class Ignored(Noun):
    """An event of a provider that does not say how a payment of ours stands. Nothing is kept."""

    provider: str
    event_id: str


class RefundFailed(Noun):
    """What a provider says of a refund that it had taken: the money did not arrive after all."""

    provider: str
    event_id: str
    shop_id: UUID
    refund_id: UUID
    reason: str


# All that a provider's event may say.
News = PaymentEvent | RefundFailed | Ignored


class PaymentList(Noun):
    """Ask for a shop's payments, newest first, after a position."""

    review: bool | None = None
    after: Position | None = None
    limit: int = 50


class Review(Ask):
    """Say what came of looking at a payment that was flagged."""

    reason: Reason


class NotPayable(Refusal):
    """The order is paid or has ended. `order_status` says how it stands."""

    status = 409
    code = "order_not_payable"
    title = "The order cannot be paid"


class NoSuchPayment(NotFound):
    """There is no such payment, or none that the caller may know of."""


class NotFlagged(Refusal):
    """Nobody was asked to look at this payment."""

    status = 409
    code = "payment_not_flagged"
    title = "The payment is not flagged for review"


class ProviderUnavailable(Unavailable):
    """The provider did not answer. The same request with the same key finds out what it did."""

    code = "provider_unavailable"
    title = "The payment provider does not answer"


class ProviderRefused(Refusal):
    """The provider will not take this payment, for instance because it is too small for it."""

    status = 409
    code = "provider_refused"
    title = "The payment provider refuses"


class BadSignature(Refusal):
    """The event is not signed by the provider, or was signed too long ago."""

    status = 400
    code = "bad_signature"
    title = "Bad signature"


class NoSuchProvider(NotFound):
    """No such provider is set up here."""


class NewRefund(Ask):
    """Ask to give part of an order's money back."""

    amount_minor: Annotated[int, Field(ge=1, le=MOST_MINOR)]
    reason: Reason


class Refund(Noun):
    """Money of a payment that goes back. `pending` until the provider has taken it."""

    id: UUID
    shop_id: UUID
    order_id: UUID
    payment_id: UUID
    amount: Money
    cause: RefundCause
    reason: str | None
    status: RefundStatus
    created_at: datetime
    done_at: datetime | None
    # When the provider gave it up, and what it says of it. It may have taken it first.
    failed_at: datetime | None = None
    failure: str | None = None

    def for_customer(self) -> "Refund":
        """Return it without what the shop's people and the provider said: it was said to others."""
        return self.model_copy(update={"reason": None, "failure": None})


class RefundTooMuch(Refusal):
    """More than was captured and not refunded yet. `refundable_minor` says how much can be."""

    status = 409
    code = "refund_too_much"
    title = "More than can be refunded"


class Payments(Protocol):
    """The verbs. Each can be done again: the same key or event finds what was done."""

    async def start(
        self, shop_id: UUID, order_id: UUID, ask: NewPayment, asked: Asked
    ) -> Answered[Payment]:
        """Start an attempt to pay. A replay answers it as it was when started.

        Raises NoSuchOrder, NotPayable, ReservationExpired, IdempotencyKeyReused, InvalidInput,
        ProviderUnavailable, ProviderRefused.
        """
        ...

    async def list_payments(self, shop_id: UUID, order_id: UUID) -> list[Payment]:
        """The attempts to pay an order, oldest first."""
        ...

    async def list_of_shop(self, shop_id: UUID, ask: PaymentList) -> list[Payment]:
        """The shop's payments, newest first; one more than `limit` where there are more."""
        ...

    async def review(self, shop_id: UUID, payment_id: UUID, ask: Review, asked: Asked) -> Payment:
        """Take the flag off a payment. Reviewed again it stays as it is.

        Raises NoSuchPayment, NotFlagged.
        """
        ...

    async def find(self, payment_id: UUID) -> Payment:
        """One payment, whatever its shop. Raises NoSuchPayment."""
        ...

    async def receive(self, provider: str, headers: Mapping[str, str], body: bytes) -> News:
        """Keep a provider's event, then apply it. Once kept it is applied, sooner or later.

        News of a refund is applied at once, or not taken, so that the provider sends it again.

        Raises NoSuchProvider, BadSignature, MalformedBody, InvalidInput.
        """
        ...

    async def sweep(self, most: int) -> int:
        """Apply the events that are due, close and look up attempts; return how many."""
        ...


class Refunds(Protocol):
    """The verbs."""

    async def refund(
        self, shop_id: UUID, order_id: UUID, ask: NewRefund, asked: Asked
    ) -> Answered[Refund]:
        """Give money back. Raises NoSuchOrder, RefundTooMuch."""
        ...

    async def list_refunds(self, shop_id: UUID, order_id: UUID) -> list[Refund]:
        """The refunds of an order, oldest first."""
        ...

    async def sweep(self, most: int) -> int:
        """Send the refunds that are due to their providers; return how many."""
        ...
