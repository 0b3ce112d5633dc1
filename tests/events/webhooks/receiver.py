"""A receiver of webhooks on the loopback that misbehaves when it is told to."""

import asyncio
import contextlib
import json
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook

# How it answers: a status, or one of hang, drop, drip, flood, garbage.
Manner = int | str
FLOOD_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Received:
    """A request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The event in it."""
        event: dict[str, Any] = json.loads(self.body)
        return event

    def verified_by(self, secret: str) -> dict[str, Any]:
        """Verify it as a receiver does, by the convention's own library; return the event."""
        event: dict[str, Any] = Webhook(secret).verify(self.body, self.headers)
        return event


@dataclass
class Receiver:
    """Records what it gets. `manners` are used up first, then all is answered by `manner`."""

    port: int = 0
    scheme: str = "http"
    manner: Manner = 200
    manners: deque[Manner] = field(default_factory=deque)
    got: list[Received] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    flooded_bytes: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    connections: set[asyncio.Task[None]] = field(default_factory=set)

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        """Return its address."""
        return f"{self.scheme}://{host}:{self.port}{path}"

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that it got, in the order in which they came."""
        return [received.event for received in self.got]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request."""
        task = asyncio.current_task()
        assert task is not None
        self.connections.add(task)
        task.add_done_callback(self.connections.discard)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            # Whoever hangs up on a receiver that misbehaves is right to do so.
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                self.got.append(await _read(reader))
                self.asked.set()
                manner = self.manners.popleft() if self.manners else self.manner
                await self._answer(writer, manner, reader)
        finally:
            self.under_way -= 1
            writer.close()

    async def _answer(
        self, writer: asyncio.StreamWriter, manner: Manner, reader: asyncio.StreamReader
    ) -> None:
        if isinstance(manner, int):
            there = f"Location: {self.url('/elsewhere')}\r\n" if 300 <= manner < 400 else ""
            said = f"said {manner}\0".encode()
            head = f"HTTP/1.1 {manner} X\r\n{there}Content-Length: {len(said)}\r\n\r\n"
            writer.write(head.encode() + said)
            await writer.drain()
        elif manner == "hang":
            # Until the other side hangs up.
            await reader.read()
        elif manner == "drop":
            writer.transport.abort()
        elif manner == "garbage":
            writer.write(b"\0\1\2 this is no HTTP\r\n\r\n")
            await writer.drain()
        elif manner == "drip":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not writer.is_closing():
                writer.write(b".")
                await writer.drain()
                await asyncio.sleep(0.02)
        elif manner == "flood":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while self.flooded_bytes < FLOOD_BYTES:
                writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                await writer.drain()
                self.flooded_bytes += 0x10000
        else:
            raise AssertionError(manner)


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {}
    for line in head[1:]:
        name, _, value = line.partition(": ")
        if name:
            headers[name.lower()] = value
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, path, headers, body)


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Run a receiver on a free port of the loopback, and end it."""
    receiver = Receiver(scheme="https" if tls else "http")
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for connection in list(receiver.connections):
            connection.cancel()
        await asyncio.gather(*receiver.connections, return_exceptions=True)
        await server.wait_closed()
