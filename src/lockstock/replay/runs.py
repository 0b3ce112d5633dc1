"""One replay of a file, from reading it to its summary."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lockstock.client.api import Client
from lockstock.imports.files import NotATable, Table
from lockstock.imports.online_retail.rules import Sale, is_online_retail, sale_of
from lockstock.imports.rules import Catalogue, ImportedProduct
from lockstock.replay.floor import Pace
from lockstock.replay.opening import Opening, open_shop
from lockstock.replay.people import People, email_of, new_run
from lockstock.replay.rules import Invoice, opening_stock, past_of
from lockstock.replay.service import Replay
from lockstock.replay.summary import ReplaySummary, refused_rows


@dataclass(frozen=True)
class Options:
    """How a file is replayed. `most_invoices`: only so many, the oldest ones."""

    most_invoices: int | None = None
    concurrency: int = 16
    # Long enough to pay while the machine is busy; the unpaid ones expire during the replay.
    reservation_seconds: int = 60
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True)
class Script:
    """What will be replayed: the invoices, and the products that they name."""

    invoices: list[Invoice]
    products: list[ImportedProduct]
    # Rows that belong to no invoice, and why.
    refused: "Counter[str]"

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(len(invoice.lines) for invoice in self.invoices) + self.refused.total()


@dataclass(frozen=True)
class Telling:
    """Whom to tell how far it is: opening the shop (what, done, of how many), then the invoices."""

    opening: Callable[[str, int, int], None] = lambda _what, _done, _total: None
    replay: Callable[[ReplaySummary], None] = lambda _summary: None


@dataclass(frozen=True)
class Ran:
    """A replay that is over, and how to log in as the owner of its shop."""

    summary: ReplaySummary
    shop_id: str
    shop_name: str
    owner_email: str
    owner_password: str


def read_script(path: Path, most_invoices: int | None) -> Script:
    """Read a file of Online Retail. Products are as the whole file has them. Raises NotATable."""
    table = Table.open(path)
    if not is_online_retail(table):
        found = ", ".join(table.columns)
        raise NotATable(f"{path} does not have the columns of Online Retail. It has: {found}")
    catalogue = Catalogue()
    sales: list[Sale] = []
    for row in table.rows():
        sale = sale_of(row)
        catalogue.add(sale.offer())
        sales.append(sale)
    past = past_of(sales)
    invoices = past.invoices[:most_invoices]
    named = {line.sku for invoice in invoices for line in invoice.lines}
    products = [product for product in catalogue.products() if product.sku in named]
    is_whole = len(invoices) == len(past.invoices)
    return Script(invoices, products, past.refused if is_whole else Counter())


async def run_replay(
    client: Client, name: str, script: Script, options: Options, telling: Telling
) -> Ran:
    """Open a shop of its own and replay the invoices. Raises ApiError where it cannot be opened."""
    people = People(client, new_run())
    skus = {product.sku: product.sku for product in script.products}
    opening = Opening(
        name=f"{name} {people.run}",
        reservation_seconds=options.reservation_seconds,
        products=script.products,
        stock=opening_stock(script.invoices, skus),
    )
    shop = await open_shop(people, opening, telling.opening)
    summary = ReplaySummary(invoices=len(script.invoices), rows=script.rows)
    summary.products = len(shop.variants)
    summary.row_outcomes += refused_rows(script.refused)
    replay = Replay(shop, people, summary, options.concurrency, options.pace, telling.replay)
    await replay.run(script.invoices)
    return Ran(summary, shop.id, shop.name, email_of("owner", people.run), people.password)
