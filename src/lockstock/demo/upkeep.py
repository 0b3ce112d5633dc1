"""What the clerks did: deliveries, counts, breakages, transfers."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from lockstock.demo.past import Place, Transfer
from lockstock.demo.scene import WEEKS, Depot, Good, Scene
from lockstock.demo.shelves import Shelves, Why
from lockstock.warehouses.stock.contract import MovementKind

# Counted on one Wednesday, and how many of ten counts find one unit more or fewer.
COUNTED = 8
MISCOUNTS_OF_TEN = 3
# Sent south every third Thursday: so many variants, so many units of each.
MOVED_VARIANTS = 5
MOVED_UNITS = 2

MONDAY, WEDNESDAY, THURSDAY, FRIDAY = 0, 2, 3, 4


def target(good: Good, depot: Depot) -> int:
    """Return how many units of a variant are meant to be in a depot."""
    whole = {"plenty": 6 + 2 * good.demand, "short": 6, "gone": 8, "flash": 10_000}[good.supply]
    return -(-whole * depot.share // 100)


class Upkeep:
    """The calendar of the warehouses."""

    def __init__(self, scene: Scene, shelves: Shelves) -> None:
        self._scene = scene
        self._shelves = shelves
        self._setting = scene.setting
        self._steady = [good for good in scene.setting.goods if good.supply == "plenty"]

    def plan(self) -> None:
        """Put everything in the calendar."""
        start, scene = self._setting.start, self._scene
        scene.at(start, self._open)
        weekly: dict[int, Callable[[datetime], None]] = {
            MONDAY: self._restock,
            WEDNESDAY: self._count,
            FRIDAY: self._break,
        }
        for day in range(1, 7 * WEEKS + 1):
            morning = start + timedelta(days=day)
            if act := weekly.get(morning.weekday()):
                scene.at(morning, act)
            if morning.weekday() == THURSDAY and day // 7 % 3 == 1:
                scene.at(morning, self._send_south)
        scene.at(self._setting.now - timedelta(days=2), self._sell_off)

    def _why(self, kind: MovementKind, at: datetime, reason: str) -> Why:
        return Why(
            kind,
            self._scene.new_id(kind),
            self._setting.clerk_id,
            self._scene.request_id(),
            at,
            reason,
        )

    def _post(self, changes: Sequence[tuple[Place, int]], why: Why) -> None:
        for place, delta in changes:
            if delta:
                self._shelves.post(place, delta, why)

    def _open(self, at: datetime) -> None:
        for depot in self._setting.depots:
            changes = [
                ((good.variant_id, depot.id), target(good, depot)) for good in self._setting.goods
            ]
            self._post(changes, self._why("receive", at, "opening stock"))

    def _restock(self, at: datetime) -> None:
        for depot in self._setting.depots:
            changes = []
            for good in self._steady:
                place = (good.variant_id, depot.id)
                free, wanted = self._shelves.free(place), target(good, depot)
                if free <= wanted // 2:
                    changes.append((place, wanted - free))
            self._post(changes, self._why("receive", at, "weekly delivery"))

    def _count(self, at: datetime) -> None:
        depots = self._setting.depots
        depot = depots[at.isocalendar().week % len(depots)]
        changes = []
        for good in self._some(COUNTED):
            place = (good.variant_id, depot.id)
            if self._scene.chance.randrange(10) < MISCOUNTS_OF_TEN:
                missing = self._shelves.free(place) > 0 and self._scene.chance.random() < 0.7
                changes.append((place, -1 if missing else 1))
        self._post(changes, self._why("count", at, "cycle count"))

    def _break(self, at: datetime) -> None:
        for good in self._some(1):
            place = (good.variant_id, self._scene.chance.choice(self._setting.depots).id)
            if self._shelves.free(place):
                self._post([(place, -1)], self._why("adjust", at, "damaged in the aisle"))

    def _send_south(self, at: datetime) -> None:
        source, destination = self._setting.depots[0], self._setting.depots[-1]
        if source == destination:
            return
        why_out = self._why("transfer_out", at, "stock for the south")
        why_in = Why(
            "transfer_in",
            why_out.cause_id,
            why_out.actor_id,
            why_out.request_id,
            at,
            why_out.reason,
        )
        lines = []
        for good in self._some(MOVED_VARIANTS):
            if self._shelves.free((good.variant_id, source.id)) >= MOVED_UNITS:
                self._shelves.post((good.variant_id, source.id), -MOVED_UNITS, why_out)
                self._shelves.post((good.variant_id, destination.id), MOVED_UNITS, why_in)
                lines.append({"variant_id": str(good.variant_id), "quantity": MOVED_UNITS})
        if lines:
            self._scene.past.transfers.append(
                Transfer(
                    id=why_out.cause_id,
                    from_warehouse_id=source.id,
                    to_warehouse_id=destination.id,
                    lines=lines,
                    reason="stock for the south",
                    actor_id=self._setting.clerk_id,
                    created_at=at,
                )
            )

    def _sell_off(self, at: datetime) -> None:
        for depot in self._setting.depots:
            places = [
                (good.variant_id, depot.id) for good in self._setting.goods if good.supply == "gone"
            ]
            changes = [(place, -self._shelves.free(place)) for place in places]
            self._post(changes, self._why("adjust", at, "sold off to the outlet"))

    def _some(self, most: int) -> list[Good]:
        return self._scene.chance.sample(self._steady, min(most, len(self._steady)))
