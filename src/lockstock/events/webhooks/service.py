"""The verbs of webhooks. An address is looked up before the transaction, never in it."""

import base64
import secrets
from collections.abc import Awaitable, Callable, Collection
from uuid import UUID

from lockstock.events.log import store as log
from lockstock.events.webhooks import rules, store
from lockstock.events.webhooks.addresses import Addresses, Unreachable
from lockstock.events.webhooks.contract import (
    MOST_WEBHOOKS,
    MadeWebhook,
    NewWebhook,
    NoSuchWebhook,
    Rotation,
    TooManyWebhooks,
    Webhook,
    WebhookChange,
    edition_of_webhook,
)
from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.editions import Expected, check_edition
from lockstock.kernel.errors import InvalidInput
from lockstock.kernel.ids import new_id

SECRET_PREFIX = "whsec_"  # noqa: S105 (how each secret begins, by the convention)
SECRET_BYTES = 32


def _new_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


class WebhooksService:
    """Webhooks on a database.

    `kinds` are the kinds of events that there are. `get_shop` raises NoSuchShop where there is no
    such shop.
    """

    def __init__(
        self,
        database: Database,
        addresses: Addresses,
        kinds: Collection[str],
        get_shop: Callable[[UUID], Awaitable[object]],
    ) -> None:
        self.database = database
        self._addresses = addresses
        self._kinds = kinds
        self._get_shop = get_shop

    async def make(self, shop_id: UUID, made_by: UUID, ask: NewWebhook) -> MadeWebhook:
        """Make a webhook. Raises NoSuchShop, InvalidInput for address or kind, TooManyWebhooks."""
        await self._get_shop(shop_id)
        ask = ask.model_copy(update={"kinds": self._checked_kinds(ask.kinds)})
        await self._check_url(ask.url)
        return await self._make(shop_id, made_by, ask)

    @transaction
    async def _make(
        self, connection: Connection, shop_id: UUID, made_by: UUID, ask: NewWebhook
    ) -> MadeWebhook:
        # Two who make the last one wait for each other here, and no event comes in meanwhile.
        await log.add_counter(connection, shop_id)
        last = await log.lock_counter(connection, shop_id) or 0
        if len(await store.list_webhooks(connection, shop_id)) >= MOST_WEBHOOKS:
            raise TooManyWebhooks(f"A shop has at most {MOST_WEBHOOKS} webhooks. Delete one first.")
        secret = _new_secret()
        draft = store.Draft(new_id(), secret, made_by, last, ask)
        made = await store.insert_webhook(connection, shop_id, draft)
        return MadeWebhook(**made.model_dump(), secret=secret)

    @reading
    async def list_webhooks(self, connection: Connection, shop_id: UUID) -> list[Webhook]:
        """The webhooks of the shop, oldest first."""
        return await store.list_webhooks(connection, shop_id)

    @reading
    async def get(self, connection: Connection, shop_id: UUID, webhook_id: UUID) -> Webhook:
        """One webhook. Raises NoSuchWebhook."""
        return _existing(await store.get_webhook(connection, shop_id, webhook_id))

    async def change(
        self, shop_id: UUID, webhook_id: UUID, ask: WebhookChange, expected: Expected = None
    ) -> Webhook:
        """Change what is given. Raises NoSuchWebhook, InvalidInput, PreconditionFailed."""
        await self.get(shop_id, webhook_id)
        if ask.kinds is not None:
            ask = ask.model_copy(update={"kinds": self._checked_kinds(ask.kinds)})
        if ask.url is not None:
            await self._check_url(ask.url)
        return await self._change(shop_id, webhook_id, ask, expected)

    @transaction
    async def _change(
        self,
        connection: Connection,
        shop_id: UUID,
        webhook_id: UUID,
        ask: WebhookChange,
        expected: Expected,
    ) -> Webhook:
        before = _existing(await store.lock_webhook(connection, shop_id, webhook_id))
        check_edition(expected, edition_of_webhook(before))
        after = before.model_copy(update=ask.model_dump(exclude_unset=True))
        last = await log.last_sequence(connection, shop_id)
        return await store.update_webhook(connection, shop_id, after, last)

    @transaction
    async def remove(self, connection: Connection, shop_id: UUID, webhook_id: UUID) -> None:
        """Delete a webhook and what was delivered to it. Raises NoSuchWebhook."""
        _existing(await store.lock_webhook(connection, shop_id, webhook_id))
        await store.delete_webhook(connection, shop_id, webhook_id)

    @transaction
    async def rotate(
        self, connection: Connection, shop_id: UUID, webhook_id: UUID, ask: Rotation
    ) -> MadeWebhook:
        """Give it a new secret. The old one signs along for a while. Raises NoSuchWebhook."""
        _existing(await store.lock_webhook(connection, shop_id, webhook_id))
        secret = _new_secret()
        rotated = await store.rotate_webhook(
            connection, shop_id, webhook_id, secret, ask.overlap_seconds
        )
        return MadeWebhook(**rotated.model_dump(), secret=secret)

    def _checked_kinds(self, kinds: Collection[str]) -> list[str]:
        unknown = rules.unknown_kinds(kinds, self._kinds)
        if unknown:
            raise InvalidInput.at("kinds", f"{', '.join(unknown)}: no such kind of event")
        return sorted(set(kinds))

    async def _check_url(self, url: str) -> None:
        try:
            await self._addresses.of(rules.target_of(url))
        except (rules.BadUrl, Unreachable) as error:
            raise InvalidInput.at("url", str(error)) from None


def _existing(webhook: Webhook | None) -> Webhook:
    if webhook is None:
        raise NoSuchWebhook("The shop has no such webhook.")
    return webhook
