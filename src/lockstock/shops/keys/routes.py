"""API keys over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from lockstock.kernel.access import KeyKind, ShopKeeper
from lockstock.kernel.http import PathId, Problem, StrictRoute, provided
from lockstock.kernel.nouns import Page
from lockstock.shops.keys.contract import Key, Keys, MadeKey, NewKey

router = APIRouter(route_class=StrictRoute, tags=["API keys"])

KEYS = "/v1/shops/{shop}/api-keys"
Service = Annotated[Keys, provided("keys")]


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem} for status in statuses}


@router.post(KEYS, status_code=201, responses=_refusals(400, 401, 403, 404, 409, 413, 415, 422))
async def make_key(shop: PathId, actor: ShopKeeper, ask: NewKey, service: Service) -> MadeKey:
    """Make an API key. It is shown this once and never again.

    A secret key does what a member with its scopes may do, in this shop only. A publishable key
    may be in everybody's hands: with it and a `Lockstock-Customer` one orders and sees one's own.
    """
    return await service.make(shop, actor.user_id, ask)


@router.get(KEYS, responses=_refusals(401, 403, 404))
async def list_keys(
    shop: PathId,
    _actor: ShopKeeper,
    service: Service,
    kind: Annotated[KeyKind | None, Query(description="only of this kind")] = None,
) -> Page[Key]:
    """List the shop's API keys that are good, oldest first. `last_used_at` is exact to a minute."""
    found = await service.list_keys(shop)
    return Page(items=[key for key in found if kind in {None, key.kind}], next=None)


@router.get(KEYS + "/{key}", responses=_refusals(401, 403, 404))
async def get_key(shop: PathId, key: PathId, _actor: ShopKeeper, service: Service) -> Key:
    """Show an API key, good or revoked. Ledger and orders name who did something by its id."""
    return await service.get(shop, key)


@router.delete(KEYS + "/{key}", status_code=204, responses=_refusals(401, 403, 404))
async def revoke_key(shop: PathId, key: PathId, _actor: ShopKeeper, service: Service) -> None:
    """Revoke an API key. Once this has answered, no request that begins with it is let through."""
    await service.revoke(shop, key)
