"""Importing products: read the file, create each product, say what became of each row."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from babel.numbers import get_currency_precision

from lockstock.client.answers import FoundVariant, Product, Shop
from lockstock.client.session import Session
from lockstock.client.transport import ApiError
from lockstock.imports.files import NotATable, Table
from lockstock.imports.online_retail.rules import CURRENCY, is_online_retail, sale_of
from lockstock.imports.plain.rules import has_products, product_of
from lockstock.imports.report import Account
from lockstock.imports.rules import Catalogue, ImportedProduct, Offer, PriceList

Format = Literal["auto", "online-retail", "csv"]
Progress = Callable[[int], None]
AT_ONCE = 16
# As many as one call finds.
MOST_FOUND = 500


class WrongCurrency(ValueError):
    """The prices of the file are not in the currency of the shop."""


@dataclass
class Created:
    """The variants that were created, by SKU, and why others were not."""

    variants: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ProductFile:
    """A file with products, and how its rows are read."""

    table: Table
    is_retail: bool

    @classmethod
    def open(cls, path: Path, form: Format) -> "ProductFile":
        """Find out which format a file has, or see that it has the one that was named."""
        table = Table.open(path)
        if form != "csv" and is_online_retail(table):
            return cls(table, is_retail=True)
        if form != "online-retail" and has_products(table):
            return cls(table, is_retail=False)
        found = ", ".join(table.columns)
        wanted = {
            "auto": "the columns of Online Retail or sku, name, price",
            "online-retail": "the columns of Online Retail",
            "csv": "the columns sku, name, price",
        }[form]
        raise NotATable(f"{path} does not have {wanted}. It has: {found}")

    def offers(self, currency: str) -> Iterator[Offer]:
        """Read what each row says of a product."""
        decimals = get_currency_precision(currency)
        for row in self.table.rows():
            yield sale_of(row).offer() if self.is_retail else product_of(row, decimals)


async def import_products(
    session: Session,
    shop: Shop,
    file: ProductFile,
    account: Account,
    progress: Callable[[int, int], None],
) -> Created:
    """Create the products of a file in a shop; `progress` is told how many of how many are done.

    The file is read twice: what a product is called and costs is known at its last row only. With
    an account of a dry run nothing is created. Raises WrongCurrency, NotATable.
    """
    if file.is_retail and shop["currency"] != CURRENCY:
        message = f"Online Retail has prices in pounds; this shop's currency is {shop['currency']}."
        raise WrongCurrency(message)
    catalogue = Catalogue() if file.is_retail else PriceList()
    for offer in file.offers(shop["currency"]):
        catalogue.add(offer)
    products = list(catalogue.products())
    there = await _there(session, shop["id"], products)
    new = [product for product in products if product.sku not in there]
    done = len(products) - len(new)

    def one_more(count: int) -> None:
        nonlocal done
        done += count
        progress(done, len(products))

    created = Created(refused=_taken_skus(products, there))
    if not account.dry_run:
        await create_products(session, shop["id"], new, one_more, created)
    for offer in file.offers(shop["currency"]):
        reason = catalogue.refusal(offer) or created.refused.get(offer.sku)
        account.add(offer.number, offer.sku, reason)
    return created


async def _there(
    session: Session, shop_id: str, products: Sequence[ImportedProduct]
) -> dict[str, FoundVariant]:
    """The variants that the shop has under these SKUs."""
    found: dict[str, FoundVariant] = {}
    for start in range(0, len(products), MOST_FOUND):
        skus = [product.sku for product in products[start : start + MOST_FOUND]]
        found |= {one["sku"]: one for one in await session.find_variants(shop_id, skus=skus)}
    return found


def _taken_skus(
    products: Iterable[ImportedProduct], there: Mapping[str, FoundVariant]
) -> dict[str, str]:
    """Say of which SKUs the shop has something else. The same again is nothing to refuse."""
    return {
        product.sku: "refused: sku_taken"
        for product in products
        if (one := there.get(product.sku)) is not None
        and (one["name"], one["price"]["amount_minor"]) != (product.name, product.price_minor)
    }


async def create_products(
    session: Session,
    shop_id: str,
    products: Iterable[ImportedProduct],
    progress: Progress,
    created: Created | None = None,
) -> Created:
    """Create products, some at once. The same product again is the same product: nothing is done.

    What the server refuses is in the answer with the reason. Raises ApiError where the server
    fails, or knows the caller no more.
    """
    created = created or Created()
    waiting = iter(products)

    async def work() -> None:
        for product in waiting:
            await _create(session, shop_id, product, created)
            progress(1)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())
    except ExceptionGroup as failed:
        # They all failed of the same.
        raise failed.exceptions[0] from None
    return created


async def _create(
    session: Session, shop_id: str, product: ImportedProduct, created: Created
) -> None:
    try:
        made = await session.create_product(shop_id, product.ask(), _key(product))
    except ApiError as error:
        if error.status not in (409, 422):
            raise
        created.refused[product.sku] = f"refused: {error.code}"
        return
    created.variants |= variants_of(made)


def _key(product: ImportedProduct) -> str:
    # The content is part of the key, so that a product that has changed is not taken for a replay.
    content = repr((product.sku, product.name, product.price_minor, product.description))
    return "import-" + hashlib.sha256(content.encode()).hexdigest()


def variants_of(product: Product) -> Mapping[str, str]:
    """Return the ids of a product's variants by SKU."""
    return {variant["sku"]: variant["id"] for variant in product["variants"]}
