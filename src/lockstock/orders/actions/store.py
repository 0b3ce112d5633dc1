"""Actions in the database. An action's row is written under the lock of its order."""

import json
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel

from lockstock.kernel.database import Connection
from lockstock.kernel.errors import IdempotencyKeyReused

T = TypeVar("T", bound=BaseModel)


def read_answer(noun: type[T], answer: object) -> T:
    """Read an answer as it is kept in a row. It was valid when it was given."""
    # As JSON: nouns are strict, and in Python a time is no text.
    return noun.model_validate_json(json.dumps(answer))


FIND_ACTION = """
SELECT digest, answer FROM orders.actions WHERE shop_id = $1 AND id = $2
"""


async def find_action(
    connection: Connection, shop_id: UUID, action_id: UUID, digest: bytes
) -> tuple[bool, Any]:
    """Return whether this was asked for before, and what was answered, if it was answered yet.

    Raises IdempotencyKeyReused where something else was asked for under the same key.
    """
    row = await connection.fetchrow(FIND_ACTION, shop_id, action_id)
    if row is None:
        return False, None
    if row["digest"] != digest:
        raise IdempotencyKeyReused("This key was used before, with another body.")
    return True, row["answer"]


PUT_ACTION = """
INSERT INTO orders.actions (shop_id, id, order_id, digest, answer, at)
VALUES ($1, $2, $3, $4, $5, statement_timestamp())
"""


async def put_action(
    connection: Connection,
    shop_id: UUID,
    action_id: UUID,
    asked: tuple[UUID, bytes],
    answer: BaseModel | None,
) -> None:
    """Remember what was `asked` (order id, digest) and answered. None: it is not finished yet."""
    content = None if answer is None else answer.model_dump(mode="json")
    await connection.execute(PUT_ACTION, shop_id, action_id, *asked, content)


ANSWER_ACTION = """
UPDATE orders.actions SET answer = $3 WHERE shop_id = $1 AND id = $2 AND answer IS NULL
"""


async def answer_action(
    connection: Connection, shop_id: UUID, action_id: UUID, answer: BaseModel
) -> None:
    """Remember the answer to what is finished now."""
    content = answer.model_dump(mode="json")
    await connection.execute(ANSWER_ACTION, shop_id, action_id, content)


DROP_ACTION = """
DELETE FROM orders.actions WHERE shop_id = $1 AND id = $2 AND answer IS NULL
"""


async def drop_action(connection: Connection, shop_id: UUID, action_id: UUID) -> None:
    """Forget what turned out to be refused: its key may be used again."""
    await connection.execute(DROP_ACTION, shop_id, action_id)
