"""The verbs of users. Hashing and sending happen while no transaction is open.

What must be kept although the answer is no, such as a counted failure, is committed: a transaction
then returns the refusal instead of raising it.
"""

from collections.abc import Sequence
from uuid import UUID

from pydantic import ValidationError

from lockstock.kernel.access import AccessTokens, Actor
from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.errors import InvalidInput, Refusal
from lockstock.kernel.ids import new_id
from lockstock.users import store
from lockstock.users.attempts import service as attempts
from lockstock.users.attempts.rules import Limit, Limits
from lockstock.users.attempts.store import delete_ended_attempts
from lockstock.users.codes.rules import message
from lockstock.users.codes.service import NOBODY, Codes
from lockstock.users.codes.store import CodeKey, delete_ended_codes
from lockstock.users.contract import (
    CodeProof,
    CodeRequest,
    CodeRequested,
    IdentityKind,
    IdentityTaken,
    InvalidCredentials,
    Login,
    NewIdentity,
    NewUser,
    TokenProof,
    Tokens,
    User,
)
from lockstock.users.identities.service import Identities
from lockstock.users.passwords import Passwords
from lockstock.users.rules import (
    Identifier,
    UserLimits,
    granted,
    identifier_of,
    password_fault,
    typed_identifier,
    typed_identities,
)
from lockstock.users.sender import Courier, Sender
from lockstock.users.sessions.service import Sessions
from lockstock.users.store import Credentials, NewAccount


class UsersService:
    """Accounts, identities, passwords, one-time codes, sessions."""

    def __init__(
        self, database: Database, tokens: AccessTokens, sender: Sender, rules: UserLimits
    ) -> None:
        self.database = database
        self._rules = rules
        self._limits = Limits(rules)
        self._passwords = Passwords(rules)
        self._codes = Codes(rules)
        self._sessions = Sessions(tokens, rules.refresh_token_seconds)
        self._courier = Courier(sender)
        self._identities = Identities(database, rules, self._codes, self._sessions, self._courier)

    async def close(self) -> None:
        """Wait for codes that are being sent, and for the threads."""
        await self._courier.close()
        await self._passwords.close()

    @transaction
    async def _count(self, connection: Connection, *limits: Limit) -> None:
        await attempts.spend(connection, *limits)

    async def register(self, ask: NewUser, address: str) -> User:
        """Create an account; its identities are usable at once."""
        by_address = self._limits.address(address)
        try:
            return await self._register(ask, is_admin=False, limits=[by_address])
        except IdentityTaken:
            # Whoever goes through other people's addresses this way is slowed down.
            await self._count(by_address)
            raise

    async def create_admin(self, email: str, password: str, name: str | None) -> User:
        """Create an account that may do everything."""
        try:
            ask = NewUser(email=email, password=password, name=name)
        except ValidationError as error:
            [fault, *_] = error.errors()
            raise InvalidInput.at(str(fault["loc"][0]), fault["msg"]) from None
        return await self._register(ask, is_admin=True, limits=[])

    async def _register(self, ask: NewUser, *, is_admin: bool, limits: list[Limit]) -> User:
        identities = typed_identities(ask.email, ask.phone, self._rules.default_region)
        if not identities:
            raise InvalidInput.at("email", "give an e-mail address, a phone number or both")
        if fault := password_fault(ask.password, identities):
            raise InvalidInput.at("password", fault)
        await self._check_free(identities, limits)
        password_hash = await self._passwords.hash(ask.password)
        return await self._insert(identities, ask.name, password_hash, is_admin=is_admin)

    @reading
    async def _check_free(
        self, connection: Connection, identities: list[Identifier], limits: list[Limit]
    ) -> None:
        # Before the costly hash. Whether it is so is decided by the insert.
        if full := await attempts.refusal(connection, *limits):
            raise full
        for identity in identities:
            if await store.find_owner(connection, identity) is not None:
                raise IdentityTaken.of(identity.kind)

    @transaction
    async def _insert(
        self,
        connection: Connection,
        identities: list[Identifier],
        name: str | None,
        password_hash: str,
        *,
        is_admin: bool,
    ) -> User:
        now = await store.read_clock(connection)
        account = NewAccount(new_id(), name, is_admin, password_hash, now)
        await store.insert_user(connection, account)
        for identity in identities:
            if not await store.insert_identity(connection, identity, account.id, None, now):
                raise IdentityTaken.of(identity.kind)
        [user] = await store.get_users(connection, [account.id])
        return user

    async def login(self, ask: Login, address: str) -> Tokens:
        """Open a session with a password. An unknown identity takes the same work."""
        identity = typed_identifier(ask.identifier, self._rules.default_region)
        limits = (self._limits.passwords(identity), self._limits.address(address))
        known = await self._find_credentials(identity, limits)
        shown = None if known is None else known.password_hash
        right = await self._passwords.verify(ask.password, shown)
        new_hash = None
        if right and shown and self._passwords.is_outdated(shown):
            new_hash = await self._passwords.hash(ask.password)
        verified = known if right else None
        return granted(await self._log_in(identity, verified, new_hash, limits))

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
    ) -> Tokens | Refusal:
        # Of many guesses at once no more are answered than one after the other: once the limit
        # is reached the right one is refused like the wrong ones.
        await attempts.lock(connection, limits[0])
        if full := await attempts.refusal(connection, *limits):
            return full
        if verified is None or not await self._is_still_so(connection, identity, verified):
            return await self._failed(connection, limits)
        if new_hash is not None:
            await store.set_password(connection, verified.user_id, new_hash)
        return await self._sessions.open(connection, verified.user_id)

    async def _is_still_so(
        self, connection: Connection, identity: Identifier, verified: Credentials
    ) -> bool:
        # The password was verified with no lock held: it may have been changed since.
        await store.lock_user(connection, verified.user_id)
        return await store.find_credentials(connection, identity) == verified

    async def _failed(self, connection: Connection, limits: tuple[Limit, Limit]) -> Refusal:
        full = await attempts.count(connection, *limits)
        return full or InvalidCredentials("The identity, password or code is not right.")

    async def request_code(self, ask: CodeRequest, address: str) -> CodeRequested:
        """Send a code to the identity if somebody has it. Both ways take the same work."""
        identity = typed_identifier(ask.identifier, self._rules.default_region)
        await self._count(self._limits.codes(identity), self._limits.address(address))
        code, owner = await self._make_login_code(identity)
        if owner is not None:
            self._courier.post(identity, message(code, self._rules.code_seconds))
        return CodeRequested(expires_in=self._rules.code_seconds)

    @transaction
    async def _make_login_code(
        self, connection: Connection, identity: Identifier
    ) -> tuple[str, UUID | None]:
        owner = await store.find_owner(connection, identity)
        key = CodeKey("login", identity, owner or NOBODY)
        return await self._codes.make(connection, key), owner

    async def verify_code(self, ask: CodeProof, address: str) -> Tokens:
        """Open a session with a code."""
        identity = typed_identifier(ask.identifier, self._rules.default_region)
        limits = (self._limits.guesses(identity), self._limits.address(address))
        return granted(await self._log_in_by_code(identity, ask.code, limits))

    @transaction
    async def _log_in_by_code(
        self, connection: Connection, identity: Identifier, code: str, limits: tuple[Limit, Limit]
    ) -> Tokens | Refusal:
        await attempts.lock(connection, limits[0])
        if full := await attempts.refusal(connection, *limits):
            return full
        owner = await store.find_owner(connection, identity)
        key = CodeKey("login", identity, owner or NOBODY)
        if not await self._codes.prove(connection, key, code) or owner is None:
            return await self._failed(connection, limits)
        await store.verify_identity(connection, identity, owner, await store.read_clock(connection))
        return await self._sessions.open(connection, owner)

    async def refresh(self, ask: TokenProof) -> Tokens:
        """Exchange a refresh token for new tokens."""
        return granted(await self._refresh(ask.refresh_token))

    @transaction
    async def _refresh(self, connection: Connection, refresh_token: str) -> Tokens | Refusal:
        return await self._sessions.refresh(connection, refresh_token)

    @transaction
    async def logout(self, connection: Connection, ask: TokenProof) -> None:
        """End the token's session."""
        await self._sessions.end(connection, ask.refresh_token)

    @reading
    async def me(self, connection: Connection, actor: Actor) -> User:
        """Return the caller."""
        await self._sessions.require(connection, actor)
        [user] = await store.get_users(connection, [actor.user_id])
        return user

    async def add_identity(self, actor: Actor, ask: NewIdentity, address: str) -> CodeRequested:
        """Send a code to what may become an identity of the caller."""
        return await self._identities.add(actor, ask, address)

    async def verify_identity(self, actor: Actor, ask: CodeProof, address: str) -> User:
        """Add the identity that the code was sent to."""
        return await self._identities.verify(actor, ask, address)

    async def remove_identity(self, actor: Actor, kind: IdentityKind, value: str) -> None:
        """Take an identity away, but the last one."""
        await self._identities.remove(actor, kind, value)

    @reading
    async def exists(self, connection: Connection, user_ids: Sequence[UUID]) -> set[UUID]:
        """Return those of the ids that are users."""
        return await store.which_exist(connection, user_ids)

    @reading
    async def get_many(self, connection: Connection, user_ids: Sequence[UUID]) -> list[User]:
        """Return the users among these, by id."""
        return await store.get_users(connection, user_ids)

    @reading
    async def find(self, connection: Connection, identifier: str) -> User | None:
        """Return who has this e-mail address or phone number."""
        try:
            identity = identifier_of(identifier, self._rules.default_region)
        except ValueError:
            return None
        owner = await store.find_owner(connection, identity)
        found = [] if owner is None else await store.get_users(connection, [owner])
        return found[0] if found else None

    @transaction
    async def sweep(self, connection: Connection, most: int) -> int:
        """Delete what is over, at most so many of each; return how many rows."""
        codes = await delete_ended_codes(connection, most)
        sessions = await self._sessions.sweep(connection, most)
        return codes + sessions + await delete_ended_attempts(connection, most)
