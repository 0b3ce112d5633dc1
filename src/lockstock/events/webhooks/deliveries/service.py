"""The verbs of deliveries: looking at them, and asking for one (again)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from lockstock.events.webhooks import store as webhooks
from lockstock.events.webhooks import telemetry
from lockstock.events.webhooks.contract import NoSuchWebhook, Webhook, WebhookInactive
from lockstock.events.webhooks.deliveries import store
from lockstock.events.webhooks.deliveries.contract import (
    PING_KIND,
    Delivery,
    DeliveryList,
    DeliveryWithAttempts,
    NoSuchDelivery,
)
from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.nouns import Page
from lockstock.kernel.paging import Cursors


class DeliveriesService:
    """Deliveries on a database. Those that have ended are kept for `keep_seconds`."""

    def __init__(self, database: Database, cursors: Cursors, keep_seconds: float) -> None:
        self.database = database
        self._cursors = cursors
        self._keep_seconds = keep_seconds

    @reading
    async def list_deliveries(
        self, connection: Connection, shop_id: UUID, webhook_id: UUID, ask: DeliveryList
    ) -> Page[Delivery]:
        """Deliveries to a webhook, newest first. Raises NoSuchWebhook, InvalidInput."""
        _existing(await webhooks.get_webhook(connection, shop_id, webhook_id))
        scope = f"deliveries:{shop_id}:{webhook_id}:{ask.status}"
        after = _position(self._cursors.read(scope, ask.cursor))
        found = await store.list_deliveries(connection, shop_id, webhook_id, ask, after)
        items = found[: ask.limit]
        if len(found) <= ask.limit:
            return Page(items=items, next=None)
        key = [items[-1].created_at.isoformat(), str(items[-1].id)]
        return Page(items=items, next=self._cursors.write(scope, key))

    @reading
    async def get(
        self, connection: Connection, shop_id: UUID, webhook_id: UUID, delivery_id: UUID
    ) -> DeliveryWithAttempts:
        """One delivery with its attempts. Raises NoSuchWebhook, NoSuchDelivery."""
        _existing(await webhooks.get_webhook(connection, shop_id, webhook_id))
        found = await _delivery(connection, shop_id, webhook_id, delivery_id)
        history = await store.list_attempts(connection, shop_id, delivery_id)
        return DeliveryWithAttempts(**found.model_dump(), history=history)

    @transaction
    async def resend(
        self, connection: Connection, shop_id: UUID, webhook_id: UUID, delivery_id: UUID
    ) -> Delivery:
        """Send it again, now and under the same id. Harmless while it is on its way.

        Raises NoSuchWebhook, NoSuchDelivery, WebhookInactive.
        """
        webhook = _existing(await webhooks.lock_webhook(connection, shop_id, webhook_id))
        await _delivery(connection, shop_id, webhook_id, delivery_id)
        _check_active(webhook)
        await store.resend_delivery(connection, shop_id, delivery_id)
        return await _delivery(connection, shop_id, webhook_id, delivery_id)

    @transaction
    async def ping(self, connection: Connection, shop_id: UUID, webhook_id: UUID) -> Delivery:
        """Send a ping. Raises NoSuchWebhook, WebhookInactive."""
        webhook = _existing(await webhooks.lock_webhook(connection, shop_id, webhook_id))
        _check_active(webhook)
        return await store.add_ping(connection, shop_id, webhook_id, PING_KIND)

    async def sweep(self, most: int) -> int:
        """Delete what nobody needs any more, and measure what waits; return how much it was."""
        telemetry.OLDEST_WAITING.set(await self._oldest_waiting())
        deleted = 0
        for kept_by in (await self._worn(most), await self._left(most)):
            for shop_id, delivery_ids in kept_by.items():
                await self._delete(shop_id, delivery_ids)
                deleted += len(delivery_ids)
        for shop_id, webhook_id in await self._emptied(most):
            await self._forget(shop_id, webhook_id)
        return deleted

    @reading
    async def _oldest_waiting(self, connection: Connection) -> float:
        return await store.age_of_oldest(connection)

    @reading
    async def _worn(self, connection: Connection, most: int) -> dict[UUID, list[UUID]]:
        return await store.worn_deliveries(connection, self._keep_seconds, most)

    @reading
    async def _left(self, connection: Connection, most: int) -> dict[UUID, list[UUID]]:
        return await store.left_deliveries(connection, most)

    @transaction
    async def _delete(
        self, connection: Connection, shop_id: UUID, delivery_ids: list[UUID]
    ) -> None:
        await store.delete_deliveries(connection, shop_id, delivery_ids)

    @reading
    async def _emptied(self, connection: Connection, most: int) -> list[tuple[UUID, UUID]]:
        return await store.emptied_webhooks(connection, most)

    @transaction
    async def _forget(self, connection: Connection, shop_id: UUID, webhook_id: UUID) -> None:
        await store.forget_webhook(connection, shop_id, webhook_id)


def _existing(webhook: Webhook | None) -> Webhook:
    if webhook is None:
        raise NoSuchWebhook("The shop has no such webhook.")
    return webhook


def _check_active(webhook: Webhook) -> None:
    if not webhook.active:
        raise WebhookInactive("It is switched off, so nothing is sent to it. Switch it on first.")


async def _delivery(
    connection: Connection, shop_id: UUID, webhook_id: UUID, delivery_id: UUID
) -> Delivery:
    found = await store.get_delivery(connection, shop_id, webhook_id, delivery_id)
    if found is None:
        raise NoSuchDelivery("The webhook has no such delivery.")
    return found


def _position(key: list[Any] | None) -> store.Position | None:
    return None if key is None else store.Position(datetime.fromisoformat(key[0]), UUID(key[1]))
