"""Money: whole minor units and an ISO 4217 code. No floats, no rounding, anywhere."""

from decimal import Decimal
from functools import lru_cache
from typing import Annotated

from babel.core import get_global
from babel.numbers import (
    format_currency,
    get_currency_precision,
    get_territory_currencies,
    list_currencies,
)
from pydantic import AfterValidator, Field

from lockstock.kernel.nouns import Noun

# The database keeps money as bigint.
MOST_MINOR = 2**63 - 1


# Codes with X are not a country's: metals, funds, tests, "no currency". These few are money.
SHARED_BY_COUNTRIES = frozenset({"XAF", "XCD", "XCG", "XOF", "XPF"})


@lru_cache(maxsize=1)
def _known_currencies() -> frozenset[str]:
    known = list_currencies("en")
    return frozenset(c for c in known if not c.startswith("X") or c in SHARED_BY_COUNTRIES)


def check_currency(code: str) -> str:
    """Return `code` if it is an ISO 4217 currency with 0, 2 or 3 decimals; ValueError if not."""
    if code not in _known_currencies() or get_currency_precision(code) not in (0, 2, 3):
        msg = "is not an ISO 4217 currency code"
        raise ValueError(msg)
    return code


@lru_cache(maxsize=1)
def _tenders() -> frozenset[str]:
    # With CLDR's data, which babel carries: what is legal tender of some country today. That leaves
    # out what was withdrawn, such as DEM, and what only banks count in, such as CHE or USN.
    territories = get_global("territory_currencies")
    return frozenset(code for each in territories for code in get_territory_currencies(each))


def check_tender(code: str) -> str:
    """Return `code` if somebody can pay with it today; ValueError if not."""
    if code not in _tenders():
        msg = "is legal tender nowhere today"
        raise ValueError(msg)
    return code


Currency = Annotated[str, Field(pattern="^[A-Z]{3}$"), AfterValidator(check_currency)]
# For what begins now. What is kept in a currency that is withdrawn later stays readable.
Tender = Annotated[Currency, AfterValidator(check_tender)]
Minor = Annotated[int, Field(ge=0, le=MOST_MINOR)]


class Money(Noun):
    """An amount of minor units (cents, pence, yen) in one currency."""

    amount_minor: int
    currency: str


def text_of(money: Money, locale: str = "en") -> str:
    """Write money for people, by their locale's rules."""
    decimals = get_currency_precision(money.currency)
    amount = Decimal(money.amount_minor).scaleb(-decimals)
    return str(format_currency(amount, money.currency, locale=locale))
