"""What services tell the world. Each writes it down in the transaction of the change itself.

So there is no change without its event and no event without its change. Every service that has
something to tell has a table `outbox` in its own schema, all of the same shape; a relay moves what
is in them to the log of events (`events/log/`). Only the name of the schema differs, so the
statements about one of them are here once, and it is put in.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from lockstock.kernel.database import Connection
from lockstock.kernel.ids import new_id

Schema = Literal["shops", "products", "warehouses", "orders"]
SCHEMAS: tuple[Schema, ...] = ("shops", "products", "warehouses", "orders")


@dataclass(frozen=True)
class NewEvent:
    """Something that has happened to a subject. `data` is small, JSON, and about no person."""

    kind: str
    subject_id: UUID
    data: dict[str, Any]
    id: UUID = field(default_factory=new_id)


@dataclass(frozen=True)
class PendingEvent:
    """An event in the outbox of `schema`, not in the log yet. `data` is the text of its JSON."""

    schema: Schema
    id: UUID
    kind: str
    subject_id: UUID
    data: str
    occurred_at: datetime


def changed_fields(before: BaseModel, after: BaseModel) -> list[str]:
    """Return the names of what differs between two editions of a noun."""
    return [
        name for name in type(after).model_fields if getattr(before, name) != getattr(after, name)
    ]


@cache
def _in(schema: Schema, template: str) -> str:
    return template.replace("{schema}", schema)


# The clock is read here, with the locks of the change held: what happens to one subject happens
# under one lock, so its events are in order by (occurred_at, id).
WRITE_EVENTS = """
    INSERT INTO {schema}.outbox (shop_id, occurred_at, id, kind, subject_id, data)
    SELECT $1, statement_timestamp(), e.id, e.kind, e.subject_id, e.data::jsonb
    FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::text[]) AS e (id, kind, subject_id, data)
"""


async def write_events(
    connection: Connection, schema: Schema, shop_id: UUID, events: Sequence[NewEvent]
) -> None:
    """Tell of what this transaction does, after it has locked what it changes."""
    if events:
        await connection.execute(
            _in(schema, WRITE_EVENTS),
            shop_id,
            [event.id for event in events],
            [event.kind for event in events],
            [event.subject_id for event in events],
            [json.dumps(event.data) for event in events],
        )


# Jumps from shop to shop in the primary key, however much one of them has to tell.
SHOPS_WITH_EVENTS = """
    WITH RECURSIVE shop AS (
        (SELECT shop_id FROM {schema}.outbox WHERE shop_id > $1 ORDER BY shop_id LIMIT 1)
        UNION ALL
        SELECT (SELECT o.shop_id FROM {schema}.outbox AS o
            WHERE o.shop_id > s.shop_id ORDER BY o.shop_id LIMIT 1)
        FROM shop AS s
        WHERE s.shop_id IS NOT NULL
    )
    SELECT shop_id FROM shop WHERE shop_id IS NOT NULL LIMIT $2
"""


async def shops_with_events(
    connection: Connection, schema: Schema, after: UUID, most: int
) -> list[UUID]:
    """Return shops that have something to tell, by id, those after one of them."""
    rows = await connection.fetch(_in(schema, SHOPS_WITH_EVENTS), after, most)
    return [row["shop_id"] for row in rows]


# One statement, so one snapshot of all the outboxes: what is told of one order stands in two of
# them, and whoever sees its end here sees its beginning, too.
PENDING_EVENTS = """
    SELECT schema, id, kind, subject_id, data, occurred_at
    FROM (
        (SELECT 'shops' AS schema, id, kind, subject_id, data::text AS data, occurred_at
        FROM shops.outbox WHERE shop_id = $1 ORDER BY occurred_at, id LIMIT $2)
        UNION ALL
        (SELECT 'products' AS schema, id, kind, subject_id, data::text AS data, occurred_at
        FROM products.outbox WHERE shop_id = $1 ORDER BY occurred_at, id LIMIT $2)
        UNION ALL
        (SELECT 'warehouses' AS schema, id, kind, subject_id, data::text AS data, occurred_at
        FROM warehouses.outbox WHERE shop_id = $1 ORDER BY occurred_at, id LIMIT $2)
        UNION ALL
        (SELECT 'orders' AS schema, id, kind, subject_id, data::text AS data, occurred_at
        FROM orders.outbox WHERE shop_id = $1 ORDER BY occurred_at, id LIMIT $2)
    ) AS e
    ORDER BY occurred_at, id
    LIMIT $2
"""


async def pending_events(connection: Connection, shop_id: UUID, most: int) -> list[PendingEvent]:
    """Return a shop's oldest events that are not known to be in the log, oldest first."""
    rows = await connection.fetch(PENDING_EVENTS, shop_id, most)
    return [PendingEvent(**row) for row in rows]


DELETE_EVENTS = """
    DELETE FROM {schema}.outbox AS o
    USING unnest($2::timestamptz[], $3::uuid[]) AS e (occurred_at, id)
    WHERE o.shop_id = $1 AND o.occurred_at = e.occurred_at AND o.id = e.id
"""


async def delete_events(
    connection: Connection, schema: Schema, shop_id: UUID, events: Sequence[PendingEvent]
) -> None:
    """Forget events that are in the log."""
    await connection.execute(
        _in(schema, DELETE_EVENTS),
        shop_id,
        [event.occurred_at for event in events],
        [event.id for event in events],
    )
