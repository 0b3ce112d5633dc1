"""The statements of products."""

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from lockstock.kernel.database import Connection, Row
from lockstock.kernel.money import Money
from lockstock.kernel.text import sort_key
from lockstock.products.contract import FindVariants, FoundVariant, Quote
from lockstock.products.in_stock.rules import first_check
from lockstock.products.rules import StoredProduct, StoredVariant, search_vector


def product_of(row: Row, variants: list[StoredVariant]) -> StoredProduct:
    """Make a product of its row."""
    return StoredProduct(
        shop_id=row["shop_id"],
        id=row["id"],
        name=row["name"],
        description=row["description"],
        published=row["published"],
        currency=row["currency"],
        created_at=row["created_at"],
        variants=variants,
    )


def variant_of(row: Row) -> StoredVariant:
    """Make a variant of its row."""
    return StoredVariant(
        id=row["id"],
        product_id=row["product_id"],
        sku=row["sku"],
        price_minor=row["price_minor"],
        attributes=row["attributes"],
        position=row["position"],
    )


def _quote(row: Row) -> Quote:
    return Quote(
        variant_id=row["id"],
        product_id=row["product_id"],
        sku=row["sku"],
        name=row["name"],
        price_minor=row["price_minor"],
        currency=row["currency"],
    )


NOW = """
    SELECT statement_timestamp()
"""


async def now(connection: Connection) -> datetime:
    """The database's time."""
    time: datetime = await connection.fetchval(NOW)
    return time


REQUEST_DIGESTS = """
    SELECT id, request_digest
    FROM products.products
    WHERE shop_id = $1 AND id = ANY($2::uuid[])
"""


async def request_digests(
    connection: Connection, shop_id: UUID, product_ids: Sequence[UUID]
) -> dict[UUID, bytes]:
    """The digests of the requests that created these products, where they exist."""
    rows = await connection.fetch(REQUEST_DIGESTS, shop_id, product_ids)
    return {row["id"]: row["request_digest"] for row in rows}


SKU_OWNERS = """
    SELECT sku, product_id
    FROM products.variants
    WHERE shop_id = $1 AND sku = ANY($2::text[])
"""


async def sku_owners(connection: Connection, shop_id: UUID, skus: Sequence[str]) -> dict[str, UUID]:
    """The products that have these SKUs."""
    rows = await connection.fetch(SKU_OWNERS, shop_id, skus)
    return {row["sku"]: row["product_id"] for row in rows}


INSERT_PRODUCTS = """
    INSERT INTO products.products (
        shop_id, id, name, name_key, description, published, currency,
        lowest_price_minor, highest_price_minor, search, request_digest, created_at, updated_at,
        stock_check_at
    )
    SELECT $1, id, name, name_key, description, published, $2,
        lowest, highest, words::tsvector, digest, $3, $3, $13
    FROM unnest(
        $4::uuid[], $5::text[], $6::text[], $7::text[], $8::boolean[],
        $9::bigint[], $10::bigint[], $11::text[], $12::bytea[]
    ) AS asked (
        id, name, name_key, description, published, lowest, highest, words, digest
    )
    ORDER BY id
    ON CONFLICT DO NOTHING
    RETURNING id
"""


async def insert_products(
    connection: Connection, products: Sequence[StoredProduct], digests: Sequence[bytes]
) -> set[UUID]:
    """Write products of one shop, all new at one time; return the ids that were free."""
    first = products[0]
    prices = [[variant.price_minor for variant in product.variants] for product in products]
    rows = await connection.fetch(
        INSERT_PRODUCTS,
        first.shop_id,
        first.currency,
        first.created_at,
        [product.id for product in products],
        [product.name for product in products],
        [sort_key(product.name) for product in products],
        [product.description for product in products],
        [product.published for product in products],
        [min(of_product) for of_product in prices],
        [max(of_product) for of_product in prices],
        [search_vector(product) for product in products],
        digests,
        first_check(first.created_at),
    )
    return {row["id"] for row in rows}


INSERT_VARIANTS = """
    INSERT INTO products.variants (
        shop_id, id, product_id, sku, price_minor, attributes, position, created_at
    )
    SELECT $1, id, product_id, sku, price_minor, attributes::jsonb, position, $2
    FROM unnest(
        $3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::text[], $8::integer[]
    ) AS asked (id, product_id, sku, price_minor, attributes, position)
    ORDER BY sku
    ON CONFLICT DO NOTHING
    RETURNING sku
"""


async def insert_variants(
    connection: Connection, shop_id: UUID, at: datetime, variants: Sequence[StoredVariant]
) -> set[str]:
    """Write variants; return the SKUs that were free."""
    rows = await connection.fetch(
        INSERT_VARIANTS,
        shop_id,
        at,
        [variant.id for variant in variants],
        [variant.product_id for variant in variants],
        [variant.sku for variant in variants],
        [variant.price_minor for variant in variants],
        [json.dumps(variant.attributes) for variant in variants],
        [variant.position for variant in variants],
    )
    return {row["sku"] for row in rows}


LOCK_PRODUCT = """
    SELECT id FROM products.products WHERE shop_id = $1 AND id = $2 FOR UPDATE
"""


async def lock_product(connection: Connection, shop_id: UUID, product_id: UUID) -> None:
    """Hold a product until the transaction ends: changes of it wait for each other."""
    await connection.execute(LOCK_PRODUCT, shop_id, product_id)


GET_PRODUCTS = """
    SELECT shop_id, id, name, description, published, currency, created_at
    FROM products.products
    WHERE shop_id = $1 AND id = ANY($2::uuid[])
"""


async def get_products(
    connection: Connection, shop_id: UUID, product_ids: Sequence[UUID]
) -> dict[UUID, StoredProduct]:
    """The products among these that exist, with their variants."""
    rows = await connection.fetch(GET_PRODUCTS, shop_id, product_ids)
    variants = await variants_of(connection, shop_id, product_ids)
    return {row["id"]: product_of(row, variants.get(row["id"], [])) for row in rows}


VARIANTS_OF = """
    SELECT product_id, id, sku, price_minor, attributes, position
    FROM products.variants
    WHERE shop_id = $1 AND product_id = ANY($2::uuid[])
    ORDER BY product_id, position
"""


async def variants_of(
    connection: Connection, shop_id: UUID, product_ids: Sequence[UUID]
) -> dict[UUID, list[StoredVariant]]:
    """The variants of products of one shop, in their order."""
    found: dict[UUID, list[StoredVariant]] = {}
    for row in await connection.fetch(VARIANTS_OF, shop_id, product_ids):
        found.setdefault(row["product_id"], []).append(variant_of(row))
    return found


UPDATE_PRODUCT = """
    UPDATE products.products
    SET name = $3, name_key = $4, description = $5, published = $6,
        lowest_price_minor = $7, highest_price_minor = $8,
        search = $9::text::tsvector, updated_at = $10
    WHERE shop_id = $1 AND id = $2
"""


async def update_product(connection: Connection, product: StoredProduct, at: datetime) -> None:
    """Write what may change of a product, and what follows from its variants."""
    prices = [variant.price_minor for variant in product.variants]
    await connection.execute(
        UPDATE_PRODUCT,
        product.shop_id,
        product.id,
        product.name,
        sort_key(product.name),
        product.description,
        product.published,
        min(prices),
        max(prices),
        search_vector(product),
        at,
    )


PARK_SKUS = """
    UPDATE products.variants
    SET sku = ' ' || id::text
    WHERE shop_id = $1 AND id = ANY($2::uuid[])
"""


async def park_skus(
    connection: Connection, shop_id: UUID, variants: Sequence[StoredVariant]
) -> None:
    """Give up the SKUs of variants that get another, so that two may exchange theirs.

    Meanwhile they have one that nobody can ask for: it has a space.
    """
    await connection.execute(PARK_SKUS, shop_id, [variant.id for variant in variants])


UPDATE_VARIANTS = """
    UPDATE products.variants
    SET sku = asked.sku, price_minor = asked.price_minor, attributes = asked.attributes::jsonb
    FROM unnest($2::uuid[], $3::text[], $4::bigint[], $5::text[])
        AS asked (id, sku, price_minor, attributes)
    WHERE variants.shop_id = $1 AND variants.id = asked.id
"""


async def update_variants(
    connection: Connection, shop_id: UUID, variants: Sequence[StoredVariant]
) -> bool:
    """Write variants that there are; False where another took one of the SKUs meanwhile."""
    try:
        await connection.execute(
            UPDATE_VARIANTS,
            shop_id,
            [variant.id for variant in variants],
            [variant.sku for variant in variants],
            [variant.price_minor for variant in variants],
            [json.dumps(variant.attributes) for variant in variants],
        )
    except asyncpg.UniqueViolationError:
        return False
    return True


QUOTE = """
    SELECT variants.id, product_id, sku, name, price_minor, currency
    FROM products.variants
    JOIN products.products
        ON products.shop_id = variants.shop_id AND products.id = variants.product_id
    WHERE variants.shop_id = $1 AND variants.id = ANY($2::uuid[]) AND published
"""


async def quote(connection: Connection, shop_id: UUID, variant_ids: Sequence[UUID]) -> list[Quote]:
    """The prices of published variants."""
    return [_quote(row) for row in await connection.fetch(QUOTE, shop_id, variant_ids)]


VARIANTS_BY_SKU = """
    SELECT variants.id, product_id, sku, name, price_minor, currency
    FROM products.variants
    JOIN products.products
        ON products.shop_id = variants.shop_id AND products.id = variants.product_id
    WHERE variants.shop_id = $1 AND sku = ANY($2::text[])
"""


async def variants_by_sku(
    connection: Connection, shop_id: UUID, skus: Sequence[str]
) -> list[Quote]:
    """The variants with these SKUs, published or not."""
    return [_quote(row) for row in await connection.fetch(VARIANTS_BY_SKU, shop_id, skus)]


FIND_VARIANTS = """
    SELECT variants.id, product_id, sku, name, price_minor, currency
    FROM products.variants
    JOIN products.products
        ON products.shop_id = variants.shop_id AND products.id = variants.product_id
    WHERE variants.shop_id = $1 AND (sku = ANY($2::text[]) OR variants.id = ANY($3::uuid[]))
    ORDER BY sku
"""


async def find_variants(
    connection: Connection, shop_id: UUID, ask: FindVariants
) -> list[FoundVariant]:
    """The variants with these SKUs or ids, published or not."""
    rows = await connection.fetch(FIND_VARIANTS, shop_id, ask.skus, ask.variant_ids)
    return [
        FoundVariant(
            variant_id=row["id"],
            product_id=row["product_id"],
            sku=row["sku"],
            name=row["name"],
            price=Money(amount_minor=row["price_minor"], currency=row["currency"]),
        )
        for row in rows
    ]


EXISTING = """
    SELECT id FROM products.variants WHERE shop_id = $1 AND id = ANY($2::uuid[])
"""


async def existing(connection: Connection, shop_id: UUID, variant_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these variants that the shop has."""
    return {row["id"] for row in await connection.fetch(EXISTING, shop_id, variant_ids)}


PUBLISHED = """
    SELECT v.id, p.published
    FROM products.variants AS v
    JOIN products.products AS p ON p.shop_id = v.shop_id AND p.id = v.product_id
    WHERE v.shop_id = $1 AND v.id = ANY($2::uuid[])
"""


async def published(
    connection: Connection, shop_id: UUID, variant_ids: Sequence[UUID]
) -> dict[UUID, bool]:
    """Those of these variants that the shop has, and whether they are published."""
    rows = await connection.fetch(PUBLISHED, shop_id, variant_ids)
    return {row["id"]: row["published"] for row in rows}
