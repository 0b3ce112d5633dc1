"""What happened before there was a log is told too."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lockstock import orders
from lockstock.kernel.database import Connection, Database, Row
from tests.orders.market import Market

REVISION = Path(orders.__path__[0]) / "migrations" / "0004_outbox.py"


async def test_orders_of_before_are_told_as_if_the_log_had_been_there(database: Database) -> None:
    market = await Market(database).open()
    await market.place()
    order = await market.place(2)
    await market.pay(order)
    spec = importlib.util.spec_from_file_location("revision", REVISION)
    assert spec is not None
    assert spec.loader is not None
    revision = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(revision)

    async def work(connection: Connection) -> tuple[object, object]:
        told = (
            "SELECT kind, subject_id, data, occurred_at FROM orders.outbox"
            " WHERE kind LIKE 'order.%' ORDER BY kind, subject_id"
        )
        before = await connection.fetch(told)
        await connection.execute("DELETE FROM orders.outbox")
        for statement in revision.STATEMENTS[1:]:
            await connection.execute(statement)
        return _plain(before), _plain(await connection.fetch(told))

    before, after = await database.transaction(work)
    assert before == after
    await market.check()


def _plain(rows: Sequence[Row]) -> list[dict[str, Any]]:
    # PostgreSQL writes times its own way; the text of this one is no promise.
    return [
        {**row, "data": {k: v for k, v in row["data"].items() if k != "expires_at"}} for row in rows
    ]
