"""`lockstock import`: parse, import, print."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Screen

from lockstock.client.answers import Shop
from lockstock.client.api import Client
from lockstock.client.own_server import own_server
from lockstock.client.session import Session
from lockstock.client.transport import ApiError
from lockstock.imports.products import Format, ProductFile, import_products
from lockstock.imports.report import Account, account_of
from lockstock.imports.stock import import_stock, open_stock
from lockstock.settings import Settings

app = typer.Typer(
    help="Bring products and stock in from files, through the API.", no_args_is_help=True
)
# What people read goes to stderr while a command works; its result goes to stdout.
console = Console(stderr=True, highlight=False)

File = Annotated[Path, typer.Argument(help="The file: .csv, .csv.gz or .xlsx.", exists=True)]
ShopId = Annotated[str | None, typer.Option("--shop", help="The id of the shop.")]
Url = Annotated[
    str | None,
    typer.Option(help="Where Lockstock is. Without: the one on this machine, started if need be."),
]
Email = Annotated[
    str | None, typer.Option(envvar="LOCKSTOCK_EMAIL", help="Who imports: e-mail address or phone.")
]
Password = Annotated[
    str | None,
    typer.Option(envvar="LOCKSTOCK_PASSWORD", help="Their password; asked for if needed."),
]
Report = Annotated[
    Path | None, typer.Option(help="Write what became of each row to this CSV file.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would become of each row, and do nothing.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON, for programs.")]


@dataclass(frozen=True)
class Login:
    """Who imports, into which shop."""

    url: str | None
    email: str | None
    password: str | None
    shop_id: str | None
    new_shop: str | None = None
    currency: str = "GBP"


@dataclass(frozen=True)
class Telling:
    """How it is told what became of the rows, and whether anything is to become of them."""

    report: Path | None
    as_json: bool
    dry_run: bool


T = TypeVar("T")
Work = Callable[[Session, Shop, Account], Awaitable[None]]


@app.command("products")
def products(  # noqa: PLR0913 (each is an option)
    file: File,
    *,
    shop: ShopId = None,
    new_shop: Annotated[str | None, typer.Option(help="Open a new shop of this name.")] = None,
    currency: Annotated[str, typer.Option(help="The currency of a new shop.")] = "GBP",
    form: Annotated[Format, typer.Option("--format", help="What the file is.")] = "auto",
    url: Url = None,
    email: Email = None,
    password: Password = None,
    dry_run: DryRun = False,
    report: Report = None,
    as_json: AsJson = False,
) -> None:
    """Import products: Online Retail, or a table with the columns sku, name, price, description.

    Every row is either taken or refused with a reason. A new shop without --email gets an owner of
    its own, whose login is printed.

    Examples:

        lockstock import products retail.csv.gz --new-shop "Gift shop" --report rows.csv

        lockstock import products prices.xlsx --shop 0190c1f2-... --email ann@example.com --dry-run
    """
    if (shop is None) == (new_shop is None):
        raise typer.BadParameter("give --shop or --new-shop", param_hint="--shop")
    if dry_run and shop is None:
        raise typer.BadParameter("a dry run opens no shop: give --shop", param_hint="--dry-run")
    opened = ProductFile.open(file, form)

    async def work(session: Session, found: Shop, account: Account) -> None:
        with progress_bar() as bar:
            task = bar.add_task("Products", total=None)
            await import_products(
                session,
                found,
                opened,
                account,
                lambda done, total: bar.update(task, completed=done, total=total),
            )

    login = Login(url, email, password, shop, new_shop, currency)
    _run(login, Telling(report, as_json, dry_run), work)


@app.command("stock")
def stock(  # noqa: PLR0913 (each is an option)
    file: File,
    *,
    shop: Annotated[str, typer.Option(help="The id of the shop.")],
    url: Url = None,
    email: Email = None,
    password: Password = None,
    dry_run: DryRun = False,
    report: Report = None,
    as_json: AsJson = False,
) -> None:
    """Receive stock: a table with the columns sku, warehouse (name or id), quantity.

    The very same file again adds nothing, so that an import that broke off can be repeated.

    Example:

        lockstock import stock delivery.csv --shop 0190c1f2-... --email ann@example.com
    """
    table = open_stock(file)

    async def work(session: Session, found: Shop, account: Account) -> None:
        with progress_bar() as bar:
            task = bar.add_task("Rows", total=None)
            await import_stock(
                session, found, table, account, lambda done: bar.update(task, completed=done)
            )

    _run(Login(url, email, password, shop), Telling(report, as_json, dry_run), work)


def progress_bar() -> Progress:
    """Return a progress bar on the terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def _run(login: Login, telling: Telling, work: Work) -> None:
    async def inside(session: Session, shop: Shop) -> tuple[Account, Shop]:
        with account_of(telling.report, dry_run=telling.dry_run) as account:
            await work(session, shop, account)
            return account, shop

    account, shop = inside_shop(login, inside)
    _print(account, shop, as_json=telling.as_json)
    if account.all_refused:
        # A script that feeds the wrong file must not go on as if it were in.
        raise typer.Exit(1)


def inside_shop(login: Login, work: Callable[[Session, Shop], Coroutine[Any, Any, T]]) -> T:
    """Log in, work in the shop, return what the work returns; end the command where it fails."""
    if login.email is not None and login.password is None:
        password = typer.prompt("Password", hide_input=True, err=True)
        login = Login(**{**vars(login), "password": password})
    if login.email is None and login.new_shop is None:
        raise typer.BadParameter("say who you are", param_hint="--email")

    async def inside() -> T:
        async with address_of(login.url) as url, Client(url) as client:
            return await work(*await _enter(client, login))

    try:
        return asyncio.run(inside())
    except ApiError as error:
        console.print(f"[red]{error.detail}[/red] ({error.code})")
        raise typer.Exit(1) from None


@asynccontextmanager
async def address_of(url: str | None) -> AsyncIterator[str]:
    """Yield where Lockstock is: as told, where the settings say, or a server of one's own."""
    if url is not None:
        yield url
        return
    settings = Settings()
    usual = settings.base_url or f"http://{settings.host}:{settings.port}"
    async with Client(usual) as client:
        is_there = await client.is_ready()
    if is_there:
        yield usual
        return
    console.print("Starting a server of its own.")
    async with own_server({"LOCKSTOCK_LOG_LEVEL": "warning"}) as own:
        yield own


async def _enter(client: Client, login: Login) -> tuple[Session, Shop]:
    if login.email is not None and login.password is not None:
        session = await client.log_in(login.email, login.password)
    else:
        session = await _new_owner(client)
    if login.shop_id is not None:
        return session, await session.get_shop(login.shop_id)
    return session, await session.create_shop(login.new_shop or "", login.currency)


async def _new_owner(client: Client) -> Session:
    email = f"owner-{secrets.token_hex(4)}@example.com"
    password = secrets.token_urlsafe(12)
    await client.register(password, email=email, name="Owner")
    console.print(f"The owner of the new shop is {email}, password {password}", soft_wrap=True)
    return await client.log_in(email, password)


def _print(account: Account, shop: Shop, *, as_json: bool) -> None:
    if as_json:
        found = {"rows": account.rows, "taken": account.taken, "refused": account.refused}
        typer.echo(json.dumps({"shop_id": shop["id"], "dry_run": account.dry_run} | found))
        return
    screen = Screen(title=f"{shop['name']} ({shop['id']})")
    screen.add_column("Rows")
    screen.add_column("", justify="right")
    screen.add_row("would be taken" if account.dry_run else "taken", f"{account.taken:,}")
    for reason, count in account.refused.most_common():
        screen.add_row(f"refused: {reason}".replace("refused: refused:", "refused:"), f"{count:,}")
    screen.add_section()
    screen.add_row("all", f"{account.rows:,}")
    Console(highlight=False).print(screen)
