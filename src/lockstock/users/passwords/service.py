"""Setting another password: with the one that is good now, or with a one-time code."""

from uuid import UUID

from lockstock.kernel.access import Actor
from lockstock.kernel.database import Connection, reading, transaction
from lockstock.kernel.errors import InvalidInput, Refusal
from lockstock.users import store
from lockstock.users.attempts import service as attempts
from lockstock.users.attempts.rules import Limit
from lockstock.users.codes.service import NOBODY
from lockstock.users.codes.store import CodeKey
from lockstock.users.contract import CodeRequest, CodeRequested, PasswordChange, PasswordReset
from lockstock.users.identities.claims import settle
from lockstock.users.parts import Parts
from lockstock.users.requests.service import CodeRequests
from lockstock.users.rules import Identifier, granted, password_fault, typed_identifier

BothLimits = tuple[Limit, Limit]


class PasswordChanges:
    """Both ways. Hashing and sending happen while no transaction is open."""

    def __init__(self, parts: Parts) -> None:
        self.database = parts.database
        self._parts = parts
        self._requests = CodeRequests(parts, "reset")

    async def change(self, actor: Actor, ask: PasswordChange, address: str) -> None:
        """Set another password; the caller's other sessions end. Raises InvalidInput."""
        limits = (
            self._parts.limits.changes(actor.user_id),
            self._parts.limits.address(address),
        )
        shown, identities = await self._look_up(actor, limits)
        _check(ask.new_password, identities)
        right = await self._parts.passwords.verify(ask.current_password, shown)
        new_hash = await self._parts.passwords.hash(ask.new_password)
        verified = shown if right else None
        granted(await self._change(actor, verified, new_hash, limits))

    @reading
    async def _look_up(
        self, connection: Connection, actor: Actor, limits: BothLimits
    ) -> tuple[str | None, list[Identifier]]:
        await self._parts.sessions.require(connection, actor)
        if full := await attempts.refusal(connection, *limits):
            raise full
        shown = await store.find_password(connection, actor.user_id)
        return shown, await _identities_of(connection, actor.user_id)

    @transaction
    async def _change(
        self,
        connection: Connection,
        actor: Actor,
        verified: str | None,
        new_hash: str,
        limits: BothLimits,
    ) -> Refusal | None:
        await attempts.lock(connection, limits[0])
        if full := await attempts.refusal(connection, *limits):
            return full
        await store.lock_user(connection, actor.user_id)
        await self._parts.sessions.require(connection, actor)
        # It was verified with no lock held: it may have been changed since.
        if verified is None or await store.find_password(connection, actor.user_id) != verified:
            wrong = InvalidInput.at("current_password", "is not right")
            return await attempts.count(connection, *limits) or wrong
        await store.set_password(connection, actor.user_id, new_hash)
        await self._parts.sessions.end_all(connection, actor.user_id, but=actor.session_id)
        return None

    async def request_reset(self, ask: CodeRequest, address: str) -> CodeRequested:
        """Send a code to the identity if somebody has it. Both ways take the same work."""
        return await self._requests.send(ask, address)

    async def reset(self, ask: PasswordReset, address: str) -> None:
        """Set another password with a code; all sessions end. Raises InvalidCredentials."""
        parts = self._parts
        identity = typed_identifier(ask.identifier, parts.rules.default_region)
        _check(ask.new_password, [identity])
        limits = (parts.limits.guesses(identity, "reset"), parts.limits.address(address))
        await self._check_limits(limits)
        # Before it is known whether the code is right, so that both ways take the same work.
        new_hash = await parts.passwords.hash(ask.new_password)
        granted(await self._reset(identity, ask, new_hash, limits))

    @reading
    async def _check_limits(self, connection: Connection, limits: BothLimits) -> None:
        if full := await attempts.refusal(connection, *limits):
            raise full

    @transaction
    async def _reset(
        self,
        connection: Connection,
        identity: Identifier,
        ask: PasswordReset,
        new_hash: str,
        limits: BothLimits,
    ) -> Refusal | None:
        await attempts.lock(connection, limits[0])
        if full := await attempts.refusal(connection, *limits):
            return full
        owner = await store.find_owner(connection, identity)
        key = CodeKey("reset", identity, owner or NOBODY)
        if not await self._parts.codes.prove(connection, key, ask.code) or owner is None:
            return await attempts.failed(connection, *limits)
        settled = await settle(connection, self._parts.sessions, identity, owner)
        if settled is None:
            return await attempts.failed(connection, *limits)
        # Raised, not returned: the code is still good for a better password.
        _check(ask.new_password, await _identities_of(connection, settled))
        await store.set_password(connection, settled, new_hash)
        await self._parts.sessions.end_all(connection, settled)
        return None


def _check(password: str, identities: list[Identifier]) -> None:
    if fault := password_fault(password, identities):
        raise InvalidInput.at("new_password", fault)


async def _identities_of(connection: Connection, user_id: UUID) -> list[Identifier]:
    found = (await store.list_identities(connection, [user_id]))[user_id]
    return [Identifier(each.kind, each.value) for each in found]
