"""The statements of API keys."""

from dataclasses import dataclass, field
from uuid import UUID

from lockstock.kernel.access import ApiKey
from lockstock.kernel.database import Connection, Row
from lockstock.shops.keys.contract import Key, NewKey


def _key(row: Row) -> Key:
    return Key(
        id=row["key_id"],
        name=row["name"],
        kind=row["kind"],
        scopes=row["scopes"],
        prefix=row["prefix"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
    )


@dataclass(frozen=True)
class Draft:
    """A key as it is inserted."""

    id: UUID
    prefix: str
    key_hash: bytes = field(repr=False)
    created_by: UUID
    ask: NewKey


INSERT_KEY = """
    INSERT INTO shops.api_keys (
        shop_id, key_id, name, kind, scopes, prefix, key_hash, created_by, created_at
    )
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, statement_timestamp())
    RETURNING key_id, name, kind, scopes, prefix, created_by, created_at, last_used_at, revoked_at
"""


async def insert_key(connection: Connection, shop_id: UUID, draft: Draft) -> Key:
    """Write a key."""
    row = await connection.fetchrow(
        INSERT_KEY,
        shop_id,
        draft.id,
        draft.ask.name,
        draft.ask.kind,
        sorted(set(draft.ask.scopes)),
        draft.prefix,
        draft.key_hash,
        draft.created_by,
    )
    return _key(row)


LIST_KEYS = """
    SELECT key_id, name, kind, scopes, prefix, created_by, created_at, last_used_at, revoked_at
    FROM shops.api_keys
    WHERE shop_id = $1 AND revoked_at IS NULL
    ORDER BY created_at, key_id
"""


async def list_keys(connection: Connection, shop_id: UUID) -> list[Key]:
    """The keys of a shop that are good."""
    return [_key(row) for row in await connection.fetch(LIST_KEYS, shop_id)]


GET_KEY = """
    SELECT key_id, name, kind, scopes, prefix, created_by, created_at, last_used_at, revoked_at
    FROM shops.api_keys
    WHERE shop_id = $1 AND key_id = $2
"""


async def get_key(connection: Connection, shop_id: UUID, key_id: UUID) -> Key | None:
    """One key, good or revoked."""
    row = await connection.fetchrow(GET_KEY, shop_id, key_id)
    return None if row is None else _key(row)


REVOKE_KEY = """
    UPDATE shops.api_keys SET revoked_at = statement_timestamp()
    WHERE shop_id = $1 AND key_id = $2 AND revoked_at IS NULL
"""


async def revoke_key(connection: Connection, shop_id: UUID, key_id: UUID) -> None:
    """End a key, once."""
    await connection.execute(REVOKE_KEY, shop_id, key_id)


FIND_KEY = """
    SELECT key_id, kind, scopes,
        last_used_at IS NULL OR last_used_at <= statement_timestamp() - interval '1 minute' AS due
    FROM shops.api_keys
    WHERE shop_id = $1 AND key_hash = $2 AND revoked_at IS NULL
"""


async def find_key(
    connection: Connection, shop_id: UUID, key_hash: bytes
) -> tuple[ApiKey, bool] | None:
    """What a good key may do, and whether its use is to be noted."""
    row = await connection.fetchrow(FIND_KEY, shop_id, key_hash)
    if row is None:
        return None
    scopes = frozenset(row["scopes"])
    return ApiKey(id=row["key_id"], shop_id=shop_id, kind=row["kind"], scopes=scopes), row["due"]


# Of many requests at once one writes; the others see, once they have the row, that it is done.
NOTE_USE = """
    UPDATE shops.api_keys SET last_used_at = statement_timestamp()
    WHERE shop_id = $1 AND key_id = $2
        AND (last_used_at IS NULL OR last_used_at <= statement_timestamp() - interval '1 minute')
"""


async def note_use(connection: Connection, shop_id: UUID, key_id: UUID) -> None:
    """Note when a key was used, at most once a minute."""
    await connection.execute(NOTE_USE, shop_id, key_id)
