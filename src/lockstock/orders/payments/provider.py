"""What a payment provider has to be able to do. An adapter for each lives beside this file."""

from collections.abc import Mapping
from typing import Protocol

from lockstock.orders.payments.contract import Opened, Payment, PaymentEvent, Refund


class RefundImpossible(Exception):
    """The provider will never make this refund. A person has to look at it."""


class Provider(Protocol):
    """An adapter of a payment provider.

    Each call is made without a transaction open, and may be made again with the same id: the
    provider then does nothing new. Anything that is raised, except where said, means "try again".
    """

    async def create(self, payment: Payment) -> Opened:
        """Open a payment."""
        ...

    async def cancel(self, payment: Payment) -> None:
        """Close a payment that nobody needs. What was captured meanwhile comes as an event."""
        ...

    async def refund(self, payment: Payment, refund: Refund) -> None:
        """Give money back. Raises RefundImpossible."""
        ...

    def verify(self, headers: Mapping[str, str], body: bytes) -> PaymentEvent:
        """Read an event. Raises BadSignature, MalformedBody, InvalidInput."""
        ...
