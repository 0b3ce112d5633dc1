"""Warehouses: the buildings of a shop, and the words that all of their stock is told in.

What is in them is in `stock/contract.py`, what is promised in `reservations/contract.py`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Protocol
from uuid import UUID

from pydantic import Field

from lockstock.kernel.editions import Expected
from lockstock.kernel.errors import NotFound
from lockstock.kernel.nouns import (
    Ask,
    Given,
    Id,
    Name,
    Noun,
    Quantity,
)

Strategy = Literal["fewest_warehouses", "by_priority", "most_stock", "nearest"]
Criterion = Literal["priority", "free_units", "distance", "id"]
ReasonCode = Literal[
    "only_one_has_it",
    "only_one_has_all",
    "one_has_all",
    "fewest_together",
    "fullest_first",
    "first_by_strategy",
    "next_by_strategy",
]
Promises = Literal["keep", "reallocate"]


class Location(Noun):
    """A place on earth, in degrees (WGS 84)."""

    latitude: float = Field(ge=-90, le=90, allow_inf_nan=False)
    longitude: float = Field(ge=-180, le=180, allow_inf_nan=False)


class Warehouse(Noun):
    """A building with stock. Buyers take from it only while it is active."""

    id: UUID
    shop_id: UUID
    name: str
    active: bool
    # Lower comes first where a strategy asks.
    priority: int
    location: Location | None
    created_at: datetime


class Line(Ask):
    """So many units of a variant."""

    variant_id: Id
    quantity: Quantity


class AllocationReason(Noun):
    """Why this warehouse gives these units, as it was when it was decided.

    It tells no stock: buyers see it too, also where a shop hides its numbers.
    """

    code: ReasonCode
    strategy: Strategy
    # How many warehouses could have given it, this one included, and how many of them were as good
    # as this one in what the strategy looks at first.
    candidates: int
    tied: int
    # What set it before the next best. Null: there was nothing to compare.
    decided_by: Criterion | None
    # Its turn among the warehouses that give of this variant, from 1.
    turn: int
    # To where the order goes. Null: not known, or not asked for by the strategy.
    distance_km: float | None
    # A sentence for people.
    text: str


class Allocation(Noun):
    """So many units of a variant from one warehouse. `reason`: null where it was not kept."""

    warehouse_id: UUID
    variant_id: UUID
    quantity: int
    reason: AllocationReason | None = None


class Cause(Noun):
    """Who changes stock, in which request.

    `change_id` makes it happen once: the same id with the same content answers as the first time.
    """

    change_id: UUID
    actor_id: UUID | None
    request_id: str


class NewWarehouse(Ask):
    """Ask for a new warehouse."""

    name: Name
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = 100
    location: Location | None = None


class WarehouseChange(Ask):
    """Ask to change what is given. `location: null` takes it away."""

    name: Given[Name] = None
    priority: Given[Annotated[int, Field(ge=0, le=1_000_000)]] = None
    location: Location | None = None


class AllocationPolicy(Noun):
    """How a shop wants its orders allocated over its warehouses."""

    strategy: Strategy = "fewest_warehouses"
    may_split: bool = True


class Deactivate(Ask):
    """Ask to switch a warehouse off.

    `keep`: what was promised from it is still honoured. `reallocate`: orders move to other
    warehouses, each whole or not at all. `dry_run`: only say what would happen.
    """

    promises: Promises = "keep"
    dry_run: bool = False


class Switched(Noun):
    """A warehouse after it was switched on or off, and what became of its promises.

    With `dry_run`, all of it as it would be.
    """

    warehouse: Warehouse
    dry_run: bool
    # Orders with a promise from here that is kept as it is.
    kept_orders: int
    # Transfers that are ready to leave from here, and still may.
    kept_transfers: int
    # Orders that are promised from elsewhere now.
    moved: list[UUID]
    # Orders that the other warehouses cannot give in full. They are kept as they are.
    stranded: list[UUID]


class NoSuchWarehouse(NotFound):
    """The shop has no such warehouse."""


class Warehouses(Protocol):
    """The verbs. Each is one transaction; `shop_id` is the shop it speaks of."""

    async def open(
        self, shop_id: UUID, asks: Sequence[NewWarehouse], ids: Sequence[UUID]
    ) -> list[Warehouse]:
        """Open warehouses under these ids. The same ids again: the same warehouses."""
        ...

    async def list_warehouses(self, shop_id: UUID) -> list[Warehouse]:
        """All warehouses of the shop, by priority."""
        ...

    async def get(self, shop_id: UUID, warehouse_id: UUID) -> Warehouse:
        """One warehouse. Raises NoSuchWarehouse."""
        ...

    async def change(
        self, shop_id: UUID, warehouse_id: UUID, ask: WarehouseChange, expected: Expected = None
    ) -> Warehouse:
        """Change name, priority or location, if it still is of an edition that is `expected`.

        Raises NoSuchWarehouse, PreconditionFailed.
        """
        ...

    async def activate(self, shop_id: UUID, warehouse_id: UUID) -> Switched:
        """Let buyers take from it, at once. Raises NoSuchWarehouse."""
        ...

    async def deactivate(
        self, shop_id: UUID, warehouse_id: UUID, ask: Deactivate, policy: AllocationPolicy
    ) -> Switched:
        """Let no buyer take from it once this has returned. Raises NoSuchWarehouse.

        `policy` is the shop's, for orders that move. Again on an inactive one: moves what is left.
        """
        ...
