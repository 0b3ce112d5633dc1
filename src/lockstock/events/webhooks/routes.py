"""Webhooks over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter

from lockstock.events.webhooks.contract import (
    MadeWebhook,
    NewWebhook,
    Rotation,
    Webhook,
    WebhookChange,
    Webhooks,
    edition_of_webhook,
)
from lockstock.kernel.access import ShopKeeper
from lockstock.kernel.editions import NOT_MODIFIED, Editing, Looking, tag, whole_edition_of
from lockstock.kernel.http import PathId, Problem, StrictRoute, provided
from lockstock.kernel.nouns import Page

router = APIRouter(route_class=StrictRoute, tags=["webhooks"])

WEBHOOKS = "/v1/shops/{shop}/webhooks"
WEBHOOK = WEBHOOKS + "/{webhook}"
Service = Annotated[Webhooks, provided("webhooks")]


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem} for status in statuses}


@router.post(WEBHOOKS, status_code=201, responses=_refusals(400, 401, 403, 404, 409, 413, 415, 422))
async def make_webhook(
    shop: PathId, actor: ShopKeeper, ask: NewWebhook, service: Service
) -> MadeWebhook:
    """Make a webhook. It is told of what happens from now on.

    `secret` is shown this once and never again: the receiver verifies by it that an event is from
    here (https://www.standardwebhooks.com).
    """
    return await service.make(shop, actor.user_id, ask)


@router.get(WEBHOOKS, responses=_refusals(401, 403, 404))
async def list_webhooks(shop: PathId, _actor: ShopKeeper, service: Service) -> Page[Webhook]:
    """List the shop's webhooks, oldest first."""
    return Page(items=await service.list_webhooks(shop), next=None)


@router.get(WEBHOOK, responses=_refusals(401, 403, 404) | NOT_MODIFIED)
async def get_webhook(
    shop: PathId, webhook: PathId, _actor: ShopKeeper, service: Service, answer: Looking
) -> Webhook:
    """Show a webhook, and how it fares."""
    found = await service.get(shop, webhook)
    tag(answer, f"{edition_of_webhook(found)}-{whole_edition_of(found)}")
    return found


@router.patch(WEBHOOK, responses=_refusals(400, 401, 403, 404, 412, 413, 415, 422))
async def change_webhook(
    shop: PathId,
    webhook: PathId,
    _actor: ShopKeeper,
    ask: WebhookChange,
    service: Service,
    editing: Editing,
) -> Webhook:
    """Change what is given. With If-Match only if nobody has changed it since that ETag was given.

    Switched on again, it is told of what was waiting and of what happens from then on. What
    happened while it was off is in the log of events.
    """
    changed = await service.change(shop, webhook, ask, editing.expected)
    editing.tag(f"{edition_of_webhook(changed)}-{whole_edition_of(changed)}")
    return changed


@router.delete(WEBHOOK, status_code=204, responses=_refusals(401, 403, 404))
async def remove_webhook(
    shop: PathId, webhook: PathId, _actor: ShopKeeper, service: Service
) -> None:
    """Delete a webhook and the record of what was sent to it."""
    await service.remove(shop, webhook)


@router.post(WEBHOOK + "/rotate", responses=_refusals(400, 401, 403, 404, 413, 415, 422))
async def rotate_secret(
    shop: PathId,
    webhook: PathId,
    _actor: ShopKeeper,
    service: Service,
    ask: Rotation | None = None,
) -> MadeWebhook:
    """Give it a new secret, shown this once. The old one signs along for `overlap_seconds`.

    One that is older still stops at once.
    """
    return await service.rotate(shop, webhook, ask or Rotation())
