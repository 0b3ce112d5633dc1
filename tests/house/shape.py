"""Rules on the shape of the code: how long, how wide, how named, how explained."""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.house.source import Fault, Source

MOST_LINES_OF_FUNCTION = 50
MOST_LINES_OF_FILE = 400
MOST_LINES_OF_SERVICE = 300
MOST_PARAMETERS = 6
# Words that say nothing about what is inside.
BANNED_NAMES = {"utils", "helpers", "common", "base", "misc", "manager", "handler", "processor"}
BANNED_NAMES |= {"util", "helper", "managers", "handlers", "processors"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(source: Source) -> Iterator[tuple[str, Function]]:
    """Yield every function and method with its name: `Class.method`, `outer.inner`."""
    yield from _functions(source.tree, "")


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef):
            name = f"{prefix}{child.name}"
            if isinstance(child, Function):
                yield name, child
            yield from _functions(child, f"{name}.")
        else:
            yield from _functions(child, prefix)


def long_functions(source: Source) -> Iterator[Fault]:
    """Find functions that do not fit one screen."""
    for name, function in functions(source):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > MOST_LINES_OF_FUNCTION:
            yield Fault(
                f"{source.path}: {name}", f"{lines} lines, {MOST_LINES_OF_FUNCTION} at most"
            )


def long_files(source: Source) -> Iterator[Fault]:
    """Find files that hold more than one thing."""
    lines = len(source.text.splitlines())
    is_service = PurePosixPath(source.path).name == "service.py"
    most = MOST_LINES_OF_SERVICE if is_service else MOST_LINES_OF_FILE
    if lines > most:
        yield Fault(source.path, f"{lines} lines, {most} at most")


def wide_functions(source: Source) -> Iterator[Fault]:
    """Find functions with too many parameters. `self` and `cls` are not counted."""
    for name, function in functions(source):
        given = function.args
        names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
        if names[:1] in (["self"], ["cls"]):
            names = names[1:]
        if len(names) > MOST_PARAMETERS:
            yield Fault(
                f"{source.path}: {name}", f"{len(names)} parameters, {MOST_PARAMETERS} at most"
            )


def inner_imports(source: Source) -> Iterator[Fault]:
    """Find imports inside functions: they hide what a module needs, and circles."""
    for name, function in functions(source):
        if any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(function)):
            yield Fault(f"{source.path}: {name}", "imports inside a function")


def banned_names(source: Source) -> Iterator[Fault]:
    """Find modules and folders that are named after nothing."""
    for part in PurePosixPath(source.path).with_suffix("").parts:
        for word in part.split("_"):
            if word in BANNED_NAMES:
                yield Fault(source.path, f"the word {word} says nothing about what is inside")


def unexplained(source: Source) -> Iterator[Fault]:
    """Find modules, public classes and public functions without a docstring."""
    if source.text.strip() and ast.get_docstring(source.tree) is None:
        yield Fault(source.path, "the module has no docstring")
    yield from _unexplained(source.path, source.tree, "")


def _unexplained(path: str, node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[Fault]:
    for child in node.body:
        if not isinstance(child, Function | ast.ClassDef) or child.name.startswith("_"):
            continue
        name = f"{prefix}{child.name}"
        if ast.get_docstring(child) is None and not _is_only_declared(child):
            yield Fault(f"{path}: {name}", "has no docstring")
        if isinstance(child, ast.ClassDef):
            yield from _unexplained(path, child, f"{name}.")


def _is_only_declared(node: Function | ast.ClassDef) -> bool:
    # The property of a Protocol: its class says what it is.
    return isinstance(node, Function) and [type(part) for part in node.body] == [ast.Expr]
