"""What a product and a stock row are as rows of a table. Pure decisions on plain values."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from lockstock.client.answers import FoundVariant, Product, StockRow, Warehouse

# Text, or a number that stays one in a spreadsheet.
Cell = str | int | Decimal

PRODUCT_COLUMNS = ("sku", "name", "price", "description", "currency", "published", "available")
STOCK_COLUMNS = (
    *("sku", "name", "warehouse"),
    *("on_hand", "held", "committed", "available", "incoming"),
)


def rows_of_product(product: Product, decimals: int) -> Iterator[list[Cell]]:
    """Return a row for each variant; `decimals`: those of the currency."""
    for variant in product["variants"]:
        yield [
            variant["sku"],
            product["name"],
            Decimal(variant["price"]["amount_minor"]).scaleb(-decimals),
            product["description"] or "",
            variant["price"]["currency"],
            "yes" if product["published"] else "no",
            "" if variant["available"] is None else variant["available"],
        ]


def row_of_stock(
    row: StockRow, variants: Mapping[str, FoundVariant], places: Mapping[str, str]
) -> list[Cell]:
    """Return the row of a stock row. `variants` by id, `places`: warehouses as they are named."""
    variant = variants.get(row["variant_id"])
    return [
        variant["sku"] if variant else "",
        variant["name"] if variant else "",
        places.get(row["warehouse_id"], row["warehouse_id"]),
        *(row["on_hand"], row["held"], row["committed"], row["available"], row["incoming"]),
    ]


def names_of(warehouses: list[Warehouse]) -> dict[str, str]:
    """Return how an import finds each warehouse: by its name; by its id where two have it."""
    names = [warehouse["name"].casefold() for warehouse in warehouses]
    return {
        one["id"]: one["name"] if names.count(one["name"].casefold()) == 1 else one["id"]
        for one in warehouses
    }
