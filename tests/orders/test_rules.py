"""What orders cost and what they may become."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstock.kernel.errors import InvalidInput
from lockstock.kernel.ids import new_id
from lockstock.kernel.money import MOST_MINOR
from lockstock.kernel.nouns import MOST_UNITS
from lockstock.orders import rules
from lockstock.orders.contract import NewOrder, OrderStatus, PlaceAsk, ShipTo
from lockstock.products.contract import Quote
from lockstock.warehouses.contract import Line

VARIANTS = [new_id() for _ in range(4)]
ENDED: set[OrderStatus] = {"cancelled", "completed"}


def _quotes(prices: list[int]) -> dict[UUID, Quote]:
    return {
        variant: Quote(
            variant_id=variant,
            product_id=variant,
            sku="S",
            name="Name",
            price_minor=price,
            currency="EUR",
        )
        for variant, price in zip(VARIANTS, prices, strict=True)
    }


def _ask(lines: list[tuple[UUID, int]], ship_to: ShipTo | None = None) -> PlaceAsk:
    asked = [Line(variant_id=variant, quantity=quantity) for variant, quantity in lines]
    return PlaceAsk(
        order_id=new_id(), customer_id=new_id(), ask=NewOrder(lines=asked, ship_to=ship_to)
    )


LINES = st.lists(
    st.tuples(st.sampled_from(VARIANTS), st.integers(1, MOST_UNITS)), min_size=1, max_size=6
)
PRICES = st.lists(st.integers(0, MOST_MINOR), min_size=4, max_size=4)


@given(LINES, PRICES)
def test_the_total_is_the_sum_of_the_lines_or_nothing(
    lines: list[tuple[UUID, int]], prices: list[int]
) -> None:
    quotes = _quotes(prices)
    expected = sum(quotes[variant].price_minor * quantity for variant, quantity in lines)
    units = {variant: sum(q for v, q in lines if v == variant) for variant, _ in lines}
    fits = expected <= MOST_MINOR and max(units.values()) <= MOST_UNITS
    if not fits:
        with pytest.raises(InvalidInput):
            rules.draft_of(_ask(lines), quotes, "EUR")
        return
    draft = rules.draft_of(_ask(lines), quotes, "EUR")
    assert draft.total.amount_minor == expected == sum(x.total.amount_minor for x in draft.lines)
    assert {line.variant_id: line.quantity for line in draft.stock_lines} == units
    assert [(line.variant_id, line.quantity) for line in draft.lines] == lines


def test_what_is_not_for_sale_is_named_by_its_line() -> None:
    ask = _ask([(VARIANTS[0], 1), (new_id(), 1), (new_id(), 2)])
    with pytest.raises(InvalidInput) as refusal:
        rules.draft_of(ask, _quotes([1, 1, 1, 1]), "EUR")
    paths = [error["path"] for error in refusal.value.fields["errors"]]
    assert paths == ["lines.1.variant_id", "lines.2.variant_id"]


def test_two_lines_that_overflow_together_are_refused() -> None:
    lines = [(VARIANTS[0], MOST_UNITS), (VARIANTS[0], 1)]
    with pytest.raises(InvalidInput, match=r"lines\.1\.quantity"):
        rules.draft_of(_ask(lines), _quotes([0, 0, 0, 0]), "EUR")


def test_every_status_has_its_transitions_and_the_ends_have_none() -> None:
    for before, nexts in rules.TRANSITIONS.items():
        assert before not in nexts
        assert nexts <= rules.TRANSITIONS.keys()
        assert bool(nexts) != (before in ENDED)


@given(st.data())
def test_no_walk_passes_cancelled_or_loses_its_money(data: st.DataObject) -> None:
    status: OrderStatus = "awaiting_payment"
    walk = [status]
    while rules.TRANSITIONS[status]:
        status = data.draw(st.sampled_from(sorted(rules.TRANSITIONS[status])))
        walk.append(status)
    assert len(walk) == len(set(walk)), "a status came twice"
    assert walk[-1] in ENDED
    if any(step in rules.PAID for step in walk):
        assert "paid" in walk


def test_the_digest_sees_what_was_asked_and_not_how_it_was_written() -> None:
    plain = NewOrder.model_validate_json(
        f'{{"lines": [{{"quantity": 1, "variant_id": "{VARIANTS[0]}"}}], "ship_to": null}}'
    )
    other = NewOrder.model_validate_json(
        f'{{"lines":[{{"variant_id":"{str(VARIANTS[0]).upper()}","quantity":1}}]}}'
    )
    assert rules.digest_of(plain) == rules.digest_of(other)
    more = NewOrder(lines=[Line(variant_id=VARIANTS[0], quantity=2)])
    assert rules.digest_of(plain) != rules.digest_of(more)


def test_the_same_key_of_another_customer_or_shop_is_another_order() -> None:
    shop, customer = new_id(), new_id()
    ids = {
        rules.order_id_of(shop, customer, "k"),
        rules.order_id_of(shop, customer, "k"),
        rules.order_id_of(shop, new_id(), "k"),
        rules.order_id_of(new_id(), customer, "k"),
    }
    assert len(ids) == 3


def test_half_a_place_on_earth_is_refused() -> None:
    with pytest.raises(ValueError, match="come together"):
        ShipTo(latitude=52.0)
    assert ShipTo(city="Berlin").location is None
