"""Which orders leave a warehouse that was switched off, and to where: pure, on plain values.

An order moves whole: after it, all that it has still to get is promised in active warehouses, or
where it was promised before. Or it is stranded: not touched.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from lockstock.warehouses.contract import (
    Allocation,
    AllocationPolicy,
    AllocationReason,
    Location,
    Warehouse,
)
from lockstock.warehouses.reservations.allocation import allocate
from lockstock.warehouses.reservations.contract import Considered, OutOfStock
from lockstock.warehouses.reservations.ranking import Request, Shelf
from lockstock.warehouses.reservations.reasons import considered
from lockstock.warehouses.stock.rules import Place

Status = Literal["held", "committed"]


@dataclass(frozen=True)
class Part:
    """So many units promised from one place, of which so many have left already."""

    place: Place
    quantity: int
    shipped: int

    @property
    def left(self) -> int:
        """Units that have not left yet."""
        return self.quantity - self.shipped


@dataclass(frozen=True)
class Promised:
    """An order with an open reservation, as it stands under the locks."""

    order_id: UUID
    attempt: int
    status: Status
    expires_at: datetime
    destination: Location | None
    parts: list[Part] = field(default_factory=list)

    @property
    def left(self) -> dict[Place, int]:
        """Units that have not left yet, by where they are promised."""
        return {part.place: part.left for part in self.parts if part.left}


@dataclass(frozen=True)
class NewPart:
    """What an order is to be promised from one place: in all, with what has left already.

    Nothing where it is promised nothing there any more. `reason`: None where it stays as it was.
    """

    place: Place
    quantity: int
    is_new: bool
    is_more: bool
    reason: AllocationReason | None


@dataclass(frozen=True)
class Move:
    """An order that leaves; `after`: its units that have not left yet, as promised from now on.

    `considered`: what the active warehouses had free when it was decided.
    """

    order: Promised
    after: list[Allocation]
    considered: list[Considered]

    @property
    def differences(self) -> dict[Place, int]:
        """By how many units each place is promised more to the order, or less."""
        units = Counter({_place(part): part.quantity for part in self.after})
        units.subtract(self.order.left)
        return {place: difference for place, difference in units.items() if difference}

    @property
    def parts(self) -> list[NewPart]:
        """The parts of the order that change."""
        before = {part.place: part for part in self.order.parts}
        reasons = {_place(part): part.reason for part in self.after}
        return [
            NewPart(
                place,
                (before[place].quantity if place in before else 0) + difference,
                place not in before,
                difference > 0,
                reasons.get(place) if difference > 0 else None,
            )
            for place, difference in sorted(self.differences.items())
        ]


@dataclass(frozen=True)
class Outcome:
    """Which orders move, and which cannot."""

    moved: list[UUID]
    stranded: list[UUID]


NOTHING = Outcome([], [])


@dataclass(frozen=True)
class Plan:
    """What becomes of orders, in the order in which they were asked about."""

    moves: list[Move]
    stranded: list[UUID]

    @property
    def outcome(self) -> Outcome:
        """Tell it by their ids."""
        return Outcome([move.order.order_id for move in self.moves], self.stranded)

    def differences(self, *statuses: Status) -> dict[Place, int]:
        """By how many units each place is promised more, or less, to orders of these statuses."""
        total: Counter[Place] = Counter()
        for move in self.moves:
            if move.order.status in statuses:
                total.update(move.differences)
        return {place: difference for place, difference in total.items() if difference}


def plan(
    orders: Sequence[Promised],
    leaving_id: UUID,
    policy: AllocationPolicy,
    shelf: Shelf,
    warehouses: Sequence[Warehouse],
) -> Plan:
    """Decide on orders one after the other: each finds what those before it have left.

    `shelf`: what is free in `warehouses`, which are the active ones without `leaving_id`.
    """
    left = dict(shelf)
    moves: list[Move] = []
    stranded: list[UUID] = []
    for order in orders:
        if not any(warehouse_id == leaving_id for _, warehouse_id in order.left):
            continue
        after = relocate(order, leaving_id, policy, left, warehouses)
        if after is None:
            stranded.append(order.order_id)
            continue
        seen = considered(_request(order, _summed(order.left), policy), left, warehouses, after)
        move = Move(order, after, seen)
        moves.append(move)
        for place, difference in move.differences.items():
            if place in left:
                left[place] -= difference
    return Plan(moves, stranded)


def relocate(
    order: Promised,
    leaving_id: UUID,
    policy: AllocationPolicy,
    shelf: Shelf,
    warehouses: Sequence[Warehouse],
) -> list[Allocation] | None:
    """Decide where an order is promised from without `leaving_id`. None: it cannot be, in full.

    Its parts elsewhere stay, or all of it is planned anew as if it were bought now: whichever
    takes fewer warehouses, and if that is equal, what disturbs less.
    """
    plans = [_plan_anew(order, policy, shelf, warehouses)]
    staying = {place: units for place, units in order.left.items() if place[1] != leaving_id}
    if staying:
        used = {warehouse_id for _, warehouse_id in staying}
        leaving = _summed({p: units for p, units in order.left.items() if p not in staying})
        plans = [
            _joined(staying, _allocate(order, leaving, policy, shelf, targets))
            for targets in ([w for w in warehouses if w.id in used], warehouses)
        ] + plans
    allowed = [
        parts for parts in plans if parts and (policy.may_split or len(_warehouses(parts)) == 1)
    ]
    return min(allowed, key=lambda parts: len(_warehouses(parts)), default=None)


def _plan_anew(
    order: Promised, policy: AllocationPolicy, shelf: Shelf, warehouses: Sequence[Warehouse]
) -> list[Allocation] | None:
    # What it is promised in active warehouses is there for it, and for nobody else.
    own = {place: free + order.left.get(place, 0) for place, free in shelf.items()}
    return _allocate(order, _summed(order.left), policy, own, warehouses)


def _allocate(
    order: Promised,
    wanted: Counter[UUID],
    policy: AllocationPolicy,
    shelf: Shelf,
    warehouses: Sequence[Warehouse],
) -> list[Allocation] | None:
    found = allocate(_request(order, wanted, policy), shelf, warehouses)
    return None if isinstance(found, OutOfStock) else found


def _request(order: Promised, wanted: Counter[UUID], policy: AllocationPolicy) -> Request:
    units = dict(sorted(wanted.items()))
    return Request(units, policy.strategy, policy.may_split, order.destination)


def _joined(
    staying: dict[Place, int], found: Sequence[Allocation] | None
) -> list[Allocation] | None:
    """Return one allocation per place, None where nothing was found."""
    if found is None:
        return None
    parts = {
        (variant_id, warehouse_id): Allocation(
            warehouse_id=warehouse_id, variant_id=variant_id, quantity=units
        )
        for (variant_id, warehouse_id), units in staying.items()
    }
    for part in found:
        units = staying.get(_place(part), 0) + part.quantity
        parts[_place(part)] = part.model_copy(update={"quantity": units})
    return list(parts.values())


def _summed(units: dict[Place, int]) -> Counter[UUID]:
    total = Counter[UUID]()
    for (variant_id, _), count in units.items():
        total[variant_id] += count
    return total


def _warehouses(parts: Sequence[Allocation]) -> set[UUID]:
    return {part.warehouse_id for part in parts}


def _place(part: Allocation) -> Place:
    return part.variant_id, part.warehouse_id
