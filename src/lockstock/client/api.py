"""The calls that need no login, and the way to those that do."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, cast

import httpx2

from lockstock.client.answers import CodeRequested, Page, Product, Tokens, User
from lockstock.client.calls import MOST_PER_PAGE, given
from lockstock.client.news import StockEvent
from lockstock.client.session import Session
from lockstock.client.stream import stream_stock
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
        body = given(email=email, phone=phone, name=name) | {"password": password}
        return cast("User", await self.send(Call("POST", "/v1/users", body)))

    # The ways in

    async def log_in(self, identifier: str, password: str) -> Session:
        """Log in by e-mail address or phone number."""
        body = {"identifier": identifier, "password": password}
        return self._session(await self.send(Call("POST", "/v1/login", body)))

    async def request_code(self, identifier: str) -> CodeRequested:
        """Have a one-time code sent, if there is such an account."""
        body = {"identifier": identifier}
        return cast("CodeRequested", await self.send(Call("POST", "/v1/login/code", body)))

    async def log_in_with_code(self, identifier: str, code: str) -> Session:
        """Log in with the code that was sent."""
        body = {"identifier": identifier, "code": code}
        return self._session(await self.send(Call("POST", "/v1/login/code/verify", body)))

    async def request_reset(self, identifier: str) -> CodeRequested:
        """Have a code sent for setting another password."""
        body = {"identifier": identifier}
        return cast("CodeRequested", await self.send(Call("POST", "/v1/password/reset", body)))

    async def reset_password(self, identifier: str, code: str, new_password: str) -> None:
        """Set another password with the code. All sessions end."""
        body = {"identifier": identifier, "code": code, "new_password": new_password}
        await self.send(Call("POST", "/v1/password/reset/verify", body))

    async def resume(self, refresh_token: str) -> Session:
        """Go on with a session of which the refresh token was kept. Each is good once."""
        body = {"refresh_token": refresh_token}
        return self._session(await self.send(Call("POST", "/v1/token/refresh", body)))

    def with_key(self, api_key: str, customer: str | None = None) -> Session:
        """Call with an API key; with a publishable one for this `customer` (20 characters)."""
        return Session(self, cast("Tokens", {"access_token": api_key}), customer)

    def _session(self, tokens: object) -> Session:
        return Session(self, cast("Tokens", tokens))

    # What everybody sees

    async def products(self, shop_id: str | None = None, **query: Any) -> AsyncIterator[Product]:  # noqa: ANN401
        """Go through all published products, page by page. `query`: q, in_stock, sort, limit."""
        asked = {"limit": MOST_PER_PAGE} | query | given(shop=shop_id)
        while True:
            page = cast("Page[Product]", await self.send(Call("GET", "/v1/products", query=asked)))
            for product in page["items"]:
                yield product
            if page["next"] is None:
                return
            asked["cursor"] = page["next"]

    async def get_product(self, shop_id: str, product_id: str) -> Product:
        """One published product, with what is available of it now."""
        path = f"/v1/shops/{shop_id}/products/{product_id}"
        return cast("Product", await self.send(Call("GET", path)))

    def watch_stock(
        self, shop_id: str, variant_ids: Sequence[str] = ()
    ) -> AsyncGenerator[StockEvent, None]:
        """Watch what is available in a shop, as it changes. See `stream_stock`."""
        return stream_stock(self, shop_id, variant_ids)


__all__ = ["Client", "Patience"]
