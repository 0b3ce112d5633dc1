"""HTTP of the history of an order."""

from typing import Annotated

from fastapi import APIRouter

from lockstock.kernel.http import StrictRoute, provided
from lockstock.kernel.nouns import Page
from lockstock.orders.callers import ORDER, READING_REFUSALS, ReadableOrder, SeesAll
from lockstock.orders.history.contract import Entry, HistoryOf

router = APIRouter(route_class=StrictRoute)

Service = Annotated[HistoryOf, provided("history")]


@router.get(ORDER + "/history", tags=["orders"], responses=READING_REFUSALS)
async def order_history(found: ReadableOrder, *, whole: SeesAll, service: Service) -> Page[Entry]:
    """Tell all that has happened to an order, oldest first: who did it, when, and why.

    Those who work in the shop see everything; the customer sees what has happened and when, without
    the ids and reasons of the shop's people.
    """
    entries = await service.history(found.shop_id, found.id, whole=whole)
    return Page(items=entries, next=None)
