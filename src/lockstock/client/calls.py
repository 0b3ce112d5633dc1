"""How a caller's requests are made: who it is, pages, lines."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

from lockstock.client.answers import Tokens
from lockstock.client.transport import ApiError, Call, Transport

# Units by variant id.
Units = Mapping[str, int]
# The id of a shop and of one of its warehouses.
Place = tuple[str, str]
MOST_PER_PAGE = 200


def lines_of(units: Units) -> list[dict[str, Any]]:
    """Write units as lines of a request."""
    return [{"variant_id": variant, "quantity": quantity} for variant, quantity in units.items()]


def given(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
    """Return the fields that are given."""
    return {name: value for name, value in fields.items() if value is not None}


class Calls:
    """Sends requests as one caller: a person, or an API key.

    A person's access token that has run out is refreshed, once for all that wait for it.
    """

    def __init__(self, transport: Transport, tokens: Tokens, customer: str | None = None) -> None:
        self._transport = transport
        self._tokens = tokens
        self._customer = customer
        self._refreshing = asyncio.Lock()

    async def _send(
        self,
        method: str,
        path: str,
        body: Any = None,  # noqa: ANN401 (JSON)
        *,
        key: str | None = None,
        query: Mapping[str, Any] | None = None,
        etag: str | None = None,
    ) -> Any:  # noqa: ANN401 (JSON; each verb knows its shape)
        used = self._tokens["access_token"]
        more = self._headers(etag)
        try:
            return await self._transport.send(Call(method, path, body, query, key, used, more))
        except ApiError as error:
            if error.status != 401 or "refresh_token" not in self._tokens:
                raise
            await self._refresh(used)
        fresh = self._tokens["access_token"]
        return await self._transport.send(Call(method, path, body, query, key, fresh, more))

    def _headers(self, etag: str | None) -> dict[str, str] | None:
        more = {} if etag is None else {"If-Match": etag}
        if self._customer is not None:
            more["Lockstock-Customer"] = self._customer
        return more or None

    async def _refresh(self, used: str) -> None:
        # A refresh token is good once: of many calls that are refused at once, one exchanges it.
        async with self._refreshing:
            if self._tokens["access_token"] != used:
                return
            body = {"refresh_token": self._tokens["refresh_token"]}
            found = await self._transport.send(Call("POST", "/v1/token/refresh", body))
            self._tokens = cast("Tokens", found)

    async def _pages(
        self, path: str, query: Mapping[str, Any] | None = None, place: str = "cursor"
    ) -> AsyncIterator[Any]:
        asked = {"limit": MOST_PER_PAGE} | dict(query or {})
        while True:
            page = await self._send("GET", path, query=asked)
            for item in page["items"]:
                yield item
            if page["next"] is None:
                return
            asked[place] = page["next"]

    async def _items(self, path: str, query: Mapping[str, Any] | None = None) -> list[Any]:
        items: list[Any] = (await self._send("GET", path, query=query))["items"]
        return items
