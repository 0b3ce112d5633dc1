"""Products for tests."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx2

from lockstock.app import Services
from lockstock.kernel.errors import Refusal
from lockstock.kernel.ids import new_id
from lockstock.products.contract import NewProduct, NewVariant, Product, ProductList
from lockstock.products.rules import StoredProduct
from lockstock.warehouses.contract import Cause, Line, NewWarehouse
from lockstock.warehouses.stock.contract import Receive


def new_product(name: str, *skus: str, **fields: Any) -> NewProduct:
    """Ask for a product with these SKUs, each at `price_minor` (100)."""
    price_minor = fields.pop("price_minor", 100)
    attributes = fields.pop("attributes", {})
    variants = [NewVariant(sku=sku, price_minor=price_minor, attributes=attributes) for sku in skus]
    return NewProduct(name=name, variants=variants, **fields)


async def create(services: Services, shop_id: UUID, *asks: NewProduct) -> list[Product]:
    """Create products that nobody refuses."""
    answers = await services.products.create(shop_id, "EUR", asks)
    return [made(answer) for answer in answers]


def made(answer: Product | Refusal) -> Product:
    """Return the product, raise the refusal."""
    if isinstance(answer, Refusal):
        raise answer
    return answer


async def stock_up(services: Services, product: Product, quantity: int) -> UUID:
    """Open a warehouse with so many of each variant of the product; return its id."""
    warehouse_id = new_id()
    await services.warehouses.open(product.shop_id, [NewWarehouse(name="Cellar")], [warehouse_id])
    lines = [Line(variant_id=variant.id, quantity=quantity) for variant in product.variants]
    cause = Cause(change_id=new_id(), actor_id=None, request_id="test")
    await services.stock.receive(product.shop_id, warehouse_id, Receive(lines=lines), cause)
    return warehouse_id


async def pages(services: Services, ask: ProductList) -> list[list[Product]]:
    """All pages of a list, one after the other."""
    found = []
    while True:
        page = await services.products.list_products(ask)
        found.append(page.items)
        if page.next is None:
            return found
        ask = ask.model_copy(update={"cursor": page.next})


async def names(services: Services, **ask: Any) -> list[str]:
    """The names on all pages of a list."""
    found = await pages(services, ProductList(**ask))
    return [product.name for page in found for product in page]


async def post_product(
    client: httpx2.AsyncClient, headers: dict[str, str], shop: dict[str, Any], **fields: Any
) -> dict[str, Any]:
    """Create a product over HTTP."""
    asked = {"name": "Tea", "variants": [{"sku": "TEA-1", "price_minor": 350}]} | fields
    answer = await client.post(f"/v1/shops/{shop['id']}/products", json=asked, headers=headers)
    assert answer.status_code == 201, answer.text
    product: dict[str, Any] = answer.json()
    return product


def skus_of(product: Product | StoredProduct) -> list[str]:
    """The SKUs of a product, in their order."""
    variants: Sequence[Any] = product.variants
    return [variant.sku for variant in variants]
