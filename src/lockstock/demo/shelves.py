"""Stock as it was, row by row. It refuses what the database would refuse."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from lockstock.demo.past import Allocation, Movement, Past, Place, Stock
from lockstock.warehouses.stock.contract import MovementKind


@dataclass(frozen=True)
class Why:
    """What is behind a movement."""

    kind: MovementKind
    cause_id: UUID
    actor_id: UUID
    request_id: str
    at: datetime
    reason: str | None = None


class Shelves:
    """The counters and the ledger of a past."""

    def __init__(self, past: Past) -> None:
        self._past = past
        self._rows: dict[Place, Stock] = {}

    def row(self, place: Place) -> Stock:
        """The stock at a place. It is there from the first look on."""
        if place not in self._rows:
            self._rows[place] = Stock(*place)
            self._past.stock.append(self._rows[place])
        return self._rows[place]

    def free(self, place: Place) -> int:
        """Units that are promised to nobody."""
        return self.row(place).free

    def hold(self, part: Allocation) -> None:
        """Promise units to an unpaid order."""
        row = self.row(part.place)
        row.held += part.quantity
        _check(row)

    def commit(self, part: Allocation) -> None:
        """Promise firmly what was held."""
        row = self.row(part.place)
        row.held -= part.quantity
        row.committed += part.quantity
        part.status = "committed"
        _check(row)

    def free_up(self, part: Allocation, *, expired: bool) -> None:
        """Promise no longer what was held or committed."""
        row = self.row(part.place)
        if part.status == "held":
            row.held -= part.quantity
        else:
            row.committed -= part.quantity
        part.status = "expired" if expired else "released"
        _check(row)

    def ship(self, part: Allocation, why: Why) -> None:
        """Let committed units leave."""
        self.row(part.place).committed -= part.quantity
        part.shipped += part.quantity
        self.post(part.place, -part.quantity, why)

    def post(self, place: Place, delta: int, why: Why) -> None:
        """Change what is on hand, with a line of the ledger."""
        row = self.row(place)
        row.on_hand += delta
        row.sequence += 1
        _check(row)
        self._past.movements.append(
            Movement(
                *place,
                sequence=row.sequence,
                delta=delta,
                balance=row.on_hand,
                kind=why.kind,
                cause_id=why.cause_id,
                actor_id=why.actor_id,
                reason=why.reason,
                request_id=why.request_id,
                occurred_at=why.at,
            )
        )


def _check(row: Stock) -> None:
    if min(row.held, row.committed, row.free) < 0:
        msg = f"more is promised than there is: {row}"
        raise ValueError(msg)
