"""`lockstock replay`: parse, replay, print, audit."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as Screen
from rich.text import Text

from lockstock.client.api import Client
from lockstock.client.own_server import own_server
from lockstock.client.transport import ApiError
from lockstock.replay.runs import Options, Ran, Script, Telling, read_script, run_replay
from lockstock.replay.summary import ReplaySummary


@dataclass(frozen=True)
class Audited:
    """What the audit of the database of the settings found, and its lines to print."""

    holds: bool
    lines: list[str]


Audit = Callable[[], Awaitable[Audited]]

# What people read goes to stderr while a command works; its result goes to stdout.
console = Console(stderr=True, highlight=False)

# The server's own lines would run into the progress bar; what it refuses is in the summary.
SERVER_SETTINGS = {"LOCKSTOCK_SANDBOX_PAYMENTS": "true", "LOCKSTOCK_LOG_LEVEL": "error"}


@dataclass(frozen=True)
class Where:
    """On which server: at an address, or on one of its own, which may stay when it is over."""

    url: str | None
    keep: bool
    as_json: bool
    audit: Audit


def add_to(cli: typer.Typer, audit: Audit) -> None:
    """Add the command to the command line."""

    @cli.command("replay")
    def replay(
        file: Annotated[Path, typer.Argument(help="Online Retail, .csv or .gz.", exists=True)],
        *,
        url: Annotated[
            str | None, typer.Option(help="Where Lockstock is. Without: a server of its own.")
        ] = None,
        limit: Annotated[
            int | None, typer.Option(min=1, help="Only so many invoices, the oldest ones.")
        ] = None,
        concurrency: Annotated[int, typer.Option(min=1, max=256, help="Invoices at once.")] = 16,
        keep: Annotated[
            bool, typer.Option("--keep", help="Leave its own server up until Ctrl+C.")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    ) -> None:
        """Replay a real shop's past through the API, in a new shop, then run the audit.

        Each invoice is an order of its customer: paid through the sandbox and shipped, every tenth
        left unpaid. A leading C brings goods back. On the way warehouses are switched off and on,
        and goods are moved. Exit code 1 where an invoice is unaccounted for or the audit fails.

        Examples:

            lockstock replay 2010-12_to_2011-06.csv.gz

            lockstock replay retail.csv --url http://127.0.0.1:8000 --limit 500
        """
        _replay(file, Options(limit, concurrency), Where(url, keep, as_json, audit))


def _replay(file: Path, options: Options, where: Where) -> None:
    console.print(f"Reading {file.name}")
    script = read_script(file, options.most_invoices)
    try:
        holds = asyncio.run(_inside(file, script, options, where))
    except ApiError as error:
        console.print(f"[red]{error.detail}[/red] ({error.code})")
        raise typer.Exit(1) from None
    if not holds:
        raise typer.Exit(1)


async def _inside(file: Path, script: Script, options: Options, where: Where) -> bool:
    async with _server(where) as url, Client(url, connections=2 * options.concurrency) as client:
        with _bar() as bar:
            ran = await run_replay(client, f"Replay {_stem(file)}", script, options, _telling(bar))
        audited = await where.audit() if where.url is None else None
        _print(ran, audited, as_json=where.as_json)
        if audited is None:
            console.print(
                "The audit reads the database: run `lockstock audit` where the server is."
            )
        elif where.keep:
            await _stay(ran, url)
        return (audited is None or audited.holds) and not ran.summary.problems


@asynccontextmanager
async def _server(where: Where) -> AsyncIterator[str]:
    if where.url is not None:
        yield where.url
        return
    console.print("Starting a server of its own.")
    async with own_server(SERVER_SETTINGS) as url:
        yield url


async def _stay(ran: Ran, url: str) -> None:
    console.print(
        f"{ran.shop_name} ({ran.shop_id}) is at {url}\n"
        f"Its owner: {ran.owner_email}, password {ran.owner_password}\nCtrl+C stops it.",
        soft_wrap=True,
    )
    # Ctrl+C is how this ends, not a fault: the exit code is that of the replay.
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


def _stem(file: Path) -> str:
    return file.name.partition(".")[0][:80]


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description:<14}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
        console=console,
    )


def _telling(bar: Progress) -> Telling:
    tasks = {}

    def opening(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bar.add_task(what, total=total, speed="")
        bar.update(tasks[what], completed=done, total=total)

    def invoices(summary: ReplaySummary) -> None:
        opening("Invoices", summary.outcomes.total(), summary.invoices)
        elapsed = bar.tasks[tasks["Invoices"]].elapsed
        if elapsed:
            bar.update(tasks["Invoices"], speed=f"{summary.orders / elapsed:.1f} orders/s")

    return Telling(opening, invoices)


def _print(ran: Ran, audited: Audited | None, *, as_json: bool) -> None:
    summary = ran.summary
    lines = audited.lines if audited is not None else []
    if as_json:
        found = {"shop_id": ran.shop_id, **vars(summary), "problems": summary.problems}
        # One object and nothing else, for programs. null: the audit is run where the server is.
        typer.echo(json.dumps(found | {"audit_holds": audited.holds if audited else None}))
        for line in lines:
            typer.echo(line, err=True)
        return
    out = Console(highlight=False)
    out.print(_screen("Invoices", summary.outcomes, summary.invoices))
    out.print(_screen("Rows", summary.row_outcomes, summary.rows))
    out.print(_screen("Unpaid orders, as they read now", summary.unpaid_orders, None))
    if summary.floor:
        out.print(_screen("Meanwhile in the shop", summary.floor, None))
    out.print(
        f"{summary.orders:,} orders by {summary.customers:,} customers of {summary.products:,} "
        f"products in {summary.seconds:,.0f} s: {summary.orders_per_second:.1f} orders/s"
    )
    for problem in summary.problems:
        out.print(Text(problem, style="red"))
    for line in lines:
        typer.echo(line)


def _screen(title: str, counts: "dict[str, int]", total: int | None) -> Screen:
    screen = Screen(title=title, min_width=72)
    screen.add_column("Outcome")
    screen.add_column("", justify="right")
    for outcome, count in sorted(counts.items()):
        screen.add_row(outcome, f"{count:,}")
    if total is not None:
        screen.add_section()
        screen.add_row("all", f"{total:,}")
    return screen
