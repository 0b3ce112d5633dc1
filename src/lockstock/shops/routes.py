"""Shops over HTTP."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from lockstock.kernel.access import Caller, Reader, Role, ShopKeeper
from lockstock.kernel.editions import NOT_MODIFIED, Editing, Looking, tag, whole_edition_of
from lockstock.kernel.http import (
    OptionalIdempotencyKey,
    PathId,
    Problem,
    StrictRoute,
    provided,
)
from lockstock.kernel.ids import derived_id
from lockstock.kernel.nouns import Page
from lockstock.kernel.paging import Cursor, Cursors, Limit
from lockstock.kernel.text import sort_key
from lockstock.shops.contract import (
    Member,
    NewRole,
    NewShop,
    Shop,
    ShopChange,
    ShopKey,
    ShopList,
    Shops,
    ShopWithWarehouses,
)

router = APIRouter(route_class=StrictRoute, tags=["shops"])

Service = Annotated[Shops, provided("shops")]
CursorsOfApp = Annotated[Cursors, provided("cursors")]


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem} for status in statuses}


@router.post("/v1/shops", status_code=201, responses=_refusals(400, 401, 413, 415, 422))
async def create_shop(
    service: Service, actor: Caller, ask: NewShop, key: OptionalIdempotencyKey
) -> ShopWithWarehouses:
    """Create a shop with its first warehouse. The caller is its owner.

    With an Idempotency-Key the same request may be sent again: it answers the same shop.
    """
    shop_id = derived_id("shop", actor.user_id, key) if key else None
    return await service.create(actor.user_id, ask, shop_id)


@router.get("/v1/shops", responses=_refusals(400, 401, 422))
async def list_shops(
    service: Service,
    cursors: CursorsOfApp,
    actor: Caller,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Shop]:
    """List the shops the caller works in, by name. A platform admin sees all."""
    user_id = None if actor.is_admin else actor.user_id
    scope = f"shops:{user_id}"
    after = _key(cursors.read(scope, cursor))
    found = await service.list_shops(ShopList(user_id=user_id, after=after, limit=limit + 1))
    items, more = found[:limit], found[limit:]
    return Page(items=items, next=cursors.write(scope, _place(items[-1])) if more else None)


def _place(shop: Shop) -> list[str]:
    return [sort_key(shop.name), str(shop.id)]


def _key(values: list[Any] | None) -> ShopKey | None:
    return None if values is None else ShopKey(name_key=values[0], shop_id=UUID(values[1]))


@router.get("/v1/shops/{shop}", responses=_refusals(401, 404) | NOT_MODIFIED)
async def get_shop(service: Service, shop: PathId, _actor: Reader, answer: Looking) -> Shop:
    """Show a shop to who works there."""
    found = await service.get(shop)
    tag(answer, whole_edition_of(found))
    return found


@router.patch("/v1/shops/{shop}", responses=_refusals(400, 401, 403, 404, 412, 413, 415, 422))
async def change_shop(
    service: Service, shop: PathId, _actor: ShopKeeper, ask: ShopChange, editing: Editing
) -> Shop:
    """Change what is given. Orders that were placed keep their deadline.

    With If-Match it is changed only if nobody has changed it since that ETag was given.
    """
    changed = await service.change(shop, ask, editing.expected)
    editing.tag(whole_edition_of(changed))
    return changed


@router.get("/v1/shops/{shop}/members", responses=_refusals(401, 404))
async def list_members(
    service: Service,
    shop: PathId,
    _actor: Reader,
    role: Annotated[Role | None, Query(description="only in this role")] = None,
) -> Page[Member]:
    """List who works in the shop, those who came first first."""
    await service.get(shop)
    found = await service.members(shop)
    items = [member for member in found if role in {None, member.role}]
    return Page(items=items, next=None)


@router.put(
    "/v1/shops/{shop}/members/{user}",
    responses=_refusals(400, 401, 403, 404, 409, 413, 415, 422),
)
async def put_member(
    service: Service, shop: PathId, user: PathId, _actor: ShopKeeper, ask: NewRole
) -> Member:
    """Give somebody a role in the shop, or another one. The last owner stays an owner."""
    return await service.put_member(shop, user, ask)


@router.delete(
    "/v1/shops/{shop}/members/{user}", status_code=204, responses=_refusals(401, 403, 404, 409)
)
async def remove_member(service: Service, shop: PathId, user: PathId, _actor: ShopKeeper) -> None:
    """Take somebody's role away. Harmless where there is none. The last owner stays."""
    await service.remove_member(shop, user)
