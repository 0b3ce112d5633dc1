"""The list of products."""

from collections.abc import Sequence
from uuid import UUID

from lockstock.kernel.database import Connection, Database, reading
from lockstock.kernel.nouns import Page
from lockstock.kernel.paging import Cursors
from lockstock.products.contract import Product, ProductList
from lockstock.products.listing import rules, store
from lockstock.products.listing.in_stock import store as in_stock
from lockstock.products.listing.relevance import store as relevance
from lockstock.products.listing.rules import Key, Search
from lockstock.products.rules import StoredProduct, answered, is_available
from lockstock.warehouses.stock.contract import Availability, Stock

MOST_AT_ONCE = 500
# Where next to nothing is in stock, a page ends here and the next one goes on.
MOST_LOOKED_AT = 5_000


class Listing:
    """Pages of products, each with what is available at this moment."""

    def __init__(self, database: Database, stock: Stock, cursors: Cursors) -> None:
        self.database = database
        self._stock = stock
        self._cursors = cursors

    async def page(self, ask: ProductList) -> Page[Product]:
        """Answer one page. Raises InvalidInput for a cursor of another list."""
        scope = rules.scope(ask)
        values = self._cursors.read(scope, ask.cursor)
        typed = (ask.q or "").strip()
        query = rules.to_query(typed) if typed else None
        if typed and query is None:
            return Page(items=[], next=None)
        search = Search(ask.shop_id, ask.unpublished, query, rules.sort_of(ask), ask.in_stock)
        after = rules.start(search) if values is None else rules.read(search, values)
        items, end = await self._collect(search, after, ask)
        return Page(
            items=items, next=self._cursors.write(scope, rules.written(end)) if end else None
        )

    async def _collect(
        self, search: Search, after: Key, ask: ProductList
    ) -> tuple[list[Product], Key | None]:
        """Return the items, and the key that the next page goes on from, if there is more."""
        items: list[Product] = []
        looked_at = 0
        # One more than the page takes, to know whether there is a next one.
        chunk = ask.limit + 1
        while True:
            found = await self._candidates(search, after, chunk)
            there = await _availability(self._stock, [product for _, product in found])
            for key, product in found:
                if not ask.in_stock or is_available(product, there):
                    if len(items) == ask.limit:
                        return items, after
                    items.append(answered(product, there))
                after = key
            looked_at += len(found)
            if len(found) < chunk:
                return items, None
            if looked_at >= MOST_LOOKED_AT:
                return items, after
            chunk = min(2 * chunk, MOST_AT_ONCE)

    @reading
    async def _candidates(
        self, connection: Connection, search: Search, after: Key, limit: int
    ) -> list[tuple[Key, StoredProduct]]:
        found = await _candidates(connection, search, after, limit)
        await store.fill_in_variants(connection, [product for _, product in found])
        return found


async def _candidates(
    connection: Connection, search: Search, after: Key, limit: int
) -> list[tuple[Key, StoredProduct]]:
    if search.sort == "relevance":
        return await relevance.most_relevant(connection, search, after, limit)
    if search.in_stock and search.query is None:
        return await in_stock.candidates_in_stock(connection, search, after, limit)
    return await store.candidates(connection, search, after, limit)


async def with_availability(stock: Stock, products: Sequence[StoredProduct]) -> list[Product]:
    """Answer products with what is available of them now."""
    there = await _availability(stock, products)
    return [answered(product, there) for product in products]


async def _availability(
    stock: Stock, products: Sequence[StoredProduct]
) -> dict[tuple[UUID, UUID], Availability]:
    asked = [(product.shop_id, variant.id) for product in products for variant in product.variants]
    found = await stock.availability(asked) if asked else []
    return {(one.shop_id, one.variant_id): one for one in found}
