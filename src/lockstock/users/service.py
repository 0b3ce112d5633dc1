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
from lockstock.users.codes.service import Codes
from lockstock.users.codes.store import delete_ended_codes
from lockstock.users.contract import (
    CodeProof,
    CodeRequest,
    CodeRequested,
    IdentityKind,
    IdentityTaken,
    Letter,
    Login,
    NewIdentity,
    NewUser,
    PasswordChange,
    PasswordReset,
    Session,
    SessionPlace,
    TokenProof,
    Tokens,
    User,
)
from lockstock.users.hashing import Passwords
from lockstock.users.identities.service import Identities
from lockstock.users.logins.service import Logins
from lockstock.users.parts import Parts
from lockstock.users.passwords.service import PasswordChanges
from lockstock.users.rules import (
    Identifier,
    UserLimits,
    granted,
    identifier_of,
    password_fault,
    typed_identifier,
    typed_identities,
)
from lockstock.users.senders.contract import Sender
from lockstock.users.senders.courier import Courier
from lockstock.users.sessions.rules import Origin, origin_of
from lockstock.users.sessions.service import Sessions
from lockstock.users.store import NewAccount


class UsersService:
    """Accounts, identities, passwords, one-time codes, sessions."""

    def __init__(
        self, database: Database, tokens: AccessTokens, sender: Sender, rules: UserLimits
    ) -> None:
        self.database = database
        self._rules = rules
        self._limits = Limits(rules)
        self._hasher = Passwords(rules)
        self._sessions = Sessions(tokens, rules.refresh_token_seconds)
        self._courier = Courier(sender)
        parts = Parts(
            database=database,
            rules=rules,
            limits=self._limits,
            passwords=self._hasher,
            codes=Codes(rules),
            sessions=self._sessions,
            courier=self._courier,
        )
        self._logins = Logins(parts)
        self._passwords = PasswordChanges(parts)
        self._identities = Identities(parts)

    @property
    def unreached(self) -> list[IdentityKind]:
        """The kinds of identity that nothing can be sent to."""
        return self._courier.unreached

    async def close(self) -> None:
        """Wait for codes that are being sent, and for the threads."""
        await self._courier.close()
        await self._hasher.close()

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
        password_hash = await self._hasher.hash(ask.password)
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
        # An operator vouches for an administrator's; other people's are proven by a code.
        verified_at = now if is_admin else None
        for identity in identities:
            if not await store.insert_identity(connection, identity, account.id, verified_at, now):
                raise IdentityTaken.of(identity.kind)
        [user] = await store.get_users(connection, [account.id])
        return user

    async def login(self, ask: Login, address: str, user_agent: str | None = None) -> Tokens:
        """Open a session with a password."""
        return await self._logins.login(ask, origin_of(address, user_agent))

    async def request_code(self, ask: CodeRequest, address: str) -> CodeRequested:
        """Send a code to the identity if somebody has it."""
        return await self._logins.request_code(ask, address)

    async def verify_code(
        self, ask: CodeProof, address: str, user_agent: str | None = None
    ) -> Tokens:
        """Open a session with a code."""
        return await self._logins.verify_code(ask, origin_of(address, user_agent))

    async def change_password(self, actor: Actor, ask: PasswordChange, address: str) -> None:
        """Set another password; the caller's other sessions end."""
        await self._passwords.change(actor, ask, address)

    async def request_reset(self, ask: CodeRequest, address: str) -> CodeRequested:
        """Send a code for another password to the identity, if somebody has it."""
        return await self._passwords.request_reset(ask, address)

    async def reset_password(self, ask: PasswordReset, address: str) -> None:
        """Set another password with a code; all sessions end."""
        await self._passwords.reset(ask, address)

    async def refresh(
        self, ask: TokenProof, address: str | None = None, user_agent: str | None = None
    ) -> Tokens:
        """Exchange a refresh token for new tokens."""
        return granted(await self._refresh(ask.refresh_token, origin_of(address, user_agent)))

    @transaction
    async def _refresh(
        self, connection: Connection, refresh_token: str, origin: Origin
    ) -> Tokens | Refusal:
        return await self._sessions.refresh(connection, refresh_token, origin)

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

    @reading
    async def list_sessions(
        self, connection: Connection, actor: Actor, after: SessionPlace | None, limit: int
    ) -> list[Session]:
        """Return the caller's sessions that last, those used last first."""
        return await self._sessions.list_own(connection, actor, after, limit)

    @transaction
    async def end_session(self, connection: Connection, actor: Actor, session_id: UUID) -> None:
        """End one of the caller's sessions. Raises NoSuchSession."""
        await self._sessions.end_one(connection, actor, session_id)

    @transaction
    async def end_other_sessions(self, connection: Connection, actor: Actor) -> None:
        """End all of the caller's sessions but the one that asks."""
        await self._sessions.require(connection, actor)
        await self._sessions.end_all(connection, actor.user_id, but=actor.session_id)

    async def add_identity(self, actor: Actor, ask: NewIdentity, address: str) -> CodeRequested:
        """Send a code to what may become an identity of the caller."""
        return await self._identities.add(actor, ask, address)

    async def verify_identity(self, actor: Actor, ask: CodeProof, address: str) -> User:
        """Add the identity that the code was sent to."""
        return await self._identities.verify(actor, ask, address)

    async def remove_identity(self, actor: Actor, kind: IdentityKind, value: str) -> None:
        """Take an identity away, but the last one."""
        await self._identities.remove(actor, kind, value)

    async def admit_letter(self, identifier: str, address: str) -> str:
        """Return the identity in its one form if a letter may go there."""
        identity = typed_identifier(identifier, self._rules.default_region)
        self._courier.check(identity.kind)
        await self._count(self._limits.letters(identity), self._limits.address(address))
        return identity.value

    async def post(self, identifier: str, letter: Letter) -> None:
        """Send a letter to an identity that `admit_letter` gave, after the answer."""
        self._courier.post(identifier_of(identifier, self._rules.default_region), letter)

    @reading
    async def exists(self, connection: Connection, user_ids: Sequence[UUID]) -> set[UUID]:
        """Return those of the ids that are users."""
        return await store.which_exist(connection, user_ids)

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
