"""Webhooks: an address outside that is told of what happens in a shop."""

from datetime import datetime
from typing import Annotated, Literal, Protocol
from uuid import UUID

from pydantic import Field

from lockstock.kernel.editions import Expected, edition_of
from lockstock.kernel.errors import NotFound, Refusal
from lockstock.kernel.nouns import Ask, Given, Noun

MOST_WEBHOOKS = 20
# For all kinds, also those that are to come.
ALL_KINDS = "*"
DAY_SECONDS = 86_400

# gone: it answered 410. failing: for days no attempt has succeeded.
DisabledReason = Literal["gone", "failing"]

Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2000,
        description="where events are posted to: https or http, without user name or password",
        examples=["https://example.com/lockstock"],
    ),
]
Kinds = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=100)]],
    Field(
        min_length=1,
        max_length=100,
        description='the kinds of events that it is told of; "*" is all of them',
        examples=[["order.paid", "order.cancelled"]],
    ),
]


class Webhook(Noun):
    """A webhook as it is shown: all but its secret."""

    id: UUID
    url: str
    kinds: list[str]
    active: bool
    # Why Lockstock has switched it off by itself, and when; null where it has not.
    disabled_reason: DisabledReason | None
    disabled_at: datetime | None
    # Since when each attempt has failed; null when the last one arrived.
    failing_since: datetime | None
    # Until when the secret before this one signs along; null where none does.
    previous_secret_until: datetime | None
    created_by: UUID
    created_at: datetime
    changed_at: datetime


class MadeWebhook(Webhook):
    """A webhook with its secret. This is the only time that it is shown."""

    secret: str = Field(repr=False)


class NewWebhook(Ask):
    """Ask for a webhook. It is told of what happens from now on."""

    url: Url
    kinds: Annotated[Kinds, Field(default_factory=lambda: [ALL_KINDS])]
    active: bool = True


class WebhookChange(Ask):
    """Change what is given."""

    url: Given[Url] = None
    kinds: Given[Kinds] = None
    active: Given[bool] = None


class Rotation(Ask):
    """Ask for a new secret. The old one signs along for so many seconds."""

    overlap_seconds: Annotated[int, Field(ge=0, le=7 * DAY_SECONDS)] = DAY_SECONDS


class NoSuchWebhook(NotFound):
    """The shop has no such webhook."""


class TooManyWebhooks(Refusal):
    """A shop has a bounded number of webhooks."""

    status = 409
    code = "too_many_webhooks"
    title = "No more webhooks"


class WebhookInactive(Refusal):
    """Nothing is sent to a webhook that is switched off."""

    status = 409
    code = "webhook_inactive"
    title = "The webhook is switched off"


def edition_of_webhook(webhook: Webhook) -> str:
    """Return the edition of a webhook: what can be edited, and not how it fares."""
    editable = Webhook.model_fields.keys() & WebhookChange.model_fields.keys()
    return edition_of(webhook.model_dump_json(include=set(editable)))


class Webhooks(Protocol):
    """The verbs. Each is one transaction, or one read."""

    async def make(self, shop_id: UUID, made_by: UUID, ask: NewWebhook) -> MadeWebhook:
        """Make a webhook. Raises NoSuchShop, InvalidInput for address or kind, TooManyWebhooks."""
        ...

    async def list_webhooks(self, shop_id: UUID) -> list[Webhook]:
        """The webhooks of the shop, oldest first."""
        ...

    async def get(self, shop_id: UUID, webhook_id: UUID) -> Webhook:
        """One webhook. Raises NoSuchWebhook."""
        ...

    async def change(
        self, shop_id: UUID, webhook_id: UUID, ask: WebhookChange, expected: Expected = None
    ) -> Webhook:
        """Change what is given. Raises NoSuchWebhook, InvalidInput, PreconditionFailed.

        One that is switched on is told of what happens from then on, and of what was waiting.
        """
        ...

    async def remove(self, shop_id: UUID, webhook_id: UUID) -> None:
        """Delete a webhook and what was delivered to it. Raises NoSuchWebhook."""
        ...

    async def rotate(self, shop_id: UUID, webhook_id: UUID, ask: Rotation) -> MadeWebhook:
        """Give it a new secret. The old one signs along for a while. Raises NoSuchWebhook."""
        ...
