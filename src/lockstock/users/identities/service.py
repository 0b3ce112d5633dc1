"""Adding and removing identities. An addition is nobody's until its code comes back."""

from uuid import UUID

from lockstock.kernel.access import Actor
from lockstock.kernel.database import Connection, reading, transaction
from lockstock.kernel.errors import InvalidInput, Refusal
from lockstock.users import store
from lockstock.users.attempts import service as attempts
from lockstock.users.attempts.rules import Limit
from lockstock.users.codes.rules import letter
from lockstock.users.codes.store import CodeKey
from lockstock.users.contract import (
    CodeProof,
    CodeRequested,
    IdentityKind,
    IdentityTaken,
    LastIdentity,
    NewIdentity,
    NoSuchIdentity,
    TooManyIdentities,
    User,
)
from lockstock.users.parts import Parts
from lockstock.users.rules import (
    MOST_IDENTITIES,
    Identifier,
    granted,
    identifier_of,
    typed_identifier,
    typed_identities,
)


class Identities:
    """What a person adds to, and takes from, the identities they registered with."""

    def __init__(self, parts: Parts) -> None:
        self.database = parts.database
        self._rules = parts.rules
        self._limits = parts.limits
        self._codes = parts.codes
        self._sessions = parts.sessions
        self._courier = parts.courier

    async def add(self, actor: Actor, ask: NewIdentity, address: str) -> CodeRequested:
        """Send a code there. Raises IdentityTaken, TooManyRequests, Unauthenticated."""
        identities = typed_identities(ask.email, ask.phone, self._rules.default_region)
        if len(identities) != 1:
            raise InvalidInput.at("email", "give either an e-mail address or a phone number")
        [identity] = identities
        self._courier.check(identity.kind)
        by_address = self._limits.address(address)
        try:
            await self._check_free(actor, identity, by_address)
        except IdentityTaken:
            await self._count(by_address)
            raise
        await self._count(self._limits.codes(identity), by_address)
        code = await self._make_code(actor, identity)
        self._courier.post(identity, letter("identity", code, self._rules.code_seconds))
        return CodeRequested(expires_in=self._rules.code_seconds)

    async def verify(self, actor: Actor, ask: CodeProof, address: str) -> User:
        """Add the identity. Raises InvalidInput for a wrong code."""
        identity = typed_identifier(ask.identifier, self._rules.default_region)
        limits = (
            self._limits.guesses(identity, str(actor.user_id)),
            self._limits.address(address),
        )
        return granted(await self._verify(actor, identity, ask.code, limits))

    @transaction
    async def remove(
        self, connection: Connection, actor: Actor, kind: IdentityKind, value: str
    ) -> None:
        """Take an identity away, but the last one."""
        await self._sessions.require(connection, actor)
        # Of two removals at once the second sees what the first left.
        await store.lock_user(connection, actor.user_id)
        identity = self._identifier(kind, value)
        mine = await self._count_identities(connection, actor.user_id)
        if not await store.delete_identity(connection, identity, actor.user_id):
            raise NoSuchIdentity("You have no such identity.")
        if mine == 1:
            raise LastIdentity("Add another identity first: without one you could not log in.")

    def _identifier(self, kind: IdentityKind, value: str) -> Identifier:
        try:
            identity = identifier_of(value, self._rules.default_region)
        except ValueError:
            raise NoSuchIdentity("You have no such identity.") from None
        if identity.kind != kind:
            raise NoSuchIdentity("You have no such identity.")
        return identity

    @reading
    async def _check_free(
        self, connection: Connection, actor: Actor, identity: Identifier, by_address: Limit
    ) -> None:
        await self._sessions.require(connection, actor)
        if full := await attempts.refusal(connection, by_address):
            raise full
        owner = await store.find_owner(connection, identity)
        if owner == actor.user_id:
            free = await self._is_unverified(connection, actor.user_id, identity)
        else:
            free = owner is None
        if not free:
            raise IdentityTaken.of(identity.kind)

    @transaction
    async def _count(self, connection: Connection, *limits: Limit) -> None:
        await attempts.spend(connection, *limits)

    @transaction
    async def _make_code(self, connection: Connection, actor: Actor, identity: Identifier) -> str:
        return await self._codes.make(connection, CodeKey("identity", identity, actor.user_id))

    @transaction
    async def _verify(
        self,
        connection: Connection,
        actor: Actor,
        identity: Identifier,
        code: str,
        limits: tuple[Limit, Limit],
    ) -> User | Refusal:
        await self._sessions.require(connection, actor)
        await attempts.lock(connection, limits[0])
        if full := await attempts.refusal(connection, *limits):
            return full
        key = CodeKey("identity", identity, actor.user_id)
        if not await self._codes.prove(connection, key, code):
            wrong = InvalidInput.at("code", "is not right, or no longer good")
            return await attempts.count(connection, *limits) or wrong
        await store.lock_user(connection, actor.user_id)
        if refused := await self._give(connection, actor.user_id, identity):
            return refused
        [user] = await store.get_users(connection, [actor.user_id])
        return user

    async def _give(
        self, connection: Connection, user_id: UUID, identity: Identifier
    ) -> Refusal | None:
        now = await store.read_clock(connection)
        if await self._is_unverified(connection, user_id, identity):
            await store.verify_identity(connection, identity, user_id, now)
            return None
        if await self._count_identities(connection, user_id) >= MOST_IDENTITIES:
            return TooManyIdentities(f"A person has at most {MOST_IDENTITIES} identities.")
        if not await store.insert_identity(connection, identity, user_id, now, now):
            return IdentityTaken.of(identity.kind)
        return None

    async def _is_unverified(
        self, connection: Connection, user_id: UUID, identity: Identifier
    ) -> bool:
        mine = (await store.list_identities(connection, [user_id]))[user_id]
        return any((i.kind, i.value) == identity and i.verified_at is None for i in mine)

    async def _count_identities(self, connection: Connection, user_id: UUID) -> int:
        return len((await store.list_identities(connection, [user_id]))[user_id])
