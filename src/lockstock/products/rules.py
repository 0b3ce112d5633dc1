"""Decisions about products, on plain values."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from lockstock.kernel.editions import edition_of, whole_edition_of
from lockstock.kernel.errors import IdempotencyKeyReused, InvalidInput, Refusal
from lockstock.kernel.text import words
from lockstock.products.contract import (
    MOST_VARIANTS,
    NewProduct,
    Product,
    ProductChange,
    SkuTaken,
    VariantChange,
)
from lockstock.warehouses.low_stock.contract import AvailabilityGrade, grade_of
from lockstock.warehouses.stock.contract import Availability

# A product is found by this many different words of it, those of its description last: the
# database takes no more than a megabyte of them.
MOST_WORDS = 2_000
# The last place in a text that the database tells from those after it.
LAST_PLACE = 16_383


@dataclass(frozen=True, slots=True)
class StoredVariant:
    """A variant as it is kept."""

    id: UUID
    product_id: UUID
    sku: str
    price_minor: int
    attributes: dict[str, str]
    position: int


@dataclass(frozen=True, slots=True)
class StoredProduct:
    """A product as it is kept."""

    shop_id: UUID
    id: UUID
    name: str
    description: str | None
    published: bool
    currency: str
    created_at: datetime
    variants: list[StoredVariant] = field(default_factory=list)


def asked(
    shop_id: UUID,
    currency: str,
    ask: NewProduct,
    product_id: UUID,
    variant_ids: Sequence[UUID],
    created_at: datetime,
) -> StoredProduct:
    """Return the product that is asked for, with these ids."""
    variants = [
        StoredVariant(
            id=variant_id,
            product_id=product_id,
            sku=variant.sku,
            price_minor=variant.price_minor,
            attributes=variant.attributes,
            position=position,
        )
        for position, (variant_id, variant) in enumerate(
            zip(variant_ids, ask.variants, strict=True)
        )
    ]
    return StoredProduct(
        shop_id=shop_id,
        id=product_id,
        name=ask.name,
        description=ask.description,
        published=ask.published,
        currency=currency,
        created_at=created_at,
        variants=variants,
    )


def digest(ask: NewProduct) -> bytes:
    """Return what tells one request for a product from another."""
    return hashlib.sha256(ask.model_dump_json().encode()).digest()


def admit(
    asks: Mapping[UUID, NewProduct], digests: Mapping[UUID, bytes], owners: Mapping[str, UUID]
) -> dict[UUID, Refusal]:
    """Decide which of the products, in their order, cannot be had.

    `digests` of the products that exist already, `owners`: the product that has a SKU.
    """
    owners = dict(owners)
    refused: dict[UUID, Refusal] = {}
    for product_id, ask in asks.items():
        if product_id in digests:
            if digests[product_id] != digest(ask):
                refused[product_id] = IdempotencyKeyReused(
                    "With this Idempotency-Key you created another product."
                )
            continue
        skus = [variant.sku for variant in ask.variants]
        taken = [sku for sku in skus if owners.get(sku, product_id) != product_id]
        if (twice := _first_twice(skus)) is not None:
            refused[product_id] = InvalidInput.at(f"variants.{twice}.sku", "is there twice")
        elif taken:
            refused[product_id] = sku_taken(taken)
        else:
            owners.update(dict.fromkeys(skus, product_id))
    return refused


def sku_taken(skus: Sequence[str]) -> SkuTaken:
    """Refuse SKUs that the shop has already."""
    return SkuTaken(f"The shop has {', '.join(skus)} already.", skus=list(skus))


def _first_twice(values: Sequence[object]) -> int | None:
    """Return where the first value stands that was there before."""
    seen: set[object] = set()
    for place, value in enumerate(values):
        if value in seen:
            return place
        if value is not None:
            seen.add(value)
    return None


def changed(product: StoredProduct, ask: ProductChange, new_ids: Sequence[UUID]) -> StoredProduct:
    """Return the product with what the change gives; variants that it adds get `new_ids`.

    Raises InvalidInput for variants that are not the product's, named twice or incomplete; SkuTaken
    where two variants would have one SKU.
    """
    asks = ask.variants or []
    if (twice := _first_twice([one.id for one in asks])) is not None:
        raise InvalidInput.at(f"variants.{twice}.id", "is there twice")
    variants = {variant.id: variant for variant in product.variants}
    for place, (one, new_id) in enumerate(zip(asks, new_ids, strict=True)):
        if one.id is None:
            variants[new_id] = _added(product.id, one, new_id, place, len(variants))
        elif one.id in variants:
            variants[one.id] = _varied(variants[one.id], one)
        else:
            raise InvalidInput.at(f"variants.{place}.id", "is not a variant of this product")
    if len(variants) > MOST_VARIANTS:
        raise InvalidInput.at("variants", f"a product has at most {MOST_VARIANTS} variants")
    times = Counter(variant.sku for variant in variants.values())
    if more := [sku for sku, count in times.items() if count > 1]:
        raise sku_taken(more)
    return replace(
        product,
        name=product.name if ask.name is None else ask.name,
        description=(
            ask.description if "description" in ask.model_fields_set else product.description
        ),
        published=product.published if ask.published is None else ask.published,
        variants=list(variants.values()),
    )


def _added(
    product_id: UUID, ask: VariantChange, new_id: UUID, place: int, position: int
) -> StoredVariant:
    if ask.sku is None:
        raise InvalidInput.at(f"variants.{place}.sku", "is needed for a new variant")
    if ask.price_minor is None:
        raise InvalidInput.at(f"variants.{place}.price_minor", "is needed for a new variant")
    return StoredVariant(
        id=new_id,
        product_id=product_id,
        sku=ask.sku,
        price_minor=ask.price_minor,
        attributes=ask.attributes or {},
        position=position,
    )


def _varied(variant: StoredVariant, ask: VariantChange) -> StoredVariant:
    return replace(
        variant,
        sku=variant.sku if ask.sku is None else ask.sku,
        price_minor=variant.price_minor if ask.price_minor is None else ask.price_minor,
        attributes=variant.attributes if ask.attributes is None else ask.attributes,
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """What of a product's variants is to be written.

    `renamed`: those of `varied` that get another SKU.
    """

    added: list[StoredVariant]
    varied: list[StoredVariant]
    renamed: list[StoredVariant]

    @property
    def new_skus(self) -> list[str]:
        """The SKUs that the product did not have, or that another of its variants had."""
        return [variant.sku for variant in (*self.renamed, *self.added)]


def difference(before: StoredProduct, after: StoredProduct) -> Difference:
    """Return what of the variants changed."""
    known = {variant.id: variant for variant in before.variants}
    kept = [variant for variant in after.variants if variant.id in known]
    varied = [variant for variant in kept if variant != known[variant.id]]
    return Difference(
        added=[variant for variant in after.variants if variant.id not in known],
        varied=varied,
        renamed=[variant for variant in varied if variant.sku != known[variant.id].sku],
    )


def sku_word(sku: str) -> str:
    """Return the word that a whole SKU is found by. No word of a text is like it."""
    return f"={sku.lower()}"


def quoted(word: str) -> str:
    """Return a word as it stands in the text of a tsvector or a tsquery."""
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


def search_vector(product: StoredProduct) -> str:
    """Return the words that a product is found by, as the text of a tsvector.

    Weight A is its name, B its SKUs, C their attributes, D its description. A word counts once in
    each of them: who repeats it does not come first for that.
    """
    found: dict[str, dict[str, int]] = {}
    for place, (word, weight) in enumerate(_weighted(product), 1):
        if word in found or len(found) < MOST_WORDS:
            found.setdefault(word, {}).setdefault(weight, min(place, LAST_PLACE))
    return " ".join(
        f"{quoted(word)}:{','.join(f'{place}{weight}' for weight, place in places.items())}"
        for word, places in found.items()
    )


def _weighted(product: StoredProduct) -> Iterator[tuple[str, str]]:
    yield from ((word, "A") for word in words(product.name))
    for variant in product.variants:
        yield from ((word, "B") for word in (sku_word(variant.sku), *words(variant.sku)))
    for variant in product.variants:
        for value in variant.attributes.values():
            yield from ((word, "C") for word in words(value))
    yield from ((word, "D") for word in words(product.description or ""))


# What an edit changes. Availability changes by itself, and a change of it spoils no edit.
_EDITED: Mapping[str, Any] = {
    "name": True,
    "description": True,
    "published": True,
    "variants": {"__all__": {"id", "sku", "price", "attributes"}},
}


def edition(product: Product) -> str:
    """Return the edition of a product: another one after each edit, whatever is sold meanwhile."""
    return edition_of(product.model_dump_json(include=dict(_EDITED)))


def tag_of(product: Product) -> str:
    """Return what its ETag says: the edition, then all else that is answered."""
    return f"{edition(product)}-{whole_edition_of(product)}"


def is_available(
    product: StoredProduct, availability: Mapping[tuple[UUID, UUID], Availability]
) -> bool:
    """Whether anything of the product can be sold."""
    stock = (availability.get((product.shop_id, variant.id)) for variant in product.variants)
    return any(one is not None and one.available > 0 for one in stock)


def answered(
    product: StoredProduct, availability: Mapping[tuple[UUID, UUID], Availability]
) -> Product:
    """Return the product with what is available of it. `availability` by shop and variant."""
    variants = []
    total = 0
    for variant in product.variants:
        stock = availability.get((product.shop_id, variant.id))
        available, largest = (stock.available, stock.largest) if stock else (0, 0)
        total += available
        variants.append(
            {
                "id": variant.id,
                "sku": variant.sku,
                "price": {"amount_minor": variant.price_minor, "currency": product.currency},
                "attributes": variant.attributes,
                "available": available,
                "largest": largest,
                "availability": grade_of(available, None),
            }
        )
    # All of it in one go: a page makes some hundred of these.
    return Product.model_validate(
        {
            "id": product.id,
            "shop_id": product.shop_id,
            "name": product.name,
            "description": product.description,
            "published": product.published,
            "available": total,
            "availability": grade_of(total, None),
            "variants": variants,
            "created_at": product.created_at,
        }
    )


def shown(product: Product, threshold: int | None, *, exact: bool) -> Product:
    """Return a product as somebody sees it in a shop with this threshold: with numbers, or not."""
    if exact and threshold is None:
        return product
    variants = [
        variant.model_copy(
            update={"availability": grade_of(variant.available or 0, threshold)}
            | ({} if exact else {"available": None, "largest": None})
        )
        for variant in product.variants
    ]
    changes = {"variants": variants, "availability": _best(each.availability for each in variants)}
    return product.model_copy(update=changes if exact else changes | {"available": None})


def _best(grades: Iterable[AvailabilityGrade]) -> AvailabilityGrade:
    return min(grades, key=("in_stock", "low", "out").index, default="out")
