"""Tables into files, as a stream: CSV in UTF-8, or XLSX by xlsxwriter. Whole, or not at all."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from lockstock.exports.rules import Cell
from lockstock.imports.formulas import guarded

try:
    import xlsxwriter  # type: ignore[import-untyped]
except ImportError:  # of the extra "xlsx"
    xlsxwriter = None

MOST_SHEET_ROWS = 1_048_576
# Nothing in a cell is guessed at: text stays text.
AS_IT_IS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}


class CannotWrite(ValueError):
    """The table cannot be written to this file. The message says what to do."""


class Writer(Protocol):
    """A table that is being written."""

    def write(self, row: Sequence[Cell]) -> None:
        """Add a row."""
        ...


class _Csv:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)

    def write(self, row: Sequence[Cell]) -> None:
        self._writer.writerow([guarded(cell) if isinstance(cell, str) else cell for cell in row])

    def close(self) -> None:
        self._file.close()


class _Xlsx:
    def __init__(self, path: Path) -> None:
        if xlsxwriter is None:
            raise CannotWrite('XLSX is written by an extra: pip install "lockstock[xlsx]"')
        self._book = xlsxwriter.Workbook(str(path), AS_IT_IS)
        self._sheet = self._book.add_worksheet()
        self._sheet.freeze_panes(1, 0)
        self._rows = 0

    def write(self, row: Sequence[Cell]) -> None:
        if self._rows == MOST_SHEET_ROWS:
            raise CannotWrite(f"A sheet has room for {MOST_SHEET_ROWS:,} rows. Write .csv instead.")
        for column, cell in enumerate(row):
            if isinstance(cell, str):
                self._sheet.write_string(self._rows, column, guarded(cell))
            elif isinstance(cell, Decimal):
                self._sheet.write_number(self._rows, column, float(cell))
            else:
                self._sheet.write_number(self._rows, column, cell)
        self._rows += 1

    def close(self) -> None:
        self._book.close()


WRITERS: Mapping[str, type[_Csv] | type[_Xlsx]] = {".csv": _Csv, ".xlsx": _Xlsx}


def check_writable(path: Path) -> None:
    """Raise CannotWrite for a file of another kind."""
    if path.suffix.lower() not in WRITERS:
        raise CannotWrite(f"{path}: its name is to end with .csv or .xlsx")


@contextmanager
def table(path: Path, columns: Sequence[str]) -> Iterator[Writer]:
    """Write a table with this header. Raises CannotWrite, OSError.

    It is written beside the file and put in its place at the end, so that nobody finds half of it.
    """
    check_writable(path)
    part = path.with_name(f".{path.name}.part")
    try:
        writer = WRITERS[path.suffix.lower()](part)
        try:
            writer.write(columns)
            yield writer
        finally:
            writer.close()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
