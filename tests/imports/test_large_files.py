"""Stock from large files: a stream, the same however often it breaks off and is repeated."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

import pytest

from lockstock.client.answers import Shop, StockRow
from lockstock.client.api import Client
from lockstock.client.session import Session
from lockstock.client.transport import ApiError, Transport
from lockstock.imports.files import Row, Table
from lockstock.imports.report import Account
from lockstock.imports.stock import AT_ONCE, MOST_LINES, import_stock, open_stock

ROWS = 20_000
SKUS = 300
PLACES = ("North", "South", "no such place")


class Breaking(Session):
    """A login whose connection is lost after so many receipts."""

    left = 0

    async def receive(
        self,
        place: tuple[str, str],
        units: Mapping[str, int],
        key: str,
        reason: str | None = None,
    ) -> list[StockRow]:
        """Receive, as long as the connection lasts. The last answer does not arrive."""
        found = await super().receive(place, units, key, reason)
        self.left -= 1
        if self.left < 0:
            raise ApiError(0, "no_answer", "gone", {})
        return found


class Counted(Table):
    """A table that knows how many of its rows were read."""

    read = 0

    def rows(self) -> Iterator[Row]:
        """Count each."""
        for row in super().rows():
            Counted.read += 1
            yield row


async def house(api: Client, login: type[Session] = Session) -> tuple[Session, Shop]:
    await api.register("correct horse battery", email="ann@example.com")
    session = await api.log_in("ann@example.com", "correct horse battery")
    shop = await session.create_shop("Gifts", "GBP", warehouse={"name": "North"})
    await session.open_warehouse(shop["id"], "South")
    for start in range(0, SKUS, 100):
        variants = [{"sku": f"S{start + n}", "price_minor": 1} for n in range(100)]
        await session.create_product(shop["id"], {"name": f"{start}", "variants": variants})
    transport: Transport = session._transport  # noqa: SLF001 (the same login, breaking)
    return login(transport, session._tokens), shop  # noqa: SLF001


def large_file(path: Path) -> tuple[Table, dict[tuple[str, str], int]]:
    """Write rows of known and unknown things; return what should be on hand after them."""
    random, wanted = Random(7), dict[tuple[str, str], int]()
    lines = ["sku,warehouse,quantity"]
    for _ in range(ROWS):
        sku, place = f"S{random.randrange(SKUS + 5)}", random.choice(PLACES)
        quantity = random.randrange(10)
        lines.append(f"{sku},{place},{quantity}")
        if quantity and place != PLACES[2] and int(sku[1:]) < SKUS:
            wanted[sku, place] = wanted.get((sku, place), 0) + quantity
    path.write_text("\n".join(lines))
    return open_stock(path), wanted


async def on_hand(session: Session, shop: Shop) -> dict[tuple[str, str], int]:
    names = {place["id"]: place["name"] for place in await session.list_warehouses(shop["id"])}
    rows = [row async for row in session.all_stock(shop["id"])]
    ids = sorted({row["variant_id"] for row in rows})
    found = await session.find_variants(shop["id"], variant_ids=ids) if ids else []
    skus = {one["variant_id"]: one["sku"] for one in found}
    return {
        (skus[row["variant_id"]], names[row["warehouse_id"]]): row["on_hand"]
        for row in rows
        if row["on_hand"]
    }


@pytest.mark.slow
async def test_an_import_that_breaks_off_is_repeated_until_it_is_done_once(
    api: Client, tmp_path: Path
) -> None:
    session, shop = await house(api, Breaking)
    assert isinstance(session, Breaking)
    table, wanted = large_file(tmp_path / "stock.csv")
    for lasts in (0, 3, 9):
        session.left = lasts
        with pytest.raises(ApiError):
            await import_stock(session, shop, table, Account(), lambda _done: None)
        assert await on_hand(session, shop) != wanted
    session.left = ROWS
    for _ in range(2):
        account = Account()
        await import_stock(session, shop, table, account, lambda _done: None)
        assert account.rows == ROWS
        assert await on_hand(session, shop) == wanted


@pytest.mark.slow
async def test_a_large_file_is_never_held_as_a_whole(api: Client, tmp_path: Path) -> None:
    """What is read and not yet accounted for is a few blocks, however long the file is."""
    session, shop = await house(api)
    table, wanted = large_file(tmp_path / "stock.csv")
    counted = Counted(table.path, table.encoding, table.columns)
    account, waiting = Account(), list[int]()
    await import_stock(
        session, shop, counted, account, lambda done: waiting.append(Counted.read - done)
    )
    assert await on_hand(session, shop) == wanted
    assert len(waiting) > 10
    assert max(waiting) <= (AT_ONCE + len(PLACES)) * MOST_LINES < ROWS / 2


async def test_a_preview_tells_what_then_happens(api: Client, tmp_path: Path) -> None:
    """Row for row, and nothing has happened after it."""
    session, shop = await house(api)
    path = tmp_path / "stock.csv"
    rows = (
        "S1,North,5",
        "S2,South,7",
        "S999,North,1",
        "S1,Nowhere,1",
        "S1,North,-1",
        "a b,North,1",
    )
    path.write_text("sku,warehouse,quantity\n" + "\n".join(rows))
    told = []
    for dry_run in (True, False):
        account = Account(dry_run=dry_run)
        await import_stock(session, shop, open_stock(path), account, lambda _done: None)
        told.append((account.taken, account.refused))
        expected = {} if dry_run else {("S1", "North"): 5, ("S2", "South"): 7}
        assert await on_hand(session, shop) == expected
    assert told[0] == told[1]
    assert told[0][0] == 2


async def test_what_became_known_since_is_never_received_twice(api: Client, tmp_path: Path) -> None:
    """The same file after a SKU was added: its block was received, so it is refused and said."""
    session, shop = await house(api)
    path = tmp_path / "stock.csv"
    path.write_text("sku,warehouse,quantity\nS1,North,5\nNEW,North,7\nS2,South,1\n")
    first = Account()
    await import_stock(session, shop, open_stock(path), first, lambda _done: None)
    new = {"name": "New", "variants": [{"sku": "NEW", "price_minor": 1}]}
    await session.create_product(shop["id"], new)
    again = Account()
    await import_stock(session, shop, open_stock(path), again, lambda _done: None)
    assert again.refused == {"refused: idempotency_key_reused": 2}
    assert await on_hand(session, shop) == {("S1", "North"): 5, ("S2", "South"): 1}
