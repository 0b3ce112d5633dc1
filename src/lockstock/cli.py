"""The command line: parse, call, print."""

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Annotated, Any, TypeVar

import typer
import uvicorn
import uvloop
from rich.console import Console

from lockstock import __version__
from lockstock import app as wiring
from lockstock.audit.service import Verdict, audit, report
from lockstock.demo.greeting import greeting
from lockstock.demo.service import load
from lockstock.imports.cli import app as imports
from lockstock.kernel import telemetry
from lockstock.kernel.errors import Refusal
from lockstock.kernel.migrate import State, migrate, states
from lockstock.kernel.postgres import PostgresUnavailable
from lockstock.replay.cli import add_to as add_replay
from lockstock.settings import Settings
from lockstock.users.contract import User

T = TypeVar("T")

# What is done once the services are there, and what there is to say of it.
Prepare = Callable[[wiring.Services, str], Awaitable[str]]

# What a shell says of a command that was told to stop (128 + SIGTERM).
STOPPED = 143

cli = typer.Typer(
    name="lockstock",
    help="Orders and stock that never oversell.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
db = typer.Typer(help="The database: bring it up to date, see where it is.", no_args_is_help=True)
config = typer.Typer(help="The settings.", no_args_is_help=True)
user = typer.Typer(help="Users of the platform.", no_args_is_help=True)
cli.add_typer(db, name="db")
cli.add_typer(config, name="config")
cli.add_typer(user, name="user")

# What people read goes to stderr while a command works; its result goes to stdout.
progress = Console(stderr=True, highlight=False)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 refused or broken, 2 wrong words."""
    try:
        cli()
    except (Refusal, PostgresUnavailable, ValueError, OSError) as error:
        progress.print(f"[red]{error}[/red]")
        sys.exit(1)


def _run(work: Callable[[Settings, wiring.Place], Awaitable[T]]) -> T:
    """Find or start the database, do the work on it, leave it as it was found."""

    async def inside() -> T:
        settings = Settings()
        telemetry.configure_logs(settings.log_level, settings.log_format)
        # Told to stop, a command still stops the database that it has started.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _cancel_this_task())
        async with wiring.place(settings, progress.print) as found:
            return await work(settings, found)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(inside())
        except asyncio.CancelledError:
            sys.exit(STOPPED)


def _cancel_this_task() -> Callable[[], object]:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 (it is called from one)
    return task.cancel


@cli.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Orders and stock that never oversell."""
    if show:
        typer.echo(__version__)
        raise typer.Exit


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 takes a free one.")] = None,
) -> None:
    """Serve the API, until it is told to stop.

    Without LOCKSTOCK_DATABASE_URL it runs on the embedded PostgreSQL, started if need be.

    Examples:
        lockstock serve

        LOCKSTOCK_DATABASE_URL=postgresql://shop@db/shop lockstock serve --port 8080
    """
    _run(lambda settings, found: _serve(_listening(settings, host, port), found, _nothing_more))


@cli.command()
def demo(
    port: Annotated[int | None, typer.Option(help="The port; 0 takes a free one.")] = None,
) -> None:
    """Serve a demo shop on the embedded PostgreSQL, and say what to try.

    The first start loads the shop: its catalogue, warehouses, customers and some weeks of orders.
    Later starts find it as it was left.

    Example:

        lockstock demo --port 8080
    """
    settings = Settings()
    if not settings.is_embedded:
        raise ValueError(
            "The demo's passwords are public, so it runs on the embedded database only. "
            "Unset LOCKSTOCK_DATABASE_URL."
        )
    _run(lambda settings, found: _serve(_listening(settings, None, port), found, _load_demo))


async def _load_demo(made: wiring.Services, address: str) -> str:
    shop = await load(made, progress.print)
    return "\n" + greeting(address, shop)


async def _nothing_more(_made: wiring.Services, _address: str) -> str:
    return ""


def _listening(settings: Settings, host: str | None, port: int | None) -> Settings:
    given = {"host": host, "port": port}
    return settings.model_copy(update={k: v for k, v in given.items() if v is not None})


async def _serve(settings: Settings, found: wiring.Place, prepare: Prepare) -> None:
    # The socket first: the port may be a free one, and the services tell clients their address.
    config = uvicorn.Config(
        app="",
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=20,
        server_header=False,
        # The address of a caller is that of its connection: a header can say anything.
        proxy_headers=False,
    )
    socket = config.bind_socket()
    settings = settings.model_copy(update={"port": socket.getsockname()[1]})
    async with wiring.services(settings, found) as made:
        config.app = wiring.application(made, settings, found)
        address = f"http://{settings.host}:{settings.port}"
        said = await prepare(made, address)
        typer.echo(f"Lockstock listens on {address}{said}")
        # uvicorn stops gracefully on these signals and then raises them again, for others to see.
        # Here the services and the database are still to be closed.
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        for told in (signal.SIGTERM, signal.SIGINT):
            signal.signal(told, _go_on)
        await uvicorn.Server(config).serve(sockets=[socket])


def _go_on(_signal: int, _frame: FrameType | None) -> None:
    pass


@db.command("migrate")
def db_migrate(as_json: AsJson = False) -> None:
    """Bring the schemas of all services up to date. Safe to run twice, and at the same time.

    Example:
        LOCKSTOCK_DATABASE_URL=postgresql://shop@db/shop lockstock db migrate
    """
    _print_states(_run(lambda _settings, found: migrate(found.histories)), as_json=as_json)


@db.command("status")
def db_status(as_json: AsJson = False) -> None:
    """Show where the schema of each service is. Exit code 1 where one is not up to date.

    Example:
        lockstock db status --json
    """
    found = _run(lambda _settings, found: states(found.histories))
    _print_states(found, as_json=as_json)
    if not all(state.is_current for state in found):
        raise typer.Exit(1)


def _print_states(found: list[State], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([vars(state) for state in found]))
        return
    for state in found:
        word = "up to date" if state.is_current else f"behind: {state.head} is to come"
        typer.echo(f"{state.service:<12} {state.current or 'nothing yet':<12} {word}")


@cli.command("audit")
def audit_command(as_json: AsJson = False) -> None:
    """Prove on the live database that nothing was oversold. Exit code 1 and the rows if not.

    Example:
        lockstock audit
    """
    verdict = _run(_audit)
    _print_verdict(verdict, as_json=as_json)
    if not verdict.holds:
        raise typer.Exit(1)


def _print_verdict(verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_as_data(verdict), default=str))
        return
    for line in report(verdict):
        typer.echo(line)


async def _audit(settings: Settings, found: wiring.Place) -> Verdict:
    async with wiring.services(settings, found) as made:
        return await audit(made.warehouses.database)


def _as_data(verdict: Verdict) -> dict[str, Any]:
    return {
        "holds": verdict.holds,
        "figures": verdict.figures,
        "invariants": [
            {
                "name": finding.invariant.name,
                "sentence": finding.invariant.sentence,
                "rows": finding.rows,
            }
            for finding in verdict.findings
        ],
    }


@config.command("show")
def config_show(as_json: AsJson = False) -> None:
    """Show every setting as it is in force. Secrets are not shown.

    Example:
        lockstock config show
    """
    values = Settings().model_dump(mode="json")
    if as_json:
        typer.echo(json.dumps(values))
        return
    for name, value in values.items():
        typer.echo(f"LOCKSTOCK_{name.upper()}={'' if value is None else value}")


@user.command("create-admin")
def create_admin(
    email: Annotated[str, typer.Argument(help="Their e-mail address.")],
    password: Annotated[
        str,
        typer.Option(
            prompt=True, hide_input=True, confirmation_prompt=True, envvar="LOCKSTOCK_NEW_PASSWORD"
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Their name.")] = None,
) -> None:
    """Create an administrator of the platform.

    Example:
        lockstock user create-admin ann@example.com --name Ann
    """

    async def work(settings: Settings, found: wiring.Place) -> User:
        async with wiring.services(settings, found) as made:
            return await made.users.create_admin(email, password, name)

    made = _run(work)
    typer.echo(f"{made.id} is an administrator.")


async def _audit_after_replay() -> bool:
    settings = Settings()
    async with wiring.place(settings, progress.print) as found:
        verdict = await _audit(settings, found)
    _print_verdict(verdict, as_json=False)
    return verdict.holds


cli.add_typer(imports, name="import")
add_replay(cli, _audit_after_replay)
