"""Why this warehouse: the reasons agree with what was decided, and tell no stock."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstock.warehouses.contract import (
    Allocation,
    AllocationReason,
    Location,
    Strategy,
    Warehouse,
)
from lockstock.warehouses.reservations.allocation import allocate
from lockstock.warehouses.reservations.contract import OutOfStock
from lockstock.warehouses.reservations.ranking import (
    CRITERIA,
    Request,
    Shelf,
    candidates,
    distance_km,
)
from lockstock.warehouses.reservations.reasons import MOST_FIGURES, considered

TEA, CUP = UUID(int=100), UUID(int=101)
HERE = Location(latitude=0, longitude=0)
NEAR, FAR = Location(latitude=1, longitude=1), Location(latitude=50, longitude=50)
STRATEGIES: list[Strategy] = ["fewest_warehouses", "by_priority", "most_stock", "nearest"]


def building(number: int, priority: int = 100, location: Location | None = None) -> Warehouse:
    return Warehouse(
        id=UUID(int=number),
        shop_id=UUID(int=1),
        name=f"W{number}",
        active=True,
        priority=priority,
        location=location,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def given_out(
    request: Request, shelf: Shelf, warehouses: Sequence[Warehouse]
) -> list[tuple[Allocation, AllocationReason]]:
    """Allocate; return each part with its reason, which it always has."""
    found = allocate(request, shelf, warehouses)
    if isinstance(found, OutOfStock):
        return []
    reasons = [part.reason for part in found if part.reason is not None]
    return list(zip(found, reasons, strict=True))


def why(
    strategy: Strategy,
    shelf: dict[tuple[UUID, int], int],
    *warehouses: Warehouse,
    may_split: bool = True,
    **units: int,
) -> dict[tuple[UUID, int], AllocationReason]:
    """Say why each warehouse (by number) gives of each variant."""
    wanted = {{"tea": TEA, "cup": CUP}[name]: n for name, n in units.items()}
    request = Request(wanted, strategy, may_split, HERE)
    placed = {(variant, UUID(int=number)): n for (variant, number), n in shelf.items()}
    return {
        (part.variant_id, part.warehouse_id.int): reason
        for part, reason in given_out(request, placed, warehouses)
    }


def test_the_only_warehouse_that_has_it_says_so() -> None:
    found = why("by_priority", {(TEA, 1): 3}, building(1), building(2), tea=2)[TEA, 1]
    assert (found.code, found.candidates, found.decided_by) == ("only_one_has_it", 1, None)
    assert found.text == "No other warehouse had it."


def test_of_several_that_have_all_the_default_says_what_decided() -> None:
    shelf = {(TEA, 1): 9, (TEA, 2): 9, (TEA, 3): 1}
    found = why("fewest_warehouses", shelf, building(1, 5), building(2, 4), building(3), tea=2)
    assert found[TEA, 2].code == "one_has_all"
    assert (found[TEA, 2].candidates, found[TEA, 2].decided_by) == (2, "priority")
    assert found[TEA, 2].text == (
        "Of 2 warehouses that had the whole order, it came first by priority."
    )


def test_a_tie_is_told_with_what_broke_it() -> None:
    shelf = {(TEA, 1): 8, (TEA, 2): 9}
    found = why("fewest_warehouses", shelf, building(1), building(2), tea=2)[TEA, 2]
    assert (found.tied, found.decided_by) == (2, "free_units")
    assert found.text == (
        "Of 2 warehouses that had the whole order, all were equal in priority: of these it had the "
        "most free."
    )
    same = why("fewest_warehouses", {(TEA, 1): 9, (TEA, 2): 9}, building(1), building(2), tea=2)
    assert same[TEA, 1].decided_by == "id"


def test_the_only_one_with_the_whole_order_is_preferred_and_says_so() -> None:
    shelf = {(TEA, 1): 5, (TEA, 2): 5, (CUP, 2): 1, (CUP, 1): 0}
    found = why("fewest_warehouses", shelf, building(1, 1), building(2, 2), tea=2, cup=1)
    assert {reason.code for reason in found.values()} == {"only_one_has_all"}


def test_where_it_takes_several_each_of_them_says_so() -> None:
    shelf = {(TEA, 1): 2, (TEA, 2): 2, (TEA, 3): 1}
    found = why("fewest_warehouses", shelf, *map(building, (1, 2, 3)), tea=4)
    assert {reason.code for reason in found.values()} == {"fewest_together"}
    assert [reason.turn for reason in found.values()] == [1, 2]
    assert found[TEA, 1].text == (
        "It takes 2 warehouses to have the whole order, and this is one of them."
    )


def test_too_many_sets_to_try_are_named_as_the_reason() -> None:
    warehouses = [building(n) for n in range(1, 41)]
    found = why("fewest_warehouses", {(TEA, w.id.int): 1 for w in warehouses}, *warehouses, tea=40)
    assert {reason.code for reason in found.values()} == {"fullest_first"}


def test_by_priority_the_second_says_that_the_first_gave_all_it_had() -> None:
    shelf = {(TEA, 1): 9, (TEA, 2): 4, (TEA, 3): 9}
    found = why("by_priority", shelf, building(1, 2), building(2, 1), building(3, 3), tea=6)
    assert found[TEA, 2].code == "first_by_strategy"
    assert found[TEA, 2].candidates == 3
    assert (found[TEA, 1].code, found[TEA, 1].turn) == ("next_by_strategy", 2)
    assert found[TEA, 1].text == (
        "Those before it gave all that they had. Of 2 warehouses that had it too, it came first by "
        "priority."
    )


def test_most_stock_compares_what_there_is_of_each_variant() -> None:
    shelf = {(TEA, 1): 9, (TEA, 2): 5, (CUP, 1): 1, (CUP, 2): 3}
    found = why("most_stock", shelf, building(1), building(2), tea=2, cup=2)
    assert found[TEA, 1].text == "Of 2 warehouses that had it, it had the most free."
    assert found[CUP, 2].decided_by == "free_units"


def test_who_has_as_much_of_a_variant_is_compared_by_the_whole_order() -> None:
    shelf = {(TEA, 1): 5, (TEA, 2): 5, (CUP, 1): 1, (CUP, 2): 3}
    found = why("most_stock", shelf, building(1), building(2), tea=2, cup=2)[TEA, 2]
    assert found.text == (
        "Of 2 warehouses that had it, all had equally much free: of these it had the most of the "
        "whole order."
    )


def test_the_nearest_says_how_far_it_is() -> None:
    shelf = {(TEA, 1): 4, (TEA, 2): 5, (TEA, 3): 9}
    houses = building(1, 9, NEAR), building(2, 0, FAR), building(3, 0)
    found = why("nearest", shelf, *houses, tea=6)
    assert found[TEA, 1].distance_km == pytest.approx(157.2, abs=0.1)
    assert found[TEA, 1].text == "Of 3 warehouses that had it, it was the nearest (157 km)."
    assert found[TEA, 2].code == "next_by_strategy"


def test_without_a_known_distance_it_says_what_decided_instead() -> None:
    shelf = {(TEA, 1): 4, (TEA, 2): 5}
    found = why("nearest", shelf, building(1, 2), building(2, 1), tea=2)[TEA, 2]
    assert (found.distance_km, found.decided_by) == (None, "priority")
    assert found.text == (
        "Of 2 warehouses that had it, no distance was known: it came first by priority."
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_shop_that_does_not_split_compares_those_that_have_all(strategy: Strategy) -> None:
    shelf = {(TEA, 1): 4, (TEA, 2): 9, (TEA, 3): 1}
    houses = building(1, 1, NEAR), building(2, 2, FAR), building(3, 0, HERE)
    found = why(strategy, shelf, *houses, may_split=False, tea=4)
    [((_, number), reason)] = found.items()
    assert (reason.code, reason.candidates) == ("one_has_all", 2)
    assert number == (2 if strategy == "most_stock" else 1)


locations = st.none() | st.builds(Location, latitude=st.integers(-3, 3), longitude=st.just(0))
houses = st.lists(st.tuples(st.integers(0, 2), locations), min_size=1, max_size=5).map(
    lambda found: [building(n + 1, *each) for n, each in enumerate(found)]
)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Request, Shelf, list[Warehouse]]:
    warehouses = draw(houses)
    shelf = {(v, w.id): draw(st.integers(0, 5)) for v in (TEA, CUP) for w in warehouses}
    wanted = draw(st.dictionaries(st.sampled_from([TEA, CUP]), st.integers(1, 8), min_size=1))
    request = Request(
        wanted, draw(st.sampled_from(STRATEGIES)), draw(st.booleans()), draw(locations)
    )
    return request, shelf, warehouses


Problem = tuple[Request, Shelf, list[Warehouse]]


@given(problems())
def test_the_figures_of_a_reason_agree_with_each_other(problem: Problem) -> None:
    request, shelf, warehouses = problem
    parts = given_out(request, shelf, warehouses)
    for variant in request.wanted:
        turns = [reason.turn for part, reason in parts if part.variant_id == variant]
        assert turns == list(range(1, len(turns) + 1))
    for _, reason in parts:
        assert reason.strategy == request.strategy
        assert 1 <= reason.tied <= reason.candidates <= len(warehouses)
        assert (reason.distance_km is not None) <= (request.strategy == "nearest")
        if reason.decided_by is not None:
            # The next best is among the tied, if there are any: they differ in what comes after.
            by_the_first = reason.decided_by == CRITERIA[request.strategy][0]
            assert by_the_first >= (reason.tied == 1)
            assert by_the_first <= (reason.tied == 1 or request.strategy == "most_stock")
        assert reason.text.endswith(".")


@given(problems())
def test_who_is_said_to_be_the_only_one_is_the_only_one(problem: Problem) -> None:
    request, shelf, warehouses = problem
    for part, reason in given_out(request, shelf, warehouses):
        having = [w for w in warehouses if shelf[part.variant_id, w.id]]
        wanted = list(request.wanted.values())
        seen = candidates(request, shelf, warehouses)
        whole = [one.warehouse for one in seen if one.has(wanted)]
        if reason.code == "only_one_has_it":
            assert [w.id for w in having] == [part.warehouse_id]
        if reason.code == "only_one_has_all":
            assert [w.id for w in whole] == [part.warehouse_id]
        if reason.code == "one_has_all":
            assert reason.candidates == len(whole) > 1
            assert part.warehouse_id in {w.id for w in whole}
        if reason.code == "first_by_strategy":
            assert reason.candidates == len(having) > 1


@given(problems())
def test_who_is_said_to_come_first_has_nobody_before_it(problem: Problem) -> None:
    request, shelf, warehouses = problem
    by_id = {w.id: w for w in warehouses}

    def measure(variant: UUID, warehouse: Warehouse) -> float:
        match request.strategy:
            case "most_stock":
                return -shelf[variant, warehouse.id]
            case "nearest":
                return distance_km(warehouse.location, request.destination)
            case _:
                return warehouse.priority

    for part, reason in given_out(request, shelf, warehouses):
        if reason.code != "first_by_strategy":
            continue
        own = measure(part.variant_id, by_id[part.warehouse_id])
        others = [
            measure(part.variant_id, w)
            for w in warehouses
            if shelf[part.variant_id, w.id] and w.id != part.warehouse_id
        ]
        assert own <= min(others)
        assert reason.tied == 1 + others.count(own)
        assert (reason.tied == 1) <= (own < min(others))


@given(problems(), st.integers(2, 9))
def test_a_reason_tells_no_stock(problem: Problem, times: int) -> None:
    """As many times as much of everything: the same words, so they cannot hold the numbers."""
    request, shelf, warehouses = problem
    more = Request(
        {variant: units * times for variant, units in request.wanted.items()},
        request.strategy,
        request.may_split,
        request.destination,
    )
    plenty = {place: units * times for place, units in shelf.items()}
    before = [reason for _, reason in given_out(request, shelf, warehouses)]
    assert [reason for _, reason in given_out(more, plenty, warehouses)] == before


@given(problems())
def test_what_was_considered_is_what_was_free_and_begins_with_who_gives(problem: Problem) -> None:
    request, shelf, warehouses = problem
    given_parts = [part for part, _ in given_out(request, shelf, warehouses)]
    seen = considered(request, shelf, warehouses, given_parts)
    assert len(seen) == len(warehouses)
    givers = {part.warehouse_id for part in given_parts}
    assert {one["warehouse_id"] for one in seen[: len(givers)]} == givers
    for one in seen:
        for line in one["free"]:
            assert line["units"] == shelf[line["variant_id"], one["warehouse_id"]]
        assert one["distance_km"] is None or math.isfinite(one["distance_km"])


def test_of_a_large_order_in_a_large_shop_no_more_is_kept_than_fits() -> None:
    wanted = {UUID(int=200 + n): 1 for n in range(50)}
    request = Request(wanted, "by_priority", True, None)
    warehouses = [building(n) for n in range(1, 100)]
    seen = considered(request, {}, warehouses, [])
    assert sum(len(one["free"]) for one in seen) == MOST_FIGURES
