"""The calls of somebody who has logged in."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, cast

from lockstock.client.answers import (
    FoundVariant,
    Items,
    Movement,
    NewShop,
    Order,
    OrderId,
    Page,
    PastStockRow,
    Payment,
    Product,
    Refund,
    Return,
    Role,
    Shipment,
    Shop,
    StockRow,
    Switched,
    Tokens,
    Transfer,
    User,
    Warehouse,
)
from lockstock.client.transport import ApiError, Call, Transport

# Units by variant id.
Units = Mapping[str, int]


def _lines(units: Units) -> list[dict[str, Any]]:
    return [{"variant_id": variant, "quantity": quantity} for variant, quantity in units.items()]


class Session:
    """One person's login. An access token that has run out is refreshed, once for all callers.

    Calls that take stock or money need a `key`, chosen by the caller: the same key again is the
    same act. Each call raises ApiError.
    """

    def __init__(self, transport: Transport, tokens: Tokens) -> None:
        self._transport = transport
        self._tokens = tokens
        self._refreshing = asyncio.Lock()

    async def _send(
        self,
        method: str,
        path: str,
        body: Any = None,  # noqa: ANN401 (JSON)
        *,
        key: str | None = None,
        query: Mapping[str, str | int | bool] | None = None,
    ) -> Any:  # noqa: ANN401 (JSON; each verb knows its shape)
        used = self._tokens["access_token"]
        try:
            return await self._transport.send(Call(method, path, body, query, key, used))
        except ApiError as error:
            if error.status != 401:
                raise
            await self._refresh(used)
        fresh = self._tokens["access_token"]
        return await self._transport.send(Call(method, path, body, query, key, fresh))

    async def _refresh(self, used: str) -> None:
        # A refresh token is good once: of many calls that are refused at once, one exchanges it.
        async with self._refreshing:
            if self._tokens["access_token"] != used:
                return
            body = {"refresh_token": self._tokens["refresh_token"]}
            found = await self._transport.send(Call("POST", "/v1/token/refresh", body))
            self._tokens = cast("Tokens", found)

    async def me(self) -> User:
        """Who this is."""
        return cast("User", await self._send("GET", "/v1/me"))

    # Shops

    async def create_shop(self, name: str, currency: str, **fields: Any) -> NewShop:  # noqa: ANN401
        """Open a shop of one's own. `fields`: reservation_seconds, allocation, warehouse, ..."""
        body = {"name": name, "currency": currency} | fields
        return cast("NewShop", await self._send("POST", "/v1/shops", body))

    async def get_shop(self, shop_id: str) -> Shop:
        """One shop that one works in."""
        return cast("Shop", await self._send("GET", f"/v1/shops/{shop_id}"))

    async def put_member(self, shop_id: str, user_id: str, role: Role) -> None:
        """Give somebody a role in the shop."""
        await self._send("PUT", f"/v1/shops/{shop_id}/members/{user_id}", {"role": role})

    # Products

    async def create_product(
        self, shop_id: str, product: Mapping[str, Any], key: str | None = None
    ) -> Product:
        """Create a product: `{"name", "description"?, "variants": [{"sku", "price_minor"}]}`."""
        found = await self._send("POST", f"/v1/shops/{shop_id}/products", product, key=key)
        return cast("Product", found)

    async def products(self, shop_id: str, **query: Any) -> AsyncIterator[Product]:  # noqa: ANN401
        """Go through all products of one's shop, published or not."""
        asked = {"limit": 200, "unpublished": True, "shop": shop_id} | query
        pages = self._pages("/v1/products", asked)
        async for product in pages:
            yield cast("Product", product)

    async def find_variants(
        self, shop_id: str, *, skus: Sequence[str] = (), variant_ids: Sequence[str] = ()
    ) -> list[FoundVariant]:
        """Find variants by SKU or id, up to 500 of each. Those that are not there are left out."""
        body = {"skus": list(skus), "variant_ids": list(variant_ids)}
        path = f"/v1/shops/{shop_id}/variants/find"
        # It only reads, so it may be sent again under any key.
        found = await self._send("POST", path, body, key="find")
        return cast("Items[FoundVariant]", found)["items"]

    async def _pages(self, path: str, query: Mapping[str, Any]) -> AsyncIterator[Any]:
        cursor: str | None = None
        while True:
            more = {} if cursor is None else {"cursor": cursor}
            page = cast("Page[Any]", await self._send("GET", path, query={**query, **more}))
            for item in page["items"]:
                yield item
            cursor = page["next"]
            if cursor is None:
                return

    # Warehouses and stock

    async def list_warehouses(self, shop_id: str) -> list[Warehouse]:
        """All warehouses of the shop, by priority."""
        found = await self._send("GET", f"/v1/shops/{shop_id}/warehouses")
        return cast("Page[Warehouse]", found)["items"]

    async def open_warehouse(self, shop_id: str, name: str, **fields: Any) -> Warehouse:  # noqa: ANN401
        """Open a warehouse. `fields`: priority, location."""
        body = {"name": name} | fields
        found = await self._send("POST", f"/v1/shops/{shop_id}/warehouses", body)
        return cast("Warehouse", found)

    async def activate(self, shop_id: str, warehouse_id: str) -> Switched:
        """Let buyers take from a warehouse."""
        path = f"/v1/shops/{shop_id}/warehouses/{warehouse_id}/activate"
        return cast("Switched", await self._send("POST", path))

    async def deactivate(self, shop_id: str, warehouse_id: str, **fields: Any) -> Switched:  # noqa: ANN401
        """Let no buyer take from a warehouse. `fields`: promises, dry_run."""
        path = f"/v1/shops/{shop_id}/warehouses/{warehouse_id}/deactivate"
        return cast("Switched", await self._send("POST", path, fields))

    async def receive(
        self, place: tuple[str, str], units: Units, key: str, reason: str | None = None
    ) -> list[StockRow]:
        """Add units that came in. `place`: shop id, warehouse id."""
        body = {"lines": _lines(units)} | ({} if reason is None else {"reason": reason})
        return await self._change(place, "receive", body, key)

    async def adjust(
        self, place: tuple[str, str], deltas: Units, reason: str, key: str
    ) -> list[StockRow]:
        """Correct stock by differences. `place`: shop id, warehouse id."""
        lines = [{"variant_id": variant, "delta": delta} for variant, delta in deltas.items()]
        return await self._change(place, "adjust", {"lines": lines, "reason": reason}, key)

    async def count(
        self, place: tuple[str, str], counted: Mapping[str, tuple[int, int]], key: str
    ) -> list[StockRow]:
        """Set stock to what was counted: (expected, counted) by variant id."""
        lines = [
            {"variant_id": variant, "expected": expected, "counted": found}
            for variant, (expected, found) in counted.items()
        ]
        return await self._change(place, "count", {"lines": lines}, key)

    async def write_off(
        self, place: tuple[str, str], units: Units, reason: str, key: str
    ) -> list[StockRow]:
        """Take units off the books that are gone. `place`: shop id, warehouse id."""
        return await self._change(
            place, "write-off", {"lines": _lines(units), "reason": reason}, key
        )

    async def damage(
        self, place: tuple[str, str], units: Units, reason: str, key: str
    ) -> list[StockRow]:
        """Take units off the books that are damaged. `place`: shop id, warehouse id."""
        body = {"lines": _lines(units), "reason": reason}
        return await self._change(place, "damage", body, key)

    async def _change(
        self, place: tuple[str, str], verb: str, body: Mapping[str, Any], key: str
    ) -> list[StockRow]:
        shop_id, warehouse_id = place
        path = f"/v1/shops/{shop_id}/warehouses/{warehouse_id}/{verb}"
        return cast("Items[StockRow]", await self._send("POST", path, body, key=key))["items"]

    async def stock(self, shop_id: str, **query: Any) -> Page[StockRow]:  # noqa: ANN401
        """One page of stock. `query`: warehouse, variant, cursor, limit."""
        found = await self._send("GET", f"/v1/shops/{shop_id}/stock", query=query)
        return cast("Page[StockRow]", found)

    async def all_stock(self, shop_id: str, **query: Any) -> AsyncIterator[StockRow]:  # noqa: ANN401
        """Go through all stock rows of the shop. `query`: warehouse, variant."""
        async for row in self._pages(f"/v1/shops/{shop_id}/stock", {"limit": 200} | query):
            yield cast("StockRow", row)

    async def past_stock(
        self,
        shop_id: str,
        as_of: str,
        **query: Any,  # noqa: ANN401
    ) -> AsyncIterator[PastStockRow]:
        """Go through what was on hand at a moment (RFC 3339). `query`: warehouse, variant."""
        asked = {"limit": 200, "as_of": as_of} | query
        async for row in self._pages(f"/v1/shops/{shop_id}/stock", asked):
            yield cast("PastStockRow", row)

    async def movements(self, shop_id: str, **query: Any) -> AsyncIterator[Movement]:  # noqa: ANN401
        """Go through the ledger, newest first. `query`: warehouse, variant, kind, since, until."""
        async for line in self._pages(f"/v1/shops/{shop_id}/movements", {"limit": 200} | query):
            yield cast("Movement", line)

    async def transfer(
        self, shop_id: str, way: tuple[str, str], units: Units, key: str
    ) -> Transfer:
        """Move units at once between two warehouses. `way`: from, to."""
        source, destination = way
        body = {
            "from_warehouse_id": source,
            "to_warehouse_id": destination,
            "lines": _lines(units),
            "immediate": True,
        }
        found = await self._send("POST", f"/v1/shops/{shop_id}/transfers", body, key=key)
        return cast("Transfer", found)

    # Orders

    async def place_order(self, shop_id: str, units: Units, key: str) -> Order:
        """Lock stock for all of these units, or for none."""
        body = {"lines": _lines(units)}
        found = await self._send("POST", f"/v1/shops/{shop_id}/orders", body, key=key)
        return cast("Order", found)

    async def get_order(self, shop_id: str, order_id: str) -> Order:
        """An order as it is now."""
        return cast("Order", await self._send("GET", f"/v1/shops/{shop_id}/orders/{order_id}"))

    async def orders(self, shop_id: str, **query: Any) -> AsyncIterator[Order]:  # noqa: ANN401
        """Go through the shop's orders, newest first. `query`: status, limit."""
        async for order in self._pages(f"/v1/shops/{shop_id}/orders", {"limit": 200} | query):
            yield cast("Order", order)

    async def start_payment(self, order: OrderId, key: str, provider: str = "sandbox") -> Payment:
        """Start an attempt to pay an order."""
        found = await self._act(order, "payments", {"provider": provider}, key)
        return cast("Payment", found)

    async def pay(self, order: OrderId, key: str) -> Payment:
        """Pay an order at the sandbox, which takes the money at once."""
        payment = await self.start_payment(order, key)
        # The event's id is the payment's: sent twice, it is one event.
        body = {"event_id": payment["id"]}
        path = f"/v1/sandbox/payments/{payment['id']}/succeed"
        await self._send("POST", path, body, key=key)
        return payment

    async def cancel(self, order: OrderId, key: str, reason: str | None = None) -> Order:
        """Cancel an order that has not begun to ship."""
        body = {} if reason is None else {"reason": reason}
        return cast("Order", await self._act(order, "cancel", body, key))

    async def ship(self, order: OrderId, key: str, units: Units | None = None) -> list[Shipment]:
        """Ship these units of an order, or all that is left."""
        body = {} if units is None else {"lines": _lines(units)}
        found = await self._act(order, "shipments", body, key)
        return cast("Items[Shipment]", found)["items"]

    async def return_units(
        self,
        order: OrderId,
        units: Units,
        key: str,
        **fields: Any,  # noqa: ANN401
    ) -> Return:
        """Take shipped units back. `fields`: reason, warehouse_id, refund, ..."""
        found = await self._act(order, "returns", {"lines": _lines(units)} | fields, key)
        return cast("Return", found)

    async def refund(self, order: OrderId, amount_minor: int, reason: str, key: str) -> Refund:
        """Give money of an order back."""
        body = {"amount_minor": amount_minor, "reason": reason}
        return cast("Refund", await self._act(order, "refunds", body, key))

    async def _act(self, order: OrderId, noun: str, body: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401
        path = f"/v1/shops/{order['shop_id']}/orders/{order['id']}/{noun}"
        return await self._send("POST", path, body, key=key)
