"""Low stock: the words for how much there is of a variant, and the watch on its threshold.

A variant is low while no more units of it than the shop's threshold are available, over all active
warehouses. Each time it becomes low, and each time it no longer is, that is one event.
"""

from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from pydantic import Field

from lockstock.kernel.nouns import Noun, Page

# What buyers are told by a shop that keeps its numbers to itself.
AvailabilityGrade = Literal["in_stock", "low", "out"]

STOCK_LOW = "stock.low"
STOCK_REPLENISHED = "stock.replenished"


def grade_of(available: int, threshold: int | None) -> AvailabilityGrade:
    """Say in a word how much there is. Without a threshold nothing is low."""
    if available <= 0:
        return "out"
    return "low" if threshold is not None and available <= threshold else "in_stock"


class LowStock(Noun):
    """A variant that is low: what is available of it now, in units, and since when it is low.

    `threshold`: the shop's, when it was looked at last.
    """

    variant_id: UUID
    available: int
    threshold: int
    since: datetime


class Freed(Noun):
    """Variants of which holds came due in a span of time that ends at `until`.

    `more`: there were too many to name.
    """

    variant_ids: list[UUID]
    until: datetime
    more: bool


class Look(Noun):
    """Ask to compare variants with a shop's threshold. Null: nothing is low any more.

    `sequence`: of the shop's log of events, up to which was read before the threshold was. A look
    that knows less than the one before it does nothing.
    """

    sequence: int
    threshold: int | None
    variant_ids: list[UUID] = Field(max_length=500)


class LowStockList(Noun):
    """Ask for a page of what is low."""

    cursor: str | None = None
    limit: int = 50


class LowStockWatch(Protocol):
    """The verbs. Each is one transaction; `shop_id` is the shop it speaks of."""

    async def freed(self, shop_id: UUID, since: datetime | None, most: int) -> Freed:
        """Name up to `most` variants of which a hold came due after `since`. None: only the time.

        Exact, whether the holds were tidied up since or not.
        """
        ...

    async def look(self, shop_id: UUID, ask: Look) -> bool:
        """Compare, remember, and tell of each crossing. False for a look that knew too little.

        Variants that never had stock are not low: they were never anything else.
        """
        ...

    async def due(self, most: int) -> list[UUID]:
        """Return shops where something low may no longer be, as a hold on it came due."""
        ...

    async def due_variants(self, shop_id: UUID, most: int) -> list[UUID]:
        """Return the variants of a shop for which that is so."""
        ...

    async def stocked(self, shop_id: UUID, after: UUID, most: int) -> list[UUID]:
        """Return variants that have or had stock, by id, those after one of them."""
        ...

    async def low(self, shop_id: UUID, ask: LowStockList) -> Page[LowStock]:
        """A page of what is low now."""
        ...
