"""The calls that need no login, and the way to those that do."""

from collections.abc import AsyncIterator
from typing import Any, cast

import httpx2

from lockstock.client.answers import Page, Product, Tokens, User
from lockstock.client.session import Session
from lockstock.client.transport import Call, Patience, Transport


class Client(Transport):
    """Lockstock at an address: `async with Client("http://127.0.0.1:8000") as client: ...`."""

    async def is_ready(self) -> bool:
        """Whether a Lockstock answers there. Asks once, waits for nothing."""
        try:
            answer = await self._http.get("/readyz")
            return answer.is_success and answer.json().get("status") == "ready"
        except (httpx2.TransportError, ValueError, AttributeError):
            return False

    async def register(
        self,
        password: str,
        *,
        email: str | None = None,
        phone: str | None = None,
        name: str | None = None,
    ) -> User:
        """Make an account with an e-mail address, a phone number or both."""
        given = {"email": email, "phone": phone, "name": name}
        body = {field: value for field, value in given.items() if value is not None}
        found = await self.send(Call("POST", "/v1/users", body | {"password": password}))
        return cast("User", found)

    async def log_in(self, identifier: str, password: str) -> Session:
        """Log in by e-mail address or phone number."""
        body = {"identifier": identifier, "password": password}
        tokens = cast("Tokens", await self.send(Call("POST", "/v1/login", body)))
        return Session(self, tokens)

    async def products(self, shop_id: str | None = None, **query: Any) -> AsyncIterator[Product]:  # noqa: ANN401
        """Go through all published products, page by page. `query`: q, in_stock, sort, limit."""
        asked = {"limit": 200} | query | ({} if shop_id is None else {"shop": shop_id})
        cursor: str | None = None
        while True:
            more = {} if cursor is None else {"cursor": cursor}
            page = cast(
                "Page[Product]",
                await self.send(Call("GET", "/v1/products", query=asked | more)),
            )
            for product in page["items"]:
                yield product
            cursor = page["next"]
            if cursor is None:
                return


__all__ = ["Client", "Patience"]
