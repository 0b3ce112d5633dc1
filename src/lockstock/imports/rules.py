"""Which products a file names. Pure decisions on plain values, the same for every format."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

LONGEST_NAME = 200
MOST_MINOR = 2**63 - 1

NO_GOODS = "no goods"
NO_NUMBER = "no usable price: not a number"
NOT_POSITIVE = "no usable price: zero or less"
NOT_EXACT = "no usable price: not a whole number of minor units"
TOO_LARGE = "no usable price: too large"
UNREADABLE = "row cannot be read"

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")
_WHOLE = re.compile(r"([+-]?[0-9]{1,10})(\.0{1,6})?")


class NoPrice(ValueError):
    """A text is no price. The message is the reason."""


# Files have hundreds of thousands of rows with few prices and names.
@lru_cache(maxsize=16_384)
def price_of(text: str, decimals: int) -> int:
    """Read a price as minor units, exactly: "2.55" with 2 decimals is 255. Raises NoPrice.

    Nothing is rounded: what is no whole number of minor units is no price.
    """
    if not _NUMBER.fullmatch(text.strip()):
        raise NoPrice(NO_NUMBER)
    scaled = Decimal(text.strip()).scaleb(decimals)
    if scaled <= 0:
        raise NoPrice(NOT_POSITIVE)
    if scaled != scaled.to_integral_value():
        raise NoPrice(NOT_EXACT)
    if scaled > MOST_MINOR:
        raise NoPrice(TOO_LARGE)
    return int(scaled)


def whole_number(text: str) -> int | None:
    """Read a whole number, "6", "-6" or "6.0"; None for anything else."""
    found = _WHOLE.fullmatch(text.strip())
    return int(found[1]) if found else None


@lru_cache(maxsize=16_384)
def one_line(text: str) -> str:
    """Return a text as a name: on one line, without control characters, up to 200 characters."""
    words = unicodedata.normalize("NFC", " ".join(text.split())).split(" ")
    kept = " ".join(
        "".join(c for c in word if unicodedata.category(c) not in ("Cc", "Cf")) for word in words
    )
    return " ".join(kept.split())[:LONGEST_NAME].strip()


@dataclass(frozen=True, slots=True)
class Offer:
    """What one row says of a product. `refused`: why it says nothing that can be used."""

    number: int
    sku: str
    name: str = ""
    price_minor: int = 0
    description: str = ""
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class ImportedProduct:
    """A product as it is created: one variant, whose SKU is the file's."""

    sku: str
    name: str
    price_minor: int
    description: str = ""

    def ask(self) -> dict[str, Any]:
        """Return the body of POST …/products."""
        variant = {"sku": self.sku, "price_minor": self.price_minor}
        body: dict[str, Any] = {"name": self.name, "variants": [variant]}
        return body | ({"description": self.description} if self.description else {})


def most_frequent(counts: "Counter[str]") -> str:
    """Return the text that is there most often; of equals, the first by code point."""
    return min(counts, key=lambda text: (-counts[text], text))


def lowest_most_frequent(counts: "Counter[int]") -> int:
    """Return the number that is there most often; of equals, the lowest."""
    return min(counts, key=lambda number: (-counts[number], number))


class Catalogue:
    """Gathers the offers of many rows per SKU.

    One product per SKU: the most frequent name (of equals the first by code point; without any, the
    SKU itself) and the most frequent price (of equals the lowest).
    """

    def __init__(self) -> None:
        self._names: dict[str, Counter[str]] = {}
        self._prices: dict[str, Counter[int]] = {}

    def add(self, offer: Offer) -> None:
        """Count what a row says, unless it was refused."""
        if offer.refused is not None:
            return
        self._prices.setdefault(offer.sku, Counter())[offer.price_minor] += 1
        names = self._names.setdefault(offer.sku, Counter())
        if offer.name:
            names[offer.name] += 1

    def products(self) -> Iterator[ImportedProduct]:
        """Return the products, in the order in which their SKUs came."""
        for sku, prices in self._prices.items():
            names = self._names[sku]
            name = most_frequent(names) if names else sku
            yield ImportedProduct(sku, name, lowest_most_frequent(prices))

    def refusal(self, offer: Offer) -> str | None:
        """Return why a row is not taken, None if it is."""
        return offer.refused


class PriceList:
    """Takes each SKU once, as its first row has it."""

    def __init__(self) -> None:
        self._first: dict[str, Offer] = {}

    def add(self, offer: Offer) -> None:
        """Keep the first row of a SKU, unless it was refused."""
        if offer.refused is None:
            self._first.setdefault(offer.sku, offer)

    def products(self) -> Iterator[ImportedProduct]:
        """Return the products, in the order of the file."""
        for offer in self._first.values():
            yield ImportedProduct(offer.sku, offer.name, offer.price_minor, offer.description)

    def refusal(self, offer: Offer) -> str | None:
        """Return why a row is not taken, None if it is."""
        if offer.refused is None and self._first[offer.sku].number != offer.number:
            return "SKU is in an earlier row"
        return offer.refused
