"""Opening the shop: staff, three warehouses, the products that will be sold, opening stock."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from lockstock.client.session import Session
from lockstock.imports.products import create_products
from lockstock.imports.rules import ImportedProduct
from lockstock.replay.people import People
from lockstock.replay.rules import Units, share_per_warehouse

CURRENCY = "GBP"
WAREHOUSES = ("North", "South", "West")
# As many lines as one delivery has.
MOST_LINES = 500

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class OpenShop:
    """A shop that is ready to sell. `variants`: ids by SKU."""

    id: str
    name: str
    warehouses: list[str]
    variants: Mapping[str, str]
    # SKUs that the server refused, and why.
    refused: Mapping[str, str]
    manager: Session
    clerk: Session


@dataclass(frozen=True)
class Opening:
    """What a shop is opened with."""

    name: str
    reservation_seconds: int
    products: list[ImportedProduct]
    stock: Units


async def open_shop(people: People, opening: Opening, progress: Progress) -> OpenShop:
    """Open a shop through the API, with an owner, a manager and a clerk of its own."""
    owner = await people.staff("owner")
    shop = await owner.create_shop(
        opening.name,
        CURRENCY,
        reservation_seconds=opening.reservation_seconds,
        allocation="fewest_warehouses",
        warehouse={"name": WAREHOUSES[0], "priority": 1},
    )
    manager = await people.employ(owner, shop["id"], "manager")
    clerk = await people.employ(owner, shop["id"], "clerk")
    others = [
        await manager.open_warehouse(shop["id"], name, priority=place)
        for place, name in enumerate(WAREHOUSES[1:], start=2)
    ]
    warehouses = [warehouse["id"] for warehouse in [*shop["warehouses"], *others]]
    done = 0

    def created(count: int) -> None:
        nonlocal done
        done += count
        progress("Products", done, len(opening.products))

    made = await create_products(manager, shop["id"], opening.products, created)
    variants = made.variants
    ready = OpenShop(shop["id"], shop["name"], warehouses, variants, made.refused, manager, clerk)
    await _receive(ready, opening.stock, progress)
    return ready


async def _receive(shop: OpenShop, stock: Units, progress: Progress) -> None:
    """Let the clerk receive the opening stock, in deliveries of up to 500 lines."""
    units = {
        shop.variants[sku]: share_per_warehouse(total)
        for sku, total in stock.items()
        if sku in shop.variants
    }
    deliveries = [
        (warehouse, number, dict(lines))
        for warehouse in shop.warehouses
        for number, lines in enumerate(_batches(units.items()))
    ]
    for done, (warehouse, number, lines) in enumerate(deliveries, start=1):
        key = f"opening-{warehouse}-{number}"
        await shop.clerk.receive((shop.id, warehouse), lines, key, "Opening stock")
        progress("Opening stock", done, len(deliveries))


def _batches(items: Iterable[tuple[str, int]]) -> list[list[tuple[str, int]]]:
    listed = list(items)
    return [listed[at : at + MOST_LINES] for at in range(0, len(listed), MOST_LINES)]
