"""`lockstock export`: parse, export, print."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from lockstock.client.answers import Shop
from lockstock.client.session import Session
from lockstock.exports.files import check_writable
from lockstock.exports.service import Progress, export_products, export_stock
from lockstock.imports.cli import (
    AsJson,
    Email,
    Login,
    Password,
    Url,
    console,
    inside_shop,
    progress_bar,
)

app = typer.Typer(help="Write products and stock to files, through the API.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="The file to write: .csv or .xlsx.")]
ShopId = Annotated[str, typer.Option("--shop", help="The id of the shop.")]
Export = Callable[[Session, Shop, Path, Progress], Awaitable[int]]


@app.command("products")
def products(
    file: File,
    *,
    shop: ShopId,
    url: Url = None,
    email: Email = None,
    password: Password = None,
    as_json: AsJson = False,
) -> None:
    """Write all products of a shop, published or not: a row for each SKU.

    The file can be imported again as it is.

    Example:

        lockstock export products prices.xlsx --shop 0190c1f2-... --email ann@example.com
    """
    _run(export_products, file, Login(url, email, password, shop), as_json=as_json)


@app.command("stock")
def stock(
    file: File,
    *,
    shop: ShopId,
    url: Url = None,
    email: Email = None,
    password: Password = None,
    as_json: AsJson = False,
) -> None:
    """Write the stock of a shop: a row for each SKU and warehouse.

    Example:

        lockstock export stock stock.csv --shop 0190c1f2-... --email ann@example.com
    """
    _run(export_stock, file, Login(url, email, password, shop), as_json=as_json)


def _run(export: Export, file: Path, login: Login, *, as_json: bool) -> None:
    check_writable(file)

    async def work(session: Session, shop: Shop) -> int:
        with progress_bar() as bar:
            task = bar.add_task("Rows", total=None)
            return await export(session, shop, file, lambda done: bar.update(task, completed=done))

    rows = inside_shop(login, work)
    if as_json:
        typer.echo(json.dumps({"file": str(file), "rows": rows}))
    else:
        console.print(f"{rows:,} rows in {file}")
