"""Products: what a shop sells, in which variants, at which price."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Protocol
from uuid import UUID

from pydantic import Field, ValidatorFunctionWrapHandler, WrapValidator

from lockstock.kernel.editions import Expected
from lockstock.kernel.errors import NotFound, Refusal
from lockstock.kernel.money import Minor, Money
from lockstock.kernel.nouns import Ask, Given, Id, Name, Noun, Page, Text
from lockstock.warehouses.low_stock.contract import AvailabilityGrade

MOST_VARIANTS = 100
MOST_FOUND = 500

Sku = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]


def _no_twins(given: object, check: ValidatorFunctionWrapHandler) -> object:
    """Refuse names that differ only in how they are encoded or padded: one would be lost."""
    kept = check(given)
    if isinstance(given, dict) and len(kept) != len(given):
        msg = "has the same name twice"
        raise ValueError(msg)
    return kept


Attributes = Annotated[dict[Name, Name], Field(max_length=20), WrapValidator(_no_twins)]
Sort = Literal["name", "-name", "newest", "price", "-price", "relevance"]


class Variant(Noun):
    """What is stocked, priced and sold: one SKU.

    `available`: units in all active warehouses. `largest`: units in the fullest of them. Both are
    null for customers of a shop that hides its numbers. `availability`: the same in a word.
    """

    id: UUID
    sku: str
    price: Money
    attributes: dict[str, str]
    available: int | None
    largest: int | None
    availability: AvailabilityGrade


class Product(Noun):
    """A product and its variants. `available`: the sum of theirs. `availability`: the best."""

    id: UUID
    shop_id: UUID
    name: str
    description: str | None
    published: bool
    available: int | None
    availability: AvailabilityGrade
    variants: list[Variant]
    created_at: datetime


class Quote(Noun):
    """The price of a variant now."""

    variant_id: UUID
    product_id: UUID
    sku: str
    name: str
    price_minor: int
    currency: str


class FoundVariant(Noun):
    """A variant, and the name of its product."""

    variant_id: UUID
    product_id: UUID
    sku: str
    name: str
    price: Money


class FindVariants(Ask):
    """Ask for variants by their SKUs, by their ids, or by both."""

    skus: Annotated[list[Sku], Field(max_length=MOST_FOUND)] = Field(default_factory=list)
    variant_ids: Annotated[list[Id], Field(max_length=MOST_FOUND)] = Field(default_factory=list)


class NewVariant(Ask):
    """Ask for a new variant. `price_minor`: minor units of the shop's currency."""

    sku: Sku
    price_minor: Minor
    attributes: Attributes = Field(default_factory=dict)


class NewProduct(Ask):
    """Ask for a new product with its variants."""

    name: Name
    description: Text | None = None
    published: bool = True
    variants: Annotated[list[NewVariant], Field(min_length=1, max_length=MOST_VARIANTS)]


class VariantChange(Ask):
    """Ask to change a variant (`id`), or to add one (`sku` and `price_minor`, no `id`)."""

    id: Given[Id] = None
    sku: Given[Sku] = None
    price_minor: Given[Minor] = None
    attributes: Given[Attributes] = None


class ProductChange(Ask):
    """Ask to change what is given. `description: null` takes it away.

    Variants that are not named stay as they are. A variant cannot be removed.
    """

    name: Given[Name] = None
    description: Text | None = None
    published: Given[bool] = None
    variants: Given[Annotated[list[VariantChange], Field(max_length=MOST_VARIANTS)]] = None


class ProductList(Noun):
    """Ask for a page of published products, of one shop or of all.

    `q`: every word of it is in the name, description, SKUs or attributes, the last one as a
    beginning; or it is a SKU. `unpublished`: also those, of one shop. `price` sorts by a product's
    lowest price, `-price` by its highest; over all shops by currency first. `relevance` needs `q`:
    what has the words in its name comes first, then in its SKUs, attributes and description, of
    the 2,000 newest that are found. Without `sort`: by relevance with a `q`, else by name.
    """

    shop_id: UUID | None = None
    q: str | None = None
    in_stock: bool = False
    unpublished: bool = False
    sort: Sort | None = None
    cursor: str | None = None
    limit: int = 50


class NoSuchProduct(NotFound):
    """There is no such product, or none that the caller may know of."""


class SkuTaken(Refusal):
    """The shop has this SKU already. `skus` names them."""

    status = 409
    code = "sku_taken"
    title = "SKU is taken"


class Products(Protocol):
    """The verbs. Each is one transaction."""

    async def create(
        self,
        shop_id: UUID,
        currency: str,
        asks: Sequence[NewProduct],
        ids: Sequence[UUID] | None = None,
    ) -> list[Product | Refusal]:
        """Create products. Refuses SkuTaken, InvalidInput (one SKU twice in a product).

        `ids`: one for each, all different. The same id with the same content: the same product, as
        it is now. With other content: refuses IdempotencyKeyReused.
        """
        ...

    async def change(
        self, shop_id: UUID, product_id: UUID, ask: ProductChange, expected: Expected = None
    ) -> Product:
        """Change a product and its variants, if it still is of an edition that is `expected`.

        Raises NoSuchProduct, SkuTaken, InvalidInput, PreconditionFailed.
        """
        ...

    async def get(self, shop_id: UUID, product_id: UUID, *, published_only: bool) -> Product:
        """One product. Raises NoSuchProduct."""
        ...

    async def list_products(self, ask: ProductList) -> Page[Product]:
        """A page of products with live availability.

        Raises InvalidInput for a bad cursor, and for relevance without words.

        With `in_stock` a page may have fewer than `limit` items and still a next one.
        """
        ...

    async def quote(self, shop_id: UUID, variant_ids: Sequence[UUID]) -> list[Quote]:
        """The prices of those of these variants that exist and are published."""
        ...

    async def variants_by_sku(self, shop_id: UUID, skus: Sequence[str]) -> list[Quote]:
        """The variants with these SKUs that exist, published or not."""
        ...

    async def find_variants(self, shop_id: UUID, ask: FindVariants) -> list[FoundVariant]:
        """Those of these variants that exist, published or not, by SKU."""
        ...

    async def existing(self, shop_id: UUID, variant_ids: Sequence[UUID]) -> set[UUID]:
        """Which of these variants the shop has, published or not."""
        ...

    async def published(self, shop_id: UUID, variant_ids: Sequence[UUID]) -> dict[UUID, bool]:
        """Those of these variants that the shop has, and whether they are published."""
        ...
