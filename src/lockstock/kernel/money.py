"""Money: whole minor units and an ISO 4217 code. No floats, no rounding, anywhere."""

from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Annotated

from babel.numbers import format_currency, get_currency_precision, list_currencies
from pydantic import AfterValidator, Field

from lockstock.kernel.errors import InvalidInput
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


Currency = Annotated[str, Field(pattern="^[A-Z]{3}$"), AfterValidator(check_currency)]
Minor = Annotated[int, Field(ge=0, le=MOST_MINOR)]


class Money(Noun):
    """An amount of minor units (cents, pence, yen) in one currency."""

    amount_minor: int
    currency: str


def minor_from_text(text: str, currency: str) -> int:
    """Read "12.50" as minor units of `currency`.

    Raises InvalidInput where the text is no plain number or has more decimals than the currency.
    """
    decimals = get_currency_precision(currency)
    try:
        scaled = Decimal(text.strip()).scaleb(decimals)
    except InvalidOperation:
        raise InvalidInput.at("price", f"{text!r} is not an amount") from None
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        raise InvalidInput.at("price", f"{text!r} has more than {decimals} decimals")
    return int(scaled)


def text_of(money: Money, locale: str = "en") -> str:
    """Write money for people, by their locale's rules."""
    decimals = get_currency_precision(money.currency)
    amount = Decimal(money.amount_minor).scaleb(-decimals)
    return str(format_currency(amount, money.currency, locale=locale))
