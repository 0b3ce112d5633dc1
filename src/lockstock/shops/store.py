"""The statements of shops."""

from uuid import UUID

from lockstock.kernel.access import Role
from lockstock.kernel.database import Connection, Row
from lockstock.kernel.text import sort_key
from lockstock.shops.contract import Member, NewShop, Shop, ShopKey

START_OF_LIST = ShopKey(name_key="", shop_id=UUID(int=0))


def _shop(row: Row) -> Shop:
    return Shop(
        id=row["shop_id"],
        name=row["name"],
        currency=row["currency"],
        reservation_seconds=row["reservation_seconds"],
        allocation=row["allocation"],
        may_split=row["may_split"],
        hide_exact=row["hide_exact"],
        low_stock_threshold=row["low_stock_threshold"],
        max_open_reservations=row["max_open_reservations"],
        created_at=row["created_at"],
    )


def _member(row: Row) -> Member:
    return Member(user_id=row["user_id"], role=row["role"], since=row["since"])


INSERT_SHOP = """
    INSERT INTO shops.shops (
        shop_id, name, name_key, currency, reservation_seconds, allocation, may_split, hide_exact,
        low_stock_threshold, max_open_reservations, request_digest, created_at, updated_at
    )
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, statement_timestamp(),
        statement_timestamp())
    ON CONFLICT DO NOTHING
    RETURNING shop_id, name, currency, reservation_seconds, allocation, may_split, hide_exact,
        low_stock_threshold, max_open_reservations, created_at
"""


async def insert_shop(
    connection: Connection, shop_id: UUID, ask: NewShop, seconds: int, digest: bytes
) -> Shop | None:
    """Write a shop; None if there is one with this id."""
    row = await connection.fetchrow(
        INSERT_SHOP,
        shop_id,
        ask.name,
        sort_key(ask.name),
        ask.currency,
        seconds,
        ask.allocation,
        ask.may_split,
        ask.hide_exact,
        ask.low_stock_threshold,
        ask.max_open_reservations,
        digest,
    )
    return None if row is None else _shop(row)


REQUEST_DIGEST = """
    SELECT request_digest FROM shops.shops WHERE shop_id = $1
"""


async def request_digest(connection: Connection, shop_id: UUID) -> bytes | None:
    """The digest of the request that created the shop."""
    digest: bytes | None = await connection.fetchval(REQUEST_DIGEST, shop_id)
    return digest


GET_SHOP = """
    SELECT shop_id, name, currency, reservation_seconds, allocation, may_split, hide_exact,
        low_stock_threshold, max_open_reservations, created_at
    FROM shops.shops
    WHERE shop_id = $1
"""


async def get_shop(connection: Connection, shop_id: UUID) -> Shop | None:
    """One shop."""
    row = await connection.fetchrow(GET_SHOP, shop_id)
    return None if row is None else _shop(row)


LOCK_SHOP = """
    SELECT shop_id, name, currency, reservation_seconds, allocation, may_split, hide_exact,
        low_stock_threshold, max_open_reservations, created_at
    FROM shops.shops
    WHERE shop_id = $1
    FOR UPDATE
"""


async def lock_shop(connection: Connection, shop_id: UUID) -> Shop | None:
    """One shop, held until the transaction ends: its settings and members wait for each other."""
    row = await connection.fetchrow(LOCK_SHOP, shop_id)
    return None if row is None else _shop(row)


GET_SHOPS = """
    SELECT shop_id, name, currency, reservation_seconds, allocation, may_split, hide_exact,
        low_stock_threshold, max_open_reservations, created_at
    FROM shops.shops
    WHERE shop_id = ANY($1::uuid[])
"""


async def get_shops(connection: Connection, shop_ids: list[UUID]) -> list[Shop]:
    """The shops among these that exist."""
    return [_shop(row) for row in await connection.fetch(GET_SHOPS, shop_ids)]


LIST_SHOPS = """
    SELECT shop_id, name, currency, reservation_seconds, allocation, may_split, hide_exact,
        low_stock_threshold, max_open_reservations, created_at
    FROM shops.shops
    WHERE (name_key, shop_id) > ($1, $2)
    ORDER BY name_key, shop_id
    LIMIT $3
"""


async def list_shops(connection: Connection, after: ShopKey, limit: int) -> list[Shop]:
    """All shops, by name."""
    rows = await connection.fetch(LIST_SHOPS, after.name_key, after.shop_id, limit)
    return [_shop(row) for row in rows]


LIST_SHOPS_OF = """
    SELECT shop_id, name, currency, reservation_seconds, allocation, may_split, hide_exact,
        low_stock_threshold, max_open_reservations, created_at
    FROM shops.members
    JOIN shops.shops USING (shop_id)
    WHERE user_id = $1 AND (name_key, shop_id) > ($2, $3)
    ORDER BY name_key, shop_id
    LIMIT $4
"""


async def list_shops_of(
    connection: Connection, user_id: UUID, after: ShopKey, limit: int
) -> list[Shop]:
    """The shops where somebody works, by name."""
    rows = await connection.fetch(LIST_SHOPS_OF, user_id, after.name_key, after.shop_id, limit)
    return [_shop(row) for row in rows]


UPDATE_SHOP = """
    UPDATE shops.shops
    SET name = $2, name_key = $3, reservation_seconds = $4, allocation = $5, may_split = $6,
        hide_exact = $7, low_stock_threshold = $8, max_open_reservations = $9,
        updated_at = statement_timestamp()
    WHERE shop_id = $1
"""


async def update_shop(connection: Connection, shop: Shop) -> None:
    """Write the settings of a shop."""
    await connection.execute(
        UPDATE_SHOP,
        shop.id,
        shop.name,
        sort_key(shop.name),
        shop.reservation_seconds,
        shop.allocation,
        shop.may_split,
        shop.hide_exact,
        shop.low_stock_threshold,
        shop.max_open_reservations,
    )


ROLE_OF = """
    SELECT role FROM shops.members WHERE shop_id = $1 AND user_id = $2
"""


async def role_of(connection: Connection, shop_id: UUID, user_id: UUID) -> Role | None:
    """The user's role in the shop."""
    role: Role | None = await connection.fetchval(ROLE_OF, shop_id, user_id)
    return role


MEMBERS = """
    SELECT user_id, role, since FROM shops.members WHERE shop_id = $1 ORDER BY since, user_id
"""


async def members(connection: Connection, shop_id: UUID) -> list[Member]:
    """Who works in the shop, those who came first first."""
    return [_member(row) for row in await connection.fetch(MEMBERS, shop_id)]


PUT_MEMBER = """
    INSERT INTO shops.members (shop_id, user_id, role, since)
    VALUES ($1, $2, $3, statement_timestamp())
    ON CONFLICT (shop_id, user_id) DO UPDATE SET role = excluded.role
    RETURNING user_id, role, since
"""


async def put_member(connection: Connection, shop_id: UUID, user_id: UUID, role: Role) -> Member:
    """Write a member, or the role that they have now."""
    return _member(await connection.fetchrow(PUT_MEMBER, shop_id, user_id, role))


REMOVE_MEMBER = """
    DELETE FROM shops.members WHERE shop_id = $1 AND user_id = $2
"""


async def remove_member(connection: Connection, shop_id: UUID, user_id: UUID) -> None:
    """Delete a member."""
    await connection.execute(REMOVE_MEMBER, shop_id, user_id)
