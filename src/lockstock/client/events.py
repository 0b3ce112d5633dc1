"""Calls about what has happened, and what can be sold at this moment."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, cast

from lockstock.client.calls import Calls
from lockstock.client.news import Event, Explanation, LowStock, StockEvent
from lockstock.client.stream import stream_stock


class EventCalls(Calls):
    """The log of a shop, explanations of its figures, and its stream."""

    async def events(
        self, shop_id: str, after: int | str = 0, kinds: Sequence[str] = ()
    ) -> AsyncIterator[Event]:
        """Go through what has happened after an event (`sequence` or `id`), oldest first.

        It ends at the newest one. Ask again with the `sequence` of the last event that was seen:
        nothing is left out.
        """
        asked = {"after": after} | ({"kind": list(kinds)} if kinds else {})
        async for event in self._pages(f"/v1/shops/{shop_id}/events", asked, "after"):
            yield cast("Event", event)

    async def follow_events(
        self,
        shop_id: str,
        after: int | str = 0,
        kinds: Sequence[str] = (),
        *,
        pause_seconds: float = 1.0,
    ) -> AsyncIterator[Event]:
        """Go through what has happened, and then wait for more, without end."""
        while True:
            async for event in self.events(shop_id, after, kinds):
                after = event["sequence"]
                yield event
            await asyncio.sleep(pause_seconds)

    async def explain(self, shop_id: str, **question: Any) -> Explanation:  # noqa: ANN401
        """Explain a figure. `question`: variant, or variant and warehouse (as_of), or order."""
        found = await self._send("GET", f"/v1/shops/{shop_id}/explain", query=question)
        return cast("Explanation", found)

    async def low_stock(self, shop_id: str) -> AsyncIterator[LowStock]:
        """Go through the variants of which no more is available than the shop's threshold."""
        async for row in self._pages(f"/v1/shops/{shop_id}/stock/low"):
            yield cast("LowStock", row)

    async def watch_stock(
        self, shop_id: str, variant_ids: Sequence[str] = ()
    ) -> AsyncGenerator[StockEvent, None]:
        """Watch what is available, with the exact numbers that members see. See `stream_stock`."""
        # Any call that needs a login refreshes one that has run out.
        await self._send("GET", f"/v1/shops/{shop_id}")
        token = self._tokens["access_token"]
        watched = stream_stock(self._transport, shop_id, variant_ids, token=token)
        async with aclosing(watched) as events:
            async for event in events:
                yield event
