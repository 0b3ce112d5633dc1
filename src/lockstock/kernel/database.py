"""The database: a small pool, transactions, and the only place where they are run again.

Every verb is one transaction. A deadlock or a serialization failure is no one's fault: the verb is
run again, a bounded number of times. A connection lost before COMMIT left no effect. A connection
lost during COMMIT is an unknown outcome: it is said, never guessed.
"""

import asyncio
import functools
import json
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from pydantic_core import from_json

from lockstock.kernel import telemetry
from lockstock.kernel.errors import DatabaseUnavailable, OutcomeUnknown, Unavailable

Connection = PoolConnectionProxy
T = TypeVar("T")
P = ParamSpec("P")

ATTEMPTS = 8


class Conflict(Exception):
    """Raised by a verb that finds, under its locks, that what it read before has changed."""

    sqlstate = "conflict"


_RETRIED = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    # A migration has run since the statement was prepared; asyncpg prepares it anew.
    asyncpg.InvalidCachedStatementError,
    Conflict,
)
# The server is not, or no longer, the one that takes changes: after a failover another one is.
_ONLY_READS = (asyncpg.ReadOnlySQLTransactionError,)
_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    OSError,
)
_TOO_SLOW = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError)


@dataclass(frozen=True)
class Limits:
    """Bounds on what one process may ask of the database. Times in seconds."""

    pool_size: int = 10
    acquire_timeout_seconds: float = 10.0
    lock_timeout_seconds: float = 10.0
    statement_timeout_seconds: float = 30.0
    idle_in_transaction_timeout_seconds: float = 30.0


async def _prepare_connection(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=from_json
    )


async def _leave_as_it_is(_connection: asyncpg.Connection) -> None:
    """Reset nothing: no statement of ours changes the session.

    The default asks the database to, each time that a connection is given back: one more round trip
    for each verb. An open transaction is rolled back by the pool itself.
    """


class Database:
    """A pool of connections to one PostgreSQL database."""

    def __init__(self, pool: asyncpg.Pool, limits: Limits) -> None:
        self._pool = pool
        self._limits = limits

    @classmethod
    async def open(cls, url: str, limits: Limits | None = None) -> "Database":
        """Connect. Raises OSError or asyncpg errors when the database cannot be reached."""
        limits = limits or Limits()
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=limits.pool_size,
            init=_prepare_connection,
            reset=_leave_as_it_is,
            server_settings={
                "application_name": "lockstock",
                "timezone": "UTC",
                "lock_timeout": _milliseconds(limits.lock_timeout_seconds),
                "statement_timeout": _milliseconds(limits.statement_timeout_seconds),
                "idle_in_transaction_session_timeout": _milliseconds(
                    limits.idle_in_transaction_timeout_seconds
                ),
            },
        )
        return cls(pool, limits)

    async def close(self) -> None:
        """Wait a moment for what is under way, then drop the connections."""
        try:
            await asyncio.wait_for(self._pool.close(), timeout=10)
        except TimeoutError:
            self._pool.terminate()

    async def transaction(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work` in one READ COMMITTED transaction and return what it returns.

        Raises what `work` raises (then nothing was done), DatabaseUnavailable (nothing was done)
        or OutcomeUnknown (the connection was lost during COMMIT).
        """
        started = time.monotonic()
        result = await self._persist(lambda connection: _once(connection, work))
        telemetry.TRANSACTIONS.observe(time.monotonic() - started)
        return result

    async def read(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work`, which only reads, without a transaction around it."""
        return await self._persist(work)

    async def _persist(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        reason = ""
        for attempt in range(ATTEMPTS):
            try:
                async with self._pool.acquire(
                    timeout=self._limits.acquire_timeout_seconds
                ) as connection:
                    return await work(connection)
            except _RETRIED as error:
                telemetry.RETRIES.labels(error.sqlstate).inc()
                telemetry.log().info("transaction_retried", sqlstate=error.sqlstate)
                reason = "Too many others change the same rows. Nothing was done."
            except _ONLY_READS as error:
                telemetry.RETRIES.labels(error.sqlstate).inc()
                telemetry.log().warning("database_only_reads", error=repr(error))
                # New connections may lead to the server that takes changes; these never will.
                await self._pool.expire_connections()
                reason = "The database takes no changes now. Nothing was done."
            except _TOO_SLOW as error:
                detail = "The database took too long. Nothing was done."
                raise Unavailable(detail) from error
            except TimeoutError as error:
                detail = "All database connections are busy. Nothing was done."
                raise Unavailable(detail) from error
            except _LOST as error:
                if self._pool.is_closing():
                    raise DatabaseUnavailable("This process is stopping.") from error
                telemetry.RETRIES.labels("connection").inc()
                telemetry.log().warning("connection_lost", error=repr(error))
                reason = "The database does not answer. Nothing was done."
            # Jitter, so that those who met once do not meet again.
            await asyncio.sleep(random.uniform(0.5, 1.5) * min(0.01 * 2**attempt, 0.5))  # noqa: S311
        raise DatabaseUnavailable(reason, retry_after_seconds=2)

    def report_pool(self) -> None:
        """Set the gauges of this pool."""
        size, idle = self._pool.get_size(), self._pool.get_idle_size()
        telemetry.POOL_CONNECTIONS.labels("busy").set(size - idle)
        telemetry.POOL_CONNECTIONS.labels("idle").set(idle)


async def _once(connection: Connection, work: Callable[[Connection], Awaitable[T]]) -> T:
    transaction = connection.transaction(isolation="read_committed")
    await transaction.start()
    try:
        result = await work(connection)
    except BaseException:
        if not connection.is_closed():
            await transaction.rollback()
        raise
    try:
        await transaction.commit()
    except _LOST as error:
        telemetry.UNKNOWN_OUTCOMES.inc()
        detail = (
            "The connection to the database was lost while the change was being committed. "
            "Retry with the same Idempotency-Key to find out."
        )
        raise OutcomeUnknown(detail) from error
    return result


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))


class HasDatabase(Protocol):
    """A service: it has a database."""

    @property
    def database(self) -> Database: ...


S = TypeVar("S", bound=HasDatabase)


def transaction(
    verb: Callable[Concatenate[S, Connection, P], Awaitable[T]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """Make a verb one transaction: the connection is given to it, its caller does not see it."""

    async def run(service: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        def work(connection: Connection) -> Awaitable[T]:
            return verb(service, connection, *args, **kwargs)

        return await service.database.transaction(work)

    functools.update_wrapper(run, verb)
    return run


def reading(
    verb: Callable[Concatenate[S, Connection, P], Awaitable[T]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """Make a verb that only reads: like `transaction`, without one."""

    async def run(service: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        def work(connection: Connection) -> Awaitable[T]:
            return verb(service, connection, *args, **kwargs)

        return await service.database.read(work)

    functools.update_wrapper(run, verb)
    return run


Row = Any  # asyncpg.Record: a mapping with attribute-free access, converted at once in the store
