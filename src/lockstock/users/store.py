"""SQL of users and their identities.

Locks are taken in one order: the attempts of an identity, the code, the user, the token, its
session, and last the attempts of an address.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from lockstock.kernel.database import Connection
from lockstock.users.contract import Identity, User
from lockstock.users.rules import Identifier

READ_CLOCK = "SELECT statement_timestamp()"


async def read_clock(connection: Connection) -> datetime:
    """Return the database's time, which is the only one."""
    now: datetime = await connection.fetchval(READ_CLOCK)
    return now


@dataclass(frozen=True)
class NewAccount:
    """A user as it is inserted."""

    id: UUID
    name: str | None
    is_admin: bool
    password_hash: str | None = field(repr=False)
    created_at: datetime


INSERT_USER = """
    INSERT INTO users.users (id, name, is_admin, password_hash, created_at)
    VALUES ($1, $2, $3, $4, $5)
"""


async def insert_user(connection: Connection, account: NewAccount) -> None:
    """Insert a user, without an identity yet."""
    await connection.execute(
        INSERT_USER,
        account.id,
        account.name,
        account.is_admin,
        account.password_hash,
        account.created_at,
    )


INSERT_IDENTITY = """
    WITH email AS (
        INSERT INTO users.emails (address, user_id, verified_at, created_at)
        SELECT $2::text, $3::uuid, $4::timestamptz, $5::timestamptz WHERE $1::text = 'email'
        ON CONFLICT (address) DO NOTHING
        RETURNING 1
    ), phone AS (
        INSERT INTO users.phones (number, user_id, verified_at, created_at)
        SELECT $2::text, $3::uuid, $4::timestamptz, $5::timestamptz WHERE $1::text = 'phone'
        ON CONFLICT (number) DO NOTHING
        RETURNING 1
    )
    SELECT EXISTS (SELECT FROM email) OR EXISTS (SELECT FROM phone)
"""


async def insert_identity(
    connection: Connection,
    identity: Identifier,
    user_id: UUID,
    verified_at: datetime | None,
    created_at: datetime,
) -> bool:
    """Give the identity to the user; False if somebody has it."""
    given: bool = await connection.fetchval(
        INSERT_IDENTITY, *identity, user_id, verified_at, created_at
    )
    return given


FIND_OWNER = """
    SELECT user_id FROM users.emails WHERE $1::text = 'email' AND address = $2::text
    UNION ALL
    SELECT user_id FROM users.phones WHERE $1::text = 'phone' AND number = $2::text
"""


async def find_owner(connection: Connection, identity: Identifier) -> UUID | None:
    """Return who has the identity."""
    user_id: UUID | None = await connection.fetchval(FIND_OWNER, *identity)
    return user_id


@dataclass(frozen=True)
class Credentials:
    """What a password is verified against."""

    user_id: UUID
    password_hash: str | None = field(repr=False)


FIND_CREDENTIALS = """
    SELECT u.id, u.password_hash
    FROM (
        SELECT user_id FROM users.emails WHERE $1::text = 'email' AND address = $2::text
        UNION ALL
        SELECT user_id FROM users.phones WHERE $1::text = 'phone' AND number = $2::text
    ) AS owner
    JOIN users.users AS u ON u.id = owner.user_id
"""


async def find_credentials(connection: Connection, identity: Identifier) -> Credentials | None:
    """Return the password hash of who has the identity."""
    row = await connection.fetchrow(FIND_CREDENTIALS, *identity)
    return None if row is None else Credentials(row["id"], row["password_hash"])


# NO KEY: rows that refer to the user are inserted by others meanwhile.
LOCK_USER = "SELECT is_admin FROM users.users WHERE id = $1 FOR NO KEY UPDATE"


async def lock_user(connection: Connection, user_id: UUID) -> bool:
    """Let nobody else change the user until the transaction ends; return whether an admin."""
    admin: bool = await connection.fetchval(LOCK_USER, user_id)
    return admin


IS_ADMIN = "SELECT is_admin FROM users.users WHERE id = $1"


async def is_admin(connection: Connection, user_id: UUID) -> bool:
    """Whether the user may do everything."""
    admin: bool = await connection.fetchval(IS_ADMIN, user_id)
    return admin


FIND_PASSWORD = "SELECT password_hash FROM users.users WHERE id = $1"  # noqa: S105 (SQL)


async def find_password(connection: Connection, user_id: UUID) -> str | None:
    """Return the hash of the user's password."""
    password_hash: str | None = await connection.fetchval(FIND_PASSWORD, user_id)
    return password_hash


SET_PASSWORD = "UPDATE users.users SET password_hash = $2 WHERE id = $1"  # noqa: S105 (SQL)


async def set_password(connection: Connection, user_id: UUID, password_hash: str | None) -> None:
    """Keep another hash, or none: then only codes log in."""
    await connection.execute(SET_PASSWORD, user_id, password_hash)


VERIFY_IDENTITY = """
    WITH email AS (
        UPDATE users.emails SET verified_at = $4::timestamptz
        WHERE $1::text = 'email' AND address = $2::text AND user_id = $3::uuid
          AND verified_at IS NULL
    )
    UPDATE users.phones SET verified_at = $4::timestamptz
    WHERE $1::text = 'phone' AND number = $2::text AND user_id = $3::uuid
      AND verified_at IS NULL
"""


async def verify_identity(
    connection: Connection, identity: Identifier, user_id: UUID, now: datetime
) -> None:
    """Note when a code first came back from there."""
    await connection.execute(VERIFY_IDENTITY, *identity, user_id, now)


DELETE_IDENTITY = """
    WITH email AS (
        DELETE FROM users.emails
        WHERE $1::text = 'email' AND address = $2::text AND user_id = $3::uuid
        RETURNING 1
    ), phone AS (
        DELETE FROM users.phones
        WHERE $1::text = 'phone' AND number = $2::text AND user_id = $3::uuid
        RETURNING 1
    )
    SELECT EXISTS (SELECT FROM email) OR EXISTS (SELECT FROM phone)
"""


async def delete_identity(connection: Connection, identity: Identifier, user_id: UUID) -> bool:
    """Take the identity from the user; False if it was not theirs."""
    taken: bool = await connection.fetchval(DELETE_IDENTITY, *identity, user_id)
    return taken


LIST_IDENTITIES = """
    SELECT user_id, 'email' AS kind, address AS value, verified_at, created_at
    FROM users.emails
    WHERE user_id = ANY ($1::uuid[])
    UNION ALL
    SELECT user_id, 'phone', number, verified_at, created_at
    FROM users.phones
    WHERE user_id = ANY ($1::uuid[])
    ORDER BY created_at, kind, value
"""


async def list_identities(
    connection: Connection, user_ids: Sequence[UUID]
) -> dict[UUID, list[Identity]]:
    """Return the identities of each of these users, oldest first."""
    found: dict[UUID, list[Identity]] = {user_id: [] for user_id in user_ids}
    for row in await connection.fetch(LIST_IDENTITIES, list(user_ids)):
        found[row["user_id"]].append(
            Identity(kind=row["kind"], value=row["value"], verified_at=row["verified_at"])
        )
    return found


GET_USERS = """
    SELECT id, name, is_admin, password_hash IS NOT NULL AS has_password, created_at
    FROM users.users
    WHERE id = ANY ($1::uuid[])
    ORDER BY id
"""


async def get_users(connection: Connection, user_ids: Sequence[UUID]) -> list[User]:
    """Return the users among these, by id."""
    rows = await connection.fetch(GET_USERS, list(user_ids))
    identities = await list_identities(connection, [row["id"] for row in rows])
    return [
        User(
            id=row["id"],
            name=row["name"],
            is_admin=row["is_admin"],
            has_password=row["has_password"],
            identities=identities[row["id"]],
            created_at=row["created_at"],
        )
        for row in rows
    ]


WHICH_EXIST = "SELECT id FROM users.users WHERE id = ANY ($1::uuid[])"


async def which_exist(connection: Connection, user_ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the ids that are users."""
    return {row["id"] for row in await connection.fetch(WHICH_EXIST, list(user_ids))}
