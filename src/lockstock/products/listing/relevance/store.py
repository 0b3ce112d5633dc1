"""The statements of a search by relevance, in one shop or in all.

A very common word is in very many products, and each of them is to be ranked for each page. So only
the newest that are found are ranked: MOST_RANKED of them. Ranks are compared as they are, to the
last bit: the cursor holds a float4 whole.
"""

from lockstock.kernel.database import Connection
from lockstock.products.listing.rules import Key, Search, key_of
from lockstock.products.rules import StoredProduct
from lockstock.products.store import product_of

MOST_RANKED = 2_000

MOST_RELEVANT_IN_SHOP = """
    WITH found AS (
        SELECT shop_id, id, name, description, published, currency, created_at, search
        FROM products.products
        WHERE shop_id = $1 AND (published OR $2) AND search @@ $6::text::tsquery
            AND (in_stock OR NOT $7)
        ORDER BY created_at DESC, id DESC
        LIMIT $8
    ),
    ranked AS (
        SELECT shop_id, id, name, description, published, currency, created_at,
            ts_rank(search, $6::text::tsquery) AS rank
        FROM found
    )
    SELECT shop_id, id, name, description, published, currency, created_at, rank
    FROM ranked
    WHERE (rank, id) < ($4::real, $5::uuid)
    ORDER BY rank DESC, id DESC
    LIMIT $3
"""


async def _most_relevant_in_shop(
    connection: Connection, search: Search, after: Key, limit: int
) -> list[tuple[Key, StoredProduct]]:
    rows = await connection.fetch(
        MOST_RELEVANT_IN_SHOP,
        search.shop_id,
        search.unpublished,
        limit,
        *after,
        search.query,
        search.in_stock,
        MOST_RANKED,
    )
    return [(key_of(search, row), product_of(row, [])) for row in rows]


MOST_RELEVANT_IN_ALL = """
    WITH found AS (
        SELECT shop_id, id, name, description, published, currency, created_at, search
        FROM products.products
        WHERE published AND search @@ $4::text::tsquery AND (in_stock OR NOT $5)
        ORDER BY created_at DESC, id DESC
        LIMIT $6
    ),
    ranked AS (
        SELECT shop_id, id, name, description, published, currency, created_at,
            ts_rank(search, $4::text::tsquery) AS rank
        FROM found
    )
    SELECT shop_id, id, name, description, published, currency, created_at, rank
    FROM ranked
    WHERE (rank, id) < ($2::real, $3::uuid)
    ORDER BY rank DESC, id DESC
    LIMIT $1
"""


async def _most_relevant_in_all(
    connection: Connection, search: Search, after: Key, limit: int
) -> list[tuple[Key, StoredProduct]]:
    rows = await connection.fetch(
        MOST_RELEVANT_IN_ALL, limit, *after, search.query, search.in_stock, MOST_RANKED
    )
    return [(key_of(search, row), product_of(row, [])) for row in rows]


async def most_relevant(
    connection: Connection, search: Search, after: Key, limit: int
) -> list[tuple[Key, StoredProduct]]:
    """The next products after a key that fit best, without their variants, each with its key."""
    if search.shop_id is None:
        return await _most_relevant_in_all(connection, search, after, limit)
    return await _most_relevant_in_shop(connection, search, after, limit)
