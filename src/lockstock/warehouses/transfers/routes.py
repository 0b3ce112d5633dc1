"""HTTP of transfers."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from lockstock.kernel.access import Reader
from lockstock.kernel.http import PathId, StrictRoute, provided
from lockstock.kernel.nouns import Page
from lockstock.kernel.paging import Cursor, Limit
from lockstock.warehouses.stock.routes import REFUSALS, Known, OwnCause, check_variants
from lockstock.warehouses.transfers.contract import (
    CancelTransfer,
    CloseTransfer,
    DispatchTransfer,
    NewTransfer,
    ReceiveTransfer,
    Told,
    Transfer,
    TransferChange,
    TransferList,
    TransferStatus,
)
from lockstock.warehouses.transfers.service import TransfersService

router = APIRouter(route_class=StrictRoute, tags=["transfers"])

Service = Annotated[TransfersService, provided("transfers")]


def _answer(response: Response, told: Told) -> Transfer:
    if told.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return told.transfer


@router.post("/transfers", status_code=201, responses=REFUSALS)
async def create_transfer(
    shop: PathId,
    ask: NewTransfer,
    cause: OwnCause,
    known: Known,
    service: Service,
    response: Response,
) -> Transfer:
    """Draft a transfer between two warehouses, whatever their state; nothing is locked yet.

    With `immediate` the units are moved in this step. With an Idempotency-Key, once.
    """
    await check_variants(known, shop, (line.variant_id for line in ask.lines))
    return _answer(response, await service.transfer(shop, ask, cause))


async def transfer_list(
    status: Annotated[TransferStatus | None, Query(description="only in this status")] = None,
    warehouse: Annotated[UUID | None, Query(description="from or to this warehouse")] = None,
    overdue: Annotated[bool, Query(description="only what should have arrived by now")] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> TransferList:
    """Read which transfers are asked for."""
    return TransferList(
        status=status, warehouse_id=warehouse, overdue=overdue, cursor=cursor, limit=limit
    )


@router.get("/transfers", responses=REFUSALS)
async def list_transfers(
    shop: PathId,
    _caller: Reader,
    service: Service,
    ask: Annotated[TransferList, Depends(transfer_list)],
) -> Page[Transfer]:
    """List transfers, newest first. `overdue`: ready or on their way, past `expected_at`."""
    return await service.list_transfers(shop, ask)


@router.get("/transfers/{transfer}", responses=REFUSALS)
async def get_transfer(
    shop: PathId, transfer: PathId, _caller: Reader, service: Service
) -> Transfer:
    """Show one transfer, with its history: each step, by whom, when and why."""
    return await service.get(shop, transfer)


@router.patch("/transfers/{transfer}", responses=REFUSALS)
async def change_transfer(
    shop: PathId,
    transfer: PathId,
    ask: TransferChange,
    cause: OwnCause,
    known: Known,
    service: Service,
) -> Transfer:
    """Change the lines of a draft, or `expected_at` of a transfer that has not ended."""
    await check_variants(known, shop, (line.variant_id for line in ask.lines or ()))
    return await service.change(shop, transfer, ask, cause)


@router.post("/transfers/{transfer}/ready", responses=REFUSALS)
async def ready_transfer(
    shop: PathId, transfer: PathId, cause: OwnCause, service: Service
) -> Transfer:
    """Lock the stock at the source: it is `committed` there, and no order gets it."""
    return await service.ready(shop, transfer, cause)


@router.post("/transfers/{transfer}/dispatch", responses=REFUSALS)
async def dispatch_transfer(
    shop: PathId,
    transfer: PathId,
    cause: OwnCause,
    service: Service,
    ask: DispatchTransfer | None = None,
) -> Transfer:
    """Let the units leave: no longer on hand at the source, `incoming` at the destination."""
    return await service.dispatch(shop, transfer, ask or DispatchTransfer(), cause)


@router.post("/transfers/{transfer}/receive", responses=REFUSALS)
async def receive_transfer(
    shop: PathId,
    transfer: PathId,
    ask: ReceiveTransfer,
    cause: OwnCause,
    service: Service,
    response: Response,
) -> Transfer:
    """Take in what has arrived, all or a part. With an Idempotency-Key, once.

    `received` units are on hand at the destination; `damaged` ones never are. More than is
    outstanding is refused.
    """
    return _answer(response, await service.receive(shop, transfer, ask, cause))


@router.post("/transfers/{transfer}/cancel", responses=REFUSALS)
async def cancel_transfer(
    shop: PathId,
    transfer: PathId,
    cause: OwnCause,
    service: Service,
    ask: CancelTransfer | None = None,
) -> Transfer:
    """Give up a transfer that has not left. Its stock is free again."""
    return await service.cancel(shop, transfer, ask or CancelTransfer(), cause)


@router.post("/transfers/{transfer}/close", responses=REFUSALS)
async def close_transfer(
    shop: PathId,
    transfer: PathId,
    ask: CloseTransfer,
    cause: OwnCause,
    service: Service,
    response: Response,
) -> Transfer:
    """End a transfer of which not all has arrived. With an Idempotency-Key, once.

    Each outstanding unit is `returned` (on hand at the source again) or `lost`.
    """
    return _answer(response, await service.close(shop, transfer, ask, cause))
