"""HTTP of transfers."""

from typing import Annotated

from fastapi import APIRouter

from lockstock.kernel.access import Reader
from lockstock.kernel.http import PathId, StrictRoute, provided
from lockstock.kernel.nouns import Page
from lockstock.kernel.paging import Cursor, Limit
from lockstock.warehouses.stock.routes import REFUSALS, Known, OwnCause, check_variants
from lockstock.warehouses.transfers.contract import NewTransfer, Transfer
from lockstock.warehouses.transfers.service import TransfersService

router = APIRouter(route_class=StrictRoute, tags=["transfers"])

Service = Annotated[TransfersService, provided("transfers")]


@router.post("/transfers", status_code=201, responses=REFUSALS)
async def transfer(
    shop: PathId,
    ask: NewTransfer,
    cause: OwnCause,
    known: Known,
    service: Service,
) -> Transfer:
    """Move units between two warehouses in one step. With an Idempotency-Key, once."""
    await check_variants(known, shop, (line.variant_id for line in ask.lines))
    return await service.transfer(shop, ask, cause)


@router.get("/transfers", responses=REFUSALS)
async def list_transfers(
    shop: PathId,
    _caller: Reader,
    service: Service,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Transfer]:
    """List transfers, newest first."""
    return await service.list_transfers(shop, cursor, limit)


@router.get("/transfers/{transfer}", responses=REFUSALS)
async def get_transfer(
    shop: PathId, transfer: PathId, _caller: Reader, service: Service
) -> Transfer:
    """Show one transfer."""
    return await service.get(shop, transfer)
