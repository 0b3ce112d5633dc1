"""Calls about transfers: units on their way from one warehouse to another."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

from lockstock.client.answers import Transfer
from lockstock.client.calls import Calls, Units, given, lines_of


class TransferCalls(Calls):
    """The steps of a transfer. Those that move units take a `key`: the same key, once."""

    async def transfer(
        self, shop_id: str, way: tuple[str, str], units: Units, key: str
    ) -> Transfer:
        """Move units at once between two warehouses. `way`: from, to."""
        body = _asked(way, units) | {"immediate": True}
        found = await self._send("POST", f"/v1/shops/{shop_id}/transfers", body, key=key)
        return cast("Transfer", found)

    async def draft_transfer(
        self,
        shop_id: str,
        way: tuple[str, str],
        units: Units,
        key: str,
        **fields: Any,  # noqa: ANN401 (JSON)
    ) -> Transfer:
        """Draft a transfer; nothing is locked yet. `fields`: reason, expected_at."""
        body = _asked(way, units) | fields
        found = await self._send("POST", f"/v1/shops/{shop_id}/transfers", body, key=key)
        return cast("Transfer", found)

    async def transfers(self, shop_id: str, **query: Any) -> AsyncIterator[Transfer]:  # noqa: ANN401
        """Go through transfers, newest first. `query`: status, warehouse, overdue."""
        async for transfer in self._pages(f"/v1/shops/{shop_id}/transfers", query):
            yield cast("Transfer", transfer)

    async def get_transfer(self, shop_id: str, transfer_id: str) -> Transfer:
        """One transfer, with its history."""
        found = await self._send("GET", f"/v1/shops/{shop_id}/transfers/{transfer_id}")
        return cast("Transfer", found)

    async def change_transfer(
        self,
        shop_id: str,
        transfer_id: str,
        *,
        units: Units | None = None,
        expected_at: str | None = None,
    ) -> Transfer:
        """Change the lines of a draft, or when it is expected."""
        lines = None if units is None else lines_of(units)
        body = given(lines=lines, expected_at=expected_at)
        found = await self._send("PATCH", f"/v1/shops/{shop_id}/transfers/{transfer_id}", body)
        return cast("Transfer", found)

    async def ready_transfer(self, shop_id: str, transfer_id: str) -> Transfer:
        """Lock the stock at the source. To take the step again is harmless."""
        path = f"/v1/shops/{shop_id}/transfers/{transfer_id}/ready"
        return cast("Transfer", await self._send("POST", path))

    async def dispatch_transfer(self, shop_id: str, transfer_id: str, **fields: Any) -> Transfer:  # noqa: ANN401
        """Let the units leave. `fields`: expected_at, reason."""
        path = f"/v1/shops/{shop_id}/transfers/{transfer_id}/dispatch"
        return cast("Transfer", await self._send("POST", path, fields))

    async def receive_transfer(
        self, shop_id: str, transfer_id: str, arrived: Mapping[str, tuple[int, int]], key: str
    ) -> Transfer:
        """Take in what has arrived: (good, damaged) by variant id."""
        path = f"/v1/shops/{shop_id}/transfers/{transfer_id}/receive"
        lines = [
            {"variant_id": variant, "received": good, "damaged": damaged}
            for variant, (good, damaged) in arrived.items()
        ]
        return cast("Transfer", await self._send("POST", path, {"lines": lines}, key=key))

    async def cancel_transfer(
        self, shop_id: str, transfer_id: str, reason: str | None = None
    ) -> Transfer:
        """Give up a transfer that has not left."""
        path = f"/v1/shops/{shop_id}/transfers/{transfer_id}/cancel"
        return cast("Transfer", await self._send("POST", path, given(reason=reason)))

    async def close_transfer(
        self,
        shop_id: str,
        transfer_id: str,
        missing: Mapping[str, tuple[int, int]],
        reason: str,
        key: str,
    ) -> Transfer:
        """End a transfer of which not all has arrived: (returned, lost) by variant id."""
        path = f"/v1/shops/{shop_id}/transfers/{transfer_id}/close"
        lines = [
            {"variant_id": variant, "returned": returned, "lost": lost}
            for variant, (returned, lost) in missing.items()
        ]
        body = {"lines": lines, "reason": reason}
        return cast("Transfer", await self._send("POST", path, body, key=key))


def _asked(way: tuple[str, str], units: Units) -> dict[str, Any]:
    source, destination = way
    return {
        "from_warehouse_id": source,
        "to_warehouse_id": destination,
        "lines": lines_of(units),
    }
