"""Passwords: Argon2id in a few threads, and no more waiting than can be served."""

import asyncio
import functools
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import VerifyMismatchError

from lockstock.kernel.errors import Unavailable
from lockstock.users.rules import UserLimits, normalised_password

# At 30 ms each and two threads: 15 seconds. Who comes after that is better told to come back.
MOST_WAITING = 1000

T = TypeVar("T")


class Passwords:
    """Hashes and verifies passwords, outside the event loop."""

    def __init__(self, limits: UserLimits) -> None:
        self._hasher = PasswordHasher(
            time_cost=limits.hash_passes,
            memory_cost=limits.hash_memory_kib,
            parallelism=limits.hash_lanes,
            type=Type.ID,
        )
        self._pool = ThreadPoolExecutor(limits.password_workers, thread_name_prefix="password")
        self._waiting = 0
        # What is verified where there is no hash, so that it takes as long.
        self._decoy = self._hasher.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """Return the hash, with its salt and cost. Raises Unavailable when too many wait."""
        return await self._run(functools.partial(self._hasher.hash, normalised_password(password)))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether this is the password. Takes as long where there is none."""
        known = password_hash or self._decoy
        right = await self._run(
            functools.partial(self._is_right, known, normalised_password(password))
        )
        return right and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made at another cost than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    async def close(self) -> None:
        """Let the threads finish what they are at."""
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)

    def _is_right(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except VerifyMismatchError:
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= MOST_WAITING:
            detail = "Too many logins at once. Nothing was done."
            raise Unavailable(detail, retry_after_seconds=5)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1
