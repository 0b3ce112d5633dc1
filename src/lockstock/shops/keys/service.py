"""The verbs of API keys. Nothing is remembered between requests: revoked is gone at once."""

from uuid import UUID

from lockstock.kernel.access import KEY_PREFIX, ApiKey, KeyKind
from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.ids import new_id
from lockstock.shops import store as shops
from lockstock.shops.contract import NoSuchShop
from lockstock.shops.keys import store
from lockstock.shops.keys.contract import MOST_KEYS, Key, MadeKey, NewKey, NoSuchKey, TooManyKeys
from lockstock.shops.tokens import hash_of, new_token, shop_of

PREFIXES: dict[KeyKind, str] = {
    "publishable": f"{KEY_PREFIX}pub_",
    "secret": f"{KEY_PREFIX}sec_",
}
# So much more than the prefix of its kind is shown of a key: 36 of its 192 random bits.
SHOWN = 6


class KeysService:
    """API keys on a database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @transaction
    async def make(
        self, connection: Connection, shop_id: UUID, made_by: UUID, ask: NewKey
    ) -> MadeKey:
        """Make a key. Raises NoSuchShop, TooManyKeys."""
        # The shop's row first, so that two who make the last one do so one after the other.
        if await shops.lock_shop(connection, shop_id) is None:
            raise NoSuchShop("There is no such shop.")
        if len(await store.list_keys(connection, shop_id)) >= MOST_KEYS:
            raise TooManyKeys(f"A shop has at most {MOST_KEYS} API keys. Revoke one first.")
        prefix = PREFIXES[ask.kind]
        key = new_token(prefix, shop_id)
        draft = store.Draft(new_id(), key[: len(prefix) + SHOWN], hash_of(key), made_by, ask)
        made = await store.insert_key(connection, shop_id, draft)
        return MadeKey(**made.model_dump(), key=key)

    @reading
    async def list_keys(self, connection: Connection, shop_id: UUID) -> list[Key]:
        """The keys of the shop that are good, oldest first."""
        return await store.list_keys(connection, shop_id)

    @reading
    async def get(self, connection: Connection, shop_id: UUID, key_id: UUID) -> Key:
        """One key, good or revoked. Raises NoSuchKey."""
        key = await store.get_key(connection, shop_id, key_id)
        if key is None:
            raise NoSuchKey("The shop has no such API key.")
        return key

    async def revoke(self, shop_id: UUID, key_id: UUID) -> None:
        """End a key, from the next request on. Harmless where it has ended. Raises NoSuchKey."""
        await self.get(shop_id, key_id)
        await self._revoke(shop_id, key_id)

    @transaction
    async def _revoke(self, connection: Connection, shop_id: UUID, key_id: UUID) -> None:
        await store.revoke_key(connection, shop_id, key_id)

    async def verify(self, key: str) -> ApiKey | None:
        """What a key may do, None for one that is not good. Notes that it was used."""
        for prefix in PREFIXES.values():
            shop_id = shop_of(prefix, key)
            if shop_id is not None:
                return await self._verify(shop_id, hash_of(key))
        return None

    async def _verify(self, shop_id: UUID, key_hash: bytes) -> ApiKey | None:
        found = await self._find(shop_id, key_hash)
        if found is None:
            return None
        key, due = found
        if due:
            await self._note_use(shop_id, key.id)
        return key

    @reading
    async def _find(
        self, connection: Connection, shop_id: UUID, key_hash: bytes
    ) -> tuple[ApiKey, bool] | None:
        return await store.find_key(connection, shop_id, key_hash)

    @transaction
    async def _note_use(self, connection: Connection, shop_id: UUID, key_id: UUID) -> None:
        await store.note_use(connection, shop_id, key_id)
