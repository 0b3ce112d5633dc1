"""SQL of attempts. A row's lock makes a limit exact, over all processes."""

from lockstock.kernel.database import Connection
from lockstock.users.attempts.rules import Attempts

READ_ATTEMPTS = """
    SELECT key, count, ends_at
    FROM users.attempts
    WHERE key = ANY ($1::bytea[])
"""


async def read_attempts(connection: Connection, keys: list[bytes]) -> dict[bytes, Attempts]:
    """Return what was counted, by key."""
    rows = await connection.fetch(READ_ATTEMPTS, keys)
    return {row["key"]: Attempts(row["count"], row["ends_at"]) for row in rows}


# An update that changes nothing: it locks the row whether it was there or not, in one statement,
# so that no sweep can delete it in between.
LOCK_ATTEMPTS = """
    INSERT INTO users.attempts (key, kind, count, ends_at)
    VALUES ($1, $2, 0, statement_timestamp())
    ON CONFLICT (key) DO UPDATE SET kind = excluded.kind
"""


async def lock_attempts(connection: Connection, key: bytes, kind: str) -> None:
    """Lock the counter to the end of the transaction, making it if need be."""
    await connection.execute(LOCK_ATTEMPTS, key, kind)


WRITE_ATTEMPTS = "UPDATE users.attempts SET count = $2, ends_at = $3 WHERE key = $1"


async def write_attempts(connection: Connection, key: bytes, attempts: Attempts) -> None:
    """Keep a new count. The caller holds the lock."""
    await connection.execute(WRITE_ATTEMPTS, key, attempts.count, attempts.ends_at)


DELETE_ENDED_ATTEMPTS = """
    WITH gone AS (
        DELETE FROM users.attempts WHERE key IN (
            SELECT key FROM users.attempts
            WHERE ends_at <= statement_timestamp()
            LIMIT $1
            FOR UPDATE SKIP LOCKED
        )
        RETURNING 1
    )
    SELECT count(*) FROM gone
"""


async def delete_ended_attempts(connection: Connection, most: int) -> int:
    """Delete counters that would start again from nothing and nobody uses; return how many."""
    count: int = await connection.fetchval(DELETE_ENDED_ATTEMPTS, most)
    return count
