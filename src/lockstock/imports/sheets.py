"""Tables in XLSX, by python-calamine: the first sheet, as text. A formula is what it came to."""

from collections.abc import Iterator
from pathlib import Path

try:
    import python_calamine as calamine
except ImportError:  # of the extra "xlsx"
    calamine = None  # type: ignore[assignment]


class NotATable(ValueError):
    """The file is damaged, or not one of the tables that are read. The message says what to do."""


def sheet_rows(path: Path) -> Iterator[list[str]]:
    """Read the rows of the first sheet, those without any content left out. Raises NotATable."""
    if calamine is None:
        raise NotATable('XLSX is read by an extra: pip install "lockstock[xlsx]"')
    try:
        with calamine.CalamineWorkbook.from_path(path) as book:
            for row in book.get_sheet_by_index(0).iter_rows():
                cells = [_text(cell) for cell in row]
                if any(cells):
                    yield cells
    except (calamine.CalamineError, IndexError) as error:
        raise NotATable(f"{path} is damaged, or no XLSX: {error}") from None


def _text(cell: object) -> str:
    # Spreadsheets keep every number as a float: 6 is 6.0.
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
