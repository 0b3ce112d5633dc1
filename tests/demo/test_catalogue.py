"""The demo's catalogue is a range that a shop could have."""

from collections import Counter

from lockstock.demo.catalogue import catalogue
from lockstock.demo.greeting import SHOPPER, STAFF
from lockstock.demo.service import FLASH_SKU, OPEN_ORDERS

book = catalogue()
variants = [variant for offer in book.products for variant in offer.variants]


def test_there_are_some_sixty_products_in_some_hundred_and_fifty_variants() -> None:
    assert 55 <= len(book.products) <= 65
    assert 140 <= len(variants) <= 170
    assert len({offer.name for offer in book.products}) == len(book.products)


def test_every_sku_is_there_once() -> None:
    assert [sku for sku, times in Counter(v.sku for v in variants).items() if times > 1] == []


def test_prices_are_those_of_a_shop_and_not_of_a_slip() -> None:
    assert all(1000 <= variant.price_minor <= 50_000 for variant in variants)


def test_variants_of_a_product_differ_in_the_same_attributes() -> None:
    for offer in book.products:
        seen = [tuple(sorted(variant.attributes.items())) for variant in offer.variants]
        assert len(set(seen)) == len(seen)
        assert len({tuple(sorted(variant.attributes)) for variant in offer.variants}) == 1


def test_three_warehouses_share_the_stock() -> None:
    assert len(book.warehouses) == 3
    assert len({site.priority for site in book.warehouses}) == 3
    assert sum(site.share for site in book.warehouses) == 100


def test_customers_have_one_identity_each_and_some_of_them_a_phone() -> None:
    identifiers = [customer.identifier for customer in book.customers]
    assert len(set(identifiers)) == len(identifiers) == 40
    assert all((customer.email is None) != (customer.phone is None) for customer in book.customers)
    # Numbers that no telephone has (Ofcom keeps them for drama), and a domain of nobody's.
    phones = [customer.phone for customer in book.customers if customer.phone]
    assert phones
    assert all(phone.startswith("+447700900") for phone in phones)
    emails = [c.email for c in book.customers if c.email] + [member.email for member in STAFF]
    assert all(email.endswith("@demo.example") for email in emails)


def test_what_the_demo_speaks_of_is_in_the_catalogue() -> None:
    skus = {variant.sku for variant in variants}
    assert FLASH_SKU in skus
    assert {sku for _, basket in OPEN_ORDERS for sku, _ in basket} <= skus
    assert SHOPPER in {customer.identifier for customer in book.customers}
