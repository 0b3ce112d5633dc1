"""The scene of the past: who and what there is, one source of chance, and what is due next."""

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from lockstock.demo.catalogue import Supply
from lockstock.demo.past import Past
from lockstock.kernel.ids import derived_id
from lockstock.orders.contract import ShipTo
from lockstock.warehouses.contract import Location

WEEKS = 8


@dataclass(frozen=True)
class Depot:
    """A warehouse. `share`: percent of the shop's units that are kept there."""

    id: UUID
    location: Location
    share: int


@dataclass(frozen=True)
class Good:
    """A variant, and how it is bought and restocked."""

    variant_id: UUID
    product_id: UUID
    sku: str
    name: str
    price_minor: int
    demand: int
    supply: Supply


@dataclass(frozen=True)
class Buyer:
    """A customer, and where they live."""

    id: UUID
    ship_to: ShipTo


@dataclass(frozen=True)
class Setting:
    """A shop as it is now, whose past is to be told."""

    shop_id: UUID
    currency: str
    reservation_seconds: int
    depots: list[Depot]
    goods: list[Good]
    buyers: list[Buyer]
    manager_id: UUID
    clerk_id: UUID
    orders_per_day: int
    now: datetime

    @property
    def start(self) -> datetime:
        """The morning on which the past begins."""
        first = self.now - timedelta(weeks=WEEKS)
        return first.replace(hour=6, minute=0, second=0, microsecond=0)


class Scene:
    """Runs what is due, in the order of time, until now. The same seed tells the same past."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting = setting
        self.past = Past()
        self.chance = random.Random(seed)  # noqa: S311 (a story, not a secret)
        self._seed = seed
        self._made = 0
        self._due: list[tuple[datetime, int, Callable[[datetime], None]]] = []

    def new_id(self, word: str) -> UUID:
        """Make the next id."""
        self._made += 1
        return derived_id("demo", self.setting.shop_id, self._seed, word, self._made)

    def request_id(self) -> str:
        """Make the id of a request."""
        return str(self.new_id("request"))

    def at(self, when: datetime, act: Callable[[datetime], None]) -> None:
        """Let something happen at a time; never, if that is not in the past."""
        # A minute for what follows within seconds: nothing in the past may end in the future.
        if when < self.setting.now - timedelta(minutes=1):
            self._made += 1
            heapq.heappush(self._due, (when, self._made, act))

    def run(self) -> None:
        """Let everything happen that is due."""
        while self._due:
            when, _, act = heapq.heappop(self._due)
            act(when)

    def after(self, when: datetime, least: timedelta, most: timedelta) -> datetime:
        """Return some time later."""
        return when + least + (most - least) * self.chance.random()

    def by_distance(self, buyer: Buyer) -> list[Depot]:
        """Return the depots, those near the buyer first."""
        home = buyer.ship_to.location
        if home is None:
            return self.setting.depots
        return sorted(self.setting.depots, key=lambda depot: _degrees(home, depot.location))


def _degrees(start: Location, end: Location) -> float:
    # On a flat map: enough to tell Porto from Hamburg.
    east = (end.longitude - start.longitude) * math.cos(math.radians(start.latitude))
    return math.hypot(end.latitude - start.latitude, east)
