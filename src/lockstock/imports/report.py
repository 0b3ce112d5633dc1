"""What became of each row: counted by reason, and written row by row where a report is wanted."""

import csv
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lockstock.imports.formulas import guarded

TAKEN = "taken"
WOULD_BE_TAKEN = "would be taken"
REFUSED = "refused"


class Lines(Protocol):
    """Where report lines are written: csv.writer, or nothing."""

    def writerow(self, row: list[str | int], /) -> object:
        """Write one."""
        ...


@dataclass
class Account:
    """All rows of a file: taken, or refused for a reason. The sum is the number of rows.

    `dry_run`: nothing is done, and what is counted as taken would be.
    """

    lines: Lines | None = None
    dry_run: bool = False
    taken: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def rows(self) -> int:
        """How many rows there were."""
        return self.taken + self.refused.total()

    @property
    def all_refused(self) -> bool:
        """Whether there were rows and none was taken."""
        return self.rows > 0 and self.taken == 0

    def add(self, number: int, sku: str, reason: str | None) -> None:
        """Count a row; no reason: it was taken."""
        if reason is None:
            self.taken += 1
        else:
            self.refused[reason] += 1
        if self.lines is not None:
            taken = WOULD_BE_TAKEN if self.dry_run else TAKEN
            outcome = taken if reason is None else REFUSED
            self.lines.writerow([number, guarded(sku), outcome, reason or ""])


@contextmanager
def account_of(report: Path | None, *, dry_run: bool = False) -> Iterator[Account]:
    """Open an account that writes each row to `report`, where one is asked for."""
    if report is None:
        yield Account(dry_run=dry_run)
        return
    with report.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "sku", "outcome", "reason"])
        yield Account(writer, dry_run=dry_run)
