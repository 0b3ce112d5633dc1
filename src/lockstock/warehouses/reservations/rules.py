"""How a reservation begins and how it may end: pure decisions on plain values."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import UUID

from lockstock.kernel.errors import Refusal
from lockstock.warehouses.contract import Allocation, Location, Warehouse
from lockstock.warehouses.reservations.allocation import allocate
from lockstock.warehouses.reservations.contract import (
    Considered,
    OutOfStock,
    Reservation,
    ReservationExpired,
    ReservationMismatch,
    ReservationReleased,
    ReservationStatus,
    Reserve,
    TooManyOpenReservations,
)
from lockstock.warehouses.reservations.ranking import Request, Shelf
from lockstock.warehouses.reservations.reasons import considered
from lockstock.warehouses.stock.rules import Place, summed

NOTHING_OPEN: Mapping[UUID, Mapping[UUID, datetime]] = MappingProxyType({})


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
    # Where the goods go, for whoever has to plan anew.
    destination: Location | None
    allocations: list[Allocation]
    considered: list[Considered]

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
    opened: Mapping[UUID, Mapping[UUID, datetime]] = NOTHING_OPEN,
) -> Plan:
    """Decide on a batch, first come first served. `shelf`: what is free under the locks.

    `opened`: the deadlines of the open reservations of each capped customer, by order.
    """
    left = dict(shelf)
    still_open = {customer_id: dict(held) for customer_id, held in opened.items()}
    answers: list[Reservation | Refusal] = []
    holds: dict[UUID, Hold] = {}
    for ask in asks:
        asked = digest_of(ask)
        before = kept.get(ask.order_id)
        known = _known_answer(ask, asked, before, holds.get(ask.order_id), now)
        if known is not None:
            answers.append(known)
            continue
        held = still_open.setdefault(ask.customer_id, {})
        hold = _refused_by_cap(ask, held) or _new_hold(ask, asked, before, left, warehouses, now)
        if isinstance(hold, Refusal):
            answers.append(hold)
            continue
        for part in hold.allocations:
            left[part.variant_id, part.warehouse_id] -= part.quantity
        held[ask.order_id] = hold.expires_at
        holds[ask.order_id] = hold
        answers.append(hold.done())
    return Plan(answers, list(holds.values()))


def digest_of(ask: Reserve) -> bytes:
    """Digest what makes a request the same request: whose, and which units."""
    lines = sorted((variant.bytes, units) for variant, units in summed(ask.lines).items())
    said = b"".join([variant + units.to_bytes(8, "big") for variant, units in lines])
    return hashlib.sha256(ask.customer_id.bytes + said).digest()


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


def _refused_by_cap(ask: Reserve, held: Mapping[UUID, datetime]) -> TooManyOpenReservations | None:
    if ask.most_open is None or len(held) < ask.most_open:
        return None
    return TooManyOpenReservations(
        f"This shop keeps stock for at most {ask.most_open} unpaid orders of one customer at a "
        "time. Pay or cancel one of them, or wait until the time to pay of one ends.",
        most=ask.most_open,
        open=len(held),
        orders=[str(order_id) for order_id in sorted(held, key=held.__getitem__)],
        next_expires_at=min(held.values()).isoformat(),
    )


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
        destination=ask.destination,
        allocations=found,
        considered=considered(request, shelf, warehouses, found),
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
