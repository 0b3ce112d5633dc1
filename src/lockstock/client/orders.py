"""Calls about orders, from the basket to the return."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict, Unpack, cast

from lockstock.client.answers import Items, Order, OrderId, Return, Shipment
from lockstock.client.calls import Calls, Units, given, lines_of
from lockstock.client.news import HistoryEntry


class ReturnLine(TypedDict):
    """Units that come back in one condition, `good` if none is said.

    `warehouse_id`: where these come back to, if not where the rest does.
    """

    variant_id: str
    quantity: int
    condition: NotRequired[Literal["good", "damaged"]]
    warehouse_id: NotRequired[str]


class ReturnFields(TypedDict, total=False):
    """What else can be said of a return.

    `warehouse_id`: where it comes back to, if not where it was shipped from. `refund`: whether
    money goes back: the price of the units, or `refund_minor`.
    """

    warehouse_id: str
    refund: bool
    refund_minor: int
    reason: str


class OrderCalls(Calls):
    """Orders. Each act takes a `key`, chosen by the caller: the same key again is the same act."""

    async def place_order(
        self, shop_id: str, units: Units, key: str, ship_to: Mapping[str, Any] | None = None
    ) -> Order:
        """Lock stock for all of these units, or for none. Raises OutOfStock."""
        body = {"lines": lines_of(units)} | given(ship_to=ship_to)
        found = await self._send("POST", f"/v1/shops/{shop_id}/orders", body, key=key)
        return cast("Order", found)

    async def get_order(self, shop_id: str, order_id: str) -> Order:
        """An order as it is now."""
        return cast("Order", await self._send("GET", f"/v1/shops/{shop_id}/orders/{order_id}"))

    async def orders(self, shop_id: str, **query: Any) -> AsyncIterator[Order]:  # noqa: ANN401
        """Go through the shop's orders, newest first.

        `query`: status, customer, since, until, sort, limit.
        """
        async for order in self._pages(f"/v1/shops/{shop_id}/orders", query):
            yield cast("Order", order)

    async def own_orders(self, **query: Any) -> AsyncIterator[Order]:  # noqa: ANN401
        """Go through one's own orders in all shops. `query`: status, since, until, sort."""
        async for order in self._pages("/v1/me/orders", query):
            yield cast("Order", order)

    async def order_history(self, order: OrderId) -> list[HistoryEntry]:
        """All that has happened to an order, oldest first."""
        return await self._items(f"/v1/shops/{order['shop_id']}/orders/{order['id']}/history")

    async def cancel(self, order: OrderId, key: str, reason: str | None = None) -> Order:
        """Cancel an order that has not begun to ship."""
        path = f"/v1/shops/{order['shop_id']}/orders/{order['id']}/cancel"
        return cast("Order", await self._send("POST", path, given(reason=reason), key=key))

    async def complete(self, order: OrderId) -> Order:
        """Close an order that has left in full. Closing it twice is closing it once."""
        path = f"/v1/shops/{order['shop_id']}/orders/{order['id']}/complete"
        return cast("Order", await self._send("POST", path))

    async def ship(
        self,
        order: OrderId,
        key: str,
        units: Units | None = None,
        warehouse_id: str | None = None,
    ) -> list[Shipment]:
        """Ship these units of an order, or all that is left; from one warehouse, or from all."""
        path = f"/v1/shops/{order['shop_id']}/orders/{order['id']}/shipments"
        lines = None if units is None else lines_of(units)
        found = await self._send(
            "POST", path, given(lines=lines, warehouse_id=warehouse_id), key=key
        )
        return cast("Items[Shipment]", found)["items"]

    async def shipments(self, order: OrderId) -> list[Shipment]:
        """The parcels of an order, oldest first."""
        return await self._items(f"/v1/shops/{order['shop_id']}/orders/{order['id']}/shipments")

    async def return_units(
        self,
        order: OrderId,
        units: Units | Sequence[ReturnLine],
        key: str,
        **fields: Unpack[ReturnFields],
    ) -> Return:
        """Take shipped units back: good ones by variant, or lines that say in which condition."""
        path = f"/v1/shops/{order['shop_id']}/orders/{order['id']}/returns"
        lines = lines_of(units) if isinstance(units, Mapping) else list(units)
        body = {"lines": lines, **fields}
        return cast("Return", await self._send("POST", path, body, key=key))

    async def returns(self, order: OrderId) -> list[Return]:
        """The returns of an order, oldest first."""
        return await self._items(f"/v1/shops/{order['shop_id']}/orders/{order['id']}/returns")
