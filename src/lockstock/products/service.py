"""The verbs of products."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from lockstock.kernel.database import Conflict, Connection, Database, reading, transaction
from lockstock.kernel.editions import Expected, check_edition
from lockstock.kernel.errors import Refusal
from lockstock.kernel.ids import new_id
from lockstock.kernel.nouns import Page
from lockstock.kernel.paging import Cursors
from lockstock.kernel.replays import mark_replayed
from lockstock.products import rules, store
from lockstock.products.contract import (
    FindVariants,
    FoundVariant,
    NewProduct,
    NoSuchProduct,
    Product,
    ProductChange,
    ProductList,
    Quote,
)
from lockstock.products.events import tell
from lockstock.products.listing.service import Listing, with_availability
from lockstock.products.rules import StoredProduct
from lockstock.warehouses.stock.contract import Stock


class ProductsService:
    """Products on a database; what is available of them comes from `stock`."""

    def __init__(self, database: Database, stock: Stock, cursors: Cursors) -> None:
        self.database = database
        self._stock = stock
        self._listing = Listing(database, stock, cursors)

    async def create(
        self,
        shop_id: UUID,
        currency: str,
        asks: Sequence[NewProduct],
        ids: Sequence[UUID] | None = None,
    ) -> list[Product | Refusal]:
        """Create products. Refuses SkuTaken, InvalidInput, IdempotencyKeyReused, each its own."""
        by_id = dict(zip(ids or [new_id() for _ in asks], asks, strict=True))
        if len(by_id) != len(asks):
            msg = "each product needs an id of its own"
            raise ValueError(msg)
        refused, new, there = await self._create(shop_id, currency, by_id)
        products = [rules.answered(product, {}) for product in new]
        products += await with_availability(self._stock, there)
        answers: dict[UUID, Product | Refusal] = {product.id: product for product in products}
        answers.update(refused)
        return [answers[product_id] for product_id in by_id]

    @transaction
    async def _create(
        self, connection: Connection, shop_id: UUID, currency: str, asks: Mapping[UUID, NewProduct]
    ) -> tuple[dict[UUID, Refusal], list[StoredProduct], list[StoredProduct]]:
        """Return the refusals, the products that are new, and those that were there already."""
        skus = [variant.sku for ask in asks.values() for variant in ask.variants]
        digests = await store.request_digests(connection, shop_id, list(asks))
        owners = await store.sku_owners(connection, shop_id, skus)
        refused = rules.admit(asks, digests, owners)
        at = await store.now(connection)
        admitted = [id_ for id_ in asks if id_ not in digests and id_ not in refused]
        new = [
            rules.asked(
                shop_id, currency, asks[id_], id_, [new_id() for _ in asks[id_].variants], at
            )
            for id_ in admitted
        ]
        if new:
            await _insert(connection, new, [rules.digest(asks[id_]) for id_ in admitted])
        again = [id_ for id_ in digests if id_ not in refused]
        if again:
            mark_replayed()
        there = await store.get_products(connection, shop_id, again) if again else {}
        return refused, new, list(there.values())

    async def change(
        self, shop_id: UUID, product_id: UUID, ask: ProductChange, expected: Expected = None
    ) -> Product:
        """Change a product and its variants, if it still is of an edition that is `expected`."""
        product = await self._change(shop_id, product_id, ask, expected)
        return (await with_availability(self._stock, [product]))[0]

    @transaction
    async def _change(
        self,
        connection: Connection,
        shop_id: UUID,
        product_id: UUID,
        ask: ProductChange,
        expected: Expected,
    ) -> StoredProduct:
        await store.lock_product(connection, shop_id, product_id)
        before = _existing(await store.get_products(connection, shop_id, [product_id]), product_id)
        check_edition(expected, rules.edition(rules.answered(before, {})))
        after = rules.changed(before, ask, [new_id() for _ in ask.variants or []])
        at = await store.now(connection)
        await _write_variants(connection, before, after, at)
        await store.update_product(connection, after, at)
        if after != before:
            await tell(connection, "product.changed", [after])
        return after

    async def get(self, shop_id: UUID, product_id: UUID, *, published_only: bool) -> Product:
        """One product. Raises NoSuchProduct."""
        product = await self._get(shop_id, product_id)
        if published_only and not product.published:
            raise NoSuchProduct("There is no such product.")
        return (await with_availability(self._stock, [product]))[0]

    @reading
    async def _get(self, connection: Connection, shop_id: UUID, product_id: UUID) -> StoredProduct:
        return _existing(await store.get_products(connection, shop_id, [product_id]), product_id)

    async def list_products(self, ask: ProductList) -> Page[Product]:
        """A page of products with live availability. Raises InvalidInput for a bad cursor."""
        return await self._listing.page(ask)

    @reading
    async def quote(
        self, connection: Connection, shop_id: UUID, variant_ids: Sequence[UUID]
    ) -> list[Quote]:
        """The prices of those of these variants that exist and are published."""
        return await store.quote(connection, shop_id, variant_ids)

    @reading
    async def variants_by_sku(
        self, connection: Connection, shop_id: UUID, skus: Sequence[str]
    ) -> list[Quote]:
        """The variants with these SKUs that exist, published or not."""
        return await store.variants_by_sku(connection, shop_id, skus)

    @reading
    async def find_variants(
        self, connection: Connection, shop_id: UUID, ask: FindVariants
    ) -> list[FoundVariant]:
        """Those of these variants that exist, published or not, by SKU."""
        return await store.find_variants(connection, shop_id, ask)

    @reading
    async def existing(
        self, connection: Connection, shop_id: UUID, variant_ids: Sequence[UUID]
    ) -> set[UUID]:
        """Which of these variants the shop has, published or not."""
        return await store.existing(connection, shop_id, variant_ids)

    @reading
    async def published(
        self, connection: Connection, shop_id: UUID, variant_ids: Sequence[UUID]
    ) -> dict[UUID, bool]:
        """Those of these variants that the shop has, and whether they are published."""
        return await store.published(connection, shop_id, variant_ids)


async def _insert(
    connection: Connection, products: Sequence[StoredProduct], digests: Sequence[bytes]
) -> None:
    """Write new products. Raises Conflict where somebody took an id or a SKU since we looked."""
    if len(await store.insert_products(connection, products, digests)) < len(products):
        raise Conflict
    variants = [variant for product in products for variant in product.variants]
    first = products[0]
    written = await store.insert_variants(connection, first.shop_id, first.created_at, variants)
    if len(written) < len(variants):
        raise Conflict
    await tell(connection, "product.created", products)


async def _write_variants(
    connection: Connection, before: StoredProduct, after: StoredProduct, at: datetime
) -> None:
    changes = rules.difference(before, after)
    new_skus = changes.new_skus
    if new_skus:
        owners = await store.sku_owners(connection, after.shop_id, new_skus)
        if taken := [sku for sku in new_skus if owners.get(sku, after.id) != after.id]:
            raise rules.sku_taken(taken)
    if changes.renamed:
        await store.park_skus(connection, after.shop_id, changes.renamed)
    if changes.varied and not await store.update_variants(
        connection, after.shop_id, changes.varied
    ):
        raise rules.sku_taken([variant.sku for variant in changes.renamed])
    if changes.added:
        written = await store.insert_variants(connection, after.shop_id, at, changes.added)
        if missing := {variant.sku for variant in changes.added} - written:
            raise rules.sku_taken(sorted(missing))


def _existing(found: Mapping[UUID, StoredProduct], product_id: UUID) -> StoredProduct:
    if product_id not in found:
        raise NoSuchProduct("There is no such product.")
    return found[product_id]
