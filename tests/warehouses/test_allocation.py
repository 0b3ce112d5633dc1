"""Which warehouse gives what: properties of the pure decision, in milliseconds."""

from datetime import UTC, datetime
from itertools import combinations
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from lockstock.warehouses.contract import Location, Strategy, Warehouse
from lockstock.warehouses.reservations.allocation import allocate
from lockstock.warehouses.reservations.contract import OutOfStock
from lockstock.warehouses.reservations.ranking import Request, Shelf

VARIANTS = [UUID(int=100 + n) for n in range(3)]
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


locations = st.none() | st.builds(
    Location, latitude=st.floats(-90, 90), longitude=st.floats(-180, 180)
)
buildings = st.lists(st.tuples(st.integers(0, 3), locations), min_size=0, max_size=5).map(
    lambda found: [building(n + 1, *each) for n, each in enumerate(found)]
)
orders = st.dictionaries(st.sampled_from(VARIANTS), st.integers(1, 12), min_size=1)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Request, Shelf, list[Warehouse]]:
    warehouses = draw(buildings)
    shelf = {
        (variant, warehouse.id): draw(st.integers(0, 8))
        for variant in VARIANTS
        for warehouse in warehouses
    }
    request = Request(
        wanted=draw(orders),
        strategy=draw(st.sampled_from(STRATEGIES)),
        may_split=draw(st.booleans()),
        destination=draw(locations),
    )
    return request, shelf, warehouses


@given(problems())
def test_an_order_is_filled_exactly_or_refused(
    problem: tuple[Request, Shelf, list[Warehouse]],
) -> None:
    request, shelf, warehouses = problem
    found = allocate(request, shelf, warehouses)
    if isinstance(found, OutOfStock):
        return
    for variant, wanted in request.wanted.items():
        assert sum(a.quantity for a in found if a.variant_id == variant) == wanted
    for part in found:
        assert 0 < part.quantity <= shelf[part.variant_id, part.warehouse_id]
    assert len({(a.variant_id, a.warehouse_id) for a in found}) == len(found)


@given(problems())
def test_an_order_is_refused_only_when_no_split_that_the_shop_allows_fills_it(
    problem: tuple[Request, Shelf, list[Warehouse]],
) -> None:
    request, shelf, warehouses = problem
    groups = [warehouses] if request.may_split else [[w] for w in warehouses]
    fillable = any(
        all(
            sum(shelf[variant, w.id] for w in group) >= wanted
            for variant, wanted in request.wanted.items()
        )
        for group in groups
    )
    assert isinstance(allocate(request, shelf, warehouses), OutOfStock) != fillable


@given(problems())
def test_the_same_question_has_the_same_answer(
    problem: tuple[Request, Shelf, list[Warehouse]],
) -> None:
    request, shelf, warehouses = problem
    before = dict(shelf)
    first = allocate(request, shelf, warehouses)
    second = allocate(request, dict(reversed(shelf.items())), list(reversed(warehouses)))
    if isinstance(first, OutOfStock) or isinstance(second, OutOfStock):
        assert isinstance(first, OutOfStock)
        assert isinstance(second, OutOfStock)
    else:
        assert first == second
    assert shelf == before


@given(problems())
def test_a_shop_that_forbids_splitting_ships_from_one_warehouse(
    problem: tuple[Request, Shelf, list[Warehouse]],
) -> None:
    request, shelf, warehouses = problem
    one = Request(request.wanted, request.strategy, False, request.destination)
    found = allocate(one, shelf, warehouses)
    if not isinstance(found, OutOfStock):
        assert len({part.warehouse_id for part in found}) == 1


@given(problems())
def test_the_default_uses_no_more_warehouses_than_it_must(
    problem: tuple[Request, Shelf, list[Warehouse]],
) -> None:
    request, shelf, warehouses = problem
    wanted = request.wanted
    found = allocate(Request(wanted, "fewest_warehouses", True, None), shelf, warehouses)
    if isinstance(found, OutOfStock):
        return
    used = len({part.warehouse_id for part in found})
    for size in range(1, used):
        for group in combinations(warehouses, size):
            assert not all(
                sum(shelf[variant, w.id] for w in group) >= units
                for variant, units in wanted.items()
            )


def test_a_refusal_says_per_line_what_there_is() -> None:
    tea, cup, _ = VARIANTS
    shelf = {(tea, UUID(int=1)): 3, (tea, UUID(int=2)): 4, (cup, UUID(int=1)): 9}
    request = Request({tea: 8, cup: 1}, "fewest_warehouses", True, None)
    refusal = allocate(request, shelf, [building(1), building(2)])
    assert isinstance(refusal, OutOfStock)
    assert refusal.fields["lines"] == [
        {"variant_id": str(tea), "requested": 8, "available": 7, "largest": 4},
        {"variant_id": str(cup), "requested": 1, "available": 9, "largest": 9},
    ]


def split(strategy: Strategy, shelf: dict[int, int], *warehouses: Warehouse) -> dict[int, int]:
    """Allocate 6 units of one variant; return units by warehouse number."""
    variant = VARIANTS[0]
    request = Request(
        {variant: 6},
        strategy,
        True,
        Location(latitude=0, longitude=0),
    )
    found = allocate(request, {(variant, UUID(int=n)): u for n, u in shelf.items()}, warehouses)
    assert not isinstance(found, OutOfStock)
    return {part.warehouse_id.int: part.quantity for part in found}


def test_fewest_warehouses_prefers_one_that_has_all() -> None:
    assert split("fewest_warehouses", {1: 5, 2: 5, 3: 6}, *map(building, (1, 2, 3))) == {3: 6}


def test_fewest_warehouses_breaks_ties_by_priority_then_most_free_then_id() -> None:
    assert split("fewest_warehouses", {1: 9, 2: 9}, building(1, 5), building(2, 4)) == {2: 6}
    assert split("fewest_warehouses", {1: 8, 2: 9}, building(1), building(2)) == {2: 6}
    assert split("fewest_warehouses", {1: 9, 2: 9}, building(2), building(1)) == {1: 6}


def test_by_priority_empties_the_first_before_the_second() -> None:
    assert split("by_priority", {1: 9, 2: 4}, building(1, 2), building(2, 1)) == {2: 4, 1: 2}


def test_most_stock_takes_from_the_fullest() -> None:
    assert split("most_stock", {1: 4, 2: 5, 3: 3}, *map(building, (1, 2, 3))) == {2: 5, 1: 1}


def test_nearest_takes_from_the_closest_and_unknown_places_last() -> None:
    near = building(3, 9, Location(latitude=1, longitude=1))
    far = building(2, 0, Location(latitude=50, longitude=50))
    nowhere = building(1, 0)
    assert split("nearest", {1: 9, 2: 5, 3: 4}, nowhere, far, near) == {3: 4, 2: 2}


def test_more_warehouses_than_can_be_tried_still_fill_the_order() -> None:
    warehouses = [building(n) for n in range(1, 41)]
    shelf = {(VARIANTS[0], w.id): 1 for w in warehouses}
    request = Request({VARIANTS[0]: 40}, "fewest_warehouses", True, None)
    found = allocate(request, shelf, warehouses)
    assert not isinstance(found, OutOfStock)
    assert sum(part.quantity for part in found) == 40
