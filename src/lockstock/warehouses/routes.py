"""HTTP of warehouses, and of the nouns below them."""

from enum import Enum
from typing import Annotated, Any

from fastapi import APIRouter

from lockstock.kernel.access import Reader, WarehouseKeeper
from lockstock.kernel.editions import NOT_MODIFIED, Editing, Looking, tag, whole_edition_of
from lockstock.kernel.http import PathId, Problem, StrictRoute, provided
from lockstock.kernel.ids import new_id
from lockstock.kernel.nouns import Page
from lockstock.warehouses.contract import (
    Deactivate,
    NewWarehouse,
    Switched,
    Warehouse,
    WarehouseChange,
)
from lockstock.warehouses.service import WarehousesService
from lockstock.warehouses.stock.routes import router as stock_router
from lockstock.warehouses.transfers.routes import router as transfers_router

router = APIRouter(prefix="/v1/shops/{shop}", route_class=StrictRoute)
router.include_router(stock_router)
router.include_router(transfers_router)

Service = Annotated[WarehousesService, provided("warehouses")]
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (401, 403, 404, 422)
}
TAGS: list[str | Enum] = ["warehouses"]


@router.get("/warehouses", tags=TAGS, responses=REFUSALS)
async def list_warehouses(shop: PathId, _caller: Reader, service: Service) -> Page[Warehouse]:
    """List all warehouses of the shop, by priority."""
    return Page(items=await service.list_warehouses(shop), next=None)


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
async def activate(
    shop: PathId, warehouse: PathId, _caller: WarehouseKeeper, service: Service
) -> Switched:
    """Switch on: its stock can be sold at once."""
    return await service.activate(shop, warehouse)


@router.post("/warehouses/{warehouse}/deactivate", tags=TAGS, responses=REFUSALS)
async def deactivate(
    shop: PathId,
    warehouse: PathId,
    _caller: WarehouseKeeper,
    service: Service,
    ask: Deactivate | None = None,
) -> Switched:
    """Switch off: once this has answered, no order takes stock from it. What is there stays there.

    `promises: keep`: unpaid holds may still be paid, paid lines still ship from here.
    """
    return await service.deactivate(shop, warehouse, ask or Deactivate())
