"""Placing an order, the plain case: see `kernel/hot.py`, and `place_order` in `routes.py`."""

from lockstock.kernel.errors import Refusal
from lockstock.kernel.hot import JSON_TYPES, HotAnswer, HotCall, HotRoute, plain_body
from lockstock.orders import rules
from lockstock.orders.callers import ORDERS
from lockstock.orders.contract import NewOrder, PlaceAsk

REPLAYED = ((b"idempotency-replayed", b"true"),)


async def place(call: HotCall) -> HotAnswer | None:
    """Place the order of a person who is logged in."""
    headers = call.headers
    key = headers.get(b"idempotency-key", b"").decode("latin-1")
    actor = call.state.gate.person(headers.get(b"authorization", b""))
    if (
        actor is None
        or not key.isascii()
        or not key.isprintable()
        or not 0 < len(key) <= 255
        or call.scope["query_string"]
        or headers.get(b"content-type") not in JSON_TYPES
    ):
        return None
    ask = plain_body(NewOrder, await call.body())
    if ask is None:
        return None
    [shop] = call.ids
    order_id = rules.order_id_of(shop, actor.user_id, key)
    place = PlaceAsk(order_id=order_id, customer_id=actor.user_id, ask=ask)
    [answer] = await call.state.orders.place(shop, [place])
    if isinstance(answer, Refusal):
        raise answer
    body = answer.answer.__pydantic_serializer__.to_json(answer.answer)
    return HotAnswer(201, body, REPLAYED if answer.replayed else ())


PLACE = HotRoute("POST", ORDERS, place)
