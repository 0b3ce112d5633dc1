"""Shops: who they are, who works there and in which role, how long an order may wait for money."""

from datetime import datetime
from typing import Annotated, Protocol
from uuid import UUID

from pydantic import Field

from lockstock.kernel.access import Role
from lockstock.kernel.editions import Expected
from lockstock.kernel.errors import NotFound, Refusal
from lockstock.kernel.money import Tender
from lockstock.kernel.nouns import MOST_UNITS, Ask, Given, Name, Noun
from lockstock.warehouses.contract import NewWarehouse, Strategy, Warehouse

# From 1 second to 7 days.
Seconds = Annotated[int, Field(ge=1, le=604_800)]
# Units that are free of a variant, over all active warehouses.
Threshold = Annotated[int, Field(ge=1, le=MOST_UNITS)]
# Of one customer at a time.
OpenReservations = Annotated[int, Field(ge=1, le=1_000_000)]


class Shop(Noun):
    """A shop. Its currency never changes: prices and orders are frozen in it."""

    id: UUID
    name: str
    currency: str
    # Time to pay.
    reservation_seconds: int
    allocation: Strategy
    # Whether one order may come from several warehouses.
    may_split: bool
    # Whether buyers see in stock, low or out of stock, and no numbers.
    hide_exact: bool
    # Stock of a variant is low when no more units than this are available. Null: never.
    low_stock_threshold: int | None
    # How many open reservations a customer may have here at a time. Null: as the platform has it.
    max_open_reservations: int | None
    created_at: datetime


class ShopWithWarehouses(Shop):
    """A shop and its warehouses."""

    warehouses: list[Warehouse]


class Member(Noun):
    """Somebody who works in a shop."""

    user_id: UUID
    role: Role
    since: datetime


class NewShop(Ask):
    """Ask for a new shop. Its first warehouse is opened with it."""

    name: Name
    currency: Tender
    reservation_seconds: Seconds | None = None
    allocation: Strategy = "fewest_warehouses"
    may_split: bool = True
    hide_exact: bool = False
    low_stock_threshold: Threshold | None = None
    max_open_reservations: OpenReservations | None = None
    warehouse: NewWarehouse | None = None


class ShopChange(Ask):
    """Ask to change what is given. Null takes a threshold or a cap away."""

    name: Given[Name] = None
    reservation_seconds: Given[Seconds] = None
    allocation: Given[Strategy] = None
    may_split: Given[bool] = None
    hide_exact: Given[bool] = None
    low_stock_threshold: Threshold | None = None
    max_open_reservations: OpenReservations | None = None


class NewRole(Ask):
    """Ask to give somebody a role."""

    role: Role


class ShopKey(Noun):
    """Where a shop stands in a list by name."""

    name_key: str
    shop_id: UUID


class ShopList(Noun):
    """Ask for up to `limit` shops after a place in the list. `user_id`: only where they work."""

    user_id: UUID | None
    after: ShopKey | None = None
    limit: int = 50


class NoSuchShop(NotFound):
    """There is no such shop, or none that the caller may know of."""


class NoSuchUser(NotFound):
    """Nobody has this id."""


class LastOwner(Refusal):
    """A shop always has an owner."""

    status = 409
    code = "last_owner"
    title = "The last owner stays"


class Shops(Protocol):
    """The verbs. Each is one transaction."""

    async def create(
        self, owner_id: UUID, ask: NewShop, shop_id: UUID | None = None
    ) -> ShopWithWarehouses:
        """Create a shop with its first warehouse; `owner_id` is its owner.

        The same `shop_id` with the same content: the same shop, as it is now. With other content:
        raises IdempotencyKeyReused.
        """
        ...

    async def get(self, shop_id: UUID) -> Shop:
        """One shop. Raises NoSuchShop."""
        ...

    async def get_many(self, shop_ids: list[UUID]) -> list[Shop]:
        """The shops among these that exist."""
        ...

    async def list_shops(self, ask: ShopList) -> list[Shop]:
        """Shops by name."""
        ...

    async def change(self, shop_id: UUID, ask: ShopChange, expected: Expected = None) -> Shop:
        """Change settings, if the shop still is of an edition that is `expected`.

        Raises NoSuchShop, PreconditionFailed.
        """
        ...

    async def role_of(self, shop_id: UUID, user_id: UUID) -> Role | None:
        """The user's role in the shop, None for who does not work there."""
        ...

    async def members(self, shop_id: UUID) -> list[Member]:
        """Who works in the shop."""
        ...

    async def put_member(self, shop_id: UUID, user_id: UUID, ask: NewRole) -> Member:
        """Give somebody a role, or another one. Raises NoSuchShop, NoSuchUser, LastOwner."""
        ...

    async def remove_member(self, shop_id: UUID, user_id: UUID) -> None:
        """Take somebody's role away. Harmless where there is none. Raises NoSuchShop, LastOwner."""
        ...
