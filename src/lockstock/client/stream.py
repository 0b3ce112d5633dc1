"""The stream of stock: server-sent events, taken up again where they were cut."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import cast

from lockstock.client.news import StockEvent
from lockstock.client.transport import Transport

PATH = "/v1/stream/stock"


@dataclass
class _Reader:
    """What was read of an event so far, and the id of the last whole one."""

    last_id: str | None = None
    next_id: str | None = None
    kind: str = "message"
    data: list[str] = field(default_factory=list)

    def take(self, line: str) -> StockEvent | None:
        """Take one line; return the event that it ends, if it does."""
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "id":
                self.next_id = value
            elif name == "event":
                self.kind = value
            elif name == "data":
                self.data.append(value)
            return None
        kind, data = self.kind, self.data
        self.last_id = self.next_id
        self.begin()
        if not data:
            return None
        return cast("StockEvent", {"event": kind, **json.loads("\n".join(data))})

    def begin(self) -> None:
        """Forget what was read of an event that was not whole."""
        self.kind, self.data, self.next_id = "message", [], self.last_id


async def stream_stock(
    transport: Transport,
    shop_id: str,
    variant_ids: Sequence[str] = (),
    *,
    token: str | None = None,
) -> AsyncGenerator[StockEvent, None]:
    """Yield `ready`, then `stock` for each variant as it changes, and `reset` to load all anew.

    A connection that is cut is opened again, with what changed meanwhile first. It ends by ApiError
    when the server says no or stays away; who stops before closes it: `contextlib.aclosing`.
    """
    query = {"shop": shop_id} | ({"variant": list(variant_ids)} if variant_ids else {})
    reader = _Reader()
    failures = 0
    while True:
        headers = {} if reader.last_id is None else {"Last-Event-ID": reader.last_id}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        # Closed with this: a reader that stops must not leave a connection behind.
        async with aclosing(transport.lines(PATH, query, headers, failures)) as lines:
            async for line in lines:
                failures = 0
                event = reader.take(line)
                if event is not None:
                    yield event
        failures += 1
        reader.begin()
