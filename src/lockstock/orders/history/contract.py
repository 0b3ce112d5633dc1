"""History: what has happened to an order, when, and who did it."""

from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from lockstock.kernel.money import Money
from lockstock.kernel.nouns import Noun
from lockstock.orders.contract import ActorKind, OrderStatus

EntryKind = Literal[
    "placed",
    "status_changed",
    "payment_started",
    "payment_captured",
    "payment_failed",
    "payment_cancelled",
    "payment_reviewed",
    "refund_started",
    "refund_done",
    "refund_failed",
    "shipped",
    "returned",
]


class Actor(Noun):
    """Who did it. `id` is that of the user or the API key; null where it was neither."""

    kind: ActorKind
    id: UUID | None


class Entry(Noun):
    """One thing that has happened to an order.

    `subject_id` is the payment, refund, shipment or return that it happened to, to be found in the
    order's lists of these; null where it is the order itself.
    """

    at: datetime
    kind: EntryKind
    subject_id: UUID | None
    from_status: OrderStatus | None
    to_status: OrderStatus | None
    amount: Money | None
    actor: Actor
    reason: str | None
    # What a provider's event came to, such as `pay` or `refund_late`.
    outcome: str | None
    request_id: str | None


class HistoryOf(Protocol):
    """The verb."""

    async def history(self, shop_id: UUID, order_id: UUID, *, whole: bool) -> list[Entry]:
        """All that has happened to an order, oldest first.

        Not `whole`: as its customer sees it, without what is the shop's own affair.
        """
        ...
