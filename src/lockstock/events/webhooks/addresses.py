"""Which IP addresses a name has, and whether requests may go there.

Lockstock looks names up itself and connects to exactly the address that it has checked. A name that
leads elsewhere a moment later leads nobody astray.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from lockstock.events.webhooks.rules import Target, is_outside

LOOK_UP_SECONDS = 5.0
# A name server that does not answer keeps a thread for a while; others must not wait for it.
WORKERS = 32

Resolve = Callable[[str, int], Awaitable[list[str]]]


class Unreachable(Exception):
    """Nothing is sent there. The message says why."""


class Addresses:
    """Looks up where requests go.

    `allow_private` lets them go inside, for development and tests. `resolve` returns the addresses
    of a name; raises OSError where it has none.
    """

    def __init__(self, *, allow_private: bool, resolve: Resolve | None = None) -> None:
        self._allow_private = allow_private
        self._resolve = resolve or self._look_up
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="look up")

    async def of(self, target: Target) -> list[str]:
        """Return the addresses of a target, in the order to try them. Raises Unreachable.

        If one of several is inside, none is used: the name is not meant well.
        """
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                found = await self._resolve(target.host, target.port)
        except TimeoutError:
            raise Unreachable(f"the host {target.host} could not be looked up in time") from None
        except (OSError, UnicodeError):
            raise Unreachable(f"the host {target.host} is not known") from None
        if not found:
            raise Unreachable(f"the host {target.host} has no address")
        if not self._allow_private and not all(map(is_outside, found)):
            raise Unreachable(
                f"the host {target.host} is not on the public internet: requests to inner, "
                "private or reserved addresses are not made"
            )
        return found

    async def _look_up(self, host: str, port: int) -> list[str]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._workers, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    async def close(self) -> None:
        """Stop the threads. A look-up that is under way ends by itself."""
        self._workers.shutdown(wait=False, cancel_futures=True)
