"""Products over HTTP."""

from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from lockstock.kernel.access import Actor, CallerIfAny, CatalogueKeeper, Gate, Reader
from lockstock.kernel.editions import NOT_MODIFIED, Editing, Looking, tag
from lockstock.kernel.errors import InvalidInput, Refusal, Unauthenticated
from lockstock.kernel.http import (
    OptionalIdempotencyKey,
    PathId,
    Problem,
    StrictRoute,
    provided,
)
from lockstock.kernel.ids import derived_id, new_id
from lockstock.kernel.nouns import Noun, Page
from lockstock.kernel.paging import Cursor, Limit
from lockstock.products import rules
from lockstock.products.contract import (
    FindVariants,
    FoundVariant,
    NewProduct,
    Product,
    ProductChange,
    ProductList,
    Products,
    Sort,
)

router = APIRouter(route_class=StrictRoute, tags=["products"])

Service = Annotated[Products, provided("products")]


class HasCurrency(Protocol):
    """What a price needs to know of its shop."""

    @property
    def currency(self) -> str: ...


class ShopsWithCurrency(Protocol):
    """What this service needs of shops."""

    async def get(self, shop_id: UUID) -> HasCurrency:
        """One shop. Raises NotFound."""
        ...


class FoundVariants(Noun):
    """The variants that are there."""

    items: list[FoundVariant]


ShopsOfApp = Annotated[ShopsWithCurrency, provided("shops")]
GateOfApp = Annotated[Gate, provided("gate")]


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem} for status in statuses}


@router.post(
    "/v1/shops/{shop}/products",
    status_code=201,
    responses=_refusals(400, 401, 403, 404, 409, 413, 415, 422),
)
async def create_product(
    service: Service,
    shops: ShopsOfApp,
    shop: PathId,
    actor: CatalogueKeeper,
    ask: NewProduct,
    *,
    key: OptionalIdempotencyKey,
) -> Product:
    """Create a product with its variants. Prices are minor units of the shop's currency.

    With an Idempotency-Key the same request may be sent again: it answers the same product.
    """
    currency = (await shops.get(shop)).currency
    product_id = derived_id("product", shop, actor.user_id, key) if key else new_id()
    [answer] = await service.create(shop, currency, [ask], [product_id])
    if isinstance(answer, Refusal):
        raise answer
    return answer


class ProductQuery(BaseModel):
    """Which products to list, in which order."""

    shop: Annotated[UUID | None, Query(description="only this shop's")] = None
    q: Annotated[
        str | None,
        Query(max_length=200, description="words, the last one as a beginning; or a SKU"),
    ] = None
    in_stock: Annotated[bool, Query(description="only what can be sold now")] = False
    unpublished: Annotated[
        bool, Query(description="also what is not published, for who works in the shop")
    ] = False
    sort: Sort = "name"
    cursor: Cursor = None
    limit: Limit = 50


@router.get("/v1/products", responses=_refusals(400, 401, 404, 422))
async def list_products(
    service: Service, gate: GateOfApp, actor: CallerIfAny, query: Annotated[ProductQuery, Query()]
) -> Page[Product]:
    """List products with what is available of them at this moment. No login is needed.

    A page may have fewer than `limit` items and still a next one, where little is in stock.
    """
    if query.unpublished:
        await _check_works_there(gate, actor, query.shop)
    return await service.list_products(
        ProductList(
            shop_id=query.shop,
            q=query.q,
            in_stock=query.in_stock,
            unpublished=query.unpublished,
            sort=query.sort,
            cursor=query.cursor,
            limit=query.limit,
        )
    )


async def _check_works_there(gate: Gate, actor: Actor | None, shop_id: UUID | None) -> None:
    if shop_id is None:
        raise InvalidInput.at("unpublished", "needs a shop")
    if actor is None:
        raise Unauthenticated("Send an access token: Authorization: Bearer …")
    await gate.require(actor, shop_id, "read")


@router.get("/v1/shops/{shop}/products/{product}", responses=_refusals(401, 404) | NOT_MODIFIED)
async def get_product(
    service: Service,
    gate: GateOfApp,
    shop: PathId,
    product: PathId,
    actor: CallerIfAny,
    answer: Looking,
) -> Product:
    """Show a product. One that is not published is shown to who works in the shop."""
    works_there = actor is not None and await gate.allows(actor, shop, "read")
    found = await service.get(shop, product, published_only=not works_there)
    tag(answer, rules.tag_of(found))
    return found


@router.patch(
    "/v1/shops/{shop}/products/{product}",
    responses=_refusals(400, 401, 403, 404, 409, 412, 413, 415, 422),
)
async def change_product(
    service: Service,
    shop: PathId,
    product: PathId,
    ask: ProductChange,
    _actor: CatalogueKeeper,
    editing: Editing,
) -> Product:
    """Change what is given. Orders that were placed keep their prices.

    A variant with an `id` is changed, one without is added, others stay. None can be removed.
    With If-Match it is changed only if nobody has edited it since that ETag was given.
    """
    changed = await service.change(shop, product, ask, editing.expected)
    editing.tag(rules.tag_of(changed))
    return changed


@router.post("/v1/shops/{shop}/variants/find", responses=_refusals(400, 401, 403, 404, 413, 422))
async def find_variants(
    service: Service, shop: PathId, ask: FindVariants, _actor: Reader
) -> FoundVariants:
    """Find variants by SKU or id, published or not, up to 500 of each.

    It changes nothing. It is a POST because so many SKUs do not fit an address.
    """
    return FoundVariants(items=await service.find_variants(shop, ask))
