"""What shops tell the world: docs/events.md says when, and what is in each."""

from typing import Any, Literal, get_args
from uuid import UUID

from lockstock.kernel.database import Connection
from lockstock.kernel.outbox import NewEvent, write_events

EventKind = Literal["shop.created", "shop.changed", "member.changed"]
EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)


async def tell(
    connection: Connection,
    shop_id: UUID,
    kind: EventKind,
    subject_id: UUID,
    **data: Any,  # noqa: ANN401 (JSON)
) -> None:
    """Tell of a change that this transaction makes, with the lock of the shop held."""
    await write_events(connection, "shops", shop_id, [NewEvent(kind, subject_id, data)])
