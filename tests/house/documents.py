"""Rules on the documents: they name what there is, and nothing else."""

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

from pydantic_settings import BaseSettings

from lockstock.kernel.errors import Refusal
from tests.house.source import PACKAGE, ROOT, Fault

# Problems that no refusal is behind: HTTP's own, and a bug.
OTHER_PROBLEMS = {("method_not_allowed", 405), ("internal_error", 500)}
# Routes that the description of the API leaves out.
OTHER_ROUTES = {("GET", path) for path in ("/", "/docs", "/metrics", "/openapi.json")}
UNITS = {"_seconds": "seconds", "_bytes": "bytes"}

_ROW = re.compile(r"^\| `([^`]+)` \|(.+)\|$", re.MULTILINE)
_COMMAND = re.compile(r"^#+ `lockstock ([^`]+)`$", re.MULTILINE)
_ROUTE = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE) (/[A-Za-z0-9_/{}.-]*)")
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#]+)(?:#[^)]*)?\)")
_TARGET = re.compile(r"\bmake ([a-z][a-z0-9-]+)")


def read(name: str) -> str:
    """Return a document of the tree."""
    return (ROOT / name).read_text(encoding="utf-8")


def rows(text: str) -> dict[str, list[str]]:
    """Return the rows of tables whose first cell is in backticks: by it, the other cells."""
    return {row[1]: [cell.strip() for cell in row[2].split(" | ")] for row in _ROW.finditer(text)}


def modules() -> list[ModuleType]:
    """Import every module of the package."""
    package = importlib.import_module("lockstock")
    names = [found.name for found in pkgutil.walk_packages(package.__path__, "lockstock.")]
    return [importlib.import_module(name) for name in names if not name.endswith("__main__")]


def undocumented_settings(settings: type[BaseSettings], text: str) -> Iterator[Fault]:
    """Find settings without a row that gives unit and default, and rows without a setting.

    The row: variable, unit, default, what it does.
    """
    table = rows(text)
    names = {f"LOCKSTOCK_{name.upper()}": field for name, field in settings.model_fields.items()}
    for name, field in names.items():
        unit, default, *meaning = [*table.get(name, []), "", ""][:3]
        if name not in table or not unit or not any(meaning):
            yield Fault(name, "has no row with unit, default and meaning")
        elif default != _default_text(field.get_default(call_default_factory=True)):
            yield Fault(name, f"its default is not {default}")
        for ending, word in UNITS.items():
            if name.lower().endswith(ending) and word not in unit:
                yield Fault(name, f"its unit is {word}")
    for name in table.keys() - names.keys():
        yield Fault(name, "is no setting")


def _default_text(value: object) -> str:
    if value is None or value == []:
        return "unset"
    if isinstance(value, float):
        return f"`{value:g}`"
    if isinstance(value, bool):
        return f"`{value}`".lower()
    if isinstance(value, list):
        # As one writes it.
        return f"`{','.join(map(str, value))}`"
    return f"`{value}`"


@dataclass(frozen=True)
class Command:
    """A command of the command line: its words after `lockstock`, its help, its parameters."""

    words: str
    help: str
    parameters: list[str]


def commands(group: Any, words: str = "") -> Iterator[Command]:
    """Yield every command below a group of the command line."""
    for name, command in group.commands.items():
        path = f"{words} {name}".strip()
        if hasattr(command, "commands"):
            yield from commands(command, path)
        else:
            yield Command(
                path,
                "\n".join(filter(None, [command.help, command.epilog])),
                [_written(each) for each in command.params if each.name != "help"],
            )


def _written(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name).upper()
    return max(map(str, parameter.opts), key=len)


def undocumented_commands(found: Iterable[Command], text: str) -> Iterator[Fault]:
    """Find commands without a heading, or whose section names not all that they take."""
    heads = list(_COMMAND.finditer(text))
    starts = [head.start() for head in heads] + [len(text)]
    sections = {head[1]: text[head.end() : starts[n + 1]] for n, head in enumerate(heads)}
    known = list(found)
    for command in known:
        if command.words not in sections:
            yield Fault(command.words, "has no section")
            continue
        for name in command.parameters:
            if f"`{name}" not in sections[command.words]:
                yield Fault(command.words, f"its section does not name {name}")
    for words in sections.keys() - {command.words for command in known}:
        yield Fault(words, "is no command")


def commands_without_example(found: Iterable[Command]) -> Iterator[Fault]:
    """Find commands whose --help shows no example."""
    for command in found:
        if "Example" not in command.help or f"lockstock {command.words}" not in command.help:
            yield Fault(command.words, "its --help has no example")


def unnamed_folders(folders: Iterable[str], text: str) -> Iterator[Fault]:
    """Find folders of the package that the document does not name, as `warehouses/stock/`."""
    for folder in folders:
        if f"`{folder}/" not in text:
            yield Fault(folder, "is not named")


def folders() -> list[str]:
    """Return every folder of the package that holds Python, relative to it."""
    top = ROOT / PACKAGE
    found = {path.parent.relative_to(top) for path in top.rglob("*.py")}
    return sorted(folder.as_posix() for folder in found if folder != Path())


def refusals() -> set[tuple[str, int]]:
    """Return code and status of every refusal that the package declares."""
    modules()
    found: set[type[Refusal]] = set()
    todo = Refusal.__subclasses__()
    while todo:
        refusal = todo.pop()
        todo += refusal.__subclasses__()
        found.add(refusal)
    return {(each.code, each.status) for each in found if each.__module__.startswith("lockstock.")}


def undocumented_problems(known: set[tuple[str, int]], text: str) -> Iterator[Fault]:
    """Find problems without a row (code, status, when, what to do), and rows without a problem."""
    table = rows(text)
    for code, status in known:
        cells = table.get(code, [])
        if len(cells) < 3 or not all(cells):
            yield Fault(code, "has no row with status, when and what to do")
        elif cells[0] != str(status):
            yield Fault(code, f"its status is {status}")
    for code in table.keys() - {code for code, _ in known}:
        yield Fault(code, "is no problem that is ever answered")


def words_of(found: Iterable[ModuleType]) -> dict[str, set[str]]:
    """Return the words that contracts choose from: statuses, kinds, roles, strategies, causes."""
    return {
        f"{module.__name__}.{name}": set(get_args(value))
        for module in found
        if module.__name__.endswith((".contract", ".access"))
        for name, value in vars(module).items()
        if get_origin(value) is Literal and isinstance(get_args(value)[0], str)
    }


def unexplained_words(words: Mapping[str, set[str]], text: str) -> Iterator[Fault]:
    """Find words of the contracts that the glossary does not have."""
    for name, values in words.items():
        for value in sorted(values):
            if f"`{value}`" not in text:
                yield Fault(f"{name}: {value}", "is not in the glossary")


def undocumented_routes(paths: Mapping[str, Mapping[str, Any]], text: str) -> Iterator[Fault]:
    """Find routes of the API without a word, and words without a route."""
    known = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    written = set(_ROUTE.findall(text))
    for method, path in known - written:
        yield Fault(f"{method} {path}", "is not described")
    for method, path in written - known - OTHER_ROUTES:
        yield Fault(f"{method} {path}", "is no route")


def dead_links(name: str, text: str) -> Iterator[Fault]:
    """Find links of a document that lead to no file of the tree."""
    for target in _LINK.findall(text):
        if not (ROOT / name).parent.joinpath(target).exists():
            yield Fault(f"{name}: {target}", "leads nowhere")


def unknown_targets(name: str, text: str, makefile: str) -> Iterator[Fault]:
    """Find `make` targets in a document that the Makefile does not have."""
    known = set(re.findall(r"^([a-z][a-z0-9-]*):", makefile, re.MULTILINE))
    for code in re.findall(r"`([^`]+)`", text):
        for target in _TARGET.findall(code):
            if target not in known:
                yield Fault(f"{name}: make {target}", "is no target")
