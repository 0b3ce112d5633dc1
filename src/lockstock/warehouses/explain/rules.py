"""What is said of figures: sentences for people, made of what was read. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from lockstock.warehouses.contract import Allocation
from lockstock.warehouses.explain.contract import (
    AvailableHere,
    CommittedFor,
    ConsideredHere,
    HeldBy,
    IncomingBy,
    KindSum,
    WhyAvailable,
    WhyOnHand,
    WhyWarehouses,
)
from lockstock.warehouses.reservations.contract import Considered, ReservationStatus
from lockstock.warehouses.stock.contract import Movement, MovementKind

_IN_WORDS: dict[MovementKind, str] = {
    "receive": "received",
    "adjust": "adjusted",
    "count": "by counts",
    "write_off": "written off",
    "damage": "damaged",
    "ship": "shipped",
    "return": "returned",
    "transfer_out": "sent to other warehouses",
    "transfer_in": "come from other warehouses",
    "transfer_return": "back from transfers",
}


@dataclass(frozen=True)
class Here:
    """What a warehouse has of a variant. `movements`: lines of its ledger."""

    warehouse_id: UUID
    name: str
    active: bool
    on_hand: int
    held: int
    committed: int
    incoming: int
    movements: int
    holds: int
    held_by: list[HeldBy]
    commitments: int
    committed_for: list[CommittedFor]
    incoming_by: list[IncomingBy]
    last_movements: list[Movement]


@dataclass(frozen=True)
class Ledger:
    """What is on hand, and the ledger behind it, summed by kind. `movements`: lines of it."""

    now: datetime
    name: str
    on_hand: int
    movements: int
    by_kind: list[KindSum]
    last_movements: list[Movement]


@dataclass(frozen=True)
class Decided:
    """What was decided for an order. `considered`: None where it was not kept."""

    attempt: int
    status: ReservationStatus
    reserved_at: datetime
    allocations: list[Allocation]
    considered: list[Considered] | None


def why_available(variant_id: UUID, now: datetime, places: Sequence[Here]) -> WhyAvailable:
    """Say what each warehouse contributes, and what that comes to."""
    warehouses = [_available_here(here) for here in places]
    return WhyAvailable(
        variant_id=variant_id,
        available=sum(here.available for here in warehouses),
        asked_at=now,
        warehouses=warehouses,
        sentences=_summary(places, warehouses),
    )


def _available_here(here: Here) -> AvailableHere:
    free = here.on_hand - here.held - here.committed
    return AvailableHere(
        warehouse_id=here.warehouse_id,
        name=here.name,
        active=here.active,
        on_hand=here.on_hand,
        held=here.held,
        committed=here.committed,
        available=free if here.active else 0,
        incoming=here.incoming,
        holds=here.holds,
        held_by=here.held_by,
        commitments=here.commitments,
        committed_for=here.committed_for,
        incoming_by=here.incoming_by,
        last_movements=here.last_movements,
        sentences=list(_sentences_of(here, free)),
    )


def _summary(places: Sequence[Here], warehouses: Sequence[AvailableHere]) -> list[str]:
    available = sum(here.available for here in warehouses)
    selling = [here for here in warehouses if here.available]
    if available:
        of_all = f"{len(selling)} of {_counted(len(warehouses), 'warehouse')}"
        said = [f"{_units(available)} can be sold, from {of_all}."]
    elif not any(here.movements for here in places):
        said = ["None can be sold: it was never in stock, in any warehouse. Receive some."]
    else:
        said = ["None can be sold."]
    held = sum(here.held for here in warehouses if here.active)
    committed = sum(here.committed for here in warehouses if here.active)
    resting = sum(here.on_hand - here.held - here.committed for here in places if not here.active)
    incoming = sum(here.incoming for here in warehouses)
    if held:
        deadlines = [order.expires_at for here in warehouses for order in here.held_by]
        until = f"; the first of them until {_moment(min(deadlines))}" if deadlines else ""
        said.append(f"{_units(held)} {_is(held)} held for unpaid orders{until}.")
    if committed:
        said.append(f"{_units(committed)} {_is(committed)} promised firmly.")
    if resting:
        said.append(f"{_units(resting)} {_is(resting)} in warehouses that are switched off.")
    if incoming:
        said.append(f"{_units(incoming)} {_is(incoming)} on the way between warehouses.")
    if any(here.movements for here in places) and not any(here.on_hand for here in places):
        said.append("All that ever came in has left again.")
    return said


def _sentences_of(here: Here, free: int) -> list[str]:
    said = []
    if not here.movements:
        said.append("It was never in stock here.")
    else:
        said.append(
            f"{here.on_hand:,} on hand - {here.held:,} held - {here.committed:,} committed "
            f"= {free:,} free."
        )
    if not here.active:
        said.append("This warehouse is switched off: nothing is sold from it.")
    if here.holds:
        first = here.held_by[0]
        which = ": the first until" if here.holds > 1 else ", until"
        said.append(
            f"Held by {_counted(here.holds, 'unpaid order')}{which} {_moment(first.expires_at)}."
        )
    if here.commitments:
        orders = sum(1 for one in here.committed_for if one.order_id)
        transfers = len(here.committed_for) - orders
        named = [_counted(orders, "paid order")] if orders else []
        named += [_counted(transfers, "ready transfer")] if transfers else []
        more = here.commitments - orders - transfers
        named += [f"{more:,} more"] if more else []
        said.append(f"Committed for {' and '.join(named)}.")
    for coming in here.incoming_by:
        when = f", expected {_moment(coming.expected_at)}" if coming.expected_at else ""
        said.append(
            f"{_units(coming.quantity)} {_is(coming.quantity)} on the way by transfer "
            f"{coming.transfer_id}{when}."
        )
    if here.last_movements:
        said.append(f"Last movement: {in_words(here.last_movements[0])}.")
    return said


def why_on_hand(
    variant_id: UUID, warehouse_id: UUID, ledger: Ledger, as_of: datetime | None
) -> WhyOnHand:
    """Sum the ledger, and say whether it comes to what is on hand."""
    ledger_sum = sum(kind.units for kind in ledger.by_kind)
    movements = sum(kind.movements for kind in ledger.by_kind)
    agrees = ledger_sum == ledger.on_hand and movements == ledger.movements
    at = as_of or ledger.now
    return WhyOnHand(
        variant_id=variant_id,
        warehouse_id=warehouse_id,
        name=ledger.name,
        on_hand=ledger.on_hand,
        as_of=at,
        ledger_sum=ledger_sum,
        agrees=agrees,
        movements=movements,
        by_kind=ledger.by_kind,
        last_movements=ledger.last_movements,
        sentences=_ledger_sentences(ledger, ledger_sum, as_of, agrees=agrees),
    )


def _ledger_sentences(
    ledger: Ledger, ledger_sum: int, as_of: datetime | None, *, agrees: bool
) -> list[str]:
    when = "" if as_of is None else f" as of {_moment(as_of)}"
    if not ledger.movements:
        return [f"None on hand{when}: nothing of it has ever come in or gone out here."]
    said = [f"{ledger.on_hand:,} on hand{when}: {_parts(ledger.by_kind)}."]
    if agrees:
        count = _counted(ledger.movements, "movement")
        said.append(f"Its ledger sums to just that, in {count}.")
    else:
        said.append(
            f"Its ledger sums to {ledger_sum:,}, which is not the same. That must never be: run "
            "lockstock audit."
        )
    said.append(f"Last movement: {in_words(ledger.last_movements[0])}.")
    return said


def _parts(by_kind: Sequence[KindSum]) -> str:
    return ", ".join(f"{kind.units:+,} {_IN_WORDS[kind.kind]}" for kind in by_kind)


def why_warehouses(order_id: UUID, decided: Decided, names: Mapping[UUID, str]) -> WhyWarehouses:
    """Give the reasons as they were kept, and what there was to choose from."""
    considered = None
    if decided.considered is not None:
        considered = [
            ConsideredHere.model_validate(one | {"name": _named(one["warehouse_id"], names)})
            for one in decided.considered
        ]
    said = [_allocation_in_words(part, names) for part in decided.allocations]
    if considered is not None:
        said += [_considered_in_words(one) for one in considered]
    return WhyWarehouses(
        order_id=order_id,
        attempt=decided.attempt,
        status=decided.status,
        reserved_at=decided.reserved_at,
        allocations=decided.allocations,
        considered=considered,
        sentences=said,
    )


def _allocation_in_words(part: Allocation, names: Mapping[UUID, str]) -> str:
    why = "Why was not kept." if part.reason is None else part.reason.text
    name = _named(part.warehouse_id, names)
    return f"{_units(part.quantity)} of {part.variant_id} from {name}: {why}"


def _considered_in_words(one: ConsideredHere) -> str:
    free = ", ".join(f"{line['units']:,} of {line['variant_id']}" for line in one.free)
    away = f", {one.distance_km:,.0f} km away" if one.distance_km is not None else ""
    return f"{one.name} had free: {free} (priority {one.priority}{away})."


def in_words(movement: Movement) -> str:
    """Say one line of the ledger."""
    why = f", {movement.reason}" if movement.reason else ""
    return (
        f"{_moment(movement.occurred_at)}, {movement.delta:+,} {_IN_WORDS[movement.kind]}, then "
        f"{movement.balance:,}{why}"
    )


def _named(warehouse_id: UUID, names: Mapping[UUID, str]) -> str:
    return names.get(warehouse_id, str(warehouse_id))


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _units(count: int) -> str:
    return _counted(count, "unit")


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
