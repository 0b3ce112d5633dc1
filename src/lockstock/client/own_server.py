"""A server of one's own for as long as a command needs one, as a child process."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import IO

from lockstock.client.api import Client

LISTENS = "Lockstock listens on "
# A server that recovers a large database first may take minutes.
READY_SECONDS = 300.0
STOP_SECONDS = 60.0


class NoServer(OSError):
    """It did not come up. The message ends with what it said last."""


@asynccontextmanager
async def own_server(settings: Mapping[str, str] | None = None) -> AsyncIterator[str]:
    """Run `lockstock serve` on a free port of the loopback and yield its address.

    It reads the same settings as this process, and then those given here. Raises NoServer.
    """
    # Its log must not run into a progress bar; it is shown if the server does not come up.
    with tempfile.TemporaryFile(mode="w+") as log:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lockstock", "serve", "--host", "127.0.0.1", "--port", "0"),
            env={**os.environ, **(settings or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
        try:
            address = await _come_up(child, log)
            draining = asyncio.create_task(_drain(child))
            try:
                yield address
            finally:
                draining.cancel()
        finally:
            await _stop(child)


async def _come_up(child: asyncio.subprocess.Process, log: IO[str]) -> str:
    try:
        async with asyncio.timeout(READY_SECONDS):
            address = await _address(child)
            await _until_ready(child, address)
            return address
    except (EOFError, TimeoutError):
        raise NoServer(f"The server did not come up. {_said(log)}") from None


async def _address(child: asyncio.subprocess.Process) -> str:
    assert child.stdout is not None  # noqa: S101 (it is a pipe)
    while line := await child.stdout.readline():
        text = line.decode(errors="replace").strip()
        if text.startswith(LISTENS):
            return text.removeprefix(LISTENS)
    raise EOFError


async def _until_ready(child: asyncio.subprocess.Process, address: str) -> None:
    # The address is printed when the port is taken, a moment before connections are.
    async with Client(address) as client:
        while not await client.is_ready():
            if child.returncode is not None:
                raise EOFError
            await asyncio.sleep(0.05)


async def _drain(child: asyncio.subprocess.Process) -> None:
    assert child.stdout is not None  # noqa: S101 (it is a pipe)
    # A pipe that nobody reads would one day stop the server.
    while await child.stdout.read(65_536):
        pass


def _said(log: IO[str]) -> str:
    log.seek(0)
    lines = log.readlines()[-15:]
    return "It said:\n" + "".join(lines).strip() if lines else "It said nothing."


async def _stop(child: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        child.terminate()
    try:
        await asyncio.wait_for(child.wait(), STOP_SECONDS)
    except TimeoutError:
        child.kill()
        await child.wait()
