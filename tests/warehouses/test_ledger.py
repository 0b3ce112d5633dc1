"""Units that leave the books, and what the ledger knows of the past."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from lockstock.kernel.errors import InvalidInput
from lockstock.kernel.nouns import MOST_UNITS
from lockstock.warehouses.contract import Line, Warehouse
from lockstock.warehouses.stock.contract import (
    BelowPromised,
    Movement,
    MovementList,
    StockList,
    TakeAway,
)
from tests.conftest import OpenShop, Register
from tests.warehouses.depot import Depot, cause, variant


def taking(units: int, name: str = "tea") -> TakeAway:
    return TakeAway(lines=[Line(variant_id=variant(name), quantity=units)], reason="fell down")


async def ledger(depot: Depot, **asked: Any) -> list[Movement]:
    return (await depot.stock.movements(depot.shop_id, MovementList(**asked))).items


async def past(depot: Depot, as_of: datetime) -> dict[tuple[Any, Any], int]:
    page = await depot.stock.past_stock(depot.shop_id, StockList(as_of=as_of))
    return {(row.warehouse_id, row.variant_id): row.on_hand for row in page.items}


@pytest.mark.parametrize("kind", ["write_off", "damage"])
async def test_what_leaves_the_books_is_a_kind_of_its_own(depot: Depot, kind: str) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5)
    verb, own = getattr(depot.stock, kind), cause()
    first = await verb(depot.shop_id, main.id, taking(2), own)
    assert await verb(depot.shop_id, main.id, taking(2), own) == first
    assert [row.on_hand for row in first] == [3]
    newest = (await ledger(depot))[0]
    assert (newest.kind, newest.delta, newest.reason) == (kind, -2, "fell down")


@pytest.mark.parametrize("kind", ["write_off", "damage"])
async def test_no_promised_unit_leaves_the_books(depot: Depot, kind: str) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5)
    ask = depot.asking(tea=4)
    await depot.reserve(ask)
    verb = getattr(depot.stock, kind)
    with pytest.raises(BelowPromised) as caught:
        await verb(depot.shop_id, main.id, taking(2), cause())
    assert [order["order_id"] for order in caught.value.fields["orders"]] == [str(ask.order_id)]
    [row] = await verb(depot.shop_id, main.id, taking(1), cause())
    assert (row.on_hand, row.available) == (4, 0)
    with pytest.raises(BelowPromised):
        await verb(depot.shop_id, main.id, taking(MOST_UNITS), cause())


async def test_stock_is_known_as_of_every_moment_of_the_ledger(depot: Depot) -> None:
    north, south = await depot.open("north", "south")
    before = datetime.now(UTC) - timedelta(days=1)
    await depot.receive(north, tea=5, cup=2)
    await depot.receive(south, tea=1)
    await depot.stock.write_off(depot.shop_id, north.id, taking(4), cause())
    told = list(reversed(await ledger(depot)))
    levels: dict[tuple[Any, Any], int] = {}
    moments = sorted({movement.occurred_at for movement in told})
    for moment in moments:
        for movement in told:
            if movement.occurred_at == moment:
                levels[movement.warehouse_id, movement.variant_id] = movement.balance
        assert await past(depot, moment) == levels
        earlier = await past(depot, moment - timedelta(microseconds=1))
        assert earlier != levels
    assert await past(depot, before) == {}
    assert len(moments) == 3


async def test_the_future_is_not_told(depot: Depot) -> None:
    with pytest.raises(InvalidInput, match="as_of"):
        await past(depot, datetime.now(UTC) + timedelta(hours=1))


async def test_the_past_comes_page_by_page(depot: Depot) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5, cup=2, can=3)
    [newest, *_] = await ledger(depot)
    seen, cursor = [], None
    while True:
        ask = StockList(as_of=newest.occurred_at, limit=2, cursor=cursor)
        page = await depot.stock.past_stock(depot.shop_id, ask)
        seen += [row.on_hand for row in page.items]
        cursor = page.next
        if cursor is None:
            break
        with pytest.raises(InvalidInput):
            await depot.stock.stock(depot.shop_id, StockList(cursor=cursor))
    assert sorted(seen) == [2, 3, 5]


async def test_the_ledger_is_filtered_by_kind_and_time(depot: Depot) -> None:
    [main] = await depot.open("main")
    for _ in range(3):
        await depot.receive(main, tea=2)
        await depot.stock.damage(depot.shop_id, main.id, taking(1), cause())
    told = await ledger(depot)
    assert [m.kind for m in await ledger(depot, kind="damage")] == ["damage"] * 3
    since, until = told[4].occurred_at, told[1].occurred_at
    assert await ledger(depot, since=since, until=until) == told[2:5]
    assert await ledger(depot, since=since, until=until, kind="receive") == told[3:4]
    page = await depot.stock.movements(depot.shop_id, MovementList(kind="damage", limit=2))
    ask = MovementList(kind="damage", limit=2, cursor=page.next)
    rest = await depot.stock.movements(depot.shop_id, ask)
    assert [*page.items, *rest.items] == [m for m in told if m.kind == "damage"]
    with pytest.raises(InvalidInput):
        await depot.stock.movements(depot.shop_id, MovementList(cursor=page.next))


async def test_writing_off_and_buying_never_take_the_same_unit(depot: Depot) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=10)

    async def off(warehouse: Warehouse) -> int:
        try:
            await depot.stock.write_off(depot.shop_id, warehouse.id, taking(1), cause())
        except BelowPromised:
            return 0
        return 1

    taken = await asyncio.gather(
        *(off(main) for _ in range(12)), *(depot.reserve(depot.asking(tea=1)) for _ in range(12))
    )
    row = await depot.row(main, "tea")
    assert row.on_hand == 10 - sum(one for one in taken if isinstance(one, int))
    assert row.available == 0


async def test_the_past_over_http(
    client: httpx2.AsyncClient, register: Register, open_shop: OpenShop
) -> None:
    owner = await register()
    shop = await open_shop(owner)
    path, headers = f"/v1/shops/{shop['id']}", owner.headers
    body = {"name": "Tea", "variants": [{"sku": "TEA", "price_minor": 450}]}
    tea = (await client.post(f"{path}/products", json=body, headers=headers)).json()
    line = {"variant_id": tea["variants"][0]["id"], "quantity": 3}
    first = f"{path}/warehouses/{shop['warehouses'][0]['id']}"
    await client.post(f"{first}/receive", json={"lines": [line]}, headers=headers)
    gone = {"lines": [line | {"quantity": 1}], "reason": "mice"}
    for left, verb in ((2, "write-off"), (1, "damage")):
        answer = await client.post(f"{first}/{verb}", json=gone, headers=headers)
        assert answer.json()["items"][0]["on_hand"] == left
        lacking = await client.post(f"{first}/{verb}", json={"lines": [line]}, headers=headers)
        assert lacking.status_code == 422

    told = (await client.get(f"{path}/movements?kind=receive", headers=headers)).json()["items"]
    moment = told[0]["occurred_at"]
    answer = await client.get(f"{path}/stock", params={"as_of": moment}, headers=headers)
    [row] = answer.json()["items"]
    assert row == {
        "warehouse_id": shop["warehouses"][0]["id"],
        "variant_id": line["variant_id"],
        "on_hand": 3,
        "as_of": moment,
    }
    params = {"since": moment, "kind": "damage"}
    answer = await client.get(f"{path}/movements", params=params, headers=headers)
    assert [item["delta"] for item in answer.json()["items"]] == [-1]
    for bad in ("yesterday", "1700000000", "2026-01-01", "2026-02-30T00:00:00Z", "", "2026"):
        for asked in ("stock?as_of", "movements?since", "movements?until"):
            refused = await client.get(f"{path}/{asked}={bad}", headers=headers)
            assert refused.status_code == 422, (asked, bad, refused.text)
            assert refused.json()["errors"][0]["path"] == asked.partition("?")[2]
    for bad in ("0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59Z", "2026-01-01T00:00:00"):
        refused = await client.get(f"{path}/stock?as_of={bad}", headers=headers)
        assert refused.status_code == 422, bad
    assert (await client.get(f"{path}/movements?kind=theft", headers=headers)).status_code == 422
