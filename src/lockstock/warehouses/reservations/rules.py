"""Which warehouse gives what, and how a reservation may end: pure decisions on plain values."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any
from uuid import UUID

from lockstock.kernel.errors import Refusal
from lockstock.warehouses.contract import Allocation, Location, Strategy, Warehouse
from lockstock.warehouses.reservations.contract import (
    OutOfStock,
    Reservation,
    ReservationExpired,
    ReservationMismatch,
    ReservationReleased,
    ReservationStatus,
    Reserve,
)
from lockstock.warehouses.stock.rules import Place, digest, summed

EARTH_RADIUS_KM = 6371.0
# Finding the fewest warehouses means trying sets of them, while the stock is locked. With more sets
# than this in all, the warehouses are taken fullest first: still complete, not always fewest.
MOST_SETS = 5_000

# Free units of each variant in each active warehouse, while the rows are locked.
Shelf = dict[Place, int]


@dataclass(frozen=True)
class Request:
    """What one order asks for: units per variant, and how its shop wants it allocated."""

    wanted: dict[UUID, int]
    strategy: Strategy
    may_split: bool
    destination: Location | None


def allocate(
    request: Request, shelf: Shelf, warehouses: Sequence[Warehouse]
) -> list[Allocation] | OutOfStock:
    """Decide which warehouse gives what, or say what is missing.

    Deterministic. If any split that the shop allows fills the order, the order is filled. The shelf
    is not changed.
    """
    short = shortages(request, shelf, warehouses)
    if short:
        return OutOfStock("There is not enough stock for all lines.", lines=short)
    if not request.may_split:
        warehouses = [w for w in warehouses if _can_fill(request.wanted, shelf, [w])]
    order = STRATEGIES[request.strategy](request, shelf, warehouses)
    if not request.may_split:
        order = order[:1]
    return _fill(request, shelf, order)


def shortages(
    request: Request, shelf: Shelf, warehouses: Sequence[Warehouse]
) -> list[dict[str, Any]]:
    """Return a line for each variant where the order cannot be filled; none where it can."""
    lines: list[dict[str, Any]] = []
    for variant_id, wanted in request.wanted.items():
        free = [shelf.get((variant_id, warehouse.id), 0) for warehouse in warehouses]
        lines.append(
            {
                "variant_id": str(variant_id),
                "requested": wanted,
                "available": sum(free),
                "largest": max(free, default=0),
            }
        )
    if any(line["requested"] > line["available"] for line in lines):
        return lines
    whole = any(_can_fill(request.wanted, shelf, [warehouse]) for warehouse in warehouses)
    return [] if request.may_split or whole else lines


def _can_fill(wanted: Mapping[UUID, int], shelf: Shelf, among: Iterable[Warehouse]) -> bool:
    chosen = [warehouse.id for warehouse in among]
    return all(
        sum(shelf.get((variant_id, chosen_id), 0) for chosen_id in chosen) >= units
        for variant_id, units in wanted.items()
    )


def _fill(request: Request, shelf: Shelf, order: Sequence[Warehouse]) -> list[Allocation]:
    parts = []
    for variant_id, wanted in request.wanted.items():
        missing = wanted
        candidates = order
        if request.strategy == "most_stock" and request.may_split:
            # sorted() is stable: warehouses with equally much keep the order of the strategy.
            candidates = sorted(order, key=lambda w: -shelf.get((variant_id, w.id), 0))
        for warehouse in candidates:
            taken = min(missing, shelf.get((variant_id, warehouse.id), 0))
            if taken > 0:
                parts.append(
                    Allocation(warehouse_id=warehouse.id, variant_id=variant_id, quantity=taken)
                )
                missing -= taken
    return parts


def _free_units(request: Request, shelf: Shelf, warehouse: Warehouse) -> int:
    return sum(shelf.get((variant_id, warehouse.id), 0) for variant_id in request.wanted)


def _by_priority(
    _request: Request, _shelf: Shelf, warehouses: Sequence[Warehouse]
) -> list[Warehouse]:
    return sorted(warehouses, key=lambda w: (w.priority, w.id))


def _by_most_stock(
    request: Request, shelf: Shelf, warehouses: Sequence[Warehouse]
) -> list[Warehouse]:
    return sorted(warehouses, key=lambda w: (-_free_units(request, shelf, w), w.priority, w.id))


def _by_distance(
    request: Request, _shelf: Shelf, warehouses: Sequence[Warehouse]
) -> list[Warehouse]:
    return sorted(
        warehouses, key=lambda w: (_distance_km(w.location, request.destination), w.priority, w.id)
    )


def _fewest(request: Request, shelf: Shelf, warehouses: Sequence[Warehouse]) -> list[Warehouse]:
    ranked = sorted(warehouses, key=lambda w: (w.priority, -_free_units(request, shelf, w), w.id))
    useful = [w for w in ranked if _free_units(request, shelf, w)]
    scarcest_first = _by_scarcity(request.wanted, shelf, useful)
    left = MOST_SETS
    for size in range(1, len(useful)):
        left -= math.comb(len(useful), size)
        if left < 0:
            return sorted(useful, key=lambda w: -_free_units(request, shelf, w))
        # combinations() keeps the rank order, so the first set that fills is the best-ranked one.
        for chosen in combinations(useful, size):
            if _can_fill(scarcest_first, shelf, chosen):
                return list(chosen)
    return useful


def _by_scarcity(
    wanted: Mapping[UUID, int], shelf: Shelf, warehouses: Sequence[Warehouse]
) -> dict[UUID, int]:
    """Put first the variant that most sets will fail on: a set is given up at its first lack."""

    def spare(variant_id: UUID) -> int:
        total = sum(shelf.get((variant_id, w.id), 0) for w in warehouses)
        return total - wanted[variant_id]

    return {variant_id: wanted[variant_id] for variant_id in sorted(wanted, key=spare)}


STRATEGIES: dict[Strategy, Callable[[Request, Shelf, Sequence[Warehouse]], list[Warehouse]]] = {
    "fewest_warehouses": _fewest,
    "by_priority": _by_priority,
    "most_stock": _by_most_stock,
    "nearest": _by_distance,
}


def _distance_km(start: Location | None, end: Location | None) -> float:
    """Great-circle distance (haversine). Unknown places are farthest."""
    if start is None or end is None:
        return math.inf
    north1, north2 = math.radians(start.latitude), math.radians(end.latitude)
    east = math.radians(end.longitude - start.longitude)
    half = (
        math.sin((north2 - north1) / 2) ** 2
        + math.cos(north1) * math.cos(north2) * math.sin(east / 2) ** 2
    )
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, half)))


@dataclass(frozen=True)
class Part:
    """One allocation as its row has it."""

    allocation: Allocation
    shipped: int
    status: ReservationStatus

    @property
    def place(self) -> Place:
        """The stock row it is promised from."""
        return self.allocation.variant_id, self.allocation.warehouse_id


@dataclass(frozen=True)
class Kept:
    """A reservation as its rows have it."""

    order_id: UUID
    attempt: int
    digest: bytes
    status: ReservationStatus
    expires_at: datetime
    parts: list[Part] = field(default_factory=list)

    def seen_at(self, now: datetime) -> Reservation:
        """Show it as of `now`: a hold past its deadline has expired, swept or not."""
        return Reservation(
            order_id=self.order_id,
            attempt=self.attempt,
            status=self.status_at(now),
            expires_at=self.expires_at,
            allocations=[part.allocation for part in self.parts],
        )

    def status_at(self, now: datetime) -> ReservationStatus:
        """Its status as of `now`.

        A part that another buyer has taken over has expired, and so has the whole, even should the
        database's clock have been set back since.
        """
        if self.status == "held" and (
            self.expires_at <= now or any(part.status != "held" for part in self.parts)
        ):
            return "expired"
        return self.status


@dataclass(frozen=True)
class Ending:
    """A reservation leaves its status for another one."""

    kept: Kept
    to: ReservationStatus

    def done(self) -> Reservation:
        """Show the reservation as it is afterwards."""
        return Reservation(
            order_id=self.kept.order_id,
            attempt=self.kept.attempt,
            status=self.to,
            expires_at=self.kept.expires_at,
            allocations=[part.allocation for part in self.kept.parts],
        )


@dataclass(frozen=True)
class Hold:
    """A reservation to be written: which stock, until when."""

    order_id: UUID
    attempt: int
    customer_id: UUID
    digest: bytes
    expires_at: datetime
    allocations: list[Allocation]

    def done(self) -> Reservation:
        """Show the reservation as it is once written."""
        return Reservation(
            order_id=self.order_id,
            attempt=self.attempt,
            status="held",
            expires_at=self.expires_at,
            allocations=self.allocations,
        )


@dataclass(frozen=True)
class Plan:
    """What a batch of asks comes to: an answer for each, and the holds to write."""

    answers: list[Reservation | Refusal]
    holds: list[Hold]

    @property
    def is_short(self) -> bool:
        """Whether somebody is refused for want of stock."""
        return any(isinstance(answer, OutOfStock) for answer in self.answers)


def plan(
    asks: Sequence[Reserve],
    kept: Mapping[UUID, Kept],
    shelf: Shelf,
    warehouses: Sequence[Warehouse],
    now: datetime,
) -> Plan:
    """Decide on a batch, first come first served. `shelf`: what is free under the locks."""
    left = dict(shelf)
    answers: list[Reservation | Refusal] = []
    holds: dict[UUID, Hold] = {}
    for ask in asks:
        asked = digest_of(ask)
        before = kept.get(ask.order_id)
        known = _known_answer(ask, asked, before, holds.get(ask.order_id), now)
        if known is not None:
            answers.append(known)
            continue
        hold = _new_hold(ask, asked, before, left, warehouses, now)
        if isinstance(hold, OutOfStock):
            answers.append(hold)
            continue
        for part in hold.allocations:
            left[part.variant_id, part.warehouse_id] -= part.quantity
        holds[ask.order_id] = hold
        answers.append(hold.done())
    return Plan(answers, list(holds.values()))


def digest_of(ask: Reserve) -> bytes:
    """Digest what makes a request the same request: whose, and which units."""
    lines = sorted((str(variant_id), units) for variant_id, units in summed(ask.lines).items())
    return digest(ask.customer_id, lines)


def _known_answer(
    ask: Reserve, asked: bytes, before: Kept | None, hold: Hold | None, now: datetime
) -> Reservation | ReservationMismatch | None:
    found = hold or before
    if found is None:
        return None
    if found.digest != asked:
        return ReservationMismatch("This order was asked for before, with other lines.")
    if hold is not None:
        return hold.done()
    assert before is not None  # noqa: S101 (one of the two was found)
    ended = before.status_at(now) in ("expired", "released")
    return None if ended and ask.again else before.seen_at(now)


def _new_hold(
    ask: Reserve,
    asked: bytes,
    before: Kept | None,
    shelf: Shelf,
    warehouses: Sequence[Warehouse],
    now: datetime,
) -> Hold | OutOfStock:
    request = Request(summed(ask.lines), ask.strategy, ask.may_split, ask.destination)
    found = allocate(request, shelf, warehouses)
    if isinstance(found, OutOfStock):
        return found
    return Hold(
        order_id=ask.order_id,
        attempt=before.attempt + 1 if before else 1,
        customer_id=ask.customer_id,
        digest=asked,
        expires_at=now + timedelta(seconds=ask.seconds),
        allocations=found,
    )


def commit(
    kept: Kept | None, now: datetime
) -> Ending | Reservation | ReservationExpired | ReservationReleased:
    """Decide on a commit: it happens, or had happened, or is refused."""
    if kept is None:
        return ReservationReleased("Nothing is reserved for this order.")
    match kept.status_at(now):
        case "held":
            return Ending(kept, "committed")
        case "committed":
            return kept.seen_at(now)
        case "expired":
            return ReservationExpired(
                f"The time to pay ended at {kept.expires_at.isoformat()}. The stock is free again."
            )
        case _:
            return ReservationReleased("The stock of this order was released.")


def release(kept: Kept | None, now: datetime) -> Ending | Reservation | None:
    """Decide on a release: free what is held or committed, leave alone what has ended."""
    if kept is None:
        return None
    status = kept.status_at(now)
    if status in ("held", "committed"):
        return Ending(kept, "released")
    return expire(kept, now)


def expire(kept: Kept | None, now: datetime) -> Ending | Reservation | None:
    """Decide on an expiry: end a hold whose deadline has passed, leave alone everything else."""
    if kept is None:
        return None
    if kept.status == "held" and kept.status_at(now) == "expired":
        return Ending(kept, "expired")
    return kept.seen_at(now)
