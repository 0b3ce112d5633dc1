"""What orders tell the world: docs/events.md says when, and what is in each.

Payments, refunds and returns are told with their order as the subject: what concerns one order is
told in the order in which it happened.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

from pydantic_core import to_json

from lockstock.kernel.database import Connection
from lockstock.kernel.outbox import NewEvent, write_events
from lockstock.orders.rules import Draft

EventKind = Literal[
    "order.placed",
    "order.paid",
    "order.partly_shipped",
    "order.shipped",
    "order.completed",
    "order.cancelled",
    "order.expired",
    "order.returned",
    "payment.captured",
    "payment.failed",
    "payment.flagged",
    "refund.created",
    "refund.succeeded",
    "refund.failed",
]
EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)


def event(
    kind: EventKind,
    order_id: UUID,
    **data: Any,  # noqa: ANN401 (JSON)
) -> NewEvent:
    """Return an event of an order."""
    return NewEvent(kind, order_id, data)


async def tell(connection: Connection, shop_id: UUID, events: Sequence[NewEvent]) -> None:
    """Tell of changes that this transaction makes, with the lock of their orders held."""
    await write_events(connection, "orders", shop_id, events)


def data_of_placed(draft: Draft, expires_at: datetime) -> str:
    """Write what is told of a new order, as the text of its JSON."""
    return to_json(
        {
            "total": draft.total,
            "expires_at": expires_at.isoformat(),
            "variant_ids": sorted({str(line.variant_id) for line in draft.lines}),
        }
    ).decode()
