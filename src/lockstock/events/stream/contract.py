"""Streams of stock: what is available of a shop's variants, as it changes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from lockstock.kernel.errors import Unavailable
from lockstock.kernel.nouns import Noun
from lockstock.warehouses.low_stock.contract import AvailabilityGrade

SHOP_CHANGED = "shop.changed"


class StockState(Noun):
    """What can be sold of a variant, in units; `available` is null where the shop hides it.

    It is at least as new as `at`.
    """

    variant_id: UUID
    available: int | None
    availability: AvailabilityGrade
    at: datetime


class Watch(Noun):
    """Ask to watch a shop: some of its variants, or all that are published.

    `exact`: the caller works in the shop, and sees numbers and what is not published.
    `last_event_id`: of the last event that a stream before this one has given.
    """

    shop_id: UUID
    exact: bool
    variant_ids: frozenset[UUID] | None
    last_event_id: str | None
    # The caller's network address.
    address: str


class TooManyStreams(Unavailable):
    """This process has as many streams open as it may, or is stopping."""

    code = "too_many_streams"
    title = "Too many streams"


class StockSettings(Protocol):
    """What a stream needs to know of its shop."""

    @property
    def hide_exact(self) -> bool: ...

    @property
    def low_stock_threshold(self) -> int | None: ...


class ShopsWithSettings(Protocol):
    """What streams need of shops."""

    async def get(self, shop_id: UUID) -> StockSettings:
        """One shop. Raises NotFound."""
        ...


class Catalogue(Protocol):
    """What streams need of products."""

    async def published(self, shop_id: UUID, variant_ids: Sequence[UUID]) -> dict[UUID, bool]:
        """Those of these variants that exist, and whether they are published."""
        ...
