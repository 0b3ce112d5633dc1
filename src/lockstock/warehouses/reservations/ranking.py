"""Which warehouses a strategy takes first: orders of preference, on plain values."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from operator import attrgetter, le
from typing import Any
from uuid import UUID

from lockstock.warehouses.contract import Criterion, Location, Strategy, Warehouse
from lockstock.warehouses.stock.rules import Place

EARTH_RADIUS_KM = 6371.0
# Finding the fewest warehouses means trying sets of them, while the stock is locked. With more sets
# than this in all, the warehouses are taken fullest first: still complete, not always fewest.
MOST_SETS = 5_000

# Free units of each variant in each active warehouse, while the rows are locked.
Shelf = dict[Place, int]

# What a strategy compares warehouses by: each after the first decides where those before it tie.
CRITERIA: dict[Strategy, tuple[Criterion, ...]] = {
    "fewest_warehouses": ("priority", "free_units", "id"),
    "by_priority": ("priority", "id"),
    "most_stock": ("free_units", "priority", "id"),
    "nearest": ("distance", "priority", "id"),
}


@dataclass(frozen=True)
class Request:
    """What one order asks for: units per variant, and how its shop wants it allocated."""

    wanted: dict[UUID, int]
    strategy: Strategy
    may_split: bool
    destination: Location | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A warehouse as one order sees it.

    `free`: the free units of each variant asked for, in the order of `Request.wanted`. `measures`:
    by the criteria of the strategy; the smallest comes first. Looked up once, for many comparisons.
    """

    warehouse: Warehouse
    free: tuple[int, ...]
    total: int
    measures: tuple[Any, ...]

    def has(self, wanted: Sequence[int]) -> bool:
        """Whether it has all of it alone."""
        return all(map(le, wanted, self.free))


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates in the order in which they are emptied.

    `is_fewest`: no fewer of them could fill the order.
    """

    order: Sequence[Candidate]
    is_fewest: bool = False


def candidates(request: Request, shelf: Shelf, warehouses: Sequence[Warehouse]) -> list[Candidate]:
    """Look at each warehouse as the order sees it."""
    found = []
    for warehouse in warehouses:
        free = tuple([shelf.get((variant, warehouse.id), 0) for variant in request.wanted])
        total = sum(free)
        measures = _measures(request, warehouse, total)
        found.append(Candidate(warehouse, free, total, measures))
    return found


def _measures(request: Request, warehouse: Warehouse, total: int) -> tuple[Any, ...]:
    # By the criteria of the strategy, as CRITERIA names them; `int` compares as the id does.
    match request.strategy:
        case "fewest_warehouses":
            return warehouse.priority, -total, warehouse.id.int
        case "by_priority":
            return warehouse.priority, warehouse.id.int
        case "most_stock":
            return -total, warehouse.priority, warehouse.id.int
        case "nearest":
            km = distance_km(warehouse.location, request.destination)
            return km, warehouse.priority, warehouse.id.int


def rank(request: Request, among: Sequence[Candidate]) -> Ranking:
    """Order the warehouses as the shop's strategy prefers them."""
    ranked = sorted(among, key=_by_measures)
    if request.strategy == "fewest_warehouses":
        return _fewest(list(request.wanted.values()), ranked)
    return Ranking(ranked)


_by_measures = attrgetter("measures")


def can_fill(wanted: Sequence[int], among: Sequence[Candidate]) -> bool:
    """Whether these warehouses together have all of it."""
    if len(among) == 1:
        return among[0].has(wanted)
    return all(
        sum([candidate.free[place] for candidate in among]) >= units
        for place, units in enumerate(wanted)
    )


def distance_km(start: Location | None, end: Location | None) -> float:
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


def _fewest(wanted: Sequence[int], ranked: Sequence[Candidate]) -> Ranking:
    # By far the most orders: one has it all, and no set needs to be tried.
    for candidate in ranked:
        if candidate.has(wanted):
            return Ranking([candidate], is_fewest=True)
    useful = [candidate for candidate in ranked if candidate.total]
    scarcest_first = _by_scarcity(wanted, useful)
    left = MOST_SETS - len(useful)
    for size in range(2, len(useful)):
        left -= math.comb(len(useful), size)
        if left < 0:
            return Ranking(sorted(useful, key=lambda candidate: -candidate.total))
        # combinations() keeps the rank order, so the first set that fills is the best-ranked one.
        for chosen in combinations(useful, size):
            if _fills(scarcest_first, chosen):
                return Ranking(chosen, is_fewest=True)
    return Ranking(useful, is_fewest=True)


def _fills(wanted: Sequence[tuple[int, int]], among: Sequence[Candidate]) -> bool:
    """Whether these have all of it; `wanted` as (place, units)."""
    return all(
        sum([candidate.free[place] for candidate in among]) >= units for place, units in wanted
    )


def _by_scarcity(wanted: Sequence[int], among: Sequence[Candidate]) -> list[tuple[int, int]]:
    """Put first the variant that most sets will fail on: a set is given up at its first lack."""

    def spare(of: tuple[int, int]) -> int:
        place, units = of
        return sum([candidate.free[place] for candidate in among]) - units

    return sorted(enumerate(wanted), key=spare)
