"""What the orders of a past have told: the events that they would have, had they been placed."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from lockstock.demo.past import Past
from lockstock.kernel.ids import derived_id


@dataclass(frozen=True)
class Event:
    """A row of orders.outbox."""

    id: UUID
    kind: str
    subject_id: UUID
    data: dict[str, Any]
    occurred_at: datetime


def events_of(rows: Past) -> Iterator[Event]:
    """Return an event for each order and for each step that it took."""
    variants: dict[UUID, set[str]] = defaultdict(set)
    for line in rows.lines:
        variants[line.order_id].add(str(line.variant_id))
    for order in rows.orders:
        told: dict[str, Any] = {
            "total": {"amount_minor": order.total_minor, "currency": order.currency},
            "expires_at": order.expires_at.isoformat(),
            "variant_ids": sorted(variants[order.id]),
        }
        event_id = derived_id("placed", order.id)
        yield Event(event_id, "order.placed", order.id, told, order.created_at)
    for step in rows.transitions:
        moved: dict[str, Any] = {
            "transition": step.sequence,
            "from_status": step.from_status,
            "variant_ids": sorted(variants[step.order_id]),
        }
        event_id = derived_id("moved", step.order_id, step.sequence)
        yield Event(event_id, f"order.{step.to_status}", step.order_id, moved, step.at)
