"""Exports: what is written is read again as the same, and no spreadsheet runs any of it."""

import asyncio
import csv
import json
import os
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from lockstock.cli import cli
from lockstock.client.answers import Shop
from lockstock.client.api import Client
from lockstock.client.session import Session
from lockstock.exports import files as writing
from lockstock.exports.files import CannotWrite, table
from lockstock.exports.service import export_products, export_stock
from lockstock.imports import sheets
from lockstock.imports.files import Table
from lockstock.imports.formulas import guarded, unguarded
from lockstock.imports.products import ProductFile, import_products
from lockstock.imports.report import Account
from lockstock.imports.sheets import NotATable
from tests.servers import environment, running

KINDS = ("csv", "xlsx")
EVIL = '=HYPERLINK("https://evil.example","Tea")'
NAMES = {
    "TEA-1": "Teapot, enamel",
    "-2": "+49 mug",
    "=3": EVIL,
    "@4": "@cup",
    "5": "'quoted",
    "6": "'=quoted",
    "007": "Caf\u00e9 \u2615",
}


@pytest.fixture
async def api(app: FastAPI) -> AsyncIterator[Client]:
    """Lockstock's own client, without a socket between."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with Client("http://testserver", transport=transport) as opened:
        yield opened


async def login_of(api: Client) -> Session:
    await api.register("correct horse battery", email="ann@example.com")
    return await api.log_in("ann@example.com", "correct horse battery")


async def shop_of(session: Session, currency: str = "EUR") -> Shop:
    shop = await session.create_shop("Tea", currency, warehouse={"name": "North"})
    for place, (sku, name) in enumerate(NAMES.items()):
        variants = [{"sku": sku, "price_minor": 1250 + place}]
        product = {"name": name, "description": "-- good\nthing", "variants": variants}
        await session.create_product(shop["id"], product)
    return shop


async def catalogue(session: Session, shop: Shop) -> dict[str, tuple[str, int, str | None]]:
    return {
        variant["sku"]: (product["name"], variant["price"]["amount_minor"], product["description"])
        async for product in session.products(shop["id"])
        for variant in product["variants"]
    }


@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD"])
@pytest.mark.parametrize("kind", KINDS)
async def test_exported_products_are_imported_as_the_same(
    api: Client, tmp_path: Path, kind: str, currency: str
) -> None:
    session = await login_of(api)
    shop = await shop_of(session, currency)
    path = tmp_path / f"products.{kind}"
    assert await export_products(session, shop, path, lambda _done: None) == len(NAMES)
    other = await session.create_shop("Other", currency)
    for target, created in ((other, True), (shop, False)):
        account = Account(dry_run=not created)
        file = ProductFile.open(path, "auto")
        await import_products(session, target, file, account, lambda _done, _total: None)
        assert (account.taken, account.refused) == (len(NAMES), {})
    assert await catalogue(session, other) == await catalogue(session, shop)
    assert await asyncio.to_thread(os.listdir, tmp_path) == [path.name]


@pytest.mark.parametrize("kind", KINDS)
async def test_no_cell_of_an_export_is_a_formula(api: Client, tmp_path: Path, kind: str) -> None:
    session = await login_of(api)
    shop = await shop_of(session)
    path = tmp_path / f"products.{kind}"
    await export_products(session, shop, path, lambda _done: None)
    texts = [text for row in Table.open(path).rows() for text in row.cells.values()]
    assert f"'{EVIL}" in texts
    assert not [text for text in texts if text.startswith(("=", "+", "-", "@"))]


async def test_a_preview_of_products_tells_what_then_happens(api: Client, tmp_path: Path) -> None:
    session = await login_of(api)
    shop = await shop_of(session)
    path = tmp_path / "products.csv"
    rows = [
        "5,'quoted,12.54",
        "TEA-1,Another,1.00",
        "NEW,New,1.00",
        "NEW,New,1.00",
        "a b,x,1",
        "8,y,0",
    ]
    path.write_text("sku,name,price\n" + "\n".join(rows))
    before = await catalogue(session, shop)
    told = []
    for dry_run in (True, False):
        account = Account(dry_run=dry_run)
        file = ProductFile.open(path, "auto")
        await import_products(session, shop, file, account, lambda _done, _total: None)
        told.append((account.taken, account.refused))
        after = await catalogue(session, shop)
        assert after == (before if dry_run else before | {"NEW": ("New", 100, None)})
    assert told[0] == told[1]
    assert told[0][0] == 2
    assert told[0][1]["refused: sku_taken"] == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_stock_is_exported_per_sku_and_warehouse(
    api: Client, tmp_path: Path, kind: str
) -> None:
    session = await login_of(api)
    shop = await shop_of(session)
    [north] = await session.list_warehouses(shop["id"])
    twins = [await session.open_warehouse(shop["id"], "=South") for _ in range(2)]
    found = await session.find_variants(shop["id"], skus=["TEA-1", "=3"])
    ids = {one["sku"]: one["variant_id"] for one in found}
    for place, units in ((north, {ids["TEA-1"]: 5, ids["=3"]: 2}), (twins[0], {ids["=3"]: 9})):
        await session.receive((shop["id"], place["id"]), units, f"key {place['id']}")
    await session.damage((shop["id"], north["id"]), {ids["TEA-1"]: 1}, "mice", "key")
    path = tmp_path / f"stock.{kind}"
    assert await export_stock(session, shop, path, lambda _done: None) == 3
    rows = [dict(row.cells) for row in Table.open(path).rows()]
    told = {(unguarded(row["sku"]), row["warehouse"], row["on_hand"]) for row in rows}
    assert told == {
        ("TEA-1", "North", "4"),
        ("=3", "North", "2"),
        ("=3", twins[0]["id"], "9"),
    }


@given(st.text())
def test_what_is_guarded_is_no_formula_and_is_freed_again(text: str) -> None:
    cell = guarded(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert unguarded(cell) == text


@pytest.mark.parametrize("name", ["a.txt", "a", "a.xls"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CannotWrite), table(tmp_path / name, ["a"]):
        pass


@pytest.mark.parametrize("kind", KINDS)
def test_of_an_export_that_fails_nothing_is_left(tmp_path: Path, kind: str) -> None:
    """Also not of the file that was there before: it stays."""
    path = tmp_path / f"a.{kind}"
    path.write_text("before")

    def fail() -> None:
        with table(path, ["a"]) as writer:
            writer.write([Decimal("1.50")])
            raise OSError

    with pytest.raises(OSError):
        fail()
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [
        (path.name, "before")
    ]


def test_what_a_sheet_has_no_room_for_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MOST_SHEET_ROWS", 3)
    with table(tmp_path / "a.xlsx", ["a"]) as writer:
        writer.write([1])
        writer.write([2])
        with pytest.raises(CannotWrite, match="csv"):
            writer.write([3])


def test_a_damaged_sheet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"no sheet at all")
    with pytest.raises(NotATable, match="XLSX"):
        Table.open(path)


def test_without_the_extra_it_is_said_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else needs it, and no half file is left."""
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"a sheet")
    monkeypatch.setattr(sheets, "calamine", None)
    monkeypatch.setattr(writing, "xlsxwriter", None)
    with pytest.raises(NotATable, match=r"lockstock\[xlsx\]"):
        Table.open(path)
    with pytest.raises(CannotWrite, match=r"lockstock\[xlsx\]"), table(path, ["a"]):
        pass
    assert path.read_bytes() == b"a sheet"


def test_numbers_of_a_sheet_are_read_as_they_are_shown(tmp_path: Path) -> None:
    """A spreadsheet keeps every number as a float; blank rows are none."""
    path = tmp_path / "a.xlsx"
    with table(path, ["SKU", " Price "]) as writer:
        writer.write([85123, Decimal("2.55")])
        writer.write(["", ""])
        writer.write(["085", Decimal("0.10")])
    rows = [dict(row.cells) for row in Table.open(path).rows()]
    assert rows == [{"sku": "85123", "price": "2.55"}, {"sku": "085", "price": "0.1"}]


async def test_the_commands_write_and_preview(database_url: str, tmp_path: Path) -> None:
    """On a server of its own process."""
    path, report = tmp_path / "products.xlsx", tmp_path / "report.csv"
    async with running(environment(database_url)) as (url, _):
        async with Client(url) as client:
            shop = await shop_of(await login_of(client))
        login = ["--url", url, "--email", "ann@example.com", "--password", "correct horse battery"]
        at = ["--shop", shop["id"], *login, "--json"]

        async def run(*words: str) -> Any:
            result = await asyncio.to_thread(CliRunner().invoke, cli, [*words, *at])
            assert result.exit_code == 0, result.output
            return json.loads(result.stdout.splitlines()[-1])

        assert (await run("export", "products", str(path)))["rows"] == len(NAMES)
        assert (await run("export", "stock", str(tmp_path / "stock.csv")))["rows"] == 0
        told = await run("import", "products", str(path), "--dry-run", "--report", str(report))
    assert (told["taken"], told["dry_run"]) == (len(NAMES), True)
    with report.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["outcome"] for row in rows} == {"would be taken"}
    assert {unguarded(row["sku"]) for row in rows} == set(NAMES)
