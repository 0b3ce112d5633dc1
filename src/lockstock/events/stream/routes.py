"""HTTP of streams: server-sent events, as browsers read them by EventSource."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from lockstock.events.stream.contract import Watch
from lockstock.events.stream.service import StreamsService
from lockstock.events.stream.subscription import Subscription
from lockstock.kernel.access import CallerIfAny, Gate
from lockstock.kernel.http import Problem, StrictRoute, provided

router = APIRouter(route_class=StrictRoute, tags=["stream"])

Service = Annotated[StreamsService, provided("streams")]
GateOfApp = Annotated[Gate, provided("gate")]
MOST_VARIANTS = 100
LONGEST_ID = 300
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (401, 404, 422, 429, 503)
}


async def watch_of(
    request: Request,
    shop: Annotated[UUID, Query(description="the shop to watch")],
    variant: Annotated[
        list[UUID] | None,
        Query(
            max_length=MOST_VARIANTS,
            description="only these variants, each first as it is now; may be repeated",
        ),
    ] = None,
    last_event_id: Annotated[
        str | None,
        Query(max_length=LONGEST_ID, description="as the header Last-Event-ID, which goes first"),
    ] = None,
    last_event_id_header: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID",
            max_length=LONGEST_ID,
            description="`id` of the last event that was seen: what changed since is sent first",
        ),
    ] = None,
) -> Watch:
    """Read what is asked to be watched. Of a caller it knows the address only."""
    return Watch(
        shop_id=shop,
        exact=False,
        variant_ids=None if variant is None else frozenset(variant),
        last_event_id=last_event_id_header or last_event_id,
        address="unknown" if request.client is None else request.client.host,
    )


class StockStream(StreamingResponse):
    """An open stream. However it ends, its place is free again.

    Not FastAPI's EventSourceResponse: that one reads ahead of a slow reader, and sends its own
    comments.
    """

    media_type = "text/event-stream"

    def __init__(self, service: StreamsService, subscription: Subscription) -> None:
        # Proxies are not to keep it, and not to hold it back until there is more of it.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(subscription.texts(), headers=headers)
        self._service = service
        self._subscription = subscription

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write until the reader goes away or the server stops."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._service.close(self._subscription)


@router.get("/v1/stream/stock", status_code=200, response_class=StockStream, responses=REFUSALS)
async def stream_stock(
    asked: Annotated[Watch, Depends(watch_of)],
    actor: CallerIfAny,
    gate: GateOfApp,
    service: Service,
) -> StockStream:
    """Watch what is available in a shop, as server-sent events. No login is needed.

    First comes `ready`, then a `stock` event whenever what is available of a published variant has
    changed: `{variant_id, available, availability, at}`. A slow reader is given the newest state of
    each variant only. After `reset` anything may have changed: load the products anew. A connection
    that was cut is taken up with `Last-Event-ID`. Where the shop hides its numbers, `available` is
    null for all who do not work there, they are told only when the word is another, and load the
    products anew when they come back.
    """

    async def may_see() -> bool:
        return actor is not None and await gate.allows(actor, asked.shop_id, "read")

    exact = await may_see()
    subscription = await service.open(asked.model_copy(update={"exact": exact}), may_see)
    return StockStream(service, subscription)
