"""Decisions about the mark on products that may have units, on plain values.

The mark says "may": it is taken away where nothing was on hand in any warehouse, at a look some
time after another one had found that, and is back at the first look that finds units.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

# A product without units keeps its mark for so long. What is created and received within it, or
# sold out and restocked, is never missing from a list.
KEPT = timedelta(minutes=10)
# What has no mark is looked at again after this, even if nothing was told of it.
AGAIN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Mark:
    """Whether a product may have units, and when to look again; null: when something is told."""

    in_stock: bool
    check_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A product as it was read at `now`, with all of its variants."""

    product_id: UUID
    mark: Mark
    variant_ids: list[UUID]
    now: datetime


@dataclass(frozen=True, slots=True)
class Remark:
    """Another mark for a product, as long as it still has the one that was read."""

    product_id: UUID
    before: Mark
    after: Mark


def first_check(created_at: datetime) -> datetime:
    """Return when a new product is looked at for the first time."""
    return created_at + KEPT


def remarks(standings: Iterable[Standing], with_units: Collection[UUID]) -> list[Remark]:
    """Decide on products, of whose variants these had units after they were read."""
    found = []
    for standing in standings:
        has_units = not set(standing.variant_ids).isdisjoint(with_units)
        after = marked(standing.mark, standing.now, has_units=has_units)
        if after != standing.mark:
            found.append(Remark(standing.product_id, standing.mark, after))
    return found


def marked(mark: Mark, now: datetime, *, has_units: bool) -> Mark:
    """Return the mark of a product that has units, or none."""
    if has_units:
        return Mark(in_stock=True, check_at=None)
    if mark.check_at is None:
        return Mark(in_stock=mark.in_stock, check_at=now + (KEPT if mark.in_stock else AGAIN))
    if mark.check_at > now:
        return mark
    return Mark(in_stock=False, check_at=now + AGAIN)
