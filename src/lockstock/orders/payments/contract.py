"""Payments: attempts to pay an order at a provider, what providers say, and money going back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from pydantic import Field

from lockstock.kernel.errors import NotFound, Refusal
from lockstock.kernel.ids import derived_id
from lockstock.kernel.money import MOST_MINOR, Money
from lockstock.kernel.nouns import Ask, Noun, Reason
from lockstock.orders.contract import Answered, Asked

PaymentStatus = Literal["pending", "captured", "failed", "cancelled", "refunded"]
EventKind = Literal["captured", "failed", "cancelled"]
RefundStatus = Literal["pending", "done", "failed"]
# Why money goes back: the order was cancelled; it was paid already; the money came too late; it was
# another amount than asked for; units came back; somebody of the shop wants it.
RefundCause = Literal["cancelled", "surplus", "late", "mismatch", "returned", "asked"]


class NewPayment(Ask):
    """Ask to pay an order at a provider."""

    provider: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,31}$")]


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
    # The provider took another amount or currency than it was asked for: look at it.
    review: bool
    # Where the customer pays. None until the provider has opened it.
    pay_url: str | None
    created_at: datetime


class Opened(Noun):
    """A payment that a provider has opened: its name for it, and where the customer pays."""

    reference: str
    pay_url: str


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


class NotPayable(Refusal):
    """The order is paid or has ended. `order_status` says how it stands."""

    status = 409
    code = "order_not_payable"
    title = "The order cannot be paid"


class NoSuchPayment(NotFound):
    """There is no such payment, or none that the caller may know of."""


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

        Raises NoSuchOrder, NotPayable, ReservationExpired, IdempotencyKeyReused, InvalidInput.
        """
        ...

    async def list_payments(self, shop_id: UUID, order_id: UUID) -> list[Payment]:
        """The attempts to pay an order, oldest first."""
        ...

    async def find(self, payment_id: UUID) -> Payment:
        """One payment, whatever its shop. Raises NoSuchPayment."""
        ...

    async def receive(self, provider: str, headers: Mapping[str, str], body: bytes) -> PaymentEvent:
        """Keep a provider's event, then apply it. Once kept it is applied, sooner or later.

        Raises NoSuchProvider, BadSignature, MalformedBody, InvalidInput.
        """
        ...

    async def sweep(self, most: int) -> int:
        """Apply the events that are due, and close attempts that nobody needs; return how many."""
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
