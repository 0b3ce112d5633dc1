"""HTTP of stock and its ledger."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from lockstock.kernel.access import Reader, StockKeeper
from lockstock.kernel.errors import InvalidInput
from lockstock.kernel.http import (
    OptionalIdempotencyKey,
    PathId,
    Problem,
    RequestId,
    StrictRoute,
    provided,
)
from lockstock.kernel.ids import derived_id, new_id
from lockstock.kernel.moments import Moment
from lockstock.kernel.nouns import Noun, Page
from lockstock.kernel.paging import Cursor, Limit
from lockstock.warehouses.contract import Cause
from lockstock.warehouses.stock.contract import (
    Adjust,
    CountStock,
    Movement,
    MovementKind,
    MovementList,
    PastStockRow,
    Receive,
    StockList,
    StockRow,
    TakeAway,
)
from lockstock.warehouses.stock.service import StockService

router = APIRouter(route_class=StrictRoute, tags=["stock"])

Service = Annotated[StockService, provided("stock")]
# Which of these variants the shop has. Variants are another service's; app.py knows it.
KnownVariants = Callable[[UUID, Sequence[UUID]], Awaitable[set[UUID]]]
Known = Annotated[KnownVariants, provided("known_variants")]
WarehouseFilter = Annotated[UUID | None, Query(description="only this warehouse")]
VariantFilter = Annotated[UUID | None, Query(description="only this variant")]
PastMoment = Annotated[
    Moment | None, Query(description="as it was at this moment, which has passed")
]
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (401, 403, 404, 409, 422)
}


class StockRows(Noun):
    """The stock rows that a change has touched, as they are after it."""

    items: list[StockRow]


async def cause_of(
    caller: StockKeeper, key: OptionalIdempotencyKey, request_id: RequestId
) -> Cause:
    """Let a change happen once per caller and key; without a key, once per request."""
    change_id = derived_id("change", caller.user_id, key) if key else new_id()
    return Cause(change_id=change_id, actor_id=caller.user_id, request_id=request_id)


# Also the check that the caller may change stock.
OwnCause = Annotated[Cause, Depends(cause_of)]


async def check_variants(known: KnownVariants, shop_id: UUID, asked: Iterable[UUID]) -> None:
    """Raise InvalidInput for each line whose variant the shop does not have."""
    asked = list(asked)
    found = await known(shop_id, asked)
    errors = [
        {"path": f"lines.{place}.variant_id", "message": "the shop has no such variant"}
        for place, variant_id in enumerate(asked)
        if variant_id not in found
    ]
    if errors:
        raise InvalidInput("The shop has no such variant.", errors=errors)


@router.post("/warehouses/{warehouse}/receive", responses=REFUSALS)
async def receive_stock(
    shop: PathId,
    warehouse: PathId,
    ask: Receive,
    cause: OwnCause,
    known: Known,
    service: Service,
) -> StockRows:
    """Add units that came in. With an Idempotency-Key a retry adds nothing."""
    await check_variants(known, shop, (line.variant_id for line in ask.lines))
    return StockRows(items=await service.receive(shop, warehouse, ask, cause))


@router.post("/warehouses/{warehouse}/adjust", responses=REFUSALS)
async def adjust_stock(
    shop: PathId,
    warehouse: PathId,
    ask: Adjust,
    cause: OwnCause,
    known: Known,
    service: Service,
) -> StockRows:
    """Correct stock by a difference. Below what is promised it is refused, naming the orders."""
    await check_variants(known, shop, (line.variant_id for line in ask.lines))
    return StockRows(items=await service.adjust(shop, warehouse, ask, cause))


@router.post("/warehouses/{warehouse}/write-off", responses=REFUSALS)
async def write_off_stock(
    shop: PathId,
    warehouse: PathId,
    ask: TakeAway,
    cause: OwnCause,
    known: Known,
    service: Service,
) -> StockRows:
    """Take units off the books that are gone. Below what is promised it is refused."""
    await check_variants(known, shop, (line.variant_id for line in ask.lines))
    return StockRows(items=await service.write_off(shop, warehouse, ask, cause))


@router.post("/warehouses/{warehouse}/damage", responses=REFUSALS)
async def damage_stock(
    shop: PathId,
    warehouse: PathId,
    ask: TakeAway,
    cause: OwnCause,
    known: Known,
    service: Service,
) -> StockRows:
    """Take units off the books that are damaged. Below what is promised it is refused."""
    await check_variants(known, shop, (line.variant_id for line in ask.lines))
    return StockRows(items=await service.damage(shop, warehouse, ask, cause))


@router.post("/warehouses/{warehouse}/count", responses=REFUSALS)
async def count_stock(
    shop: PathId,
    warehouse: PathId,
    ask: CountStock,
    cause: OwnCause,
    known: Known,
    service: Service,
) -> StockRows:
    """Set stock to what was counted. Refused where it is no longer what the clerk expected."""
    await check_variants(known, shop, (line.variant_id for line in ask.lines))
    return StockRows(items=await service.count(shop, warehouse, ask, cause))


async def stock_list(
    warehouse: WarehouseFilter = None,
    variant: VariantFilter = None,
    as_of: PastMoment = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> StockList:
    """Read which part of the stock is asked for."""
    return StockList(
        warehouse_id=warehouse, variant_id=variant, as_of=as_of, cursor=cursor, limit=limit
    )


class MovementQuery(BaseModel):
    """Which part of the ledger."""

    warehouse: WarehouseFilter = None
    variant: VariantFilter = None
    kind: Annotated[MovementKind | None, Query(description="only movements of this kind")] = None
    since: Annotated[Moment | None, Query(description="from this moment on")] = None
    until: Annotated[Moment | None, Query(description="before this moment")] = None
    cursor: Cursor = None
    limit: Limit = 50


@router.get("/stock", responses=REFUSALS)
async def list_stock(
    shop: PathId,
    _caller: Reader,
    service: Service,
    ask: Annotated[StockList, Depends(stock_list)],
) -> Page[StockRow | PastStockRow]:
    """List stock per variant and warehouse. A hold past its deadline counts as available.

    With `as_of` what was on hand at that moment, from the ledger: `on_hand` and `as_of` only, since
    what was held and committed then is not kept.
    """
    page = await (service.stock if ask.as_of is None else service.past_stock)(shop, ask)
    return Page(items=[*page.items], next=page.next)


@router.get("/movements", responses=REFUSALS)
async def list_movements(
    shop: PathId,
    _caller: Reader,
    service: Service,
    query: Annotated[MovementQuery, Query()],
) -> Page[Movement]:
    """List the ledger, newest first: every change of `on_hand`, its cause, actor and reason."""
    ask = MovementList(
        warehouse_id=query.warehouse,
        variant_id=query.variant,
        kind=query.kind,
        since=query.since,
        until=query.until,
        cursor=query.cursor,
        limit=query.limit,
    )
    return await service.movements(shop, ask)
