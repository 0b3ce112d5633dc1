"""The schemas: keyed by shop, without moving parts, and a ledger that nobody rewrites."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import asyncpg
import pytest

from tests.house import catalogue
from tests.house.allowed import KEYS_NOT_BY_SHOP
from tests.house.source import Fault, unexpected

CatalogueCheck = Callable[[asyncpg.Connection], Awaitable[list[Fault]]]

LEDGER = "warehouses.movements"


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a migrated database."""
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()


CHECKS: list[tuple[CatalogueCheck, Mapping[str, str]]] = [
    (catalogue.keys_not_by_shop, KEYS_NOT_BY_SHOP),
    (catalogue.moving_parts, {}),
    (catalogue.volatile_defaults, {}),
    (catalogue.bad_foreign_keys, {}),
]


async def test_the_schemas_could_be_distributed_by_shop(connection: asyncpg.Connection) -> None:
    """The same tables can lie on one machine or on many."""
    for check, allowed in CHECKS:
        assert unexpected(await check(connection), allowed) == []


BAD = [
    (catalogue.keys_not_by_shop, "CREATE TABLE orders.bad (id uuid PRIMARY KEY, shop_id uuid)"),
    (catalogue.keys_not_by_shop, "CREATE UNIQUE INDEX bad ON orders.orders (id, shop_id)"),
    (catalogue.keys_not_by_shop, "CREATE UNIQUE INDEX bad ON orders.orders (lower(status))"),
    (
        catalogue.keys_not_by_shop,
        (
            "CREATE TABLE shops.bad (a uuid, shop_id uuid,"
            " FOREIGN KEY (a, shop_id) REFERENCES shops.members (user_id, shop_id))"
        ),
    ),
    (
        catalogue.moving_parts,
        (
            "CREATE TRIGGER bad BEFORE UPDATE ON orders.orders"
            " FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        ),
    ),
    (catalogue.moving_parts, "CREATE RULE bad AS ON DELETE TO orders.lines DO INSTEAD NOTHING"),
    (catalogue.moving_parts, "CREATE TABLE orders.bad (shop_id uuid, number serial)"),
    (
        catalogue.moving_parts,
        "CREATE TABLE users.bad (number bigint GENERATED ALWAYS AS IDENTITY)",
    ),
    (
        catalogue.volatile_defaults,
        "ALTER TABLE orders.lines ADD bad timestamptz DEFAULT clock_timestamp()",
    ),
    (catalogue.volatile_defaults, "ALTER TABLE users.users ADD bad uuid DEFAULT gen_random_uuid()"),
    (
        catalogue.bad_foreign_keys,
        "ALTER TABLE orders.orders ADD FOREIGN KEY (shop_id) REFERENCES shops.shops",
    ),
    (
        catalogue.bad_foreign_keys,
        (
            "ALTER TABLE shops.members ADD FOREIGN KEY (shop_id) REFERENCES shops.shops"
            " ON DELETE SET NULL"
        ),
    ),
]


async def test_each_check_sees_a_bad_schema(connection: asyncpg.Connection) -> None:
    """A rule that cannot be broken in a test holds nothing."""
    for check, statement in BAD:
        before = await check(connection)
        changes = connection.transaction()
        await changes.start()
        await connection.execute(statement)
        assert len(await check(connection)) > len(before), statement
        await changes.rollback()


async def test_the_ledger_cannot_be_rewritten(connection: asyncpg.Connection) -> None:
    """The application's own role may add to the ledger, and neither change nor delete it."""
    assert await catalogue.open_ledger(connection, LEDGER) == []
    for statement in (
        "UPDATE warehouses.movements SET delta = 1",
        "DELETE FROM warehouses.movements",
        "TRUNCATE warehouses.movements",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_a_ledger_that_can_be_rewritten_is_seen(connection: asyncpg.Connection) -> None:
    """The check of the ledger fails on a table with the usual rights."""
    assert await catalogue.open_ledger(connection, "warehouses.stock")
