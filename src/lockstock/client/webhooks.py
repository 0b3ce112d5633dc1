"""Calls about webhooks: a shop's events, sent to an address."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

from lockstock.client.calls import Calls
from lockstock.client.news import Delivery, MadeWebhook, Webhook


class WebhookCalls(Calls):
    """Webhooks and their deliveries."""

    async def make_webhook(self, shop_id: str, url: str, **fields: Any) -> MadeWebhook:  # noqa: ANN401
        """Make a webhook. `["secret"]` is shown this once. `fields`: kinds, active."""
        body = {"url": url} | fields
        found = await self._send("POST", f"/v1/shops/{shop_id}/webhooks", body)
        return cast("MadeWebhook", found)

    async def webhooks(self, shop_id: str) -> list[Webhook]:
        """The shop's webhooks, oldest first."""
        return await self._items(f"/v1/shops/{shop_id}/webhooks")

    async def get_webhook(self, shop_id: str, webhook_id: str) -> Webhook:
        """One webhook, and how it fares."""
        found = await self._send("GET", f"/v1/shops/{shop_id}/webhooks/{webhook_id}")
        return cast("Webhook", found)

    async def change_webhook(
        self,
        shop_id: str,
        webhook_id: str,
        changes: Mapping[str, Any],
        *,
        etag: str | None = None,
    ) -> Webhook:
        """Change what is given; with an `etag` only if nobody has changed it since."""
        path = f"/v1/shops/{shop_id}/webhooks/{webhook_id}"
        return cast("Webhook", await self._send("PATCH", path, changes, etag=etag))

    async def remove_webhook(self, shop_id: str, webhook_id: str) -> None:
        """Delete a webhook and the record of what was sent to it."""
        await self._send("DELETE", f"/v1/shops/{shop_id}/webhooks/{webhook_id}")

    async def rotate_secret(
        self, shop_id: str, webhook_id: str, overlap_seconds: int = 86_400
    ) -> MadeWebhook:
        """Give it a new secret; the old one signs along for so long."""
        path = f"/v1/shops/{shop_id}/webhooks/{webhook_id}/rotate"
        found = await self._send("POST", path, {"overlap_seconds": overlap_seconds})
        return cast("MadeWebhook", found)

    async def deliveries(
        self,
        shop_id: str,
        webhook_id: str,
        **query: Any,  # noqa: ANN401
    ) -> AsyncIterator[Delivery]:
        """Go through what was, and is to be, delivered, newest first. `query`: status."""
        path = f"/v1/shops/{shop_id}/webhooks/{webhook_id}/deliveries"
        async for delivery in self._pages(path, query):
            yield cast("Delivery", delivery)

    async def get_delivery(self, shop_id: str, webhook_id: str, delivery_id: str) -> Delivery:
        """One delivery, with its attempts."""
        path = f"/v1/shops/{shop_id}/webhooks/{webhook_id}/deliveries/{delivery_id}"
        return cast("Delivery", await self._send("GET", path))

    async def resend_delivery(self, shop_id: str, webhook_id: str, delivery_id: str) -> Delivery:
        """Send an event again, under the same id."""
        path = f"/v1/shops/{shop_id}/webhooks/{webhook_id}/deliveries/{delivery_id}/resend"
        return cast("Delivery", await self._send("POST", path))

    async def send_ping(self, shop_id: str, webhook_id: str) -> Delivery:
        """Send an event that says nothing, to see whether it arrives."""
        path = f"/v1/shops/{shop_id}/webhooks/{webhook_id}/test"
        return cast("Delivery", await self._send("POST", path))
