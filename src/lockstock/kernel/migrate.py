"""Migrations: plain SQL, one history per service schema, forward only.

Alembic keeps the histories. Each service has its own version table in its own schema. Concurrent
starts wait for each other on an advisory lock.
"""

import asyncio
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

# Any number, the same in every process of every version.
MIGRATION_LOCK = 0x10C5_70C4

VERSION_TABLE = "migrations"


@dataclass(frozen=True)
class History:
    """The migrations of one service: its schema is named like the service."""

    service: str
    database_url: str


@dataclass(frozen=True)
class State:
    """Where a service's schema is, and where it should be. `None`: nothing yet."""

    service: str
    current: str | None
    head: str | None

    @property
    def is_current(self) -> bool:
        """Whether nothing is left to do."""
        return self.current == self.head


def _script(service: str) -> ScriptDirectory:
    folder = Path(str(resources.files(f"lockstock.{service}") / "migrations"))
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("version_locations", str(folder))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def _context(connection: Connection, service: str, **options: object) -> MigrationContext:
    return MigrationContext.configure(
        connection,
        opts={
            "version_table": VERSION_TABLE,
            "version_table_schema": service,
            "transaction_per_migration": True,
            **options,
        },
    )


def _state(connection: Connection, service: str) -> State:
    exists = connection.execute(
        text("SELECT 1 FROM pg_namespace WHERE nspname = :name"), {"name": service}
    ).scalar()
    current = _context(connection, service).get_current_revision() if exists else None
    return State(service, current, _script(service).get_current_head())


def _upgrade(connection: Connection, service: str) -> State:
    connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{service}"'))
    connection.commit()
    script = _script(service)

    def steps(revision: str, _context: MigrationContext) -> object:
        return script._upgrade_revs("head", revision)  # noqa: SLF001 (what alembic's command does)

    context = _context(connection, service, fn=steps, script=script)
    with Operations.context(context), context.begin_transaction():
        context.run_migrations()
    connection.commit()
    return _state(connection, service)


def _upgrade_alone(connection: Connection, service: str) -> State:
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
    connection.commit()
    try:
        return _upgrade(connection, service)
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()


async def _run(history: History, *, upgrade: bool) -> State:
    url = history.database_url.replace("postgresql://", "postgresql+asyncpg://", 1)
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_upgrade_alone if upgrade else _state, history.service)
    finally:
        await engine.dispose()


async def migrate(histories: list[History]) -> list[State]:
    """Bring each service's schema to its head, one after the other; return where they are."""
    return [await _run(history, upgrade=True) for history in histories]


async def states(histories: list[History]) -> list[State]:
    """Return where each service's schema is, changing nothing."""
    return list(await asyncio.gather(*(_run(history, upgrade=False) for history in histories)))
