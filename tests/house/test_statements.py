"""The SQL: one constant per function, of its own schema and one shop, the same on a cluster."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator

import asyncpg
import pytest

from lockstock.audit.service import invariants
from tests.house import allowed, catalogue, statements
from tests.house.source import Check, Fault, Source, sources, unexpected
from tests.house.statements import Statement

StatementCheck = Callable[[Statement], Iterable[Fault]]


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a migrated database."""
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()


def _all() -> list[Statement]:
    return statements.statements(sources("src"))


def _faults(check: StatementCheck) -> list[Fault]:
    return [fault for statement in _all() for fault in check(statement)]


async def _prepare(connection: asyncpg.Connection, found: Iterable[Statement]) -> list[Fault]:
    faults = []
    for statement in found:
        try:
            # As a statement of SQL and not by the driver: what it takes is all of it.
            await connection.execute(f"PREPARE house AS {statement.sql}")
            await connection.execute("DEALLOCATE house")
        except asyncpg.PostgresError as error:
            faults.append(Fault(statement.where, str(error)))
    return faults


async def test_every_statement_fits_the_schema(connection: asyncpg.Connection) -> None:
    """Each SQL constant can be prepared on the migrated database."""
    found = _all()
    assert len(found) > 100, "the constants are no longer found"
    assert unexpected(await _prepare(connection, found), allowed.NOT_PREPARED) == []


async def test_every_invariant_fits_the_schema(connection: asyncpg.Connection) -> None:
    """Each statement of the audit can be prepared on the migrated database."""
    found = [Statement("invariants.sql", each.name, each.statement) for each in invariants()]
    assert len(found) > 10
    assert unexpected(await _prepare(connection, found), {}) == []


async def test_what_does_not_fit_the_schema_is_seen(connection: asyncpg.Connection) -> None:
    """An unknown column, an unqualified table and a missing parameter type are all refused."""
    bad = [
        "SELECT nothing FROM orders.orders",
        "SELECT id FROM orders",
        "SELECT to_jsonb($1) FROM orders.orders",
    ]
    found = [Statement("a.py", str(place), sql) for place, sql in enumerate(bad)]
    assert {fault.where for fault in await _prepare(connection, found)} == {
        each.where for each in found
    }


def test_sql_is_a_constant_of_its_module() -> None:
    """No statement is put together, and none comes from elsewhere."""
    found = [fault for source in sources("src") for fault in statements.loose_sql(source)]
    assert unexpected(found, allowed.LOOSE_SQL) == []


def test_a_constant_stands_above_the_one_function_that_runs_it() -> None:
    """The statement, its parameters and its row are on one screen."""
    found = [fault for source in sources("src") for fault in statements.misplaced(source)]
    assert unexpected(found, allowed.MISPLACED) == []


def test_no_module_runs_the_sql_of_another() -> None:
    """What is shared is the function, never the statement."""
    assert unexpected(statements.borrowed(sources("src")), {}) == []


def test_a_service_names_its_own_schema_only() -> None:
    """What imports cannot show: no service reads another one's tables."""
    found = [
        fault
        for statement in _all()
        if not statement.path.startswith(tuple(allowed.OTHER_SCHEMAS))
        for fault in statements.of_other_schemas(statement)
    ]
    assert unexpected(found, {}) == []


def test_a_statement_is_of_one_shop() -> None:
    """Shop data is asked for by shop_id = $1, so that one node of a cluster can answer."""
    assert unexpected(_faults(statements.of_many_shops), allowed.MANY_SHOPS) == []


async def test_rows_are_changed_by_what_every_node_agrees_on(
    connection: asyncpg.Connection,
) -> None:
    """No UPDATE or DELETE calls a volatile function."""
    names = await catalogue.volatile_functions(connection)
    assert {"clock_timestamp", "random", "nextval", "gen_random_uuid"} <= names
    assert not {"now", "statement_timestamp"} & names
    assert unexpected(_faults(lambda one: statements.volatile(one, names)), {}) == []


def test_every_statement_can_run_on_a_cluster() -> None:
    """No MERGE, no subquery in VALUES, nothing clever in ON CONFLICT DO UPDATE."""
    assert unexpected(_faults(statements.unportable), {}) == []


def test_only_sweeps_skip_what_is_locked() -> None:
    """A buyer waits for the row that he needs."""
    assert unexpected(_faults(statements.skips_locked), allowed.SKIPS_LOCKED) == []


def _volatile(statement: Statement) -> Iterable[Fault]:
    return statements.volatile(statement, {"random", "clock_timestamp"})


BAD_SQL: list[tuple[StatementCheck, str]] = [
    (statements.of_other_schemas, "SELECT * FROM warehouses.stock WHERE shop_id = $1"),
    (statements.of_other_schemas, "SELECT 1 FROM orders.lines AS l, shops.shops AS s"),
    (statements.of_many_shops, "SELECT * FROM orders.orders WHERE id = $1"),
    (statements.of_many_shops, "SELECT 1 FROM orders.orders -- WHERE shop_id = $1"),
    (statements.of_many_shops, "UPDATE orders.orders SET late = true WHERE id = $1"),
    (
        statements.of_many_shops,
        (
            "WITH a AS (DELETE FROM orders.lines WHERE shop_id = $1)"
            " UPDATE orders.orders SET late = true"
        ),
    ),
    (statements.of_many_shops, "INSERT INTO orders.lines (id, shop_id) VALUES ($1, $2)"),
    (statements.of_many_shops, "INSERT INTO orders.lines (shop_id) SELECT l.shop_id FROM l"),
    (_volatile, "UPDATE orders.orders SET at = clock_timestamp() WHERE shop_id = $1"),
    (_volatile, "WITH a AS (DELETE FROM orders.lines RETURNING id) SELECT random() FROM a"),
    (statements.unportable, "MERGE INTO orders.orders AS o USING a ON true"),
    (statements.unportable, "INSERT INTO a (x, y) VALUES ($1, (SELECT max(y) FROM a))"),
    (statements.unportable, "INSERT INTO a VALUES (1), ((SELECT 2)) RETURNING x"),
    (
        statements.unportable,
        "INSERT INTO a (x) VALUES ($1) ON CONFLICT (x) DO UPDATE SET n = a.n + 1",
    ),
    (
        statements.unportable,
        "INSERT INTO a (x) VALUES ($1) ON CONFLICT (x) DO UPDATE SET x = excluded.x, at = now()",
    ),
    (statements.skips_locked, "SELECT 1 FROM orders.orders FOR UPDATE SKIP LOCKED"),
]
GOOD_SQL: list[tuple[StatementCheck, str]] = [
    (statements.of_other_schemas, "SELECT o.id FROM orders.orders AS o WHERE shops.id = o.id"),
    (statements.of_other_schemas, "SELECT 'warehouses.stock' FROM orders.orders"),
    (statements.of_many_shops, "SELECT * FROM users.users WHERE id = $1"),
    (statements.of_many_shops, "SELECT * FROM orders.orders AS o WHERE o.shop_id = $2"),
    (statements.of_many_shops, "INSERT INTO orders.lines (shop_id, id) SELECT $1, l.id FROM l"),
    (_volatile, "INSERT INTO a (x) VALUES (random())"),
    (_volatile, "SELECT random() FROM a FOR UPDATE"),
    (_volatile, "UPDATE a SET at = statement_timestamp()"),
    (
        statements.unportable,
        (
            "WITH a AS (INSERT INTO b VALUES ($1, coalesce($2, 1)) ON CONFLICT (x) DO UPDATE"
            " SET x = excluded.x, y = $2::text WHERE b.y IS NULL RETURNING x) SELECT x FROM a"
        ),
    ),
    (statements.unportable, "INSERT INTO a (x) VALUES ($1) RETURNING (SELECT 1)"),
]


@pytest.mark.parametrize(("check", "sql"), BAD_SQL)
def test_each_check_sees_a_bad_statement(check: StatementCheck, sql: str) -> None:
    """A rule that cannot be broken in a test holds nothing."""
    assert list(check(Statement("src/lockstock/orders/store.py", "BAD", sql)))


@pytest.mark.parametrize(("check", "sql"), GOOD_SQL)
def test_no_check_sees_a_fault_in_a_good_statement(check: StatementCheck, sql: str) -> None:
    """What just keeps the rule is left alone."""
    assert not list(check(Statement("src/lockstock/orders/store.py", "GOOD", sql)))


def _borrowed(source: Source) -> Iterator[Fault]:
    owner = Source("store.py", 'PICK = "SELECT 1"')
    return statements.borrowed([owner, source])


BAD_CODE: list[tuple[Check, str]] = [
    (statements.loose_sql, "async def f(c):\n    await c.fetch('SELECT 1')"),
    (statements.loose_sql, "async def f(c, sql):\n    await c.execute(sql)"),
    (statements.loose_sql, "PICK = 'nothing'\nasync def f(c):\n    await c.fetchval(PICK)"),
    (statements.loose_sql, "def f(x):\n    return f'SELECT {x}'"),
    (statements.loose_sql, "PICK = 'SELECT ' + 'x'"),
    (statements.loose_sql, "PICK = 'SELECT %s' % 'x'"),
    (statements.loose_sql, "PICK = 'DELETE FROM {}'.format('x')"),
    (statements.misplaced, "PICK = 'SELECT 1'"),
    (statements.misplaced, "PICK = 'SELECT 1'\ndef take(): return PICK"),
    (statements.misplaced, "PICK = 'SELECT 1'\ndef pick(): return PICK\ndef a(): return PICK"),
    (statements.misplaced, "PICK = 'SELECT 1'\ndef a(): ...\ndef pick(): return PICK"),
    (statements.misplaced, "def pick(): return PICK\nPICK = 'SELECT 1'"),
    (_borrowed, "from store import PICK"),
    (_borrowed, "import store\nrows = store.PICK"),
]
GOOD_CODE: list[tuple[Check, str]] = [
    (statements.loose_sql, "PICK = 'SELECT 1'\nasync def f(c):\n    await c.fetchval(PICK)"),
    (statements.loose_sql, "def f(x):\n    return f'Select {x} or set it'"),
    (statements.misplaced, "PICK = 'SELECT 1'\nMOST = 5\nasync def pick(): return PICK, MOST"),
    (statements.misplaced, "PICK = 'SELECT 1'\ndef _pick(): return PICK"),
    (_borrowed, "from store import pick"),
]


@pytest.mark.parametrize(("check", "text"), BAD_CODE)
def test_each_check_sees_bad_code(check: Check, text: str) -> None:
    """A rule that cannot be broken in a test holds nothing."""
    assert list(check(Source("a.py", text)))


@pytest.mark.parametrize(("check", "text"), GOOD_CODE)
def test_no_check_sees_a_fault_in_good_code(check: Check, text: str) -> None:
    """What just keeps the rule is left alone."""
    assert not list(check(Source("a.py", text)))
