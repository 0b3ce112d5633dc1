"""What may leave the building for an order, and what may come back: pure decisions."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TypeVar
from uuid import UUID

from lockstock.warehouses.contract import Allocation
from lockstock.warehouses.reservations.contract import ReservationStatus
from lockstock.warehouses.shipping.contract import NotCommitted, NotShipped, PutBack, Shipment
from lockstock.warehouses.stock.rules import Change, Place

# A stock row's place, or a variant wherever it is.
Key = TypeVar("Key", Place, UUID)


@dataclass
class Promise:
    """One allocation of an order, as it stands under the locks. Counts in units."""

    order_id: UUID
    attempt: int
    place: Place
    quantity: int
    shipped: int
    returned: int
    status: ReservationStatus


def ship(ask: Shipment, promises: Sequence[Promise]) -> list[Change]:
    """Send units out: raises `shipped` of the promises. Raises NotCommitted."""
    wanted = _units(ask.parts)
    committed = {
        p.place: p for p in promises if p.order_id == ask.order_id and p.status == "committed"
    }
    left = {place: p.quantity - p.shipped for place, p in committed.items()}
    _check_covered(wanted, left, itemgetter(0), NotCommitted, "committed")
    for place, units in wanted.items():
        committed[place].shipped += units
    return [Change(*place, on_hand=-units, committed=-units) for place, units in wanted.items()]


def put_back(ask: PutBack, promises: Sequence[Promise]) -> list[Change]:
    """Take units back, in any warehouse: raises `returned` of the promises. Raises NotShipped.

    Damaged ones come back like the others; `broken` says what then leaves the books.
    """
    wanted = _units([*ask.parts, *ask.damaged])
    out = [p for p in promises if p.order_id == ask.order_id and p.shipped > p.returned]
    by_variant: Counter[UUID] = Counter()
    for promise in out:
        by_variant[promise.place[0]] += promise.shipped - promise.returned
    asked: Counter[UUID] = Counter()
    for (variant_id, _), units in wanted.items():
        asked[variant_id] += units
    _check_covered(asked, by_variant, lambda variant_id: variant_id, NotShipped, "shipped")
    for variant_id, units in asked.items():
        missing = units
        for promise in (p for p in out if p.place[0] == variant_id):
            taken = min(missing, promise.shipped - promise.returned)
            promise.returned += taken
            missing -= taken
    return [Change(*place, on_hand=units) for place, units in wanted.items()]


def broken(ask: PutBack) -> list[Change]:
    """Return the units that come back damaged, as they leave the books."""
    return [Change(*place, on_hand=-units) for place, units in _units(ask.damaged).items()]


def _units(parts: Sequence[Allocation]) -> dict[Place, int]:
    units: Counter[Place] = Counter()
    for part in parts:
        units[part.variant_id, part.warehouse_id] += part.quantity
    return dict(units)


def _check_covered(
    wanted: Mapping[Key, int],
    there: Mapping[Key, int],
    variant_of: Callable[[Key], UUID],
    refusal: type[NotCommitted | NotShipped],
    word: str,
) -> None:
    short = [
        {
            "variant_id": str(variant_of(key)),
            "requested": units,
            word: there.get(key, 0),
        }
        for key, units in wanted.items()
        if units > there.get(key, 0)
    ]
    if short:
        raise refusal(f"Fewer units of this order are {word}.", lines=short)
