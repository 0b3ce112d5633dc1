"""The statements of the list of what may be in stock: one for each order, in one shop or all.

As those of the whole list, along indexes that hold nothing else: where little is in stock a page is
as quick as where all is. Which of them can be sold at this moment is asked afterwards.
"""

from collections.abc import Mapping
from typing import Any

from lockstock.kernel.database import Connection
from lockstock.products.contract import Sort
from lockstock.products.listing.rules import Key, Search, key_of
from lockstock.products.rules import StoredProduct
from lockstock.products.store import product_of

IN_STOCK_IN_SHOP_BY_NAME = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE shop_id = $1 AND (published OR $2) AND in_stock
        AND (name_key, id) > ($4, $5)
    ORDER BY name_key, id
    LIMIT $3
"""

IN_STOCK_IN_SHOP_BY_NAME_BACKWARDS = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE shop_id = $1 AND (published OR $2) AND in_stock
        AND (name_key, id) < ($4, $5)
    ORDER BY name_key DESC, id DESC
    LIMIT $3
"""

IN_STOCK_IN_SHOP_BY_NEWEST = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE shop_id = $1 AND (published OR $2) AND in_stock
        AND (created_at, id) < ($4, $5)
    ORDER BY created_at DESC, id DESC
    LIMIT $3
"""

IN_STOCK_IN_SHOP_BY_PRICE = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE shop_id = $1 AND (published OR $2) AND in_stock
        AND (lowest_price_minor, id) > ($4, $5)
    ORDER BY lowest_price_minor, id
    LIMIT $3
"""

IN_STOCK_IN_SHOP_BY_PRICE_BACKWARDS = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE shop_id = $1 AND (published OR $2) AND in_stock
        AND (highest_price_minor, id) < ($4, $5)
    ORDER BY highest_price_minor DESC, id DESC
    LIMIT $3
"""

IN_STOCK_BY_NAME = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE published AND in_stock
        AND (name_key, id) > ($2, $3)
    ORDER BY name_key, id
    LIMIT $1
"""

IN_STOCK_BY_NAME_BACKWARDS = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE published AND in_stock
        AND (name_key, id) < ($2, $3)
    ORDER BY name_key DESC, id DESC
    LIMIT $1
"""

IN_STOCK_BY_NEWEST = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE published AND in_stock
        AND (created_at, id) < ($2, $3)
    ORDER BY created_at DESC, id DESC
    LIMIT $1
"""

IN_STOCK_BY_PRICE = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE published AND in_stock
        AND (currency, lowest_price_minor, id) > ($2, $3, $4)
    ORDER BY currency, lowest_price_minor, id
    LIMIT $1
"""

IN_STOCK_BY_PRICE_BACKWARDS = """
    SELECT shop_id, id, name, description, published, currency, created_at,
        name_key, lowest_price_minor, highest_price_minor
    FROM products.products
    WHERE published AND in_stock
        AND (currency, highest_price_minor, id) < ($2, $3, $4)
    ORDER BY currency DESC, highest_price_minor DESC, id DESC
    LIMIT $1
"""

# By whether it is of one shop, and the order.
STATEMENTS: Mapping[bool, Mapping[Sort, str]] = {
    True: {
        "name": IN_STOCK_IN_SHOP_BY_NAME,
        "-name": IN_STOCK_IN_SHOP_BY_NAME_BACKWARDS,
        "newest": IN_STOCK_IN_SHOP_BY_NEWEST,
        "price": IN_STOCK_IN_SHOP_BY_PRICE,
        "-price": IN_STOCK_IN_SHOP_BY_PRICE_BACKWARDS,
    },
    False: {
        "name": IN_STOCK_BY_NAME,
        "-name": IN_STOCK_BY_NAME_BACKWARDS,
        "newest": IN_STOCK_BY_NEWEST,
        "price": IN_STOCK_BY_PRICE,
        "-price": IN_STOCK_BY_PRICE_BACKWARDS,
    },
}


async def candidates_in_stock(
    connection: Connection, search: Search, after: Key, limit: int
) -> list[tuple[Key, StoredProduct]]:
    """The next products after a key that may have units, without variants, each with its key."""
    statement = STATEMENTS[search.shop_id is not None][search.sort]
    values: list[Any] = [limit, *after]
    if search.shop_id is not None:
        values = [search.shop_id, search.unpublished, *values]
    rows = await connection.fetch(statement, *values)
    return [(key_of(search, row), product_of(row, [])) for row in rows]
