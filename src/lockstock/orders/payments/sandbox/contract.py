"""What the sandbox can be told, what it says, and what it remembers."""

from typing import Annotated, Literal, Protocol
from uuid import UUID

from pydantic import Field

from lockstock.kernel.money import Currency, Minor, Money
from lockstock.kernel.nouns import Ask, Id, Noun
from lockstock.orders.payments.contract import EventKind, Payment

NAME = "sandbox"
MOST_DELAY_SECONDS = 604_800
MOST_TIMES = 20

EventId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
SandboxStatus = Literal["open", "captured", "failed", "cancelled"]
# What a provider is asked to do.
SandboxCall = Literal["create", "cancel", "refund"]


class SandboxAsk(Ask):
    """Tell the sandbox what to do. What is left out is as the payment has it."""

    amount_minor: Minor | None = None
    currency: Currency | None = None
    event_id: EventId | None = None
    # The event comes so much later.
    delay_seconds: Annotated[int, Field(ge=0, le=MOST_DELAY_SECONDS)] = 0
    # The same event comes so many times.
    deliveries: Annotated[int, Field(ge=1, le=MOST_TIMES)] = 1
    # The event waits, and comes after the next one of the same payment.
    reorder: bool = False
    # The event never comes.
    lose: bool = False


class TimeOut(Ask):
    """Let the next calls of a kind time out: they have their effect, and nobody hears of it."""

    call: SandboxCall
    times: Annotated[int, Field(ge=0, le=MOST_TIMES)] = 1


class TimingOut(Noun):
    """So many of the next calls of a kind time out, for the payments of this order."""

    order_id: UUID
    call: SandboxCall
    times: int


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


class SandboxPayment(Noun):
    """A payment as the sandbox has it."""

    status: SandboxStatus
    captured: Money | None


class Delivery(Noun):
    """An event on its way, to be delivered so many times."""

    shop_id: UUID
    id: UUID
    event: SandboxEvent
    times: int


class SandboxVerbs(Protocol):
    """The verbs of whoever pays at the sandbox, or breaks it on purpose."""

    async def tell(self, payment: Payment, kind: EventKind, ask: SandboxAsk) -> str:
        """Let something happen to a payment; return the id of the event that says so."""
        ...

    async def show(self, payment: Payment) -> SandboxPayment | None:
        """How a payment stands at the sandbox; None if it has not heard of it."""
        ...

    async def time_out(self, shop_id: UUID, order_id: UUID, ask: TimeOut) -> TimingOut:
        """Let the next calls for an order's payments time out."""
        ...

    async def sweep(self, most: int) -> int:
        """Deliver the events whose time has come; return how many."""
        ...
