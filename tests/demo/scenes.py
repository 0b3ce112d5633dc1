"""Shops whose past is to be told, made up or the demo's, and a second opinion on what was free."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import strategies as st

from lockstock.demo.catalogue import Supply, catalogue
from lockstock.demo.past import Allocation, Past, Place, Reservation
from lockstock.demo.scene import Buyer, Depot, Good, Setting
from lockstock.kernel.ids import derived_id
from lockstock.orders.contract import ShipTo
from lockstock.warehouses.contract import Location


def _depot(number: int, share: int) -> Depot:
    location = Location(latitude=40.0 + 5 * number, longitude=5.0 * number)
    return Depot(derived_id("depot", number), location, share)


def _good(number: int, demand: int, supply: Supply) -> Good:
    ids = derived_id("variant", number), derived_id("product", number // 2)
    return Good(*ids, f"SKU-{number}", f"Good {number}", 100 + 7 * number, demand, supply)


@st.composite
def settings(draw: st.DrawFn) -> Setting:
    """Small shops with little stock, where orders meet empty shelves often."""
    supplies: st.SearchStrategy[Supply] = st.sampled_from(["plenty", "short", "gone", "flash"])
    kinds = draw(st.lists(st.tuples(st.integers(1, 9), supplies), min_size=1, max_size=8))
    shares = draw(st.lists(st.integers(0, 60), min_size=1, max_size=4))
    homes = [ShipTo(latitude=44.0, longitude=1.0), ShipTo(latitude=60.0, longitude=9.0), ShipTo()]
    minutes = draw(st.integers(0, 10 * 366 * 24 * 60))
    return Setting(
        shop_id=derived_id("shop"),
        currency="EUR",
        reservation_seconds=draw(st.sampled_from([60, 900, 3000])),
        depots=[_depot(number, share) for number, share in enumerate(shares)],
        goods=[_good(number, *kind) for number, kind in enumerate(kinds)],
        buyers=[Buyer(derived_id("buyer", number), home) for number, home in enumerate(homes)],
        manager_id=derived_id("manager"),
        clerk_id=derived_id("clerk"),
        orders_per_day=draw(st.integers(1, 6)),
        now=datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes),
    )


def northwick(now: datetime) -> Setting:
    """The demo shop, with ids that no database gave."""
    book = catalogue()
    return Setting(
        shop_id=derived_id("shop"),
        currency=book.shop.currency,
        reservation_seconds=900,
        depots=[Depot(derived_id(s.name), s.location, s.share) for s in book.warehouses],
        goods=[
            Good(
                derived_id(variant.sku),
                derived_id(offer.name),
                variant.sku,
                offer.name,
                variant.price_minor,
                offer.demand,
                offer.supply,
            )
            for offer in book.products
            for variant in offer.variants
        ],
        buyers=[Buyer(derived_id(c.identifier), c.ship_to) for c in book.customers],
        manager_id=derived_id("manager"),
        clerk_id=derived_id("clerk"),
        orders_per_day=8,
        now=now,
    )


def least_free(past: Past) -> dict[Place, int]:
    """Return the fewest units that were ever free at each place, told from the rows alone."""
    steps: dict[Place, list[tuple[datetime, int, int]]] = defaultdict(list)
    for move in past.movements:
        # What is shipped was promised before, so it leaves what is free as it is.
        free = 0 if move.kind == "ship" else move.delta
        steps[move.variant_id, move.warehouse_id].append((move.occurred_at, -free, free))
    reservations = {item.order_id: item for item in past.reservations}
    for part in past.allocations:
        steps[part.place] += _promise(part, reservations[part.order_id])
    least = {}
    for place, changes in steps.items():
        free = 0
        least[place] = 0
        # At one instant what comes in before what goes out.
        for _, _, change in sorted(changes):
            free += change
            least[place] = min(least[place], free)
    return least


def _promise(part: Allocation, whole: Reservation) -> list[tuple[datetime, int, int]]:
    steps = [(whole.created_at, part.quantity, -part.quantity)]
    if whole.ended_at is not None:
        steps.append((whole.ended_at, -part.quantity, part.quantity))
    return steps


def committed(past: Past) -> dict[Place, int]:
    """Return what the open allocations come to, by place."""
    sums: dict[Place, int] = defaultdict(int)
    for part in past.allocations:
        sums[part.place] += part.quantity - part.shipped if part.status == "committed" else 0
    return sums


def moved(past: Past, *kinds: str) -> dict[UUID, int]:
    """Return the sum of the movements of these kinds, by variant."""
    sums: dict[UUID, int] = defaultdict(int)
    for move in past.movements:
        sums[move.variant_id] += move.delta if move.kind in kinds else 0
    return sums
