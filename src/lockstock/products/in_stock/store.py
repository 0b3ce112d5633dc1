"""SQL of the mark on products that may have units."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from lockstock.kernel.database import Connection
from lockstock.products.in_stock.rules import Mark, Remark, Standing

OWNERS = """
    SELECT DISTINCT product_id
    FROM products.variants
    WHERE shop_id = $1 AND id = ANY($2::uuid[])
"""


async def owners(connection: Connection, shop_id: UUID, variant_ids: Sequence[UUID]) -> list[UUID]:
    """The products that these variants are of."""
    return [row["product_id"] for row in await connection.fetch(OWNERS, shop_id, variant_ids)]


PRODUCTS_AFTER = """
    SELECT id FROM products.products WHERE shop_id = $1 AND id > $2 ORDER BY id LIMIT $3
"""


async def products_after(
    connection: Connection, shop_id: UUID, after: UUID, most: int
) -> list[UUID]:
    """Products of a shop by id, those after one of them."""
    rows = await connection.fetch(PRODUCTS_AFTER, shop_id, after, most)
    return [row["id"] for row in rows]


DUE_PRODUCTS = """
    SELECT shop_id, id
    FROM products.products
    WHERE stock_check_at <= statement_timestamp()
    ORDER BY stock_check_at
    LIMIT $1
"""


async def due_products(connection: Connection, most: int) -> dict[UUID, list[UUID]]:
    """Products that it is time to look at, by shop."""
    found: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for row in await connection.fetch(DUE_PRODUCTS, most):
        found[row["shop_id"]].append(row["id"])
    return found


STANDINGS = """
    SELECT p.id, p.in_stock, p.stock_check_at, statement_timestamp() AS now, array(
        SELECT v.id FROM products.variants AS v WHERE v.shop_id = $1 AND v.product_id = p.id
    ) AS variant_ids
    FROM products.products AS p
    WHERE p.shop_id = $1 AND p.id = ANY($2::uuid[])
"""


async def standings(
    connection: Connection, shop_id: UUID, product_ids: Sequence[UUID]
) -> list[Standing]:
    """These products as they are now."""
    rows = await connection.fetch(STANDINGS, shop_id, product_ids)
    return [
        Standing(
            row["id"], Mark(row["in_stock"], row["stock_check_at"]), row["variant_ids"], row["now"]
        )
        for row in rows
    ]


LOCK_PRODUCTS = """
    SELECT id
    FROM products.products
    WHERE shop_id = $1 AND id = ANY($2::uuid[])
    ORDER BY id
    FOR NO KEY UPDATE
"""


async def lock_products(connection: Connection, shop_id: UUID, product_ids: Sequence[UUID]) -> None:
    """Lock these products, in order: so nobody waits in a circle."""
    await connection.execute(LOCK_PRODUCTS, shop_id, product_ids)


WRITE_MARKS = """
    UPDATE products.products AS p
    SET in_stock = m.in_stock, stock_check_at = m.check_at
    FROM unnest(
        $2::uuid[], $3::boolean[], $4::timestamptz[], $5::boolean[], $6::timestamptz[]
    ) AS m (id, was_in_stock, was_check_at, in_stock, check_at)
    WHERE p.shop_id = $1 AND p.id = m.id
        AND p.in_stock = m.was_in_stock AND p.stock_check_at IS NOT DISTINCT FROM m.was_check_at
    RETURNING p.id
"""


async def write_marks(
    connection: Connection, shop_id: UUID, remarks: Sequence[Remark]
) -> set[UUID]:
    """Mark those products whose mark is still the one that was read; return which."""
    rows = await connection.fetch(
        WRITE_MARKS,
        shop_id,
        [remark.product_id for remark in remarks],
        [remark.before.in_stock for remark in remarks],
        [remark.before.check_at for remark in remarks],
        [remark.after.in_stock for remark in remarks],
        [remark.after.check_at for remark in remarks],
    )
    return {row["id"] for row in rows}
