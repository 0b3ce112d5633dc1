"""What warehouses tell the world: docs/events.md says when, and what is in each."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args
from uuid import UUID

from lockstock.kernel.database import Connection
from lockstock.kernel.outbox import NewEvent, write_events

EventKind = Literal[
    "warehouse.opened",
    "warehouse.changed",
    "warehouse.activated",
    "warehouse.deactivated",
    "stock.received",
    "stock.adjusted",
    "stock.counted",
    "stock.damaged",
    "stock.written_off",
    "stock.low",
    "stock.replenished",
    "reservation.released",
    "reservation.moved",
    "transfer.created",
    "transfer.changed",
    "transfer.ready",
    "transfer.dispatched",
    "transfer.received",
    "transfer.cancelled",
    "transfer.closed",
]
EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)


def event(
    kind: EventKind,
    subject_id: UUID,
    **data: Any,  # noqa: ANN401 (JSON)
) -> NewEvent:
    """Return an event of a warehouse, a transfer, or the reservation of an order."""
    return NewEvent(kind, subject_id, data)


async def tell(connection: Connection, shop_id: UUID, events: Sequence[NewEvent]) -> None:
    """Tell of changes that this transaction makes, with their locks held."""
    await write_events(connection, "warehouses", shop_id, events)


def texts(ids: Iterable[UUID]) -> list[str]:
    """Write ids as they are in `data`: each once, in order."""
    return [str(each) for each in sorted(set(ids))]
