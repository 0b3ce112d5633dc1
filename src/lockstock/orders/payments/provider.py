"""What a payment provider has to be able to do. An adapter for each lives beside this file."""

from collections.abc import Mapping
from typing import Protocol

from lockstock.kernel.telemetry import log
from lockstock.orders.payments.contract import (
    EventKind,
    News,
    Opened,
    Payment,
    PaymentEvent,
    Refund,
)


class ProviderTimedOut(Exception):
    """The answer did not come in time. Whether the call had its effect is unknown: try again."""


class RefundImpossible(Exception):
    """The provider will never make this refund. A person has to look at it."""


class Provider(Protocol):
    """An adapter of a payment provider.

    Each call is made without a transaction open, and may be made again with the same id: the
    provider then does nothing new. Anything that is raised, except where said, means "try again":
    ProviderTimedOut is nobody's fault here, all else is logged with where it comes from.
    """

    async def create(self, payment: Payment) -> Opened:
        """Open a payment. Raises ProviderRefused where it never will."""
        ...

    async def cancel(self, payment: Payment) -> None:
        """Close a payment that nobody needs. One that has its money stays as it is."""
        ...

    async def refund(self, payment: Payment, refund: Refund) -> None:
        """Give money back. Raises RefundImpossible."""
        ...

    async def look_up(self, payment: Payment) -> PaymentEvent | None:
        """Ask how a payment stands, as an event; None while nothing has happened to it.

        The event's id is made of what it says, so that asking again finds the same event.
        """
        ...

    def verify(self, headers: Mapping[str, str], body: bytes) -> News:
        """Read an event. Raises BadSignature, MalformedBody, InvalidInput."""
        ...

    async def close(self) -> None:
        """Let go of what calls need."""
        ...


def log_left(event: str, error: Exception, **names: str) -> None:
    """Log a call that is to be made again. A time-out is no bug, so nobody is woken for it."""
    if isinstance(error, ProviderTimedOut):
        log().warning(event, reason=str(error), **names)
    else:
        log().error(event, exc_info=error, **names)


def looked_up_id(payment: Payment, kind: EventKind) -> str:
    """Return the id of the event that a look-up finds: always the same for the same news."""
    return f"looked-up-{kind}-{payment.id}"
