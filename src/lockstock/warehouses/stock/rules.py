"""What may happen to stock: pure decisions on plain values."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from lockstock.kernel.errors import InvalidInput
from lockstock.kernel.nouns import MOST_UNITS
from lockstock.kernel.outbox import NewEvent
from lockstock.warehouses.contract import Line
from lockstock.warehouses.events import EventKind, event, texts
from lockstock.warehouses.stock.contract import (
    Adjust,
    BelowPromised,
    CountChanged,
    Counted,
    CountStock,
    MovementKind,
    StockRow,
    TooManyUnits,
)

# What ships, comes back or is moved is told by orders and transfers.
TOLD: Mapping[MovementKind, EventKind] = {
    "receive": "stock.received",
    "adjust": "stock.adjusted",
    "count": "stock.counted",
    "damage": "stock.damaged",
    "write_off": "stock.written_off",
}

# (variant_id, warehouse_id): in this order stock rows are locked, everywhere.
Place = tuple[UUID, UUID]


@dataclass(frozen=True, slots=True)
class Level:
    """The counters of one stock row, in units, as they are while its lock is held."""

    variant_id: UUID
    warehouse_id: UUID
    on_hand: int
    held: int
    committed: int
    incoming: int

    @property
    def place(self) -> Place:
        """The row's key within its shop."""
        return self.variant_id, self.warehouse_id

    @property
    def free(self) -> int:
        """Units that nobody was promised."""
        return self.on_hand - self.held - self.committed


@dataclass(frozen=True, slots=True)
class Change:
    """By how much the counters of one stock row change, in units."""

    variant_id: UUID
    warehouse_id: UUID
    on_hand: int = 0
    held: int = 0
    committed: int = 0


def told(kind: MovementKind, change_id: UUID, places: Sequence[Place]) -> list[NewEvent]:
    """Return what is told of a change of stock, warehouse by warehouse."""
    if kind not in TOLD:
        return []
    variants: dict[UUID, list[UUID]] = {}
    for variant_id, warehouse_id in places:
        variants.setdefault(warehouse_id, []).append(variant_id)
    return [
        event(TOLD[kind], warehouse_id, change_id=str(change_id), variant_ids=texts(ids))
        for warehouse_id, ids in variants.items()
    ]


def row_of(level: Level, *, active: bool) -> StockRow:
    """Show a level as it is answered: an inactive warehouse has nothing available."""
    return StockRow(
        warehouse_id=level.warehouse_id,
        variant_id=level.variant_id,
        on_hand=level.on_hand,
        held=level.held,
        committed=level.committed,
        available=level.free if active else 0,
        incoming=level.incoming,
    )


def summed(lines: Iterable[Line]) -> dict[UUID, int]:
    """Sum lines that name the same variant. Keys in the order of their first line."""
    total: Counter[UUID] = Counter()
    for line in lines:
        total[line.variant_id] += line.quantity
    return dict(total)


def receive(
    lines: Sequence[Line], warehouse_id: UUID, levels: Mapping[Place, Level]
) -> list[Change]:
    """Add units. Raises TooManyUnits."""
    return _differences(summed(lines), levels, warehouse_id)


def take_away(
    lines: Sequence[Line], warehouse_id: UUID, levels: Mapping[Place, Level]
) -> list[Change]:
    """Take units off the books. Raises BelowPromised."""
    deltas = {variant_id: -quantity for variant_id, quantity in summed(lines).items()}
    return _differences(deltas, levels, warehouse_id)


def adjust(ask: Adjust, warehouse_id: UUID, levels: Mapping[Place, Level]) -> list[Change]:
    """Correct by differences. Raises BelowPromised, TooManyUnits."""
    deltas: Counter[UUID] = Counter()
    for line in ask.lines:
        deltas[line.variant_id] += line.delta
    if not any(deltas.values()):
        raise InvalidInput.at("lines", "nothing would change")
    return _differences(deltas, levels, warehouse_id)


def count(ask: CountStock, warehouse_id: UUID, levels: Mapping[Place, Level]) -> list[Change]:
    """Set to what was counted. Raises CountChanged, BelowPromised."""
    lines = {line.variant_id: line for line in ask.lines}
    if len(lines) != len(ask.lines):
        raise InvalidInput.at("lines", "a variant is counted once")
    changed = [
        line for line in ask.lines if levels[line.variant_id, warehouse_id].on_hand != line.expected
    ]
    if changed:
        raise CountChanged(
            "The stock is not what you expected to find. Look again, then count again.",
            lines=[_changed_line(line, levels[line.variant_id, warehouse_id]) for line in changed],
        )
    deltas = {line.variant_id: line.counted - line.expected for line in ask.lines}
    return _differences(deltas, levels, warehouse_id)


def _changed_line(line: Counted, level: Level) -> dict[str, Any]:
    return {
        "variant_id": str(line.variant_id),
        "expected": line.expected,
        "on_hand": level.on_hand,
    }


def move(
    lines: Sequence[Line], source_id: UUID, target_id: UUID, levels: Mapping[Place, Level]
) -> list[Change]:
    """Move units from one warehouse to another. Raises BelowPromised, TooManyUnits."""
    units = summed(lines)
    leaving = {variant_id: -quantity for variant_id, quantity in units.items()}
    return [
        *_differences(leaving, levels, source_id),
        *_differences(units, levels, target_id),
    ]


def _differences(
    deltas: Mapping[UUID, int], levels: Mapping[Place, Level], warehouse_id: UUID
) -> list[Change]:
    short = []
    for variant_id, delta in deltas.items():
        level = levels[variant_id, warehouse_id]
        check_room(level, delta)
        if delta < 0 and level.free + delta < 0:
            short.append(
                {
                    "variant_id": str(variant_id),
                    "on_hand": level.on_hand,
                    "held": level.held,
                    "committed": level.committed,
                    "delta": delta,
                }
            )
    if short:
        raise BelowPromised("Less would be left than is promised to orders.", lines=short)
    return [
        Change(variant_id, warehouse_id, on_hand=delta)
        for variant_id, delta in deltas.items()
        if delta
    ]


def check_room(level: Level, delta: int) -> None:
    """Raise TooManyUnits where a stock row cannot hold so many units more."""
    if level.on_hand + delta > MOST_UNITS:
        raise TooManyUnits.at("lines", f"there is room for {MOST_UNITS} units of a variant")


def digest(*parts: object) -> bytes:
    """Digest what was asked, so that the same id with another request is seen."""
    text = json.dumps(parts, default=str, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()
