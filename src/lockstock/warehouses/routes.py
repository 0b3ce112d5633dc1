"""HTTP of warehouses, and of the nouns below them."""

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from lockstock.kernel.access import Reader, WarehouseKeeper
from lockstock.kernel.editions import NOT_MODIFIED, Editing, Looking, tag, whole_edition_of
from lockstock.kernel.http import PathId, Problem, StrictRoute, provided
from lockstock.kernel.ids import new_id
from lockstock.kernel.nouns import Page
from lockstock.warehouses.contract import (
    AllocationPolicy,
    Deactivate,
    NewWarehouse,
    Switched,
    Warehouse,
    WarehouseChange,
)
from lockstock.warehouses.explain.routes import router as explain_router
from lockstock.warehouses.low_stock.routes import router as low_stock_router
from lockstock.warehouses.service import WarehousesService
from lockstock.warehouses.stock.routes import router as stock_router
from lockstock.warehouses.transfers.routes import router as transfers_router

router = APIRouter(prefix="/v1/shops/{shop}", route_class=StrictRoute)
router.include_router(stock_router)
router.include_router(low_stock_router)
router.include_router(transfers_router)
router.include_router(explain_router)

Service = Annotated[WarehousesService, provided("warehouses")]
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (401, 403, 404, 422)
}
TAGS: list[str | Enum] = ["warehouses"]
# How a shop wants its orders allocated. Shops are another service's; app.py knows it.
PolicyOf = Callable[[UUID], Awaitable[AllocationPolicy]]


async def _policy(
    shop: PathId, policy_of: Annotated[PolicyOf, provided("allocation_policy")]
) -> AllocationPolicy:
    return await policy_of(shop)


Policy = Annotated[AllocationPolicy, Depends(_policy)]


@router.get("/warehouses", tags=TAGS, responses=REFUSALS)
async def list_warehouses(
    shop: PathId,
    _caller: Reader,
    service: Service,
    active: Annotated[bool | None, Query(description="only those switched on, or off")] = None,
) -> Page[Warehouse]:
    """List all warehouses of the shop, by priority."""
    found = await service.list_warehouses(shop)
    return Page(items=[each for each in found if active in {None, each.active}], next=None)


@router.post("/warehouses", status_code=201, tags=TAGS, responses=REFUSALS)
async def open_warehouse(
    shop: PathId, ask: NewWarehouse, _caller: WarehouseKeeper, service: Service
) -> Warehouse:
    """Open a warehouse. It is active at once."""
    [warehouse] = await service.open(shop, [ask], [new_id()])
    return warehouse


@router.get("/warehouses/{warehouse}", tags=TAGS, responses=REFUSALS | NOT_MODIFIED)
async def get_warehouse(
    shop: PathId, warehouse: PathId, _caller: Reader, service: Service, answer: Looking
) -> Warehouse:
    """Show one warehouse."""
    found = await service.get(shop, warehouse)
    tag(answer, whole_edition_of(found))
    return found


@router.patch("/warehouses/{warehouse}", tags=TAGS, responses=REFUSALS | {412: {"model": Problem}})
async def change_warehouse(
    shop: PathId,
    warehouse: PathId,
    ask: WarehouseChange,
    _caller: WarehouseKeeper,
    service: Service,
    editing: Editing,
) -> Warehouse:
    """Change name, priority or location: what is given.

    With If-Match it is changed only if nobody has changed it since that ETag was given.
    """
    changed = await service.change(shop, warehouse, ask, editing.expected)
    editing.tag(whole_edition_of(changed))
    return changed


@router.post("/warehouses/{warehouse}/activate", tags=TAGS, responses=REFUSALS)
async def activate_warehouse(
    shop: PathId, warehouse: PathId, _caller: WarehouseKeeper, service: Service
) -> Switched:
    """Switch on: its stock can be sold at once."""
    return await service.activate(shop, warehouse)


@router.post("/warehouses/{warehouse}/deactivate", tags=TAGS, responses=REFUSALS)
async def deactivate_warehouse(
    shop: PathId,
    warehouse: PathId,
    _caller: WarehouseKeeper,
    policy: Policy,
    service: Service,
    ask: Deactivate | None = None,
) -> Switched:
    """Switch off: once this has answered, no order takes stock from it. What is there stays there.

    `promises: keep`: unpaid holds may still be paid, paid lines still ship from here. `promises:
    reallocate`: what has not been shipped moves to other active warehouses, each order whole, with
    the same deadline, as the shop's strategy has it; `stranded` are the orders that the others
    cannot give in full, and they are kept as they are. The same again moves what can be moved by
    then. `dry_run`: the same answer, and nothing happens.
    """
    return await service.deactivate(shop, warehouse, ask or Deactivate(), policy)
