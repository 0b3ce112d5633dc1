"""One-time codes within the caller's transaction: make one, prove one."""

import secrets
from datetime import timedelta
from uuid import UUID

from lockstock.kernel.database import Connection
from lockstock.users import store as users
from lockstock.users.codes import store
from lockstock.users.codes.rules import DIGITS, digits_of, is_alive, is_right
from lockstock.users.codes.store import CodeKey
from lockstock.users.rules import UserLimits, digest

# Whose a code is that was asked for an identity that nobody has.
NOBODY = UUID(int=0)


class Codes:
    """Makes codes and judges what is shown. Only their hashes are kept."""

    def __init__(self, limits: UserLimits) -> None:
        self._limits = limits

    async def make(self, connection: Connection, key: CodeKey) -> str:
        """Make a code; the one before is over. Return it, to be sent after the transaction."""
        code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
        now = await users.read_clock(connection)
        expires_at = now + timedelta(seconds=self._limits.code_seconds)
        await store.put_code(connection, key, self._hash(key, code), now, expires_at)
        return code

    async def prove(self, connection: Connection, key: CodeKey, shown: str) -> bool:
        """Whether this is the code. The right one is used up, a wrong one is counted."""
        code = await store.lock_code(connection, key)
        # After the lock, which may have been waited for longer than the code lasts.
        now = await users.read_clock(connection)
        if code is None or not is_alive(code, self._limits.code_tries, now):
            return False
        if is_right(code, self._hash(key, digits_of(shown))):
            await store.delete_code(connection, key)
            return True
        await store.write_tries(connection, key, code.tries + 1)
        return False

    def _hash(self, key: CodeKey, code: str) -> bytes:
        whose = (key.purpose, *key.identity, str(key.user_id))
        return digest(self._limits.secret, "code", *whose, code)
