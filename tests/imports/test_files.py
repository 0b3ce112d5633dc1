"""Reading tables: every row is accounted for, damage is said."""

import gzip
from pathlib import Path

import pytest

from lockstock.imports.files import NotATable, Table

TABLE = 'sku,name,price\n1,"Tea, black",2.50\n\n2,Caf\u00e9,1.00\n'


def test_a_gzipped_table_reads_like_the_plain_one(tmp_path: Path) -> None:
    """Row for row."""
    plain, packed = tmp_path / "a.csv", tmp_path / "a.csv.gz"
    plain.write_text(TABLE, encoding="utf-8")
    packed.write_bytes(gzip.compress(TABLE.encode()))
    rows = list(Table.open(plain).rows())
    assert rows == list(Table.open(packed).rows())
    assert [row.cells["name"] for row in rows] == ["Tea, black", "Caf\u00e9"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_usual_encodings_are_told_apart(tmp_path: Path, encoding: str) -> None:
    """UTF-8 with and without a mark, and what spreadsheets on Windows write."""
    path = tmp_path / "a.csv"
    path.write_text(TABLE, encoding=encoding)
    table = Table.open(path)
    assert table.columns == ("sku", "name", "price")
    assert [row.cells["name"] for row in table.rows()][1] == "Caf\u00e9"


def test_a_row_that_cannot_be_read_is_a_row_with_a_fault(tmp_path: Path) -> None:
    """Too few cells, too many, a cell that never ends: none is skipped, the others are read."""
    path = tmp_path / "a.csv"
    path.write_text(f"sku,name\n1\n1,2,3\n1,{'x' * 200_000}\n4,last\n")
    rows = list(Table.open(path).rows())
    assert [row.fault is None for row in rows] == [False, False, False, True]
    assert [row.number for row in rows] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"no gzip at all", gzip.compress(b"a,b\n" * 9)[:-9]],
    # Named, as a compressed file holds the time and would be called otherwise in each process.
    ids=["empty", "blank", "no gzip", "cut off"],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, not what its name says, or cut off."""
    path = tmp_path / ("a.csv" if not content.strip() else "a.csv.gz")
    path.write_bytes(content)
    with pytest.raises(NotATable):
        list(Table.open(path).rows())
