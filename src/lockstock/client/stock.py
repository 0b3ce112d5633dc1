"""Calls about warehouses, what is in them, and why."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

from lockstock.client.answers import (
    Items,
    Movement,
    Page,
    PastStockRow,
    StockRow,
    Switched,
    Warehouse,
)
from lockstock.client.calls import Calls, Place, Units, given, lines_of


class StockCalls(Calls):
    """Warehouses and stock. A `place` is (shop id, warehouse id)."""

    async def list_warehouses(self, shop_id: str) -> list[Warehouse]:
        """All warehouses of the shop, by priority."""
        return await self._items(f"/v1/shops/{shop_id}/warehouses")

    async def open_warehouse(self, shop_id: str, name: str, **fields: Any) -> Warehouse:  # noqa: ANN401
        """Open a warehouse. `fields`: priority, location."""
        body = {"name": name} | fields
        found = await self._send("POST", f"/v1/shops/{shop_id}/warehouses", body)
        return cast("Warehouse", found)

    async def get_warehouse(self, shop_id: str, warehouse_id: str) -> Warehouse:
        """One warehouse."""
        found = await self._send("GET", f"/v1/shops/{shop_id}/warehouses/{warehouse_id}")
        return cast("Warehouse", found)

    async def change_warehouse(
        self,
        shop_id: str,
        warehouse_id: str,
        changes: Mapping[str, Any],
        *,
        etag: str | None = None,
    ) -> Warehouse:
        """Change what is given; with an `etag` only if nobody has changed it since."""
        path = f"/v1/shops/{shop_id}/warehouses/{warehouse_id}"
        return cast("Warehouse", await self._send("PATCH", path, changes, etag=etag))

    async def activate(self, shop_id: str, warehouse_id: str) -> Switched:
        """Let buyers take from a warehouse."""
        path = f"/v1/shops/{shop_id}/warehouses/{warehouse_id}/activate"
        return cast("Switched", await self._send("POST", path))

    async def deactivate(self, shop_id: str, warehouse_id: str, **fields: Any) -> Switched:  # noqa: ANN401
        """Let no buyer take from a warehouse. `fields`: promises, dry_run."""
        path = f"/v1/shops/{shop_id}/warehouses/{warehouse_id}/deactivate"
        return cast("Switched", await self._send("POST", path, fields))

    async def receive(
        self, place: Place, units: Units, key: str, reason: str | None = None
    ) -> list[StockRow]:
        """Add units that came in."""
        path = f"/v1/shops/{place[0]}/warehouses/{place[1]}/receive"
        body = {"lines": lines_of(units)} | given(reason=reason)
        return cast("Items[StockRow]", await self._send("POST", path, body, key=key))["items"]

    async def adjust(self, place: Place, deltas: Units, reason: str, key: str) -> list[StockRow]:
        """Correct stock by differences."""
        path = f"/v1/shops/{place[0]}/warehouses/{place[1]}/adjust"
        lines = [{"variant_id": variant, "delta": delta} for variant, delta in deltas.items()]
        body = {"lines": lines, "reason": reason}
        return cast("Items[StockRow]", await self._send("POST", path, body, key=key))["items"]

    async def count(
        self, place: Place, counted: Mapping[str, tuple[int, int]], key: str
    ) -> list[StockRow]:
        """Set stock to what was counted: (expected, counted) by variant id."""
        path = f"/v1/shops/{place[0]}/warehouses/{place[1]}/count"
        lines = [
            {"variant_id": variant, "expected": expected, "counted": found}
            for variant, (expected, found) in counted.items()
        ]
        found = await self._send("POST", path, {"lines": lines}, key=key)
        return cast("Items[StockRow]", found)["items"]

    async def write_off(self, place: Place, units: Units, reason: str, key: str) -> list[StockRow]:
        """Take units off the books that are gone."""
        path = f"/v1/shops/{place[0]}/warehouses/{place[1]}/write-off"
        body = {"lines": lines_of(units), "reason": reason}
        return cast("Items[StockRow]", await self._send("POST", path, body, key=key))["items"]

    async def damage(self, place: Place, units: Units, reason: str, key: str) -> list[StockRow]:
        """Take units off the books that are damaged."""
        path = f"/v1/shops/{place[0]}/warehouses/{place[1]}/damage"
        body = {"lines": lines_of(units), "reason": reason}
        return cast("Items[StockRow]", await self._send("POST", path, body, key=key))["items"]

    async def stock(self, shop_id: str, **query: Any) -> Page[StockRow]:  # noqa: ANN401
        """One page of stock. `query`: warehouse, variant, cursor, limit."""
        found = await self._send("GET", f"/v1/shops/{shop_id}/stock", query=query)
        return cast("Page[StockRow]", found)

    async def all_stock(self, shop_id: str, **query: Any) -> AsyncIterator[StockRow]:  # noqa: ANN401
        """Go through all stock rows of the shop. `query`: warehouse, variant."""
        async for row in self._pages(f"/v1/shops/{shop_id}/stock", query):
            yield cast("StockRow", row)

    async def past_stock(
        self,
        shop_id: str,
        as_of: str,
        **query: Any,  # noqa: ANN401
    ) -> AsyncIterator[PastStockRow]:
        """Go through what was on hand at a moment (RFC 3339). `query`: warehouse, variant."""
        async for row in self._pages(f"/v1/shops/{shop_id}/stock", {"as_of": as_of} | query):
            yield cast("PastStockRow", row)

    async def movements(self, shop_id: str, **query: Any) -> AsyncIterator[Movement]:  # noqa: ANN401
        """Go through the ledger, newest first. `query`: warehouse, variant, kind, since, until."""
        async for line in self._pages(f"/v1/shops/{shop_id}/movements", query):
            yield cast("Movement", line)
