"""What products tell the world: docs/events.md says when, and what is in each."""

from collections.abc import Sequence
from typing import Literal, get_args

from lockstock.kernel.database import Connection
from lockstock.kernel.outbox import NewEvent, write_events
from lockstock.products.rules import StoredProduct

EventKind = Literal["product.created", "product.changed"]
EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)


async def tell(connection: Connection, kind: EventKind, products: Sequence[StoredProduct]) -> None:
    """Tell of products of one shop that this transaction makes or changes."""
    events = [
        NewEvent(
            kind,
            product.id,
            {
                "published": product.published,
                "variant_ids": [str(variant.id) for variant in product.variants],
            },
        )
        for product in products
    ]
    if products:
        await write_events(connection, "products", products[0].shop_id, events)
