"""Rows, prices and catalogues, property by property."""

from collections.abc import Sequence
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstock.imports.files import Row
from lockstock.imports.online_retail.rules import goods_code, sale_of, time_of
from lockstock.imports.plain.rules import delivery_of, product_of
from lockstock.imports.rules import (
    MOST_MINOR,
    NO_GOODS,
    NO_NUMBER,
    NOT_EXACT,
    NOT_POSITIVE,
    TOO_LARGE,
    Catalogue,
    ImportedProduct,
    NoPrice,
    Offer,
    PriceList,
    one_line,
    price_of,
    whole_number,
)

HEADER = "invoiceno stockcode description quantity invoicedate unitprice customerid country"
COLUMNS = HEADER.split()
REASONS = (NO_NUMBER, NOT_POSITIVE, NOT_EXACT, TOO_LARGE)
NO_CODES = "POST D M m DOT AMAZONFEE CRUK PADS S C2 B gift_0001_20 DCGS0076 1234 123456 ?"


def offer(number: int, sku: str = "10001", name: str = "TEAPOT", price: int = 850) -> Offer:
    return Offer(number, sku, name, price)


@given(st.integers(1, 10**15), st.sampled_from([0, 2, 3]))
def test_a_price_is_read_exactly(minor: int, decimals: int) -> None:
    """Whatever amount is written out comes back as the same minor units."""
    assert price_of(str(Decimal(minor).scaleb(-decimals)), decimals) == minor


@given(st.floats(allow_nan=True, allow_infinity=True) | st.text())
def test_what_is_no_price_is_said_and_nothing_else_happens(value: float | str) -> None:
    """Any text is a positive number of minor units, or refused with a reason."""
    found: int | str
    try:
        found = price_of(str(value), 2)
    except NoPrice as reason:
        found = str(reason)
    assert found in REASONS or 0 < int(found) <= MOST_MINOR


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0.001", NOT_EXACT),
        ("2.555", NOT_EXACT),
        ("0.0", NOT_POSITIVE),
        ("-11062.06", NOT_POSITIVE),
        ("", NO_NUMBER),
        ("1e3", NO_NUMBER),
        ("1,50", NO_NUMBER),
        ("999999999999999999", TOO_LARGE),
    ],
)
def test_a_price_is_never_rounded_or_guessed(text: str, reason: str) -> None:
    """What is not exactly a positive number of pence is refused, with the reason."""
    with pytest.raises(NoPrice, match=reason):
        price_of(text, 2)


@given(st.lists(st.text(), min_size=8, max_size=8))
def test_no_row_of_online_retail_is_an_error(cells: list[str]) -> None:
    """Whatever is in a row, it says something of a product or is refused with a reason."""
    found = sale_of(Row(1, dict(zip(COLUMNS, cells, strict=True)))).offer()
    assert found.refused is not None or (found.sku and found.price_minor > 0)


@given(st.lists(st.text(), min_size=4, max_size=4))
def test_no_row_of_plain_csv_is_an_error(cells: list[str]) -> None:
    """The same for plain CSV."""
    product = product_of(
        Row(1, dict(zip(("sku", "name", "price", "description"), cells, strict=True))), 2
    )
    assert product.refused is not None or (product.sku and product.name)
    line = delivery_of(Row(1, dict(zip(("sku", "warehouse", "quantity"), cells[:3], strict=True))))
    assert line.refused is not None or line.quantity > 0


@given(st.text())
def test_a_name_is_one_line_that_the_api_takes(text: str) -> None:
    """No control characters, no blanks around, up to 200 characters; done twice, the same."""
    name = one_line(text)
    assert name == name.strip()
    assert len(name) <= 200
    assert "\n" not in name
    assert "\0" not in name
    assert one_line(name) == name


@pytest.mark.parametrize("code", ["85123A", "85123a", " 85123A "])
def test_codes_that_differ_in_case_are_one_product(code: str) -> None:
    """85123a and 85123A are the same thing on the shelf."""
    assert goods_code(code) == "85123A"


@pytest.mark.parametrize("code", [*NO_CODES.split(), "", "BANK CHARGES", "\uff11\uff12345"])
def test_what_is_no_goods_is_no_product(code: str) -> None:
    """Goods have five digits, then letters or none."""
    row = ["1", code, "x", "1", "2011-06-01 09:00:00", "1.00", "1", "EIRE"]
    assert sale_of(Row(1, dict(zip(COLUMNS, row, strict=True)))).offer().refused == NO_GOODS


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["10001", "10002"]),
            st.sampled_from(["A", "B", "C", ""]),
            st.integers(1, 4),
        ),
        min_size=1,
    ),
    st.integers(),
)
def test_the_order_of_rows_does_not_matter(rows: Sequence[tuple[str, str, int]], seed: int) -> None:
    """The same rows in another order are the same products."""
    offers = [offer(n, *row) for n, row in enumerate(rows, start=1)]
    mixed = list(offers)
    Random(seed).shuffle(mixed)
    found = []
    for some in (offers, mixed):
        catalogue = Catalogue()
        for one in some:
            catalogue.add(one)
        found.append(set(catalogue.products()))
    assert found[0] == found[1]


def test_a_product_is_what_most_rows_say() -> None:
    """The most frequent name and price; of equals the first by code point, the lowest."""
    catalogue = Catalogue()
    said = [("TEAPOT", 850), ("TEAPOT", 850), ("teapot", 900), ("", 895), ("CAN", 900)]
    for number, (name, price) in enumerate([*said, ("CAN", 100)], start=1):
        catalogue.add(offer(number, name=name, price=price))
    catalogue.add(Offer(7, "10002", "", 100))
    assert list(catalogue.products()) == [
        ImportedProduct("10001", "CAN", 850),
        ImportedProduct("10002", "10002", 100),
    ]


def test_a_price_list_takes_a_sku_once() -> None:
    """The first row of a SKU is the product; the others are refused."""
    prices = PriceList()
    first, second = offer(1), offer(2, price=900)
    for one in (first, second):
        prices.add(one)
    assert [product.price_minor for product in prices.products()] == [850]
    assert prices.refusal(first) is None
    assert prices.refusal(second) == "SKU is in an earlier row"


def test_times_of_both_editions_are_read() -> None:
    """The same moment, written in two ways; anything else is no time."""
    assert time_of("2010-12-01 08:26:00") == time_of("12/1/2010 8:26")
    assert time_of("someday") is None


@given(st.text())
def test_a_whole_number_is_one_or_none(text: str) -> None:
    """Any text is a number in bounds, or none."""
    found = whole_number(text)
    assert found is None or abs(found) < 10**10
