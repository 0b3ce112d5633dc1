"""Why a warehouse was chosen, in figures and in a sentence: pure, on what was decided on.

The sentences tell no stock, since buyers read them too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from uuid import UUID

from lockstock.warehouses.contract import (
    Allocation,
    AllocationReason,
    Criterion,
    ReasonCode,
    Strategy,
    Warehouse,
)
from lockstock.warehouses.reservations.contract import Considered, FreeUnits
from lockstock.warehouses.reservations.ranking import (
    CRITERIA,
    Candidate,
    Ranking,
    Request,
    Shelf,
    candidates,
    distance_km,
)

# Of what the warehouses had free, at most so many figures are kept with a reservation.
MOST_FIGURES = 200

_FIRST: dict[Criterion, str] = {
    "priority": "came first by priority",
    "free_units": "had the most free",
    "distance": "was the nearest",
    "id": "came first by its id",
}
_TIED: dict[Criterion, str] = {
    "priority": "were equal in priority",
    "free_units": "had equally much free",
    "distance": "were equally near",
    "id": "were the same",
}


@dataclass(frozen=True)
class Decision:
    """What was decided on: the order, who could have given it, and how they were ranked."""

    request: Request
    candidates: Sequence[Candidate]
    ranking: Ranking

    @cached_property
    def whole(self) -> list[Candidate]:
        """The warehouses that had the whole order."""
        wanted = list(self.request.wanted.values())
        return [candidate for candidate in self.candidates if candidate.has(wanted)]

    @property
    def is_from_one(self) -> bool:
        """Whether one warehouse was looked for that has all."""
        alone = self.ranking.is_fewest and len(self.ranking.order) == 1
        return alone or not self.request.may_split


@dataclass(frozen=True, slots=True)
class _Comparison:
    """How the chosen one stood among the candidates."""

    candidates: int
    tied: int = 1
    decided_by: Criterion | None = None


def with_reasons(
    decision: Decision, variant: tuple[int, UUID], givers: Sequence[tuple[Candidate, int]]
) -> list[Allocation]:
    """Say what each giver gives of a variant, and why.

    `variant`: its place in the order, and its id. `givers`: in the order of their turns.
    """
    place, variant_id = variant
    left = having = [candidate for candidate in decision.candidates if candidate.free[place]]
    parts = []
    for turn, (giver, units) in enumerate(givers, start=1):
        code, found = _judge(decision, place, giver, (having, left))
        km = _distance_of(decision.request, giver)
        sets = len(decision.ranking.order) if code == "fewest_together" else 0
        parts.append(
            Allocation(
                warehouse_id=giver.warehouse.id,
                variant_id=variant_id,
                quantity=units,
                reason=_reason(decision.request.strategy, code, found, turn, km, sets),
            )
        )
        left = [candidate for candidate in left if candidate is not giver]
    return parts


# Few reasons are given, and each to very many: the same one is the same object.
@lru_cache(maxsize=1024)
def _reason(
    strategy: Strategy,
    code: ReasonCode,
    found: _Comparison,
    turn: int,
    km: float | None,
    together: int,
) -> AllocationReason:
    return AllocationReason(
        code=code,
        strategy=strategy,
        candidates=found.candidates,
        tied=found.tied,
        decided_by=found.decided_by,
        turn=turn,
        distance_km=km,
        text=_sentence(strategy, code, found, km, together),
    )


def considered(
    request: Request, shelf: Shelf, warehouses: Sequence[Warehouse], given: Sequence[Allocation]
) -> list[Considered]:
    """Return what the warehouses had free: those that give first, then as the strategy has them.

    Of large orders in shops with many warehouses the last ones are left out.
    """
    chosen = {part.warehouse_id for part in given}
    ranked = sorted(
        candidates(request, shelf, warehouses),
        key=lambda candidate: (candidate.warehouse.id not in chosen, candidate.measures),
    )
    most = max(1, MOST_FIGURES // len(request.wanted))
    return [
        Considered(
            warehouse_id=candidate.warehouse.id,
            priority=candidate.warehouse.priority,
            distance_km=_rounded(distance_km(candidate.warehouse.location, request.destination)),
            free=[
                FreeUnits(variant_id=variant_id, units=units)
                for variant_id, units in zip(request.wanted, candidate.free, strict=True)
            ],
        )
        for candidate in ranked[:most]
    ]


def _judge(
    decision: Decision,
    place: int,
    giver: Candidate,
    fields: tuple[list[Candidate], list[Candidate]],
) -> tuple[ReasonCode, _Comparison]:
    """`fields`: the warehouses that had any of it, and those whose turn had not been before."""
    having, left = fields
    if decision.is_from_one and len(decision.whole) == 1:
        return "only_one_has_all", _Comparison(1)
    if decision.request.may_split and len(having) == 1:
        return "only_one_has_it", _Comparison(1)
    if decision.is_from_one:
        return "one_has_all", _compare(decision, None, giver, decision.whole)
    if decision.request.strategy == "fewest_warehouses":
        code: ReasonCode = "fewest_together" if decision.ranking.is_fewest else "fullest_first"
        return code, _Comparison(len(having))
    first = len(left) == len(having)
    found = _compare(decision, place, giver, left)
    return "first_by_strategy" if first else "next_by_strategy", found


def _compare(
    decision: Decision, place: int | None, giver: Candidate, field: Sequence[Candidate]
) -> _Comparison:
    """Compare with the others of the field, by what they have of one variant where that counts."""
    names = CRITERIA[decision.request.strategy]
    others = [other for other in field if other is not giver]
    if not others:
        return _Comparison(1)
    own, measured = giver.measures, [other.measures for other in others]
    if decision.request.strategy == "most_stock" and place is not None:
        names = ("free_units", *names)
        own = (-giver.free[place], *own)
        measured = [(-other.free[place], *other.measures) for other in others]
    best = min(measured)
    decided_by = next(n for n, mine, theirs in zip(names, own, best, strict=True) if mine != theirs)
    return _Comparison(len(field), 1 + sum([one[0] == own[0] for one in measured]), decided_by)


def _sentence(
    strategy: Strategy, code: ReasonCode, found: _Comparison, km: float | None, together: int
) -> str:
    match code:
        case "only_one_has_it":
            return "No other warehouse had it."
        case "only_one_has_all":
            return "No other warehouse had the whole order."
        case "one_has_all":
            return _compared(strategy, found, "had the whole order", km)
        case "fewest_together":
            return (
                f"It takes {together} warehouses to have the whole order, and this is one of them."
            )
        case "fullest_first":
            return "Too many sets of warehouses to try them all: the fullest gave first."
        case "first_by_strategy":
            return _compared(strategy, found, "had it", km)
        case "next_by_strategy":
            before = "Those before it gave all that they had."
            if found.candidates == 1:
                return f"{before} No other warehouse had any more."
            return f"{before} {_compared(strategy, found, 'had it too', km)}"


def _compared(strategy: Strategy, found: _Comparison, what: str, km: float | None) -> str:
    first = CRITERIA[strategy][0]
    away = f" ({km:,.0f} km)" if km is not None else ""
    assert found.decided_by is not None  # noqa: S101 (it was compared)
    of_all = f"Of {found.candidates} warehouses that {what},"
    if found.decided_by == first and found.tied == 1:
        return f"{of_all} it {_FIRST[first]}{away}."
    if first == "distance" and km is None:
        return f"{of_all} no distance was known: it {_FIRST[found.decided_by]}."
    which = "all" if found.tied == found.candidates else str(found.tied)
    # By most stock, who has as much of the variant is then compared by the whole order.
    of_order = found.decided_by == first
    decided = "had the most of the whole order" if of_order else _FIRST[found.decided_by]
    return f"{of_all} {which} {_TIED[first]}{away}: of these it {decided}."


def _distance_of(request: Request, candidate: Candidate) -> float | None:
    if request.strategy != "nearest":
        return None
    return _rounded(distance_km(candidate.warehouse.location, request.destination))


def _rounded(km: float) -> float | None:
    return None if math.isinf(km) else round(km, 1)
