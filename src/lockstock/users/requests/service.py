"""Asking for a one-time code. Nothing that is answered shows whether somebody has the identity."""

from uuid import UUID

from lockstock.kernel.database import Connection, transaction
from lockstock.users import store
from lockstock.users.attempts import service as attempts
from lockstock.users.attempts.rules import Limit
from lockstock.users.codes.rules import Purpose, letter
from lockstock.users.codes.service import NOBODY
from lockstock.users.codes.store import CodeKey
from lockstock.users.contract import CodeRequest, CodeRequested
from lockstock.users.parts import Parts
from lockstock.users.rules import Identifier, typed_identifier


class CodeRequests:
    """Sends codes for one purpose. Sending happens while no transaction is open."""

    def __init__(self, parts: Parts, purpose: Purpose) -> None:
        self.database = parts.database
        self._parts = parts
        self._purpose = purpose

    async def send(self, ask: CodeRequest, address: str) -> CodeRequested:
        """Send a code to the identity if somebody has it. Both ways take the same work."""
        parts = self._parts
        identity = typed_identifier(ask.identifier, parts.rules.default_region)
        parts.courier.check(identity.kind)
        await self._count(parts.limits.codes(identity), parts.limits.address(address))
        code, owner = await self._make_code(identity)
        if owner is not None:
            parts.courier.post(identity, letter(self._purpose, code, parts.rules.code_seconds))
        return CodeRequested(expires_in=parts.rules.code_seconds)

    @transaction
    async def _count(self, connection: Connection, *limits: Limit) -> None:
        await attempts.spend(connection, *limits)

    @transaction
    async def _make_code(
        self, connection: Connection, identity: Identifier
    ) -> tuple[str, UUID | None]:
        owner = await store.find_owner(connection, identity)
        key = CodeKey(self._purpose, identity, owner or NOBODY)
        return await self._parts.codes.make(connection, key), owner
