"""Which orders leave a warehouse: properties of the pure decision, in milliseconds."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_args
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from lockstock.warehouses.contract import AllocationPolicy, Location, Strategy, Warehouse
from lockstock.warehouses.reallocation.rules import Part, Plan, Promised, Status, plan
from lockstock.warehouses.stock.rules import Place

VARIANTS = [UUID(int=100 + n) for n in range(3)]
LEAVING = UUID(int=1)
# Switched off as well, and not asked about: what is promised from there may stay.
ASLEEP = UUID(int=2)
ACTIVE = [UUID(int=number) for number in (3, 4, 5)]
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
Shelf = dict[Place, int]


@dataclass(frozen=True)
class Case:
    """Orders that are asked about, and what they find."""

    orders: list[Promised]
    policy: AllocationPolicy
    shelf: Shelf
    warehouses: list[Warehouse]

    def plan(self, orders: list[Promised] | None = None, shelf: Shelf | None = None) -> Plan:
        """Decide on all of them, or on some of them with what is left then."""
        orders = self.orders if orders is None else orders
        shelf = self.shelf if shelf is None else shelf
        return plan(orders, LEAVING, self.policy, shelf, self.warehouses)


locations = st.none() | st.builds(
    Location, latitude=st.floats(-90, 90), longitude=st.floats(-180, 180)
)
places = st.tuples(st.sampled_from(VARIANTS), st.sampled_from([LEAVING, ASLEEP, *ACTIVE]))
promises = st.dictionaries(
    places, st.tuples(st.integers(0, 2), st.integers(0, 5)).filter(any), min_size=1, max_size=5
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Up to six orders, and a handful of free units."""
    orders = []
    for number in range(draw(st.integers(0, 6))):
        parts = [
            Part(place, shipped + left, shipped)
            for place, (shipped, left) in draw(promises).items()
        ]
        status: Status = draw(st.sampled_from(get_args(Status)))
        orders.append(Promised(UUID(int=1000 + number), 1, status, MOMENT, draw(locations), parts))
    shelf = {(variant, id_): draw(st.integers(0, 6)) for variant in VARIANTS for id_ in ACTIVE}
    warehouses = [
        Warehouse(
            id=id_,
            shop_id=UUID(int=9),
            name="W",
            active=True,
            priority=draw(st.integers(0, 2)),
            location=draw(locations),
            created_at=MOMENT,
        )
        for id_ in ACTIVE
    ]
    policy = AllocationPolicy(
        strategy=draw(st.sampled_from(get_args(Strategy))), may_split=draw(st.booleans())
    )
    return Case(orders, policy, shelf, warehouses)


def by_variant(units: dict[Place, int]) -> Counter[UUID]:
    """Sum units over all places."""
    total = Counter[UUID]()
    for (variant_id, _), count in units.items():
        total[variant_id] += count
    return total


@given(cases())
def test_every_order_moves_whole_or_is_not_touched(case: Case) -> None:
    found = case.plan()
    concerned = [o.order_id for o in case.orders if any(p[1] == LEAVING for p in o.left)]
    assert sorted([*found.outcome.moved, *found.stranded]) == sorted(concerned)
    for move in found.moves:
        after = {(part.variant_id, part.warehouse_id): part.quantity for part in move.after}
        assert len(after) == len(move.after)
        assert by_variant(after) == by_variant(move.order.left)
        for (variant_id, id_), units in after.items():
            assert id_ != LEAVING
            assert id_ in ACTIVE or units == move.order.left[variant_id, id_]


@given(cases())
def test_no_more_is_taken_than_is_free(case: Case) -> None:
    shelf = dict(case.shelf)
    for move in case.plan().moves:
        for place, difference in move.differences.items():
            if place in shelf:
                shelf[place] -= difference
                assert shelf[place] >= 0
            else:
                assert difference < 0


@given(cases())
def test_units_are_conserved_in_the_rows_that_are_written(case: Case) -> None:
    for move in case.plan().moves:
        rows = {part.place: part for part in move.order.parts}
        total = sum(part.quantity for part in rows.values())
        written = {part.place: part.quantity for part in move.parts}
        for new in move.parts:
            shipped = 0 if new.is_new else rows[new.place].shipped
            # What has left stays on record where it left from; a row without anything goes.
            assert new.quantity >= shipped
            assert new.quantity > 0 or not new.is_new
            assert new.is_new == (new.place not in rows)
            assert (new.reason is not None) == new.is_more
        after = {place: part.quantity for place, part in rows.items()} | written
        assert sum(after.values()) == total
        assert all(after[p.place] == p.shipped for p in rows.values() if p.place[1] == LEAVING)


@given(cases())
def test_the_counters_change_by_what_the_orders_change(case: Case) -> None:
    found = case.plan()
    for status in get_args(Status):
        total = Counter[Place]()
        for move in found.moves:
            if move.order.status == status:
                total.update(move.differences)
        assert found.differences(status) == {place: n for place, n in total.items() if n}
    assert sum(found.differences(*get_args(Status)).values()) == 0


@given(cases())
def test_an_order_is_stranded_only_when_nothing_that_the_shop_allows_fits(case: Case) -> None:
    shelf = dict(case.shelf)
    moves = {move.order.order_id: move for move in case.plan().moves}
    for order in case.orders:
        move = moves.get(order.order_id)
        if move is not None:
            for place, difference in move.differences.items():
                if place in shelf:
                    shelf[place] -= difference
            continue
        leaving = by_variant({p: n for p, n in order.left.items() if p[1] == LEAVING})
        if not leaving:
            continue
        own = {place: units + order.left.get(place, 0) for place, units in shelf.items()}
        groups = [ACTIVE] if case.policy.may_split else [[id_] for id_ in ACTIVE]
        whole = by_variant(order.left)
        assert not any(fits(whole, own, group) for group in groups)
        assert not (case.policy.may_split and fits(leaving, shelf, ACTIVE))


def fits(wanted: Counter[UUID], shelf: Shelf, among: list[UUID]) -> bool:
    """Whether these warehouses have all of it together."""
    return all(
        sum(shelf[variant_id, id_] for id_ in among) >= units
        for variant_id, units in wanted.items()
    )


@given(cases())
def test_in_a_shop_that_forbids_splitting_an_order_ends_in_one_warehouse(case: Case) -> None:
    if not case.policy.may_split:
        for move in case.plan().moves:
            assert len({part.warehouse_id for part in move.after}) == 1


@given(cases(), st.integers(0, 6))
def test_it_does_not_matter_in_how_many_steps_the_orders_are_decided(case: Case, cut: int) -> None:
    """So a dry run over all of them foresees what the transactions of a few will do."""
    first = case.plan(case.orders[:cut])
    taken = first.differences(*get_args(Status))
    left = {place: units - taken.get(place, 0) for place, units in case.shelf.items()}
    second = case.plan(case.orders[cut:], left)
    assert [*first.moves, *second.moves] == case.plan().moves


@given(cases())
def test_the_same_question_has_the_same_answer(case: Case) -> None:
    turned = Case(
        [
            Promised(o.order_id, o.attempt, o.status, o.expires_at, o.destination, o.parts[::-1])
            for o in case.orders
        ],
        case.policy,
        dict(reversed(case.shelf.items())),
        case.warehouses[::-1],
    )
    before = dict(case.shelf)
    first, second = case.plan(), turned.plan()
    assert first.outcome == second.outcome
    assert [move.parts for move in first.moves] == [move.parts for move in second.moves]
    assert case.shelf == before


def building(number: int, priority: int) -> Warehouse:
    return Warehouse(
        id=UUID(int=number),
        shop_id=UUID(int=9),
        name="W",
        active=True,
        priority=priority,
        location=None,
        created_at=MOMENT,
    )


def relocated(policy: AllocationPolicy, shelf: dict[int, int], **left: int) -> dict[int, int]:
    """Move one order of tea; say from which warehouses it is promised then."""
    tea = VARIANTS[0]
    parts = [Part((tea, UUID(int=int(name[1:]))), units, 0) for name, units in left.items()]
    order = Promised(UUID(int=1000), 1, "committed", MOMENT, None, parts)
    buildings = [building(number, number) for number in (3, 4, 5)]
    there = {(tea, building_.id): shelf.get(building_.id.int, 0) for building_ in buildings}
    found = plan([order], LEAVING, policy, there, buildings)
    [move] = found.moves
    return {part.warehouse_id.int: part.quantity for part in move.after}


def test_parts_elsewhere_stay_if_that_takes_no_more_warehouses() -> None:
    default = AllocationPolicy()
    assert relocated(default, {3: 9, 4: 9}, w1=2, w4=2) == {4: 4}
    assert relocated(default, {3: 1, 4: 1, 5: 9}, w1=2, w4=9) == {4: 9, 5: 2}


def test_an_order_is_planned_anew_if_that_takes_fewer_warehouses() -> None:
    assert relocated(AllocationPolicy(), {3: 9, 5: 2}, w1=2, w4=2, w5=1) == {3: 5}


def test_parts_in_another_inactive_warehouse_stay_where_nobody_else_has_them() -> None:
    assert relocated(AllocationPolicy(), {3: 2}, w1=2, w2=5) == {2: 5, 3: 2}
