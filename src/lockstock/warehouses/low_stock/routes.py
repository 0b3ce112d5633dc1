"""HTTP of low stock."""

from typing import Annotated, Any

from fastapi import APIRouter

from lockstock.kernel.access import Reader
from lockstock.kernel.http import PathId, Problem, StrictRoute, provided
from lockstock.kernel.nouns import Page
from lockstock.kernel.paging import Cursor, Limit
from lockstock.warehouses.low_stock.contract import LowStock, LowStockList
from lockstock.warehouses.low_stock.service import LowStockService

router = APIRouter(route_class=StrictRoute, tags=["stock"])

Service = Annotated[LowStockService, provided("low_stock")]
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (401, 403, 404, 422)
}


@router.get("/stock/low", responses=REFUSALS)
async def list_low_stock(
    shop: PathId, _caller: Reader, service: Service, cursor: Cursor = None, limit: Limit = 50
) -> Page[LowStock]:
    """List the variants that are low: no more of them is available than the shop's threshold.

    Each of them was told of by an event `stock.low`, and is here until `stock.replenished`.
    Nothing is low in a shop without a `low_stock_threshold`.
    """
    return await service.low(shop, LowStockList(cursor=cursor, limit=limit))
