"""What the house tests look at: the project's own Python, read once, and the faults they find."""

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "src/lockstock"


@dataclass(frozen=True, order=True)
class Fault:
    """What is against a rule. `where` stays the same when lines move: exceptions name it."""

    where: str
    what: str

    def __str__(self) -> str:
        """Write it as one line."""
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class Source:
    """One Python file. `path` is relative to the root of the tree, with forward slashes."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        """The file as Python reads it."""
        return _parsed(self.text)


Check = Callable[[Source], Iterable[Fault]]


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


@cache
def sources(folder: str) -> tuple[Source, ...]:
    """Read every Python file below a folder of the tree."""
    return tuple(
        Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted((ROOT / folder).rglob("*.py"))
    )


def unexpected(faults: Iterable[Fault], allowed: Mapping[str, str]) -> list[str]:
    """Return the faults that no exception covers, and the exceptions that nothing needs.

    The second half is the ratchet: who mends a fault takes its exception away.
    """
    found = sorted(faults)
    places = {fault.where for fault in found}
    return [str(fault) for fault in found if fault.where not in allowed] + [
        f"{where}: this exception is no longer needed" for where in sorted(allowed.keys() - places)
    ]
