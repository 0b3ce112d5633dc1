"""Real server processes on free ports of the loopback: started by a test, stopped by it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

SIGNING_KEY = "a signing key for tests and for nothing else"
ROOT = Path(__file__).parent.parent
SERVE = ("-m", "lockstock", "serve", "--port", "0")
LISTENS = "Lockstock listens on "


def environment(database_url: str, **settings: str) -> dict[str, str]:
    """The environment of a server on this database, with these settings over the usual ones."""
    usual = {
        "LOCKSTOCK_DATABASE_URL": database_url,
        "LOCKSTOCK_SIGNING_KEYS": SIGNING_KEY,
        "LOCKSTOCK_SANDBOX_PAYMENTS": "true",
        "LOCKSTOCK_LOG_LEVEL": "warning",
        "LOCKSTOCK_LOG_FORMAT": "json",
    }
    # Settings of whoever runs the tests are not settings of the tests.
    outer = {name: value for name, value in os.environ.items() if "LOCKSTOCK" not in name}
    return outer | usual | {f"LOCKSTOCK_{name.upper()}": v for name, v in settings.items()}


@asynccontextmanager
async def running(
    env: Mapping[str, str], words: tuple[str, ...] = SERVE
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """Run one server; give its address and its process, and end it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, env=dict(env), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield await _address(process), process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async for line in process.stdout:
        if line.decode().startswith(LISTENS):
            return line.decode().removeprefix(LISTENS).strip()
    code = await process.wait()
    raise AssertionError(f"the server ended with {code} before it listened")


@asynccontextmanager
async def servers(
    count: int, env: Mapping[str, str], words: tuple[str, ...] = SERVE
) -> AsyncIterator[list[str]]:
    """Run several servers on one database; give their addresses."""
    async with AsyncExitStack() as stack:
        found = [await stack.enter_async_context(running(env, words)) for _ in range(count)]
        yield [address for address, _ in found]
