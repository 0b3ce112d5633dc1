"""Which variants have crossed the threshold: a pure decision on plain values."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from lockstock.kernel.outbox import NewEvent
from lockstock.warehouses.low_stock.contract import STOCK_LOW, STOCK_REPLENISHED


@dataclass(frozen=True)
class Standing:
    """How much of a variant is available, and when the next hold on it comes due, if any does."""

    variant_id: UUID
    available: int
    next_due_at: datetime | None


@dataclass(frozen=True)
class Crossings:
    """What a look has found.

    `low`: is low now, and is to be remembered. `risen`: is no longer.
    """

    low: list[Standing]
    risen: list[UUID]
    events: list[NewEvent]


def crossings(
    standings: Sequence[Standing], low_before: Collection[UUID], threshold: int | None
) -> Crossings:
    """Compare with the threshold; tell only of what was on the other side of it before.

    Without a threshold what was low is forgotten and not told of: nothing has been replenished.
    """
    if threshold is None:
        return Crossings([], [each.variant_id for each in standings], [])
    low = [each for each in standings if each.available <= threshold]
    risen = [
        each for each in standings if each.available > threshold and each.variant_id in low_before
    ]
    fallen = [each for each in low if each.variant_id not in low_before]
    return Crossings(
        low,
        [each.variant_id for each in risen],
        [_event(STOCK_LOW, each, threshold) for each in fallen]
        + [_event(STOCK_REPLENISHED, each, threshold) for each in risen],
    )


def _event(kind: str, standing: Standing, threshold: int) -> NewEvent:
    # Not `variant_ids`, as it stands in events that change what is available: this one only tells.
    return NewEvent(
        kind=kind,
        subject_id=standing.variant_id,
        data={
            "variant_id": str(standing.variant_id),
            "available": standing.available,
            "threshold": threshold,
        },
    )
