"""Opening a session, by password or by one-time code."""

from lockstock.kernel.database import Connection, reading, transaction
from lockstock.kernel.errors import Refusal
from lockstock.users import store
from lockstock.users.attempts import service as attempts
from lockstock.users.attempts.rules import Limit
from lockstock.users.codes.service import NOBODY
from lockstock.users.codes.store import CodeKey
from lockstock.users.contract import CodeProof, CodeRequest, CodeRequested, Login, Tokens
from lockstock.users.identities.claims import settle
from lockstock.users.parts import Parts
from lockstock.users.requests.service import CodeRequests
from lockstock.users.rules import Identifier, granted, typed_identifier
from lockstock.users.sessions.rules import Origin
from lockstock.users.store import Credentials


class Logins:
    """Both ways in. Hashing and sending happen while no transaction is open."""

    def __init__(self, parts: Parts) -> None:
        self.database = parts.database
        self._parts = parts
        self._requests = CodeRequests(parts, "login")

    async def login(self, ask: Login, origin: Origin) -> Tokens:
        """Open a session with a password. An unknown identity takes the same work."""
        parts = self._parts
        identity = typed_identifier(ask.identifier, parts.rules.default_region)
        by_address = parts.limits.address(origin.address or "unknown")
        limits = (parts.limits.passwords(identity), by_address)
        known = await self._find_credentials(identity, limits)
        shown = None if known is None else known.password_hash
        right = await parts.passwords.verify(ask.password, shown)
        new_hash = None
        if right and shown and parts.passwords.is_outdated(shown):
            new_hash = await parts.passwords.hash(ask.password)
        verified = known if right else None
        return granted(await self._log_in(identity, verified, new_hash, limits, origin))

    @reading
    async def _find_credentials(
        self, connection: Connection, identity: Identifier, limits: tuple[Limit, Limit]
    ) -> Credentials | None:
        if full := await attempts.refusal(connection, *limits):
            raise full
        return await store.find_credentials(connection, identity)

    @transaction
    async def _log_in(
        self,
        connection: Connection,
        identity: Identifier,
        verified: Credentials | None,
        new_hash: str | None,
        limits: tuple[Limit, Limit],
        origin: Origin,
    ) -> Tokens | Refusal:
        # Of many guesses at once no more are answered than one after the other: once the limit
        # is reached the right one is refused like the wrong ones.
        await attempts.lock(connection, limits[0])
        if full := await attempts.refusal(connection, *limits):
            return full
        if verified is None or not await self._is_still_so(connection, identity, verified):
            return await attempts.failed(connection, *limits)
        if new_hash is not None:
            await store.set_password(connection, verified.user_id, new_hash)
        return await self._parts.sessions.open(connection, verified.user_id, origin)

    async def _is_still_so(
        self, connection: Connection, identity: Identifier, verified: Credentials
    ) -> bool:
        # The password was verified with no lock held: it may have been changed since.
        await store.lock_user(connection, verified.user_id)
        return await store.find_credentials(connection, identity) == verified

    async def request_code(self, ask: CodeRequest, address: str) -> CodeRequested:
        """Send a code to the identity if somebody has it. Both ways take the same work."""
        return await self._requests.send(ask, address)

    async def verify_code(self, ask: CodeProof, origin: Origin) -> Tokens:
        """Open a session with a code."""
        limits = self._parts.limits
        identity = typed_identifier(ask.identifier, self._parts.rules.default_region)
        both = (limits.guesses(identity), limits.address(origin.address or "unknown"))
        return granted(await self._log_in_by_code(identity, ask.code, both, origin))

    @transaction
    async def _log_in_by_code(
        self,
        connection: Connection,
        identity: Identifier,
        code: str,
        limits: tuple[Limit, Limit],
        origin: Origin,
    ) -> Tokens | Refusal:
        await attempts.lock(connection, limits[0])
        if full := await attempts.refusal(connection, *limits):
            return full
        owner = await store.find_owner(connection, identity)
        key = CodeKey("login", identity, owner or NOBODY)
        if not await self._parts.codes.prove(connection, key, code) or owner is None:
            return await attempts.failed(connection, *limits)
        settled = await settle(connection, self._parts.sessions, identity, owner)
        if settled is None:
            return await attempts.failed(connection, *limits)
        return await self._parts.sessions.open(connection, settled, origin)
