"""Rules on the schemas, read from the catalogue of a migrated database."""

from collections.abc import Collection

import asyncpg

from tests.house.source import Fault

# Rows of these belong to one shop each.
SHOP_SCHEMAS = ["shops", "products", "warehouses", "orders", "events"]
SCHEMAS = ["users", *SHOP_SCHEMAS]

KEYS_NOT_BY_SHOP = """
    SELECT n.nspname || '.' || c.relname AS place
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE n.nspname = ANY($1) AND i.indisunique AND a.attname IS DISTINCT FROM 'shop_id'
    UNION ALL
    SELECT n.nspname || '.' || k.conname
    FROM pg_constraint AS k
    JOIN pg_namespace AS n ON n.oid = k.connamespace
    JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
    WHERE n.nspname = ANY($1) AND k.contype = 'f' AND a.attname <> 'shop_id'
"""


async def keys_not_by_shop(connection: asyncpg.Connection) -> list[Fault]:
    """Find primary keys, unique indexes and foreign keys of shop data without shop_id first."""
    rows = await connection.fetch(KEYS_NOT_BY_SHOP, SHOP_SCHEMAS)
    return [Fault(row["place"], "shop_id is not its first column") for row in rows]


MOVING_PARTS = """
    SELECT n.nspname || '.' || t.tgname AS place, 'a trigger' AS what
    FROM pg_trigger AS t
    JOIN pg_class AS c ON c.oid = t.tgrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY($1) AND NOT t.tgisinternal
    UNION ALL
    SELECT schemaname || '.' || rulename, 'a rule' FROM pg_rules WHERE schemaname = ANY($1)
    UNION ALL
    SELECT schemaname || '.' || sequencename, 'a sequence'
    FROM pg_sequences
    WHERE schemaname = ANY($1)
"""


async def moving_parts(connection: asyncpg.Connection) -> list[Fault]:
    """Find triggers, rules and sequences (serial and identity columns have one)."""
    rows = await connection.fetch(MOVING_PARTS, SCHEMAS)
    return [Fault(row["place"], row["what"]) for row in rows]


DEFAULTS = """
    SELECT n.nspname || '.' || c.relname || '.' || a.attname AS place,
        pg_get_expr(d.adbin, d.adrelid) AS expression
    FROM pg_attrdef AS d
    JOIN pg_class AS c ON c.oid = d.adrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE n.nspname = ANY($1)
"""


async def volatile_defaults(connection: asyncpg.Connection) -> list[Fault]:
    """Find column defaults that call a volatile function."""
    volatile = await volatile_functions(connection)
    rows = await connection.fetch(DEFAULTS, SCHEMAS)
    return [
        Fault(row["place"], f"its default is {row['expression']}")
        for row in rows
        if _calls(row["expression"], volatile)
    ]


def _calls(expression: str, functions: Collection[str]) -> bool:
    return any(f"{name}(" in expression for name in functions)


VOLATILE_FUNCTIONS = """
    SELECT proname FROM pg_proc
    WHERE pronamespace = 'pg_catalog'::regnamespace
    GROUP BY proname
    HAVING bool_and(provolatile = 'v')
"""


async def volatile_functions(connection: asyncpg.Connection) -> set[str]:
    """Return the names of PostgreSQL's own functions that are volatile."""
    return {row["proname"] for row in await connection.fetch(VOLATILE_FUNCTIONS)}


FOREIGN_KEYS = """
    SELECT n.nspname || '.' || k.conname AS place, m.nspname <> n.nspname AS leaves,
        k.confdeltype IN ('n', 'd') OR k.confupdtype IN ('n', 'd') AS empties
    FROM pg_constraint AS k
    JOIN pg_namespace AS n ON n.oid = k.connamespace
    JOIN pg_class AS c ON c.oid = k.confrelid
    JOIN pg_namespace AS m ON m.oid = c.relnamespace
    WHERE n.nspname = ANY($1) AND k.contype = 'f'
"""


async def bad_foreign_keys(connection: asyncpg.Connection) -> list[Fault]:
    """Find foreign keys between services, and those with SET NULL or SET DEFAULT."""
    faults = []
    for row in await connection.fetch(FOREIGN_KEYS, SCHEMAS):
        if row["leaves"]:
            faults.append(Fault(row["place"], "leads to the schema of another service"))
        if row["empties"]:
            faults.append(Fault(row["place"], "sets columns to null or a default"))
    return faults


async def open_ledger(connection: asyncpg.Connection, table: str) -> list[Fault]:
    """Find out whether the application's own role may rewrite a table."""
    faults = []
    for verb in ("UPDATE", "DELETE", "TRUNCATE"):
        allowed = "SELECT has_table_privilege(current_user, $1, $2)"
        if await connection.fetchval(allowed, table, verb):
            faults.append(Fault(table, f"may be changed by {verb}"))
    return faults
