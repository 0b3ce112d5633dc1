"""Who may touch an order, and what every answer about one has in common."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Request, Response

from lockstock.kernel.access import Actor, Customer, Gate, Permission
from lockstock.kernel.errors import Forbidden
from lockstock.kernel.http import IdempotencyKey, Problem, RequestId
from lockstock.orders.contract import Answered, Asked, NoSuchOrder, Order, Orders

T = TypeVar("T")
Reach = Callable[[Request, UUID, UUID, Actor], Awaitable[Order]]

ORDERS = "/v1/shops/{shop}/orders"
ORDER = ORDERS + "/{order}"
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (400, 401, 403, 404, 409, 422)
}
READING_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (401, 403, 404, 422)
}


async def check_reach(gate: Gate, actor: Actor, order: Order, permission: Permission) -> None:
    """Let its customer through, and members with the permission.

    Raises NoSuchOrder to everybody outside, Forbidden to members whose role is too low.
    """
    if order.customer_id == actor.user_id or await gate.allows(actor, order.shop_id, permission):
        return
    if await gate.allows(actor, order.shop_id, "read"):
        raise Forbidden(f"For another's order you need the permission {permission}.")
    raise NoSuchOrder("There is no such order.")


def _reaching(permission: Permission) -> Reach:
    async def reach(request: Request, shop: UUID, order: UUID, actor: Customer) -> Order:
        orders: Orders = request.app.state.orders
        found = await orders.get(shop, order)
        await check_reach(request.app.state.gate, actor, found, permission)
        return found

    return reach


async def asked_by(actor: Customer, key: IdempotencyKey, request_id: RequestId) -> Asked:
    """Say who asks, under which key."""
    return asked_of(actor, request_id, key)


def asked_of(actor: Actor, request_id: str, key: str = "") -> Asked:
    """Say who asks; without a key where asking twice is asking once anyway."""
    api_key_id = None if actor.api_key is None else actor.api_key.id
    return Asked(actor_id=actor.user_id, key=key, request_id=request_id, api_key_id=api_key_id)


AskedBy = Callable[[Request, UUID, Asked, Actor], Awaitable[Asked]]


def _asked_by_member(permission: Permission) -> AskedBy:
    async def ask(
        request: Request, shop: UUID, asked: Annotated[Asked, Depends(asked_by)], actor: Customer
    ) -> Asked:
        gate: Gate = request.app.state.gate
        await gate.require(actor, shop, permission)
        return asked

    return ask


# The order of the path, for its customer and for members with the permission.
ReadableOrder = Annotated[Order, Depends(_reaching("read"))]
OwnOrder = Annotated[Order, Depends(_reaching("orders"))]
OwnAsked = Annotated[Asked, Depends(asked_by)]
# Who asks, being a member of the shop with the permission.
OrdersAsked = Annotated[Asked, Depends(_asked_by_member("orders"))]
StockAsked = Annotated[Asked, Depends(_asked_by_member("stock"))]


async def _sees_all(request: Request, found: ReadableOrder, actor: Customer) -> bool:
    gate: Gate = request.app.state.gate
    return await gate.allows(actor, found.shop_id, "read")


# Whether who reads the order of the path works in the shop, and sees what is the shop's own affair.
SeesAll = Annotated[bool, Depends(_sees_all)]


def mark_replay(response: Response, answered: Answered[T]) -> T:
    """Return the answer; say in a header if it is one that was given before."""
    if answered.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return answered.answer
