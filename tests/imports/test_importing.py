"""Imports through the API: every row is taken or refused with a reason."""

import asyncio
import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lockstock.client.answers import Shop
from lockstock.client.api import Client
from lockstock.client.session import Session
from lockstock.imports.cli import app as commands
from lockstock.imports.files import NotATable
from lockstock.imports.products import ProductFile, WrongCurrency, import_products
from lockstock.imports.report import Account, account_of
from lockstock.imports.rules import NO_GOODS, NOT_EXACT, NOT_POSITIVE
from lockstock.imports.stock import import_stock, open_stock
from tests.servers import environment, running

SAMPLE = Path(__file__).parent.parent / "replay" / "sample.csv"


async def shop_of(api: Client, currency: str = "GBP") -> tuple[Session, Shop]:
    await api.register("correct horse battery", email="ann@example.com")
    session = await api.log_in("ann@example.com", "correct horse battery")
    return session, await session.create_shop("Gifts", currency, warehouse={"name": "North"})


async def take(session: Session, shop: Shop, path: Path, account: Account | None = None) -> Account:
    account = account or Account()
    file = ProductFile.open(path, "auto")
    await import_products(session, shop, file, account, lambda _done, _total: None)
    return account


async def prices(session: Session, shop: Shop) -> dict[str, tuple[str, int]]:
    return {
        variant["sku"]: (product["name"], variant["price"]["amount_minor"])
        async for product in session.products(shop["id"])
        for variant in product["variants"]
    }


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


async def test_online_retail_becomes_one_product_per_code(api: Client, tmp_path: Path) -> None:
    """The most frequent name and price, in pence; every row is in the report, once."""
    session, shop = await shop_of(api)
    report = tmp_path / "report.csv"
    with account_of(report) as account:
        await take(session, shop, SAMPLE, account)
    assert await prices(session, shop) == {
        "10001": ("TEAPOT, ENAMEL", 850),
        "10002A": ("TEA COSY KNITTED", 325),
        "10003": ("PAPER LANTERN", 165),
        "10005": ("BIRDHOUSE", 415),
        "10006": ("10006", 210),
    }
    assert account.refused == {
        NO_GOODS: 5,
        NOT_POSITIVE: 2,
        NOT_EXACT: 1,
        "row cannot be read: not as many cells as columns": 1,
    }
    with report.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["row"]) for row in rows] == list(range(1, account.rows + 1))
    assert sum(row["outcome"] == "taken" for row in rows) == account.taken
    assert account.rows == len(SAMPLE.read_text(encoding="utf-8").splitlines()) - 1


async def test_the_same_file_twice_is_the_same_products(api: Client) -> None:
    """An import that broke off can be repeated."""
    session, shop = await shop_of(api)
    first = await take(session, shop, SAMPLE)
    before = await prices(session, shop)
    again = await take(session, shop, SAMPLE)
    assert (again.taken, again.refused) == (first.taken, first.refused)
    assert await prices(session, shop) == before


async def test_what_the_shop_has_under_another_price_is_refused(
    api: Client, tmp_path: Path
) -> None:
    """An import changes no product that is there."""
    session, shop = await shop_of(api)
    await take(session, shop, table(tmp_path / "a.csv", "sku,name,price", "T1,Teapot,8.50"))
    account = await take(
        session, shop, table(tmp_path / "b.csv", "sku,name,price", "T1,Teapot,9.00", "T2,Cup,3")
    )
    assert (account.taken, account.refused) == (1, {"refused: sku_taken": 1})
    assert await prices(session, shop) == {"T1": ("Teapot", 850), "T2": ("Cup", 300)}


async def test_prices_of_plain_csv_have_the_decimals_of_the_currency(
    api: Client, tmp_path: Path
) -> None:
    """Yen have none."""
    session, shop = await shop_of(api, "JPY")
    path = table(tmp_path / "a.csv", "sku,name,price", "T1,Teapot,850", "T2,Cup,3.50", ",Can,1")
    account = await take(session, shop, path)
    assert await prices(session, shop) == {"T1": ("Teapot", 850)}
    assert account.refused == {NOT_EXACT: 1, "no SKU": 1}


async def test_pounds_do_not_become_euros(api: Client) -> None:
    """Online Retail has prices in pounds."""
    session, shop = await shop_of(api, "EUR")
    with pytest.raises(WrongCurrency):
        await take(session, shop, SAMPLE)


async def test_stock_is_received_once_per_file(api: Client, tmp_path: Path) -> None:
    """Per warehouse by name or id; what is not known is refused; a second time adds nothing."""
    session, shop = await shop_of(api)
    [north] = await session.list_warehouses(shop["id"])
    await take(session, shop, table(tmp_path / "p.csv", "sku,name,price", "T1,Teapot,8.50"))
    rows = ("T1,North,5", f"T1,{north['id']},7", "T1,South,1", "T9,North,1", "T1,north,0", "T1,x")
    stock = open_stock(table(tmp_path / "s.csv", "sku,warehouse,quantity", *rows))
    for _ in range(2):
        account = Account()
        await import_stock(session, shop, stock, account, lambda _done: None)
        assert account.taken == 2
        assert account.refused.total() == 4
        [row] = (await session.stock(shop["id"]))["items"]
        assert row["on_hand"] == 12


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    """With what was looked for and what is there."""
    path = table(tmp_path / "a.csv", "name,colour", "Teapot,red")
    with pytest.raises(NotATable, match="name, colour"):
        ProductFile.open(path, "auto")
    with pytest.raises(NotATable, match="quantity"):
        open_stock(path)
    with pytest.raises(NotATable):
        ProductFile.open(SAMPLE, "csv")


async def test_the_command_opens_a_shop_and_accounts_for_each_row(database_url: str) -> None:
    """On a server of its own process, with an owner of its own, whose login is printed."""
    async with running(environment(database_url)) as (url, _):
        words = ["products", str(SAMPLE), "--new-shop", "Gifts", "--url", url, "--json"]
        result = await asyncio.to_thread(CliRunner().invoke, commands, words)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    assert found["taken"] + sum(found["refused"].values()) == found["rows"]
    assert "password" in result.stderr


async def test_a_file_of_which_nothing_is_taken_is_a_failure(
    database_url: str, tmp_path: Path
) -> None:
    """So that a script does not go on as if it were in; some rows are enough to go on."""
    bad = table(tmp_path / "bad.csv", "sku,name,price", "A1,Tea,-1", "A2,Tea,x")
    mixed = table(tmp_path / "mixed.csv", "sku,name,price", "A1,Tea,-1", "A2,Tea,1")
    codes = []
    async with running(environment(database_url)) as (url, _):
        for path in (bad, mixed):
            words = ["products", str(path), "--new-shop", "Gifts", "--url", url]
            result = await asyncio.to_thread(CliRunner().invoke, commands, words)
            codes.append(result.exit_code)
    assert codes == [1, 0]
