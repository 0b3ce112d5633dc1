"""Deliveries: what is sent to webhooks, and how that went."""

from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from lockstock.kernel.errors import NotFound
from lockstock.kernel.nouns import Ask, Noun, Page

# waiting: for its first attempt, its next one, or an earlier event of its subject.
# failed: given up.
DeliveryStatus = Literal["waiting", "delivered", "failed"]
# What a test sends. It is in no log.
PING_KIND = "webhook.ping"


class Delivery(Noun):
    """One event on its way to one webhook.

    `sequence` is the event's in the log, null for a ping. `attempts` counts those that were begun.
    `next_try_at` is null while an earlier event of the same subject waits, and when it has ended.
    """

    id: UUID
    webhook_id: UUID
    event_id: UUID
    kind: str
    subject_id: UUID
    sequence: int | None
    status: DeliveryStatus
    attempts: int
    next_try_at: datetime | None
    created_at: datetime
    ended_at: datetime | None


class Attempt(Noun):
    """One try to deliver.

    `duration_ms` is null while it is under way, and for ever where the process died at it. `answer`
    is the beginning of what the receiver said; `error` is why that was not good enough.
    """

    number: int
    begun_at: datetime
    duration_ms: int | None
    status_code: int | None
    answer: str | None
    error: str | None


class DeliveryWithAttempts(Delivery):
    """A delivery and its newest attempts, at most 100, the newest first."""

    history: list[Attempt]


class DeliveryList(Ask):
    """Which deliveries are asked for."""

    status: DeliveryStatus | None = None
    cursor: str | None = None
    limit: int = 50


class NoSuchDelivery(NotFound):
    """The webhook has no such delivery."""


class Deliveries(Protocol):
    """The verbs. Each is one transaction, or one read."""

    async def list_deliveries(
        self, shop_id: UUID, webhook_id: UUID, ask: DeliveryList
    ) -> Page[Delivery]:
        """Deliveries to a webhook, newest first. Raises NoSuchWebhook, InvalidInput."""
        ...

    async def get(self, shop_id: UUID, webhook_id: UUID, delivery_id: UUID) -> DeliveryWithAttempts:
        """One delivery with its attempts. Raises NoSuchWebhook, NoSuchDelivery."""
        ...

    async def resend(self, shop_id: UUID, webhook_id: UUID, delivery_id: UUID) -> Delivery:
        """Send it again, now and under the same id. Harmless while it is on its way.

        Raises NoSuchWebhook, NoSuchDelivery, WebhookInactive.
        """
        ...

    async def ping(self, shop_id: UUID, webhook_id: UUID) -> Delivery:
        """Send a ping. Raises NoSuchWebhook, WebhookInactive."""
        ...
