"""HTTP of the log of events."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from lockstock.events.log.contract import Event
from lockstock.events.log.service import EventLogService
from lockstock.kernel.access import Reader
from lockstock.kernel.errors import InvalidInput
from lockstock.kernel.http import PathId, Problem, StrictRoute, provided
from lockstock.kernel.nouns import Page
from lockstock.kernel.paging import Limit

router = APIRouter(route_class=StrictRoute, prefix="/v1/shops/{shop}", tags=["events"])

Service = Annotated[EventLogService, provided("event_log")]

REFUSALS: dict[int | str, dict[str, object]] = {
    status: {"model": Problem} for status in (401, 403, 404, 422)
}

# What PostgreSQL's bigint takes.
MOST_SEQUENCE = 2**63 - 1

After = Annotated[
    str,
    Query(
        max_length=36,
        description="`sequence` or `id` of the last event that was seen; 0 for the very first",
    ),
]
Kinds = Annotated[
    list[str] | None,
    Query(max_length=50, description="only of this kind; may be given several times"),
]


async def known_kinds(request: Request, kind: Kinds = None) -> list[str] | None:
    """Read which kinds of event are asked for; None for all. Raises InvalidInput."""
    known: Sequence[str] = request.app.state.event_kinds
    for place, name in enumerate(kind or []):
        if name not in known:
            raise InvalidInput.at(f"kind.{place}", "is no kind of event")
    return kind or None


@router.get("/events", responses=REFUSALS)
async def list_events(
    shop: PathId,
    _caller: Reader,
    service: Service,
    kinds: Annotated[list[str] | None, Depends(known_kinds)],
    after: After = "0",
    limit: Limit = 50,
) -> Page[Event]:
    """List what has happened in the shop, oldest first.

    To follow it, ask again with `after` set to the `sequence` of the last event that was seen: it
    has no gap, and nothing is ever put in before what was seen. `next` is the `after` of the page
    after this one, null where this is the newest.
    """
    sequence = await _sequence_of(service, shop, after)
    found = await service.after(shop, sequence, limit + 1, kinds)
    items = found[:limit]
    return Page(items=items, next=str(items[-1].sequence) if len(found) > limit else None)


async def _sequence_of(service: EventLogService, shop_id: UUID, after: str) -> int:
    if after.isascii() and after.isdigit():
        return min(int(after), MOST_SEQUENCE)
    try:
        event_id = UUID(after)
    except ValueError:
        raise InvalidInput.at("after", "is neither a sequence nor the id of an event") from None
    found = await service.find(shop_id, [event_id])
    if event_id not in found:
        raise InvalidInput.at("after", "is no event of this shop")
    return found[event_id].sequence
