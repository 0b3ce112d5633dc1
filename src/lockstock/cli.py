"""The command line: parse, call, print."""

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import asyncpg
import typer
import uvloop
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from lockstock import __version__, serving
from lockstock import app as wiring
from lockstock.audit.service import Verdict, audit, report
from lockstock.demo.greeting import greeting
from lockstock.demo.service import load
from lockstock.explain.cli import add_to as add_explain
from lockstock.exports.cli import app as exports
from lockstock.imports.cli import app as imports
from lockstock.kernel import telemetry
from lockstock.kernel.errors import Refusal
from lockstock.kernel.migrate import State, migrate, states
from lockstock.kernel.postgres import PostgresUnavailable
from lockstock.replay.cli import Audited
from lockstock.replay.cli import add_to as add_replay
from lockstock.serving import Prepare
from lockstock.settings import Settings
from lockstock.users.contract import User

T = TypeVar("T")

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
Port = Annotated[int | None, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")]
Workers = Annotated[
    int, typer.Option(min=1, max=64, help="How many processes serve; one per core is a good start.")
]

CONNECT_SECONDS = 15.0


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 refused or broken, 2 wrong words."""
    try:
        cli()
    except (Refusal, PostgresUnavailable, ValueError, OSError) as error:
        # As it is: a path or an address in brackets is no markup.
        progress.print(Text(_in_words(error), style="red"), soft_wrap=True)
        sys.exit(1)


def _in_words(error: Exception) -> str:
    if isinstance(error, ValidationError):
        # Not the whole of it: that would print the value, which may be a secret.
        faults = error.errors(include_input=False)
        said = "\n".join(f"LOCKSTOCK_{str(f['loc'][0]).upper()}: {f['msg']}" for f in faults)
        return said.replace("Value error, ", "")
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__


def _run(work: Callable[[Settings, wiring.Place], Awaitable[T]]) -> T:
    """Find or start the database, do the work on it, leave it as it was found."""

    async def inside() -> T:
        settings = Settings()
        telemetry.configure_logs(settings.log_level, settings.log_format)
        # Told to stop, a command still stops the database that it has started.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _cancel_this_task())
        async with wiring.place(settings, progress.print) as found:
            if not settings.is_embedded:
                await _reach(found)
            return await work(settings, found)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(inside())
        except asyncio.CancelledError:
            sys.exit(STOPPED)


async def _reach(found: wiring.Place) -> None:
    """Connect once to a database of one's own, to say in words what is wrong with it."""
    for url in {found.database_url, found.users_database_url}:
        try:
            connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
        except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            reason = str(error) or f"no answer in {CONNECT_SECONDS:.0f} seconds"
            name = "DATABASE_URL" if url == found.database_url else "USERS_DATABASE_URL"
            message = f"The database of LOCKSTOCK_{name} cannot be reached: {reason}"
            raise ConnectionError(message) from error
        await connection.close()


async def _refuse_if_behind(found: wiring.Place) -> None:
    if not all(state.is_current for state in await states(found.histories)):
        raise ValueError("The database is not up to date. Run lockstock db migrate first.")


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
    port: Port = None,
    workers: Workers = 1,
    is_worker: Annotated[bool, typer.Option("--worker", hidden=True)] = False,
) -> None:
    """Serve the API, until it is told to stop.

    Without LOCKSTOCK_DATABASE_URL it runs on the embedded PostgreSQL, started if need be.

    Examples:

        lockstock serve

        LOCKSTOCK_DATABASE_URL=postgresql://shop@db/shop lockstock serve --port 8080 --workers 4
    """
    given: dict[str, str | int | None] = {"host": host, "port": port}
    if is_worker:
        _serve_as_worker(given)
    else:
        _serve(given, _nothing_more, workers=workers)


@cli.command()
def demo(
    port: Port = None,
    workers: Workers = 1,
) -> None:
    """Serve a demo shop on the embedded PostgreSQL, and say what to try.

    The first start loads the shop: its catalogue, warehouses, customers and some weeks of orders.
    Later starts find it as it was left.

    Example:

        lockstock demo --port 8080
    """
    if not Settings().is_embedded:
        raise ValueError(
            "The demo's passwords are public, so it runs on the embedded database only. "
            "Unset LOCKSTOCK_DATABASE_URL."
        )
    _serve({"port": port}, _load_demo, workers=workers)


async def _load_demo(made: wiring.Services, address: str) -> str:
    shop = await load(made, progress.print)
    return "\n" + greeting(address, shop)


async def _nothing_more(_made: wiring.Services, _address: str) -> str:
    return ""


def _serve(given: dict[str, str | int | None], prepare: Prepare, *, workers: int = 1) -> None:
    settings = Settings()
    settings = settings.model_copy(update={k: v for k, v in given.items() if v is not None})
    take = serving.listen if workers == 1 else serving.reserve
    # The socket first: nothing is started in vain, and the services tell clients their address.
    with take(settings.host, settings.port) as taken:
        settings = settings.model_copy(update={"port": taken.getsockname()[1]})

        async def serve_them(_: Settings, found: wiring.Place) -> None:
            if workers == 1:
                await serving.serve_alone(taken, settings, found, prepare)
            else:
                await serving.serve_with_workers(workers, settings, found, prepare)

        _run(serve_them)


def _serve_as_worker(given: dict[str, str | int | None]) -> None:
    settings = Settings().model_copy(update=given)

    async def serve_here(_: Settings, found: wiring.Place) -> None:
        serving.stop_with_parent()
        with serving.listen(settings.host, settings.port, shared=True) as listener:
            await serving.serve_alone(listener, settings, found, _nothing_more)

    _run(serve_here)


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
    await _refuse_if_behind(found)
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
            prompt=True,
            hide_input=True,
            confirmation_prompt=True,
            envvar="LOCKSTOCK_NEW_PASSWORD",
            help="Their password; asked for if not given.",
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Their name.")] = None,
) -> None:
    """Create an administrator of the platform.

    Example:

        lockstock user create-admin ann@example.com --name Ann
    """

    def work(made: wiring.Services) -> Awaitable[User]:
        return made.users.create_admin(email, password, name)

    admin = _ask(work)
    typer.echo(f"{admin.id} is an administrator.")


def _ask(work: Callable[[wiring.Services], Awaitable[T]]) -> T:
    """Do work on the services, on a database that is up to date."""

    async def inside(settings: Settings, found: wiring.Place) -> T:
        await _refuse_if_behind(found)
        async with wiring.services(settings, found) as made:
            return await work(made)

    return _run(inside)


async def _audit_after_replay() -> Audited:
    settings = Settings()
    async with wiring.place(settings, progress.print) as found:
        verdict = await _audit(settings, found)
    return Audited(verdict.holds, list(report(verdict)))


cli.add_typer(imports, name="import")
cli.add_typer(exports, name="export")
add_replay(cli, _audit_after_replay)
add_explain(cli, _ask)
