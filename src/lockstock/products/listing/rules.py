"""Decisions about the list of products, on plain values."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

from lockstock.kernel.database import Row
from lockstock.kernel.errors import InvalidInput
from lockstock.kernel.money import MOST_MINOR
from lockstock.kernel.text import LAST_KEY, words
from lockstock.products.contract import ProductList, Sort
from lockstock.products.rules import quoted, sku_word

# What an order compares: the sorted-by value (with the currency before a price over all shops),
# and the id last, so that no two products are at one place.
Key: TypeAlias = tuple[Any, ...]

_SKU = re.compile(r"[\x21-\x7e]{1,64}")

_FIRST_ID = UUID(int=0)
_LAST_ID = UUID(int=2**128 - 1)
_END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)
# A rank is at most 1.
_ABOVE_ALL_RANKS = 2.0

_COLUMNS: dict[Sort, str] = {
    "name": "name_key",
    "-name": "name_key",
    "newest": "created_at",
    "price": "lowest_price_minor",
    "-price": "highest_price_minor",
    "relevance": "rank",
}
_START: dict[Sort, Key] = {
    "name": ("", _FIRST_ID),
    "-name": (LAST_KEY, _LAST_ID),
    "newest": (_END_OF_TIME, _LAST_ID),
    "price": (-1, _FIRST_ID),
    "-price": (MOST_MINOR, _LAST_ID),
    "relevance": (_ABOVE_ALL_RANKS, _LAST_ID),
}
_START_OVER_ALL_SHOPS: dict[Sort, Key] = _START | {
    "price": ("", -1, _FIRST_ID),
    "-price": ("~", MOST_MINOR, _LAST_ID),
}


@dataclass(frozen=True, slots=True)
class Search:
    """Which products, in which order. `query`: None for all, else what `to_query` gave.

    `in_stock`: only those that may have units on hand.
    """

    shop_id: UUID | None
    unpublished: bool
    query: str | None
    sort: Sort
    in_stock: bool = False


def start(search: Search) -> Key:
    """Return the key before the first product."""
    return (_START if search.shop_id else _START_OVER_ALL_SHOPS)[search.sort]


def key_of(search: Search, row: Row) -> Key:
    """Return the key of a product."""
    key = (row[_COLUMNS[search.sort]], row["id"])
    with_currency = search.shop_id is None and search.sort in {"price", "-price"}
    return (row["currency"], *key) if with_currency else key


def written(key: Key) -> list[str | int | float]:
    """Return the key as a cursor holds it."""
    return [
        part.isoformat()
        if isinstance(part, datetime)
        else part
        if isinstance(part, int | float)
        else str(part)
        for part in key
    ]


def read(search: Search, values: list[Any]) -> Key:
    """Return the key that a cursor of this list holds."""
    *compared, product_id = values
    if search.sort == "newest":
        compared = [datetime.fromisoformat(compared[0])]
    return (*compared, UUID(product_id))


def sort_of(ask: ProductList) -> Sort:
    """Return the order of a list. Raises InvalidInput for relevance to no words."""
    searching = bool((ask.q or "").strip())
    if ask.sort == "relevance" and not searching:
        raise InvalidInput.at("sort", "relevance needs q: words to be relevant to")
    return ask.sort or ("relevance" if searching else "name")


def scope(ask: ProductList) -> str:
    """Return what a cursor is good for: this list, however many items a page has."""
    filters = (ask.shop_id, ask.q, ask.in_stock, ask.unpublished, sort_of(ask))
    return "products:" + hashlib.sha256(repr(filters).encode()).hexdigest()


def to_query(text: str) -> str | None:
    """Return the tsquery for what somebody typed: all its words, the last one as a beginning.

    A whole SKU is found as well. None where nothing can be found.
    """
    text = text.strip()
    found = words(text)
    terms = []
    if found:
        terms.append(" & ".join(f"'{word}'" for word in found) + ":*")
    if _SKU.fullmatch(text):
        terms.append(quoted(sku_word(text)))
    return " | ".join(terms) or None
