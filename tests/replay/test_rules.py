"""Invoices, parts and returns, property by property."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstock.imports.files import Row
from lockstock.imports.online_retail.rules import Sale, sale_of
from lockstock.replay.floor import PLENTY, quarters
from lockstock.replay.people import email_of, new_run, phone_of
from lockstock.replay.rules import (
    MOST_UNITS,
    Bought,
    Units,
    cancelled_order,
    match_return,
    opening_stock,
    parts_of,
    past_of,
    share_per_warehouse,
    take_off,
    wanted_of,
)
from lockstock.replay.summary import ReplaySummary, Result, refusal, result_of

HEADER = "invoiceno stockcode description quantity invoicedate unitprice customerid country"
KNOWN = {"10001": "v1", "10002": "v2"}
SKUS = st.sampled_from(["10001", "10002", "10003"])
UNITS = st.dictionaries(SKUS, st.integers(1, 20), min_size=1)


def rows_of(cells: list[tuple[str, ...]]) -> list[Sale]:
    return [
        sale_of(Row(number, dict(zip(HEADER.split(), row, strict=True))))
        for number, row in enumerate(cells, start=1)
    ]


CELLS = st.tuples(
    st.sampled_from(["1", "2", "C3", "A4", ""]),
    st.sampled_from(["10001", "10002", "10009", "POST", "B"]),
    st.sampled_from(["x", ""]),
    st.sampled_from(["1", "-1", "0", "80995", "2147483647", "9999999999", "two"]),
    st.sampled_from(["2011-06-01 09:00:00", "6/2/2011 10:00", "someday"]),
    st.sampled_from(["1.25", "0.0", "-5", "0.001", "free"]),
    st.sampled_from(["", "17850.0", "somebody"]),
    st.just("EIRE"),
)


@given(st.lists(CELLS))
def test_every_row_is_accounted_for(cells: list[tuple[str, ...]]) -> None:
    """In an invoice or refused; in an invoice wanted or refused; whatever is in it."""
    past = past_of(rows_of(cells))
    in_invoices = sum(len(invoice.lines) for invoice in past.invoices)
    assert in_invoices + past.refused.total() == len(cells)
    times = [invoice.at for invoice in past.invoices]
    assert times == sorted(times)
    for invoice in past.invoices:
        wanted = wanted_of(invoice, KNOWN)
        assert wanted.rows.total() + wanted.refused.total() == len(invoice.lines)
        assert result_of(wanted, "done").rows.total() == len(invoice.lines)
        assert all(0 < units <= MOST_UNITS for units in wanted.units.values())


@given(st.lists(CELLS))
def test_any_two_warehouses_have_what_will_be_sold(cells: list[tuple[str, ...]]) -> None:
    """As far as a stock row can hold it."""
    invoices = past_of(rows_of(cells)).invoices
    stock = opening_stock(invoices, KNOWN)
    sold: Counter[str] = Counter()
    for invoice in invoices:
        if not invoice.is_return:
            sold.update(wanted_of(invoice, KNOWN).units)
    for sku, units in sold.items():
        assert 2 * share_per_warehouse(stock[sku]) >= min(units, MOST_UNITS - 1)


@given(st.dictionaries(st.text(min_size=1), st.integers(1, 9)), st.integers(1, 7))
def test_an_order_that_is_too_long_is_split_without_loss(units: Units, most: int) -> None:
    """No part is longer than allowed, and together they are the whole."""
    parts = parts_of(units, most)
    assert all(0 < len(part) <= most for part in parts)
    assert {sku: n for part in parts for sku, n in part.items()} == units


def bought(number: int, units: Units, *, is_paid: bool) -> Bought:
    order: Any = {"id": str(number), "shop_id": "s"}
    return Bought(order, dict(units), is_paid)


@given(UNITS, st.lists(st.tuples(UNITS, st.booleans()), max_size=5))
def test_nothing_comes_back_that_was_not_bought(
    wanted: Units, orders: list[tuple[Units, bool]]
) -> None:
    """Not more than wanted, not more than each paid order had, and not twice."""
    items = [bought(n, units, is_paid=paid) for n, (units, paid) in enumerate(orders)]
    had = Counter[str]()
    for units, paid in orders:
        had.update(units if paid else {})
    back = Counter[str]()
    for match in match_return(wanted, items):
        back.update(match.units)
        take_off(match, items)
    assert all(item.units[sku] >= 0 for item in items for sku in item.units)
    assert back == Counter({sku: min(n, had[sku]) for sku, n in wanted.items() if had[sku]})


def test_goods_come_back_from_the_newest_order_first() -> None:
    """Then from the one before it; from an unpaid one never."""
    items = [bought(1, {"a": 5}, is_paid=True), bought(2, {"a": 2}, is_paid=True)]
    items.append(bought(3, {"a": 9}, is_paid=False))
    found = [(match.order["id"], match.units) for match in match_return({"a": 4}, items)]
    assert found == [("2", {"a": 2}), ("1", {"a": 2})]


def test_only_a_whole_unpaid_order_is_cancelled() -> None:
    """A part of it is not."""
    items = [bought(1, {"a": 5}, is_paid=False), bought(2, {"a": 5}, is_paid=True)]
    assert cancelled_order({"a": 5}, items) is items[0]
    assert cancelled_order({"a": 4}, items) is None


@pytest.mark.parametrize("customer", ["17850", "not a number", "17850.5", "", "x" * 500, "é@b"])
def test_everybody_has_an_identity_of_their_own(customer: str) -> None:
    """A phone number for even numbers, an address for all others; another one in each replay."""
    run, other = 123_456, 654_321
    phone = phone_of(customer, run)
    assert (phone is not None) == (customer == "17850")
    assert phone is None or phone == "+88812345617850"
    email = email_of(customer, run)
    assert email != email_of(customer, other)
    assert len(email) < 80
    assert 100_000 <= new_run() < 1_000_000


def test_scarce_goods_are_not_moved() -> None:
    """A quarter of what there is plenty of; what is promised stays."""
    free = {"a": PLENTY - 1, "b": PLENTY, "c": 100}
    rows: Any = [
        {"variant_id": v, "on_hand": n + 3, "held": 1, "committed": 2} for v, n in free.items()
    ]
    assert quarters(rows, 0) == {"b": PLENTY // 4, "c": 25}
    assert quarters([], 3) == {}


@pytest.mark.parametrize(
    ("status", "is_fault"), [(0, True), (404, True), (500, True), (409, False), (422, False)]
)
def test_a_refusal_is_an_answer_and_a_failure_is_none(status: int, is_fault: bool) -> None:
    """A server that is away, broken or without its sandbox does not pass for one that said no."""
    outcome = refusal(status, "code")
    summary = ReplaySummary(invoices=1, rows=1)
    summary.add(Result(outcome, Counter({outcome: 1})))
    assert bool(summary.problems) == is_fault


def test_a_summary_that_lacks_an_invoice_or_a_row_says_so() -> None:
    """As it does where a server failed, or an unpaid order does not expire."""
    summary = ReplaySummary(invoices=2, rows=3)
    summary.add(Result("returned", Counter({"returned": 2})))
    assert len(summary.problems) == 2
    summary.add(Result("failed: internal_error", Counter({"failed: internal_error": 1})))
    summary.wrong_unpaid = 1
    assert summary.problems == [
        "1 unpaid orders are past their deadline, not expired",
        "1 times failed: internal_error",
    ]
