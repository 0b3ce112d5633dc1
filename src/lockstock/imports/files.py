"""Tables in files: XLSX, or CSV with a header, plain or gzipped, in UTF-8 or Windows-1252.

CSV is read as a stream. The library that reads XLSX holds a whole sheet.

A row that cannot be read is a row with a fault, so that every row of a file is accounted for.
"""

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from lockstock.imports.sheets import NotATable, sheet_rows

__all__ = ["NotATable", "Row", "Table"]

CHUNK_BYTES = 1 << 20
XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number from 1, its cells by column, and why it cannot be read, if so."""

    number: int
    cells: Mapping[str, str] = field(default_factory=dict)
    fault: str | None = None


@dataclass(frozen=True)
class Table:
    """A table in a file. Columns are in lower case without spaces: `Customer ID` is customerid."""

    path: Path
    # XLSX, or the encoding of the text.
    encoding: str
    columns: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> "Table":
        """Look at the encoding and the header. Raises NotATable, OSError."""
        encoding = XLSX if path.suffix.lower() == ".xlsx" else _encoding_of(path)
        with _lines(path, encoding) as reader:
            columns = tuple(_column(name) for name in next(reader, []))
        if not any(columns):
            raise NotATable(f"{path} is empty. A table begins with a line of column names.")
        return cls(path, encoding, columns)

    def rows(self) -> Iterator[Row]:
        """Read it from the beginning, one row at a time. Blank lines are none. Raises NotATable."""
        with _lines(self.path, self.encoding) as reader:
            next(reader, None)
            number = 0
            while True:
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    number += 1
                    yield Row(number, fault=f"not CSV: {error}")
                    continue
                if cells:
                    number += 1
                    yield self._row(number, cells)

    def _row(self, number: int, cells: list[str]) -> Row:
        if len(cells) != len(self.columns):
            return Row(number, fault="not as many cells as columns")
        return Row(number, dict(zip(self.columns, cells, strict=True)))


def _column(name: str) -> str:
    return "".join(name.casefold().split())


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.open(path))
    return path.open("rb")


def _encoding_of(path: Path) -> str:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    with _damage(path), _open(path) as file:
        try:
            while chunk := file.read(CHUNK_BYTES):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8-sig"


@contextmanager
def _lines(path: Path, encoding: str) -> Iterator[Iterator[list[str]]]:
    if encoding == XLSX:
        yield sheet_rows(path)
        return
    with (
        _damage(path),
        _open(path) as file,
        io.TextIOWrapper(file, encoding, errors="replace", newline="") as text,
    ):
        yield csv.reader(text)


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise NotATable(f"{path} is damaged: {error}") from None
