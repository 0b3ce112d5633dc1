"""Search: what people type finds what they mean, and never an error."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockstock.app import Services
from lockstock.kernel.database import Database
from lockstock.kernel.ids import new_id
from lockstock.kernel.text import words
from lockstock.products import rules
from lockstock.products.contract import ProductList
from lockstock.products.listing.rules import to_query
from tests.products.catalogue import create, names, new_product, pages

MORNING = datetime(2026, 1, 2, tzinfo=UTC)
WITH_DATABASE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# Text as it comes over HTTP (no NUL, no half of a pair), with more of what a query language eats.
TYPED = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
        st.sampled_from("&|!():*'\"\\<->% _,;"),
    ),
    max_size=200,
)


@pytest.fixture
async def tea(services: Services) -> Services:
    shop_id = new_id()
    await create(
        services,
        shop_id,
        new_product("Grüner Tee", "TEE-100/B", description="From the foot of Mount Fuji."),
        new_product("Black tea", "---", attributes={"weight": "250 g"}),
        new_product("<b>Bold</b> teapot", "x');DROP", description="50% off"),
    )
    return services


FOUND: list[tuple[str, list[str]]] = [
    ("tea", ["Black tea", "<b>Bold</b> teapot"]),
    ("TEA black", ["Black tea"]),
    ("tea blac", ["Black tea"]),
    ("grun", ["Grüner Tee"]),
    ("GRÜNER tee", ["Grüner Tee"]),
    ("gru\u0308ner", ["Grüner Tee"]),
    ("fuji", ["Grüner Tee"]),
    ("100", ["Grüner Tee"]),
    ("tee-100/b", ["Grüner Tee"]),
    ("---", ["Black tea"]),
    ("250", ["Black tea"]),
    ("bold", ["<b>Bold</b> teapot"]),
    ("x');DROP", ["<b>Bold</b> teapot"]),
    ("50% off", ["<b>Bold</b> teapot"]),
    ("lack", []),
    ("b/tee-100 nothing", []),
    ("%", []),
    ("_", []),
    ("…!?", []),
    ("' OR 1=1 --", []),
    ("<script>alert(1)</script>", []),
    ("tea:* & !black", ["Black tea"]),
]


async def test_all_words_are_found_the_last_one_as_a_beginning(tea: Services) -> None:
    for typed, found in FOUND:
        assert sorted(await names(tea, q=typed, limit=1)) == sorted(found), typed


async def test_an_empty_search_finds_everything(tea: Services) -> None:
    for typed in ("", "   ", None):
        assert len(await names(tea, q=typed)) == 3


async def test_a_search_keeps_to_its_shop_and_its_order(services: Services) -> None:
    shop_id = new_id()
    for shop, prefix in ((shop_id, "Mine"), (new_id(), "Theirs")):
        asks = [new_product(f"{prefix} {n}", f"tea-{n}", price_minor=n) for n in range(5)]
        await create(services, shop, *asks)
    for sort in ("name", "-name", "newest", "price", "-price"):
        mine = await names(services, shop_id=shop_id, q="tea", sort=sort, limit=2)
        assert len(mine) == len(set(mine)) == 5
        assert all(name.startswith("Mine") for name in mine)
        assert mine == await names(services, shop_id=shop_id, sort=sort)
        assert len(set(await names(services, q="tea", sort=sort, limit=3))) == 10


async def test_a_search_may_ask_for_what_is_in_stock(services: Services) -> None:
    await create(services, new_id(), new_product("Tea", "t"))
    assert await pages(services, ProductList(q="tea", in_stock=True)) == [[]]


@WITH_DATABASE
@given(st.lists(TYPED, min_size=1, max_size=50))
async def test_no_text_makes_a_query_that_the_database_refuses(
    database: Database, typed: list[str]
) -> None:
    queries = [query for text in typed if (query := to_query(text))]
    statement = "SELECT query::tsquery::text FROM unnest($1::text[]) AS query"
    read = await database.read(lambda connection: connection.fetch(statement, queries))
    assert all(row[0] for row in read)


@WITH_DATABASE
@given(TYPED.filter(words), TYPED)
async def test_a_product_is_found_by_its_own_name_and_half_of_it(
    database: Database, name: str, rest: str
) -> None:
    ask = new_product("placeholder", "sku").model_copy(update={"name": f"{rest} {name}"})
    product = rules.asked(new_id(), "EUR", ask, new_id(), [new_id()], MORNING)
    *whole, last = words(name)
    typed = [name, " ".join([*whole, last[:1]])]
    statement = """
        SELECT $1::text::tsvector @@ query::text::tsquery
        FROM unnest($2::text[]) AS query
    """
    queries = [to_query(text) for text in typed]
    found = await database.read(
        lambda connection: connection.fetch(statement, rules.search_vector(product), queries)
    )
    assert [row[0] for row in found] == [True, True]
