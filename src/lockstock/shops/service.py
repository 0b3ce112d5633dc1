"""The verbs of shops."""

import hashlib
from collections.abc import Awaitable, Callable
from uuid import UUID

from lockstock.kernel.access import Role
from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.editions import Expected, check_edition, whole_edition_of
from lockstock.kernel.errors import IdempotencyKeyReused
from lockstock.kernel.ids import derived_id, new_id
from lockstock.kernel.outbox import changed_fields
from lockstock.kernel.replays import mark_replayed
from lockstock.shops import rules, store
from lockstock.shops.contract import (
    LastOwner,
    Member,
    NewRole,
    NewShop,
    NoSuchShop,
    NoSuchUser,
    Shop,
    ShopChange,
    ShopList,
    ShopWithWarehouses,
)
from lockstock.shops.events import tell
from lockstock.warehouses.contract import NewWarehouse, Warehouses

UsersExist = Callable[[list[UUID]], Awaitable[set[UUID]]]

FIRST_WAREHOUSE = NewWarehouse(name="Main warehouse")


class ShopsService:
    """Shops on a database. `users_exist` tells which of these people there are."""

    def __init__(
        self,
        database: Database,
        warehouses: Warehouses,
        default_reservation_seconds: int,
        users_exist: UsersExist,
    ) -> None:
        self.database = database
        self._warehouses = warehouses
        self._default_reservation_seconds = default_reservation_seconds
        self._users_exist = users_exist

    async def create(
        self, owner_id: UUID, ask: NewShop, shop_id: UUID | None = None
    ) -> ShopWithWarehouses:
        """Create a shop with its first warehouse; `owner_id` is its owner."""
        shop_id = shop_id or new_id()
        # The warehouse first: one of a shop that never came to be harms nobody, a shop without a
        # warehouse would.
        await self._warehouses.open(
            shop_id, [ask.warehouse or FIRST_WAREHOUSE], [derived_id("first warehouse", shop_id)]
        )
        shop = await self._found(owner_id, ask, shop_id)
        opened = await self._warehouses.list_warehouses(shop_id)
        return ShopWithWarehouses(**shop.model_dump(), warehouses=opened)

    @transaction
    async def _found(
        self, connection: Connection, owner_id: UUID, ask: NewShop, shop_id: UUID
    ) -> Shop:
        digest = hashlib.sha256(ask.model_dump_json().encode()).digest()
        seconds = ask.reservation_seconds or self._default_reservation_seconds
        shop = await store.insert_shop(connection, shop_id, ask, seconds, digest)
        if shop:
            await store.put_member(connection, shop_id, owner_id, "owner")
            await tell(connection, shop_id, "shop.created", shop_id)
            await tell(connection, shop_id, "member.changed", owner_id, role="owner")
            return shop
        if await store.request_digest(connection, shop_id) != digest:
            raise IdempotencyKeyReused("With this Idempotency-Key you created another shop.")
        mark_replayed()
        return _existing(await store.get_shop(connection, shop_id))

    @reading
    async def get(self, connection: Connection, shop_id: UUID) -> Shop:
        """One shop. Raises NoSuchShop."""
        return _existing(await store.get_shop(connection, shop_id))

    @reading
    async def get_many(self, connection: Connection, shop_ids: list[UUID]) -> list[Shop]:
        """The shops among these that exist."""
        return await store.get_shops(connection, shop_ids)

    @reading
    async def list_shops(self, connection: Connection, ask: ShopList) -> list[Shop]:
        """Shops by name."""
        after = ask.after or store.START_OF_LIST
        if ask.user_id is None:
            return await store.list_shops(connection, after, ask.limit)
        return await store.list_shops_of(connection, ask.user_id, after, ask.limit)

    @transaction
    async def change(
        self, connection: Connection, shop_id: UUID, ask: ShopChange, expected: Expected = None
    ) -> Shop:
        """Change settings, if the shop still is of an edition that is `expected`."""
        before = _existing(await store.lock_shop(connection, shop_id))
        check_edition(expected, whole_edition_of(before))
        shop = rules.changed(before, ask)
        await store.update_shop(connection, shop)
        if changed := changed_fields(before, shop):
            await tell(connection, shop_id, "shop.changed", shop_id, changed=changed)
        return shop

    @reading
    async def role_of(self, connection: Connection, shop_id: UUID, user_id: UUID) -> Role | None:
        """The user's role in the shop, None for who does not work there."""
        return await store.role_of(connection, shop_id, user_id)

    @reading
    async def members(self, connection: Connection, shop_id: UUID) -> list[Member]:
        """Who works in the shop."""
        return await store.members(connection, shop_id)

    async def put_member(self, shop_id: UUID, user_id: UUID, ask: NewRole) -> Member:
        """Give somebody a role, or another one. Raises NoSuchShop, NoSuchUser, LastOwner."""
        if user_id not in await self._users_exist([user_id]):
            raise NoSuchUser("There is no such user.")
        return await self._give_role(shop_id, user_id, ask.role)

    @transaction
    async def _give_role(
        self, connection: Connection, shop_id: UUID, user_id: UUID, role: Role
    ) -> Member:
        before = await _keep_an_owner(connection, shop_id, user_id, role)
        if before != role:
            await tell(connection, shop_id, "member.changed", user_id, role=role)
        return await store.put_member(connection, shop_id, user_id, role)

    @transaction
    async def remove_member(self, connection: Connection, shop_id: UUID, user_id: UUID) -> None:
        """Take somebody's role away. Harmless where there is none. Raises NoSuchShop, LastOwner."""
        if await _keep_an_owner(connection, shop_id, user_id, None):
            await tell(connection, shop_id, "member.changed", user_id, role=None)
        await store.remove_member(connection, shop_id, user_id)


def _existing(shop: Shop | None) -> Shop:
    if shop is None:
        raise NoSuchShop("There is no such shop.")
    return shop


async def _keep_an_owner(
    connection: Connection, shop_id: UUID, user_id: UUID, role: Role | None
) -> Role | None:
    """Let somebody have another role, or none; return the one that they have."""
    # The shop's row first, so that two owners who leave at once do so one after the other.
    _existing(await store.lock_shop(connection, shop_id))
    roles = {member.user_id: member.role for member in await store.members(connection, shop_id)}
    if not rules.keeps_an_owner(roles, user_id, role):
        raise LastOwner("This is the shop's only owner. Make somebody else an owner first.")
    return roles.get(user_id)
