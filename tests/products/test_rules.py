"""Decisions about products, without a database."""

from datetime import UTC, datetime
from typing import get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstock.kernel.errors import IdempotencyKeyReused, InvalidInput
from lockstock.kernel.ids import new_id
from lockstock.kernel.text import KEY_CHARACTERS, LAST_KEY, sort_key, words
from lockstock.products import rules
from lockstock.products.contract import (
    MOST_VARIANTS,
    NewProduct,
    NewVariant,
    ProductChange,
    ProductList,
    SkuTaken,
    Sort,
    VariantChange,
)
from lockstock.products.listing import rules as listing
from lockstock.products.listing.rules import Search
from lockstock.products.rules import StoredProduct, StoredVariant
from tests.products.catalogue import new_product, skus_of

MORNING = datetime(2026, 1, 2, 8, 30, tzinfo=UTC)
SKUS = st.sampled_from("abcdef")
ASKS = st.lists(
    st.lists(SKUS, min_size=1, max_size=4).map(lambda skus: new_product("Thing", *skus)), max_size=8
).map(lambda asks: {new_id(): ask for ask in asks})


def stored(*skus: str) -> StoredProduct:
    product_id = new_id()
    variants = [
        StoredVariant(new_id(), product_id, sku, 100 * (place + 1), {}, place)
        for place, sku in enumerate(skus)
    ]
    return StoredProduct(new_id(), product_id, "Thing", "Long ago", True, "EUR", MORNING, variants)


def changed(product: StoredProduct, ask: ProductChange) -> StoredProduct:
    return rules.changed(product, ask, [new_id() for _ in ask.variants or []])


@given(ASKS, st.dictionaries(SKUS, st.uuids()))
def test_what_is_admitted_has_each_sku_once(
    asks: dict[UUID, NewProduct], owners: dict[str, UUID]
) -> None:
    refused = rules.admit(asks, {}, owners)
    admitted = [
        variant.sku for id_, ask in asks.items() if id_ not in refused for variant in ask.variants
    ]
    assert len(admitted) == len(set(admitted))
    assert not set(admitted) & owners.keys()


@given(ASKS, st.dictionaries(SKUS, st.uuids()))
def test_only_what_clashes_is_refused(
    asks: dict[UUID, NewProduct], owners: dict[str, UUID]
) -> None:
    refused = rules.admit(asks, {}, owners)
    had = set(owners)
    for id_, ask in asks.items():
        skus = [variant.sku for variant in ask.variants]
        if id_ in refused:
            assert had & set(skus) or len(set(skus)) < len(skus)
        else:
            had |= set(skus)


def test_a_product_that_was_refused_claims_no_sku() -> None:
    first, second = new_id(), new_id()
    asks = {first: new_product("First", "old", "new"), second: new_product("Second", "new")}
    refused = rules.admit(asks, {}, {"old": new_id()})
    assert list(refused) == [first]
    assert isinstance(refused[first], SkuTaken)
    assert refused[first].fields == {"skus": ["old"]}


def test_a_retry_is_known_by_its_content() -> None:
    id_, ask = new_id(), new_product("Tea", "t")
    same = rules.admit({id_: ask}, {id_: rules.digest(ask)}, {"t": id_})
    assert same == {}
    other = rules.admit({id_: new_product("Coffee", "t")}, {id_: rules.digest(ask)}, {"t": id_})
    assert isinstance(other[id_], IdempotencyKeyReused)


def test_a_sku_twice_in_a_product_is_named_by_its_place() -> None:
    id_ = new_id()
    refused = rules.admit({id_: new_product("Tea", "a", "b", "a")}, {}, {})[id_]
    assert refused.fields["errors"] == [{"path": "variants.2.sku", "message": "is there twice"}]


def test_a_change_keeps_what_it_does_not_name() -> None:
    product = stored("a", "b")
    assert changed(product, ProductChange()) == product
    assert rules.difference(product, product) == rules.Difference([], [], [])
    after = changed(product, ProductChange(name="Other"))
    assert (after.name, after.description, after.variants) == (
        "Other",
        "Long ago",
        product.variants,
    )


def test_a_description_can_be_taken_away() -> None:
    assert changed(stored("a"), ProductChange(description=None)).description is None


def test_two_variants_exchange_their_skus() -> None:
    product = stored("a", "b")
    first, second = product.variants
    swap = [VariantChange(id=first.id, sku="b"), VariantChange(id=second.id, sku="a")]
    after = changed(product, ProductChange(variants=swap))
    assert skus_of(after) == ["b", "a"]
    assert rules.difference(product, after).renamed == after.variants


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ([{"sku": "n"}], "variants.0.price_minor"),
        ([{"price_minor": 1}], "variants.0.sku"),
        ([{"sku": "n", "price_minor": 1}, {"id": str(new_id())}], "variants.1.id"),
        ([{"sku": f"n{n}", "price_minor": 1} for n in range(MOST_VARIANTS)], "variants"),
    ],
)
def test_a_variant_that_cannot_be_is_named(asked: list[dict[str, object]], path: str) -> None:
    ask = ProductChange.model_validate({"variants": asked})
    with pytest.raises(InvalidInput) as refusal:
        changed(stored("a"), ask)
    assert refusal.value.fields["errors"][0]["path"] == path


def test_a_variant_named_twice_is_refused() -> None:
    product = stored("a", "b")
    twice = [VariantChange(id=product.variants[0].id, price_minor=price) for price in (1, 2)]
    added = VariantChange(sku="c", price_minor=1)
    with pytest.raises(InvalidInput) as refusal:
        changed(product, ProductChange(variants=[added, *twice]))
    assert refusal.value.fields["errors"][0]["path"] == "variants.2.id"


def test_a_sku_of_a_sibling_is_refused() -> None:
    product = stored("a", "b")
    ask = ProductChange(variants=[VariantChange(id=product.variants[0].id, sku="b")])
    with pytest.raises(SkuTaken):
        changed(product, ask)


def test_attribute_names_that_look_alike_are_refused() -> None:
    alike = {"Gr\u00f6\u00dfe": "L", "Gro\u0308\u00dfe": "M"}
    with pytest.raises(ValueError, match="has the same name twice"):
        NewVariant(sku="a", price_minor=1, attributes=alike)


@given(st.text())
def test_a_key_fits_into_an_index_and_sorts_before_the_last(text: str) -> None:
    key = sort_key(text)
    assert len(key) <= KEY_CHARACTERS
    assert key < LAST_KEY


def test_names_sort_as_people_expect() -> None:
    names = ["Zebra", "apple", "Éclair", "Apple pie", "eclipse"]
    assert sorted(names, key=sort_key) == ["apple", "Apple pie", "Éclair", "eclipse", "Zebra"]


@given(st.text(), st.text())
def test_words_are_found_in_whatever_case_they_are_typed(before: str, after: str) -> None:
    assert words(f"{before} Straße {after}") == words(f"{before} STRASSE {after}")


@given(st.text(max_size=10_000))
def test_a_product_has_no_more_words_than_the_database_takes(text: str) -> None:
    product = rules.StoredProduct(
        new_id(), new_id(), "Name", text, True, "EUR", MORNING, stored("a'b").variants
    )
    found = rules.search_vector(product).split(" ")
    assert {"'name':1A", "'=a''b':2B"} <= set(found)
    assert len(found) <= rules.MOST_WORDS


@pytest.mark.parametrize("sort", get_args(Sort))
@pytest.mark.parametrize("shop_id", [None, new_id()])
@given(name=st.text(), price=st.integers(0, 2**63 - 1), at=st.datetimes(timezones=st.just(UTC)))
def test_a_cursor_holds_its_key(
    sort: Sort, shop_id: UUID | None, name: str, price: int, at: datetime
) -> None:
    search = Search(shop_id, False, None, sort)
    row = {
        "id": new_id(),
        "name_key": sort_key(name),
        "created_at": at,
        "lowest_price_minor": price,
        "highest_price_minor": price,
        "currency": "EUR",
        "rank": price / 2**63,
    }
    key = listing.key_of(search, row)
    assert listing.read(search, listing.written(key)) == key
    backwards = sort in {"-name", "newest", "-price", "relevance"}
    assert (key < listing.start(search)) == backwards


@pytest.mark.parametrize(
    ("typed", "query"),
    [
        ("green tea", "'green' & 'tea':*"),
        ("Café", "'cafe':*"),
        ("T-1", "'t' & '1':* | '=t-1'"),
        ("it's", "'it' & 's':* | '=it''s'"),
        ("a\\", "'a':* | '=a\\\\'"),
        ("…?", None),
        ("%", "'=%'"),
    ],
)
def test_a_query_has_all_words_and_the_last_one_as_a_beginning(
    typed: str, query: str | None
) -> None:
    assert listing.to_query(typed) == query


def test_each_list_has_cursors_of_its_own() -> None:
    asks = [
        ProductList(),
        ProductList(q="tea"),
        ProductList(in_stock=True),
        ProductList(sort="-name"),
        ProductList(shop_id=new_id()),
        ProductList(shop_id=new_id(), unpublished=True),
    ]
    assert len({listing.scope(ask) for ask in asks}) == len(asks)
    assert listing.scope(ProductList(limit=1)) == listing.scope(ProductList(limit=9))
