"""A proxy of PostgreSQL's wire that sees COMMIT, and can cut on either side of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, urlsplit

# A simple query, as asyncpg sends it: type, length, text.
COMMIT = b"COMMIT;\0"


@dataclass
class Wire:
    """What the proxy does to the commits to come, and how many it has cut."""

    url: str = ""
    # before: the server never sees COMMIT. after: it commits, and its answer is lost.
    cut: Literal["never", "before", "after"] = "never"
    cuts_left: int = 1
    seen: int = field(default=0, init=False)

    def takes(self) -> bool:
        """Whether this COMMIT is one to cut at."""
        self.seen += 1
        if self.cut == "never" or not self.cuts_left:
            return False
        self.cuts_left -= 1
        return True


@asynccontextmanager
async def wire_to(database_url: str) -> AsyncIterator[Wire]:
    """Listen on a free port of the loopback and pass all on to this database."""
    parts = urlsplit(database_url)
    place = parse_qs(parts.query)
    socket = f"{place['host'][0]}/.s.PGSQL.{place['port'][0]}"
    wire = Wire()
    open_: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_.add(task)
        try:
            await _pass_on(wire, socket, reader, writer)
        finally:
            open_.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    wire.url = f"postgresql://lockstock@127.0.0.1:{port}{parts.path}"
    try:
        yield wire
    finally:
        server.close()
        # Those whose client has hung up end by themselves.
        if open_:
            await asyncio.wait(open_, timeout=1)
        for task in list(open_):
            task.cancel()
        await asyncio.gather(*open_, return_exceptions=True)


async def _pass_on(
    wire: Wire, socket: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    answers, to_server = await asyncio.open_unix_connection(socket)
    answering = asyncio.create_task(_copy(answers, writer))
    try:
        while data := await reader.read(65536):
            if data.endswith(COMMIT) and wire.takes():
                if wire.cut == "after":
                    # The answer is stopped first, so that it surely does not arrive.
                    await _stop(answering)
                    to_server.write(data)
                    await answers.readexactly(5)
                return
            to_server.write(data)
            await to_server.drain()
    except ConnectionError:
        return
    finally:
        await _stop(answering)
        for end in (to_server, writer):
            end.close()
            with contextlib.suppress(ConnectionError):
                await end.wait_closed()


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
