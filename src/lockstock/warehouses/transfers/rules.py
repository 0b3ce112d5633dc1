"""What may happen to a transfer, and what it does to stock: pure decisions on plain values.

Each step is decided by `step(ask, transfer, levels)`. It returns what is to be written, or None
where the transfer has taken that step.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from lockstock.kernel.errors import InvalidInput
from lockstock.kernel.nouns import MOST_UNITS
from lockstock.warehouses.contract import Line
from lockstock.warehouses.stock.contract import MovementKind, TooManyUnits
from lockstock.warehouses.stock.rules import Level, Place, check_room, summed
from lockstock.warehouses.transfers.contract import (
    CancelTransfer,
    ClosedLine,
    CloseTransfer,
    DispatchTransfer,
    MoreThanOutstanding,
    NotEnoughToMove,
    ReceivedLine,
    ReceiveTransfer,
    StepLine,
    StepNotAllowed,
    StillOutstanding,
    Transfer,
    TransferChange,
    TransferLine,
    TransferStatus,
    TransferStep,
)

Levels = Mapping[Place, Level]

# From where a transfer can take a step. What was dispatched may be received until all is accounted
# for; after that every receipt is more than is outstanding, and refused as such.
ALLOWED_FROM: dict[TransferStep, tuple[TransferStatus, ...]] = {
    "change": ("draft", "ready", "in_transit", "partly_received"),
    "ready": ("draft",),
    "dispatch": ("ready",),
    "receive": ("in_transit", "partly_received", "received", "closed_short"),
    "cancel": ("draft", "ready"),
    "close": ("in_transit", "partly_received"),
}


@dataclass(frozen=True)
class Shift:
    """By how much the counters of one stock row change, in units; `kind`: in the ledger's words."""

    variant_id: UUID
    warehouse_id: UUID
    kind: MovementKind
    on_hand: int = 0
    committed: int = 0
    incoming: int = 0


@dataclass(frozen=True)
class Outcome:
    """What a step comes to: the transfer's new status and lines, and what stock changes."""

    to: TransferStatus
    lines: list[TransferLine]
    expected_at: datetime | None
    shifts: list[Shift] = field(default_factory=list)
    told: list[StepLine] = field(default_factory=list)


def drafted(lines: Iterable[Line]) -> list[TransferLine]:
    """Make the lines of a draft, those of the same variant summed. Raises TooManyUnits."""
    units = summed(lines)
    if any(quantity > MOST_UNITS for quantity in units.values()):
        raise TooManyUnits.at("lines", f"there is room for {MOST_UNITS} units of a variant")
    return [_line(variant_id, quantity) for variant_id, quantity in units.items()]


def moved(lines: Iterable[Line]) -> list[TransferLine]:
    """Make the lines of a transfer that was made in one step."""
    return [
        line.model_copy(update={"dispatched": line.quantity, "received": line.quantity})
        for line in drafted(lines)
    ]


def _line(variant_id: UUID, quantity: int) -> TransferLine:
    return TransferLine(
        variant_id=variant_id,
        quantity=quantity,
        dispatched=0,
        received=0,
        damaged=0,
        returned=0,
        lost=0,
        outstanding=0,
    )


def change(ask: TransferChange, transfer: Transfer, _levels: Levels) -> Outcome:
    """Replace the lines of a draft, or the time at which it is expected."""
    _check_allowed("change", transfer)
    if ask.lines is None and ask.expected_at is None:
        raise InvalidInput("Nothing would change: give lines or expected_at.", errors=[])
    if ask.lines is not None and transfer.status != "draft":
        raise _not_allowed("change the lines", transfer.status, ("draft",))
    lines = transfer.lines if ask.lines is None else drafted(ask.lines)
    return Outcome(transfer.status, lines, ask.expected_at or transfer.expected_at)


def ready(_ask: object, transfer: Transfer, levels: Levels) -> Outcome | None:
    """Commit the stock at the source. Raises NotEnoughToMove."""
    if transfer.status == "ready":
        return None
    _check_allowed("ready", transfer)
    source_id = transfer.from_warehouse_id
    short = [
        _short_line(line.quantity, levels[line.variant_id, source_id])
        for line in transfer.lines
        if line.quantity > levels[line.variant_id, source_id].free
    ]
    if short:
        detail = "Fewer units are free in the warehouse that they are to leave."
        raise NotEnoughToMove(detail, lines=short)
    shifts = [
        Shift(line.variant_id, source_id, "transfer_out", committed=line.quantity)
        for line in transfer.lines
    ]
    return Outcome("ready", transfer.lines, transfer.expected_at, shifts)


def _short_line(requested: int, level: Level) -> dict[str, Any]:
    return {
        "variant_id": str(level.variant_id),
        "requested": requested,
        "free": level.free,
        "on_hand": level.on_hand,
        "held": level.held,
        "committed": level.committed,
    }


def short_lines(below_promised: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Tell the lines of BelowPromised in the words of NotEnoughToMove."""
    return [
        {
            "variant_id": line["variant_id"],
            "requested": -line["delta"],
            "free": line["on_hand"] - line["held"] - line["committed"],
            "on_hand": line["on_hand"],
            "held": line["held"],
            "committed": line["committed"],
        }
        for line in below_promised
    ]


def dispatch(ask: DispatchTransfer, transfer: Transfer, _levels: Levels) -> Outcome | None:
    """Let what was committed leave the source, on its way to the target."""
    if transfer.status == "in_transit":
        return None
    _check_allowed("dispatch", transfer)
    lines = [
        line.model_copy(update={"dispatched": line.quantity, "outstanding": line.quantity})
        for line in transfer.lines
    ]
    shifts = []
    for line in lines:
        units = line.quantity
        shifts += [
            Shift(
                line.variant_id,
                transfer.from_warehouse_id,
                "transfer_out",
                on_hand=-units,
                committed=-units,
            ),
            Shift(line.variant_id, transfer.to_warehouse_id, "transfer_in", incoming=units),
        ]
    return Outcome("in_transit", lines, ask.expected_at or transfer.expected_at, shifts)


def cancel(_ask: CancelTransfer, transfer: Transfer, _levels: Levels) -> Outcome | None:
    """Give it up before it has left; free what was committed."""
    if transfer.status == "cancelled":
        return None
    _check_allowed("cancel", transfer)
    shifts = []
    if transfer.status == "ready":
        shifts = [
            Shift(
                line.variant_id,
                transfer.from_warehouse_id,
                "transfer_out",
                committed=-line.quantity,
            )
            for line in transfer.lines
        ]
    return Outcome("cancelled", transfer.lines, transfer.expected_at, shifts)


def receive(ask: ReceiveTransfer, transfer: Transfer, levels: Levels) -> Outcome:
    """Take in what has arrived. Raises MoreThanOutstanding, TooManyUnits."""
    _check_allowed("receive", transfer)
    parts = _parts(ask.lines, transfer)
    _check_outstanding(parts, transfer)
    shifts = []
    for part in parts.values():
        place = (part.variant_id, transfer.to_warehouse_id)
        check_room(levels[place], part.received)
        shifts.append(
            Shift(*place, kind="transfer_in", on_hand=part.received, incoming=-part.units)
        )
    lines = _after(transfer.lines, parts)
    is_complete = not any(line.outstanding for line in lines)
    to: TransferStatus = "received" if is_complete else "partly_received"
    return Outcome(to, lines, transfer.expected_at, shifts, list(parts.values()))


def close(ask: CloseTransfer, transfer: Transfer, levels: Levels) -> Outcome:
    """Account for all that will not arrive.

    Raises MoreThanOutstanding, StillOutstanding, TooManyUnits.
    """
    _check_allowed("close", transfer)
    parts = _parts(ask.lines, transfer)
    _check_outstanding(parts, transfer)
    missing = [
        _outstanding_line(parts.get(line.variant_id), line)
        for line in transfer.lines
        if line.outstanding
        and (line.variant_id not in parts or parts[line.variant_id].units < line.outstanding)
    ]
    if missing:
        detail = "Say of each outstanding unit whether it was returned to its source or is lost."
        raise StillOutstanding(detail, lines=missing)
    shifts = []
    for part in parts.values():
        variant_id, source_id = part.variant_id, transfer.from_warehouse_id
        check_room(levels[variant_id, source_id], part.returned)
        shifts += [
            Shift(variant_id, transfer.to_warehouse_id, "transfer_in", incoming=-part.units),
            Shift(variant_id, source_id, "transfer_return", on_hand=part.returned),
        ]
    lines = _after(transfer.lines, parts)
    return Outcome("closed_short", lines, transfer.expected_at, shifts, list(parts.values()))


def _check_allowed(step: TransferStep, transfer: Transfer) -> None:
    if transfer.status not in ALLOWED_FROM[step]:
        raise _not_allowed(step, transfer.status, ALLOWED_FROM[step])


def _not_allowed(
    what: str, status: TransferStatus, allowed: Sequence[TransferStatus]
) -> StepNotAllowed:
    detail = f"The transfer is {status}. To {what} it must be {' or '.join(allowed)}."
    if what == "cancel" and status in ALLOWED_FROM["close"]:
        detail += " Once it has left it is received, or closed: returned or lost."
    return StepNotAllowed(detail, transfer_status=status, allowed_from=list(allowed))


def _parts(asked: Sequence[ReceivedLine | ClosedLine], transfer: Transfer) -> dict[UUID, StepLine]:
    """Sum what is asked per variant, without what is zero. Raises InvalidInput."""
    known = {line.variant_id for line in transfer.lines}
    errors = [
        {"path": f"lines.{place}.variant_id", "message": "is not in this transfer"}
        for place, line in enumerate(asked)
        if line.variant_id not in known
    ]
    if errors:
        raise InvalidInput("A variant is not in this transfer.", errors=errors)
    counts: defaultdict[UUID, Counter[str]] = defaultdict(Counter)
    for line in asked:
        counts[line.variant_id].update(line.model_dump(exclude={"variant_id"}))
    parts = [StepLine(variant_id=variant_id, **units) for variant_id, units in counts.items()]
    found = {part.variant_id: part for part in parts if part.units}
    if not found:
        raise InvalidInput.at("lines", "nothing would change")
    return found


def _check_outstanding(parts: Mapping[UUID, StepLine], transfer: Transfer) -> None:
    over = [
        _outstanding_line(parts[line.variant_id], line)
        for line in transfer.lines
        if line.variant_id in parts and parts[line.variant_id].units > line.outstanding
    ]
    if over:
        raise MoreThanOutstanding("Fewer units are on their way.", lines=over)


def _outstanding_line(part: StepLine | None, line: TransferLine) -> dict[str, Any]:
    return {
        "variant_id": str(line.variant_id),
        "requested": part.units if part else 0,
        "outstanding": line.outstanding,
    }


def _after(lines: Iterable[TransferLine], parts: Mapping[UUID, StepLine]) -> list[TransferLine]:
    return [
        line.model_copy(
            update={
                "received": line.received + part.received,
                "damaged": line.damaged + part.damaged,
                "returned": line.returned + part.returned,
                "lost": line.lost + part.lost,
                "outstanding": line.outstanding - part.units,
            }
        )
        if (part := parts.get(line.variant_id))
        else line
        for line in lines
    ]


Rule = Callable[[Any, Transfer, Levels], Outcome | None]
