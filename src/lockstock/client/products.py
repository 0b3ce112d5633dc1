"""Calls about products."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, cast

from lockstock.client.answers import FoundVariant, Items, Product
from lockstock.client.calls import Calls


class ProductCalls(Calls):
    """What a shop sells."""

    async def create_product(
        self, shop_id: str, product: Mapping[str, Any], key: str | None = None
    ) -> Product:
        """Create a product: `{"name", "description"?, "variants": [{"sku", "price_minor"}]}`."""
        found = await self._send("POST", f"/v1/shops/{shop_id}/products", product, key=key)
        return cast("Product", found)

    async def products(self, shop_id: str, **query: Any) -> AsyncIterator[Product]:  # noqa: ANN401
        """Go through all products of one's shop, published or not. `query`: q, in_stock, sort."""
        asked = {"unpublished": True, "shop": shop_id} | query
        async for product in self._pages("/v1/products", asked):
            yield cast("Product", product)

    async def get_product(self, shop_id: str, product_id: str) -> Product:
        """One product, with what is available of it now."""
        found = await self._send("GET", f"/v1/shops/{shop_id}/products/{product_id}")
        return cast("Product", found)

    async def change_product(
        self,
        shop_id: str,
        product_id: str,
        changes: Mapping[str, Any],
        *,
        etag: str | None = None,
    ) -> Product:
        """Change what is given; with an `etag` only if nobody has edited it since."""
        path = f"/v1/shops/{shop_id}/products/{product_id}"
        return cast("Product", await self._send("PATCH", path, changes, etag=etag))

    async def find_variants(
        self, shop_id: str, *, skus: Sequence[str] = (), variant_ids: Sequence[str] = ()
    ) -> list[FoundVariant]:
        """Find variants by SKU or id, up to 500 of each. Those that are not there are left out."""
        body = {"skus": list(skus), "variant_ids": list(variant_ids)}
        # It only reads, so it may be sent again under any key.
        found = await self._send("POST", f"/v1/shops/{shop_id}/variants/find", body, key="find")
        return cast("Items[FoundVariant]", found)["items"]
