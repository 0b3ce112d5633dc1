"""Replays through the API, and the audit after them."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from lockstock.audit.service import audit, report
from lockstock.client.api import Client
from lockstock.kernel.database import Database
from lockstock.replay.cli import Audited, add_to
from lockstock.replay.floor import CLOSED, MOVED, NOTHING_TO_MOVE, REOPENED, Pace
from lockstock.replay.runs import Options, Ran, Telling, read_script, run_replay
from lockstock.replay.summary import (
    CANCELLED,
    NEVER_PAID,
    NOT_BOUGHT,
    NOTHING_TO_RETURN,
    NOTHING_TO_SELL,
    RETURNED,
    RETURNED_IN_PART,
    SHIPPED,
    UNPAID,
)
from tests.servers import ROOT, environment, running

SAMPLE = Path(__file__).with_name("sample.csv")
REAL = ROOT.parent / "shared" / "data" / "online-retail"
REAL_FILES = sorted(REAL.glob("*.csv*"))


async def replay(api: Client, path: Path, options: Options) -> Ran:
    script = read_script(path, options.most_invoices)
    return await run_replay(api, "Replay", script, options, Telling())


async def holds(database: Database) -> None:
    verdict = await audit(database)
    assert verdict.holds, "\n".join(report(verdict))


async def test_each_invoice_of_a_dirty_file_ends_as_it_should(
    api: Client, database: Database
) -> None:
    """Sold, returned, or refused with a reason; nothing is skipped, nothing breaks."""
    # Nobody shall be left unpaid by count: who is depends on nothing else here.
    options = Options(pace=Pace(unpaid_every=11), concurrency=8, reservation_seconds=600)
    ran = await replay(api, SAMPLE, options)
    summary = ran.summary
    assert summary.problems == []
    assert summary.outcomes == {
        SHIPPED: 10,
        UNPAID: 1,
        NOTHING_TO_SELL: 5,
        RETURNED: 4,
        RETURNED_IN_PART: 1,
        CANCELLED: 1,
        NOTHING_TO_RETURN: 2,
        NOT_BOUGHT: 2,
    }
    assert summary.row_outcomes == {
        SHIPPED: 15,
        UNPAID: 1,
        RETURNED: 4,
        RETURNED_IN_PART: 1,
        CANCELLED: 1,
        NOT_BOUGHT: 2,
        "refused: no goods": 5,
        "refused: no usable price: not a whole number of minor units": 1,
        "refused: no readable date": 1,
        "refused: quantity is not a whole number": 2,
        "refused: quantity is too large": 1,
        "refused: quantity is zero or less": 1,
        "refused: quantity of a return is not below zero": 1,
        "refused: no usable price: zero or less": 1,
        "refused: no invoice number": 1,
        "refused: row cannot be read: not as many cells as columns": 1,
    }
    assert summary.unpaid_orders == {"cancelled": 1}
    await holds(database)


async def test_an_order_that_nobody_pays_expires(api: Client, database: Database) -> None:
    """And goods of it cannot come back: they were never paid."""
    pace = Pace(close_every=6, closed_for=3, move_every=5, unpaid_every=2)
    ran = await replay(api, SAMPLE, Options(concurrency=4, reservation_seconds=600, pace=pace))
    summary = ran.summary
    assert summary.problems == []
    assert summary.outcomes[UNPAID] == 5
    assert summary.unpaid_orders.total() == 5
    assert summary.outcomes[NEVER_PAID]
    assert summary.floor[CLOSED] == summary.floor[REOPENED] > 1
    assert summary.floor[MOVED] + summary.floor[NOTHING_TO_MOVE] > 1
    await holds(database)


async def test_two_replays_do_not_meet(api: Client, database: Database) -> None:
    """Each has a shop and customers of its own, also on one server, at the same time."""
    options = Options(concurrency=4, reservation_seconds=600)
    script = read_script(SAMPLE, None)
    ran = await asyncio.gather(
        *(run_replay(api, "Replay", script, options, Telling()) for _ in range(2))
    )
    assert len({one.shop_id for one in ran}) == 2
    assert ran[0].summary.problems == ran[1].summary.problems == []
    assert ran[0].summary.outcomes == ran[1].summary.outcomes
    await holds(database)


@pytest.mark.parametrize("audited", [True, False])
async def test_the_command_ends_as_its_audit_does(database_url: str, audited: bool) -> None:
    """Exit code 0 where all is accounted for and the audit holds, else 1."""

    async def audit_of_it() -> Audited:
        return Audited(audited, ["what the audit says"])

    cli = typer.Typer()
    cli.callback()(lambda: None)
    add_to(cli, audit_of_it)
    env = {**environment(database_url), "COLUMNS": "200"}
    words = ["replay", str(SAMPLE), "--limit", "12", "--json"]
    result = await asyncio.to_thread(CliRunner(env=env).invoke, cli, words)
    assert result.exit_code == (0 if audited else 1), result.output
    # All of stdout is one JSON value.
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["audit_holds"] is audited
    assert sum(found["outcomes"].values()) == found["invoices"] == 12
    assert sum(found["row_outcomes"].values()) == found["rows"]
    assert found["problems"] == []


@pytest.mark.slow
@pytest.mark.skipif(not REAL_FILES, reason=f"Online Retail is not at {REAL}")
async def test_a_few_hundred_real_invoices_are_all_accounted_for(
    database_url: str, database: Database
) -> None:
    """On a server process of its own, with many customers at once; the audit holds after it."""
    script = read_script(REAL_FILES[0], 250)
    async with running(environment(database_url)) as (url, _), Client(url) as api:
        ran = await run_replay(api, "Replay", script, Options(reservation_seconds=600), Telling())
    summary = ran.summary
    assert summary.problems == []
    assert summary.outcomes.total() == 250
    assert summary.outcomes[SHIPPED] > 150
    assert summary.outcomes[RETURNED] > 0
    assert summary.unpaid_orders == Counter({"awaiting_payment": summary.outcomes[UNPAID]})
    await holds(database)
