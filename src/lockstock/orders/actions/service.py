"""Actions within the caller's transaction: what was asked of an order, once per key."""

from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel

from lockstock.kernel.database import Connection
from lockstock.orders import rules
from lockstock.orders import store as orders
from lockstock.orders.actions import store
from lockstock.orders.rules import Kept

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True)
class Action(Generic[T]):
    """A locked order, and what is asked of it under a key.

    `known`: it was asked before. `answer`: what was answered then, if it was answered yet.
    """

    id: UUID
    kept: Kept
    digest: bytes
    known: bool
    answer: T | None


async def open_action(
    connection: Connection, order: tuple[UUID, UUID], action_id: UUID, ask: BaseModel, noun: type[T]
) -> Action[T]:
    """Lock the order (shop id, order id) and look whether this was asked of it before.

    Raises NoSuchOrder, IdempotencyKeyReused.
    """
    kept = await orders.lock_order(connection, *order)
    digest = rules.digest_of(ask)
    known, answer = await store.find_action(connection, order[0], action_id, digest)
    read = None if answer is None else store.read_answer(noun, answer)
    return Action(action_id, kept, digest, known, read)


async def remember(connection: Connection, action: Action[T], answer: T | None) -> None:
    """Keep what was asked, with its answer. None: it is not finished yet."""
    order = action.kept.order
    asked = (order.id, action.digest)
    await store.put_action(connection, order.shop_id, action.id, asked, answer)
