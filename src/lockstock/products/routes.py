"""Products over HTTP."""

from collections.abc import Sequence
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from lockstock.kernel.access import Actor, CallerIfAny, CatalogueKeeper, Gate, Reader
from lockstock.kernel.editions import NOT_MODIFIED, Editing, Looking, PreconditionFailed, tag
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


class ShopOfProducts(Protocol):
    """What products need to know of their shop."""

    @property
    def id(self) -> UUID: ...

    @property
    def currency(self) -> str: ...

    @property
    def hide_exact(self) -> bool: ...

    @property
    def low_stock_threshold(self) -> int | None: ...


class ShopsOfProducts(Protocol):
    """What this service needs of shops."""

    async def get(self, shop_id: UUID) -> ShopOfProducts:
        """One shop. Raises NotFound."""
        ...

    async def get_many(self, shop_ids: list[UUID]) -> Sequence[ShopOfProducts]:
        """The shops among these that exist."""
        ...


PATH = "/v1/products"


class FoundVariants(Noun):
    """The variants that are there."""

    items: list[FoundVariant]


ShopsOfApp = Annotated[ShopsOfProducts, provided("shops")]
GateOfApp = Annotated[Gate, provided("gate")]


class Sight:
    """What the caller sees of products: numbers, or words where a shop hides its numbers."""

    def __init__(self, shops: ShopsOfProducts, gate: Gate, actor: Actor | None) -> None:
        self._shops = shops
        self._gate = gate
        self._actor = actor

    async def works_in(self, shop_id: UUID) -> bool:
        """Whether the caller works in a shop."""
        return self._actor is not None and await self._gate.allows(self._actor, shop_id, "read")

    async def shown(self, products: Sequence[Product]) -> list[Product]:
        """Return products of any shops as the caller sees them."""
        found = await self._shops.get_many(list({product.shop_id for product in products}))
        shops = {shop.id: shop for shop in found}
        exact = {
            shop.id: not shop.hide_exact or await self.works_in(shop.id) for shop in shops.values()
        }
        return [
            rules.shown(
                product,
                shops[product.shop_id].low_stock_threshold,
                exact=exact[product.shop_id],
            )
            for product in products
        ]


async def sight_of(shops: ShopsOfApp, gate: GateOfApp, actor: CallerIfAny) -> Sight:
    """Return what the caller, if any is known, sees."""
    return Sight(shops, gate, actor)


OwnSight = Annotated[Sight, Depends(sight_of)]


async def keepers_sight(_actor: CatalogueKeeper, sight: OwnSight) -> Sight:
    """Return what the caller sees, who may change the catalogue of the shop."""
    return sight


KeepersSight = Annotated[Sight, Depends(keepers_sight)]


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
    found = await shops.get(shop)
    product_id = derived_id("product", shop, actor.user_id, key) if key else new_id()
    [answer] = await service.create(shop, found.currency, [ask], [product_id])
    if isinstance(answer, Refusal):
        raise answer
    return rules.shown(answer, found.low_stock_threshold, exact=True)


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
    sort: Annotated[
        Sort | None,
        Query(
            description="in which order; `-` is descending, `relevance` needs `q`. "
            "Without: `relevance` where there is a `q`, else `name`"
        ),
    ] = None
    cursor: Cursor = None
    limit: Limit = 50


def asked_of(query: ProductQuery) -> ProductList:
    """Return which page a query asks for."""
    return ProductList(
        shop_id=query.shop,
        q=query.q,
        in_stock=query.in_stock,
        unpublished=query.unpublished,
        sort=query.sort,
        cursor=query.cursor,
        limit=query.limit,
    )


@router.get(PATH, responses=_refusals(400, 401, 404, 422))
async def list_products(
    service: Service,
    gate: GateOfApp,
    actor: CallerIfAny,
    sight: OwnSight,
    query: Annotated[ProductQuery, Query()],
) -> Page[Product]:
    """List products with what is available of them at this moment. No login is needed.

    A page may have fewer than `limit` items and still a next one, where little is in stock. Where
    a shop hides its numbers, `available` and `largest` are null for all who do not work there, and
    `availability` says it in a word.
    """
    if query.unpublished:
        await _check_works_there(gate, actor, query.shop)
    page = await service.list_products(asked_of(query))
    return Page(items=await sight.shown(page.items), next=page.next)


async def _check_works_there(gate: Gate, actor: Actor | None, shop_id: UUID | None) -> None:
    if shop_id is None:
        raise InvalidInput.at("unpublished", "needs a shop")
    if actor is None:
        raise Unauthenticated("Send an access token: Authorization: Bearer …")
    await gate.require(actor, shop_id, "read")


@router.get("/v1/shops/{shop}/products/{product}", responses=_refusals(401, 404) | NOT_MODIFIED)
async def get_product(
    service: Service, shop: PathId, product: PathId, sight: OwnSight, answer: Looking
) -> Product:
    """Show a product. One that is not published is shown to who works in the shop."""
    found = await service.get(shop, product, published_only=not await sight.works_in(shop))
    # Its ETag is of what the caller sees: another one per unit sold would tell the numbers.
    [seen] = await sight.shown([found])
    tag(answer, rules.tag_of(seen))
    return seen


@router.patch(
    "/v1/shops/{shop}/products/{product}",
    responses=_refusals(400, 401, 403, 404, 409, 412, 413, 415, 422),
)
async def change_product(
    service: Service,
    shop: PathId,
    product: PathId,
    ask: ProductChange,
    sight: KeepersSight,
    editing: Editing,
) -> Product:
    """Change what is given. Orders that were placed keep their prices.

    A variant with an `id` is changed, one without is added, others stay. None can be removed.
    With If-Match it is changed only if nobody has edited it since that ETag was given.
    """
    try:
        changed = await service.change(shop, product, ask, editing.expected)
    except PreconditionFailed:
        # Its ETag also has what is available, as far as the caller sees it.
        now = await service.get(shop, product, published_only=False)
        [seen] = await sight.shown([now])
        raise PreconditionFailed(rules.tag_of(seen)) from None
    [seen] = await sight.shown([changed])
    editing.tag(rules.tag_of(seen))
    return seen


@router.post("/v1/shops/{shop}/variants/find", responses=_refusals(400, 401, 403, 404, 413, 422))
async def find_variants(
    service: Service, shop: PathId, ask: FindVariants, _actor: Reader
) -> FoundVariants:
    """Find variants by SKU or id, published or not, up to 500 of each.

    It changes nothing. It is a POST because so many SKUs do not fit an address.
    """
    return FoundVariants(items=await service.find_variants(shop, ask))
