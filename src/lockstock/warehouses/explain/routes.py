"""HTTP of explanations."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from lockstock.kernel.access import Reader
from lockstock.kernel.errors import InvalidInput, NotFound
from lockstock.kernel.http import PathId, Problem, StrictRoute, provided
from lockstock.kernel.moments import Moment
from lockstock.warehouses.explain.contract import Explanation
from lockstock.warehouses.explain.service import ExplanationsService
from lockstock.warehouses.stock.routes import Known

router = APIRouter(route_class=StrictRoute, tags=["stock"])

Service = Annotated[ExplanationsService, provided("explanations")]
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (401, 403, 404, 422)
}


@dataclass(frozen=True)
class Question:
    """What is to be explained: a variant, a variant in a warehouse, or an order."""

    variant_id: UUID | None
    warehouse_id: UUID | None
    order_id: UUID | None
    as_of: datetime | None


async def question(
    variant: Annotated[UUID | None, Query(description="why so much of it is available")] = None,
    warehouse: Annotated[
        UUID | None, Query(description="with a variant: why so much of it is on hand here")
    ] = None,
    order: Annotated[UUID | None, Query(description="why it comes from these warehouses")] = None,
    as_of: Annotated[
        Moment | None,
        Query(description="with a warehouse: on hand at this moment, which has passed"),
    ] = None,
) -> Question:
    """Read what is asked. Raises InvalidInput for what is no question, saying which there are."""
    if (variant is None) == (order is None):
        raise InvalidInput.at(
            "variant", "ask with variant, with variant and warehouse, or with order"
        )
    if order is not None and warehouse is not None:
        raise InvalidInput.at("warehouse", "goes with a variant, not with an order")
    if as_of is not None and warehouse is None:
        raise InvalidInput.at("as_of", "goes with a variant and a warehouse: on hand there, then")
    return Question(variant, warehouse, order, as_of)


@router.get("/explain", responses=REFUSALS)
async def explain(
    shop: PathId,
    _caller: Reader,
    known: Known,
    service: Service,
    asked: Annotated[Question, Depends(question)],
) -> Explanation:
    """Explain a figure: it answers one of three questions, told by `question`.

    `variant`: why so much of it is available, and no more (`available`). `variant` and `warehouse`:
    why so much of it is on hand there, now or `as_of` a moment (`on_hand`). `order`: why it comes
    from these warehouses (`order`). With figures, and sentences for people.
    """
    if asked.order_id is not None:
        return await service.order(shop, asked.order_id)
    assert asked.variant_id is not None  # noqa: S101 (one of the two is given)
    if not await known(shop, [asked.variant_id]):
        raise NotFound("The shop has no such variant.")
    if asked.warehouse_id is None:
        return await service.available(shop, asked.variant_id)
    return await service.on_hand(shop, asked.variant_id, asked.warehouse_id, asked.as_of)
