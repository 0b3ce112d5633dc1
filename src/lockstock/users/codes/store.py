"""SQL of one-time codes. The row's lock makes the number of tries exact."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from lockstock.kernel.database import Connection
from lockstock.users.codes.rules import KeptCode, Purpose
from lockstock.users.rules import Identifier


@dataclass(frozen=True)
class CodeKey:
    """Which code: what it is for, where it was sent, for whom it is good."""

    purpose: Purpose
    identity: Identifier
    user_id: UUID


PUT_CODE = """
    INSERT INTO users.codes
        (purpose, kind, value, user_id, code_hash, tries, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, 0, $6, $7)
    ON CONFLICT (purpose, kind, value, user_id) DO UPDATE
    SET code_hash = excluded.code_hash, tries = excluded.tries,
        created_at = excluded.created_at, expires_at = excluded.expires_at
"""


async def put_code(
    connection: Connection, key: CodeKey, code_hash: bytes, now: datetime, expires_at: datetime
) -> None:
    """Keep a new code in the place of the one before."""
    await connection.execute(
        PUT_CODE, key.purpose, *key.identity, key.user_id, code_hash, now, expires_at
    )


LOCK_CODE = """
    SELECT code_hash, tries, expires_at
    FROM users.codes
    WHERE purpose = $1 AND kind = $2 AND value = $3 AND user_id = $4
    FOR UPDATE
"""


async def lock_code(connection: Connection, key: CodeKey) -> KeptCode | None:
    """Return a code, which nobody else can try until the transaction ends."""
    row = await connection.fetchrow(LOCK_CODE, key.purpose, *key.identity, key.user_id)
    return None if row is None else KeptCode(row["code_hash"], row["tries"], row["expires_at"])


WRITE_TRIES = """
    UPDATE users.codes SET tries = $5
    WHERE purpose = $1 AND kind = $2 AND value = $3 AND user_id = $4
"""


async def write_tries(connection: Connection, key: CodeKey, tries: int) -> None:
    """Keep the number of wrong tries. The caller holds the lock."""
    await connection.execute(WRITE_TRIES, key.purpose, *key.identity, key.user_id, tries)


DELETE_CODE = """
    DELETE FROM users.codes
    WHERE purpose = $1 AND kind = $2 AND value = $3 AND user_id = $4
"""


async def delete_code(connection: Connection, key: CodeKey) -> None:
    """Forget a code that was used."""
    await connection.execute(DELETE_CODE, key.purpose, *key.identity, key.user_id)


DELETE_ENDED_CODES = """
    WITH gone AS (
        DELETE FROM users.codes WHERE (purpose, kind, value, user_id) IN (
            SELECT purpose, kind, value, user_id FROM users.codes
            WHERE expires_at <= statement_timestamp()
            LIMIT $1
            FOR UPDATE SKIP LOCKED
        )
        RETURNING 1
    )
    SELECT count(*) FROM gone
"""


async def delete_ended_codes(connection: Connection, most: int) -> int:
    """Delete codes that are over; return how many."""
    count: int = await connection.fetchval(DELETE_ENDED_CODES, most)
    return count
