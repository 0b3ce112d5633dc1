"""The statements of the list of products: one for each order, in one shop or all, words or none.

Each goes on after a key, along an index in its order; a key before the first stands for the start.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lockstock.kernel.database import Connection
from lockstock.products.contract import Sort
from lockstock.products.listing.rules import Key, Search, key_of
from lockstock.products.rules import StoredProduct
from lockstock.products.store import product_of, variant_of

LIST_IN_SHOP_BY_NAME = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE shop_id = $1 AND (published OR $2)
        AND (name_key, id) > ($4, $5)
    ORDER BY name_key, id
    LIMIT $3
"""

LIST_IN_SHOP_BY_NAME_BACKWARDS = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE shop_id = $1 AND (published OR $2)
        AND (name_key, id) < ($4, $5)
    ORDER BY name_key DESC, id DESC
    LIMIT $3
"""

LIST_IN_SHOP_BY_NEWEST = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE shop_id = $1 AND (published OR $2)
        AND (created_at, id) < ($4, $5)
    ORDER BY created_at DESC, id DESC
    LIMIT $3
"""

LIST_IN_SHOP_BY_PRICE = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE shop_id = $1 AND (published OR $2)
        AND (lowest_price_minor, id) > ($4, $5)
    ORDER BY lowest_price_minor, id
    LIMIT $3
"""

LIST_IN_SHOP_BY_PRICE_BACKWARDS = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE shop_id = $1 AND (published OR $2)
        AND (highest_price_minor, id) < ($4, $5)
    ORDER BY highest_price_minor DESC, id DESC
    LIMIT $3
"""

LIST_BY_NAME = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE published
        AND (name_key, id) > ($2, $3)
    ORDER BY name_key, id
    LIMIT $1
"""

LIST_BY_NAME_BACKWARDS = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE published
        AND (name_key, id) < ($2, $3)
    ORDER BY name_key DESC, id DESC
    LIMIT $1
"""

LIST_BY_NEWEST = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE published
        AND (created_at, id) < ($2, $3)
    ORDER BY created_at DESC, id DESC
    LIMIT $1
"""

LIST_BY_PRICE = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE published
        AND (currency, lowest_price_minor, id) > ($2, $3, $4)
    ORDER BY currency, lowest_price_minor, id
    LIMIT $1
"""

LIST_BY_PRICE_BACKWARDS = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE published
        AND (currency, highest_price_minor, id) < ($2, $3, $4)
    ORDER BY currency DESC, highest_price_minor DESC, id DESC
    LIMIT $1
"""

FIND_IN_SHOP_BY_NAME = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE shop_id = $1 AND (published OR $2) AND search @@ $6::text::tsquery
        AND (in_stock OR NOT $7)
        AND (name_key, id) > ($4, $5)
    ORDER BY name_key, id
    LIMIT $3
"""

FIND_IN_SHOP_BY_NAME_BACKWARDS = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE shop_id = $1 AND (published OR $2) AND search @@ $6::text::tsquery
        AND (in_stock OR NOT $7)
        AND (name_key, id) < ($4, $5)
    ORDER BY name_key DESC, id DESC
    LIMIT $3
"""

FIND_IN_SHOP_BY_NEWEST = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE shop_id = $1 AND (published OR $2) AND search @@ $6::text::tsquery
        AND (in_stock OR NOT $7)
        AND (created_at, id) < ($4, $5)
    ORDER BY created_at DESC, id DESC
    LIMIT $3
"""

FIND_IN_SHOP_BY_PRICE = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE shop_id = $1 AND (published OR $2) AND search @@ $6::text::tsquery
        AND (in_stock OR NOT $7)
        AND (lowest_price_minor, id) > ($4, $5)
    ORDER BY lowest_price_minor, id
    LIMIT $3
"""

FIND_IN_SHOP_BY_PRICE_BACKWARDS = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE shop_id = $1 AND (published OR $2) AND search @@ $6::text::tsquery
        AND (in_stock OR NOT $7)
        AND (highest_price_minor, id) < ($4, $5)
    ORDER BY highest_price_minor DESC, id DESC
    LIMIT $3
"""

FIND_BY_NAME = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE published AND search @@ $4::text::tsquery
        AND (in_stock OR NOT $5)
        AND (name_key, id) > ($2, $3)
    ORDER BY name_key, id
    LIMIT $1
"""

FIND_BY_NAME_BACKWARDS = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE published AND search @@ $4::text::tsquery
        AND (in_stock OR NOT $5)
        AND (name_key, id) < ($2, $3)
    ORDER BY name_key DESC, id DESC
    LIMIT $1
"""

FIND_BY_NEWEST = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE published AND search @@ $4::text::tsquery
        AND (in_stock OR NOT $5)
        AND (created_at, id) < ($2, $3)
    ORDER BY created_at DESC, id DESC
    LIMIT $1
"""

FIND_BY_PRICE = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE published AND search @@ $5::text::tsquery
        AND (in_stock OR NOT $6)
        AND (currency, lowest_price_minor, id) > ($2, $3, $4)
    ORDER BY currency, lowest_price_minor, id
    LIMIT $1
"""

FIND_BY_PRICE_BACKWARDS = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE published AND search @@ $5::text::tsquery
        AND (in_stock OR NOT $6)
        AND (currency, highest_price_minor, id) < ($2, $3, $4)
    ORDER BY currency DESC, highest_price_minor DESC, id DESC
    LIMIT $1
"""

# By whether it is of one shop, whether words are looked for, and the order.
STATEMENTS: Mapping[tuple[bool, bool], Mapping[Sort, str]] = {
    (True, False): {
        "name": LIST_IN_SHOP_BY_NAME,
        "-name": LIST_IN_SHOP_BY_NAME_BACKWARDS,
        "newest": LIST_IN_SHOP_BY_NEWEST,
        "price": LIST_IN_SHOP_BY_PRICE,
        "-price": LIST_IN_SHOP_BY_PRICE_BACKWARDS,
    },
    (True, True): {
        "name": FIND_IN_SHOP_BY_NAME,
        "-name": FIND_IN_SHOP_BY_NAME_BACKWARDS,
        "newest": FIND_IN_SHOP_BY_NEWEST,
        "price": FIND_IN_SHOP_BY_PRICE,
        "-price": FIND_IN_SHOP_BY_PRICE_BACKWARDS,
    },
    (False, False): {
        "name": LIST_BY_NAME,
        "-name": LIST_BY_NAME_BACKWARDS,
        "newest": LIST_BY_NEWEST,
        "price": LIST_BY_PRICE,
        "-price": LIST_BY_PRICE_BACKWARDS,
    },
    (False, True): {
        "name": FIND_BY_NAME,
        "-name": FIND_BY_NAME_BACKWARDS,
        "newest": FIND_BY_NEWEST,
        "price": FIND_BY_PRICE,
        "-price": FIND_BY_PRICE_BACKWARDS,
    },
}


async def candidates(
    connection: Connection, search: Search, after: Key, limit: int
) -> list[tuple[Key, StoredProduct]]:
    """The next products after a key, without their variants, each with its own key."""
    statement = STATEMENTS[search.shop_id is not None, search.query is not None][search.sort]
    values: list[Any] = [limit, *after]
    if search.shop_id is not None:
        values = [search.shop_id, search.unpublished, *values]
    if search.query is not None:
        values += [search.query, search.in_stock]
    rows = await connection.fetch(statement, *values)
    return [(key_of(search, row), product_of(row, [])) for row in rows]


FILL_IN_VARIANTS = """
    SELECT shop_id, product_id, variants.id, sku, price_minor, attributes, position
    FROM unnest($1::uuid[], $2::uuid[]) AS wanted (shop_id, product_id)
    JOIN products.variants USING (shop_id, product_id)
    ORDER BY shop_id, product_id, position
"""


async def fill_in_variants(connection: Connection, products: Sequence[StoredProduct]) -> None:
    """Read the variants of products of any shops, which were read without, in their order."""
    found = {(product.shop_id, product.id): product.variants for product in products}
    rows = await connection.fetch(
        FILL_IN_VARIANTS,
        [product.shop_id for product in products],
        [product.id for product in products],
    )
    for row in rows:
        found[row["shop_id"], row["product_id"]].append(variant_of(row))
