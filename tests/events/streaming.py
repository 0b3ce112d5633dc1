"""Readers of streams, for tests: over a socket, or in this process with a hand on the brake."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode
from uuid import UUID

import httpx2
from fastapi import FastAPI
from starlette.types import Message

from lockstock.app import Services

PATH = "/v1/stream/stock"
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class StreamEvent:
    """One event as a browser would dispatch it."""

    kind: str
    data: dict[str, Any]
    id: str


@dataclass
class Reader:
    """Takes a stream apart as the specification of server-sent events says."""

    events: list[StreamEvent] = field(default_factory=list)
    comments: int = 0
    retry: int | None = None
    last_id: str = ""
    ended: bool = False
    _rest: str = ""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, text: str) -> None:
        """Take what came over the wire."""
        *blocks, self._rest = (self._rest + text).split("\n\n")
        for block in blocks:
            self._take_block(block)
        self._changed.set()

    def end(self) -> None:
        """Note that the stream has ended as it should."""
        self.ended = True
        self._changed.set()

    def _take_block(self, block: str) -> None:
        found: dict[str, str] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            found[name] = value.removeprefix(" ")
        self.comments += "" in found
        self.last_id = found.get("id", self.last_id)
        if "retry" in found:
            self.retry = int(found["retry"])
        if "data" in found:
            data = json.loads(found["data"])
            self.events.append(StreamEvent(found["event"], data, self.last_id))

    async def until(self, holds: Callable[[Self], bool]) -> None:
        """Wait for something that will come, however slow the machine is."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds(self):
                self._changed.clear()
                await self._changed.wait()

    async def until_kind(self, kind: str) -> StreamEvent:
        """Wait for an event of this kind, and return the first one."""
        await self.until(lambda reader: any(each.kind == kind for each in reader.events))
        return next(each for each in self.events if each.kind == kind)

    async def until_available(self, available: int | None, variant_id: object = None) -> None:
        """Wait for this to be the newest state of a variant, or of any."""
        await self.until(lambda reader: reader.newest(variant_id) == available)

    def newest(self, variant_id: object = None) -> int | None:
        """The newest number that was told of a variant, or of any; -1 for none."""
        told = [
            each.data["available"]
            for each in self.events
            if each.kind == "stock"
            and (variant_id or each.data["variant_id"]) == each.data["variant_id"]
        ]
        return told[-1] if told else -1

    @property
    def stock(self) -> list[dict[str, Any]]:
        """What was told of variants."""
        return [each.data for each in self.events if each.kind == "stock"]


@asynccontextmanager
async def reading(
    address: str, headers: dict[str, str] | None = None, **query: Any
) -> AsyncIterator[Reader]:
    """Read a stream of a server over a connection of its own."""
    reader = Reader()
    timeout = httpx2.Timeout(30, read=None)
    async with (
        httpx2.AsyncClient(base_url=address, timeout=timeout) as client,
        client.stream("GET", PATH, params=query, headers=headers) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"

        async def take() -> None:
            async for text in answer.aiter_text():
                reader.take(text)
            reader.end()

        taking = asyncio.create_task(take())
        try:
            await reader.until_kind("ready")
            yield reader
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)


@dataclass
class SlowReader(Reader):
    """Reads a stream of an application in this process, part by part, when it is let."""

    status: int = 0
    parts: int = 0
    # Cleared, the application cannot write: as with a reader who does not read.
    reads: asyncio.Event = field(default_factory=asyncio.Event)
    hangs_up: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, message: Message) -> None:
        """Take a message of the application."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        await self.reads.wait()
        if message["body"]:
            self.parts += 1
        self.take(message["body"].decode())
        if not message.get("more_body"):
            self.end()

    async def receive(self) -> Message:
        """Tell the application nothing until the reader hangs up."""
        await self.hangs_up.wait()
        return {"type": "http.disconnect"}


@asynccontextmanager
async def reading_slowly(
    app: FastAPI, *headers: tuple[bytes, bytes], **query: Any
) -> AsyncIterator[SlowReader]:
    """Read a stream of an application without a socket between."""
    reader = SlowReader()
    reader.reads.set()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": PATH,
        "raw_path": PATH.encode(),
        "root_path": "",
        "query_string": urlencode(query, doseq=True).encode(),
        "headers": list(headers),
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
    }
    answering = asyncio.create_task(app(scope, reader.receive, reader.send))
    try:
        await reader.until_kind("ready")
        yield reader
    finally:
        reader.hangs_up.set()
        reader.reads.set()
        await answering


async def looked(services: Services, shop_id: UUID) -> None:
    """Wait until those who watch a shop were told of its log to the end."""
    last = await services.event_log.last(shop_id)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (services.streams._feeds[shop_id]._sequence or 0) < last:  # noqa: ASYNC110, SLF001
            await asyncio.sleep(0.01)
