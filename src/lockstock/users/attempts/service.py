"""Attempts within the caller's transaction: look, lock, count."""

from lockstock.kernel.database import Connection
from lockstock.kernel.errors import Refusal, TooManyRequests
from lockstock.users import store as users
from lockstock.users.attempts import store
from lockstock.users.attempts.rules import Limit, one_more, seconds_to_wait
from lockstock.users.contract import InvalidCredentials


async def lock(connection: Connection, limit: Limit) -> None:
    """Let nobody else try until this transaction ends: what is read next is still so then."""
    await store.lock_attempts(connection, limit.key, limit.kind)


async def refusal(connection: Connection, *limits: Limit) -> TooManyRequests | None:
    """Return why not one more may be tried now, None if it may."""
    now = await users.read_clock(connection)
    found = await store.read_attempts(connection, [limit.key for limit in limits])
    waits = [seconds_to_wait(found.get(limit.key), limit, now) for limit in limits]
    wait = max(waits, default=0)
    if not wait:
        return None
    detail = f"Too many attempts. Come back in {wait} seconds."
    return TooManyRequests(detail, retry_after_seconds=wait)


async def count(connection: Connection, *limits: Limit) -> TooManyRequests | None:
    """Count one more in each, or return why not and count it in none.

    Locks the counters in the order given. It is the same everywhere: the identity's first, then the
    address's, which many share.
    """
    for limit in limits:
        await lock(connection, limit)
    if full := await refusal(connection, *limits):
        return full
    now = await users.read_clock(connection)
    found = await store.read_attempts(connection, [limit.key for limit in limits])
    for limit in limits:
        await store.write_attempts(
            connection, limit.key, one_more(found.get(limit.key), limit, now)
        )
    return None


async def failed(connection: Connection, *limits: Limit) -> Refusal:
    """Count a failure in each; return how it is answered, whatever was wrong."""
    full = await count(connection, *limits)
    return full or InvalidCredentials("The identity, password or code is not right.")


async def spend(connection: Connection, *limits: Limit) -> None:
    """Count one more in each. Raises TooManyRequests, then it is counted in none."""
    if full := await count(connection, *limits):
        raise full
