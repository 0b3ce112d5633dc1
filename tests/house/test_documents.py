"""The documents: what they say is there is there, and what is there is in them."""

from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import Field
from pydantic_settings import BaseSettings
from typer.main import get_command

from lockstock.cli import cli
from lockstock.settings import Settings
from tests.house import documents
from tests.house.documents import Command, read
from tests.house.source import ROOT, Fault

DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
)


def _lines(faults: Any) -> list[str]:
    return sorted(str(fault) for fault in faults)


def _commands() -> list[Command]:
    return list(documents.commands(get_command(cli)))


def test_every_setting_is_documented() -> None:
    """docs/settings.md has each setting with its unit and its default, and no other."""
    assert _lines(documents.undocumented_settings(Settings, read("docs/settings.md"))) == []


def test_every_command_is_documented() -> None:
    """docs/commands.md has each command with all that it takes, and no other."""
    assert _lines(documents.undocumented_commands(_commands(), read("docs/commands.md"))) == []


def test_every_command_shows_an_example() -> None:
    """`--help` of each command shows how it is used."""
    assert _lines(documents.commands_without_example(_commands())) == []


def test_every_folder_is_in_the_architecture() -> None:
    """ARCHITECTURE.md names every folder of the package."""
    assert _lines(documents.unnamed_folders(documents.folders(), read("ARCHITECTURE.md"))) == []


def test_every_problem_is_documented() -> None:
    """docs/errors.md has each code with its status and what to do about it, and no other."""
    known = documents.refusals() | documents.OTHER_PROBLEMS
    assert _lines(documents.undocumented_problems(known, read("docs/errors.md"))) == []


def test_a_code_has_one_status() -> None:
    """A client that knows the code knows the status."""
    known = documents.refusals()
    assert len(known) == len({code for code, _ in known})


def test_every_word_of_the_contracts_is_in_the_glossary() -> None:
    """docs/glossary.md explains each status, kind, role, strategy and cause."""
    words = documents.words_of(documents.modules())
    assert "awaiting_payment" in words["lockstock.orders.contract.OrderStatus"]
    assert _lines(documents.unexplained_words(words, read("docs/glossary.md"))) == []


def test_every_route_is_documented(app: FastAPI) -> None:
    """docs/api.md has each route, and no other."""
    paths = app.openapi()["paths"]
    assert "/v1/shops/{shop}/orders" in paths
    assert _lines(documents.undocumented_routes(paths, read("docs/api.md"))) == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_document_leads_nowhere(name: str) -> None:
    """Each link leads to a file, each `make` target exists."""
    text = read(name)
    assert _lines(documents.dead_links(name, text)) == []
    assert _lines(documents.unknown_targets(name, text, read("Makefile"))) == []


class _Settings(BaseSettings):
    wait_seconds: float = Field(default=1.5)


@pytest.mark.parametrize(
    "table",
    [
        "",
        "| `LOCKSTOCK_WAIT_SECONDS` | seconds | `2` | Pause. |",
        "| `LOCKSTOCK_WAIT_SECONDS` | minutes | `1.5` | Pause. |",
        "| `LOCKSTOCK_WAIT_SECONDS` | seconds | `1.5` |  |",
        "| `LOCKSTOCK_WAIT_SECONDS` | seconds | `1.5` | Pause. |\n| `LOCKSTOCK_A` | a | `1` | b |",
    ],
)
def test_a_badly_documented_setting_is_seen(table: str) -> None:
    """Missing, wrong default, wrong unit, no meaning, or no such setting."""
    assert list(documents.undocumented_settings(_Settings, table))


def test_a_well_documented_setting_is_left_alone() -> None:
    """The row that the others are broken variants of."""
    table = "| `LOCKSTOCK_WAIT_SECONDS` | seconds | `1.5` | Pause. |"
    assert not list(documents.undocumented_settings(_Settings, table))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "## `lockstock db migrate`\nNothing more.",
        "## `lockstock db migrate`\n`--json`\n## `lockstock db gone`\n",
    ],
)
def test_a_badly_documented_command_is_seen(text: str) -> None:
    """No section, a section that lacks an option, a section of no command."""
    assert list(documents.undocumented_commands([Command("db migrate", "", ["--json"])], text))


def test_a_command_without_example_is_seen() -> None:
    """An example names the command."""
    bare = [Command("db migrate", "Example: lockstock migrate", [])]
    assert list(documents.commands_without_example(bare))


def test_what_is_missing_in_a_document_is_seen() -> None:
    """A folder, a problem, a word, a route; and each that is there and should not be."""
    known = {("out_of_stock", 409)}
    assert list(documents.unnamed_folders(["warehouses/stock"], "`warehouses/`"))
    assert list(documents.undocumented_problems(known, ""))
    assert list(documents.undocumented_problems(known, "| `out_of_stock` | 404 | when | do |"))
    assert list(documents.undocumented_problems(known, "| `out_of_stock` | 409 | when |"))
    assert list(documents.undocumented_problems(set(), "| `gone` | 409 | when | do |"))
    assert not list(documents.undocumented_problems(known, "| `out_of_stock` | 409 | when | do |"))
    assert list(documents.unexplained_words({"Status": {"paid"}}, "paid"))
    assert list(documents.undocumented_routes({"/v1/me": {"get": {}}}, "POST /v1/me"))
    assert not list(documents.undocumented_routes({"/v1/me": {"get": {}}}, "`GET /v1/me`"))


def test_what_leads_nowhere_is_seen() -> None:
    """A dead link and an unknown target."""
    assert list(documents.dead_links("README.md", "[gone](docs/gone.md#there)"))
    assert not list(documents.dead_links("README.md", "[a](Makefile) [b](https://example.com)"))
    assert list(documents.unknown_targets("README.md", "`make coffee`", "tea:\n"))


def test_faults_are_written_in_one_line() -> None:
    """What a failing house test shows."""
    assert str(Fault("a.py", "is long")) == "a.py: is long"
