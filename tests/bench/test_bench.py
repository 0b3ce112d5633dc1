"""The benchmark is sound: every workload sells, what is not sound has no figure."""

import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import asyncpg
import pytest

from bench import workloads
from bench.__main__ import measure
from bench.driver import Driver, Run, Unsound, check
from bench.figures import GOALS, QUICK, Curve, Effort, Plot, Section
from bench.measures.counted import ORDERS_OF_REFERENCE, Rounds, Subject
from bench.plots import drawn
from bench.reference import stage as reference
from bench.report import NOTES, Results, table, write
from bench.seed import Past
from bench.servers import SIGNING_KEY, lockstock
from bench.stage import Stage, pages

VARIANTS = 30
FEW = Effort(rounds=1, seconds=1, listed=VARIANTS, variants=VARIANTS)


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_every_workload_sells_and_the_audit_holds(stage: Stage) -> None:
    """Each of them, a handful of requests, counted against the rows that they leave."""
    shop = await stage.fill("one", VARIANTS, Past(open=90, due=30))
    rounds = Rounds(stage, FEW)
    async with lockstock(stage.databases.url("one"), sweep_seconds="0") as server:
        subject = Subject("one", "one", server)
        listed = await pages(server, shop)
        works = [workloads.flash(shop), workloads.alike(shop), workloads.zipf(shop)]
        works += [workloads.retries(shop), workloads.mixed(shop, listed)]
        for work in works:
            await rounds.measure(subject, work)
        few = replace(shop, scarce_count=1)
        refused = await rounds.measure(subject, workloads.scarce(few))
        assert 0 < refused.statuses["201"] <= 5
        assert refused.statuses["409"] > 0
        for work in (workloads.listing(listed), workloads.events(shop, 30, 60, SIGNING_KEY)):
            await stage.driver.drive(server.address, work)
        if shutil.which("wrk"):
            wrk = Driver(stage.driver.directory, stage.driver.buyers)
            paid = replace(works[0], statuses=frozenset({200, 201, 202}), is_paid=True)
            run = await wrk.drive(server.address, paid, connections=2, seconds=2)
            assert run.statuses["202"] > 0
    await stage.audit("one")


async def test_the_reference_sells_and_does_not_oversell(stage: Stage) -> None:
    """It is a fair one: it keeps its promises, and its own check would see where not."""
    shop = stage.shop(VARIANTS)
    few = replace(shop, scarce_count=1)
    await reference.fill(stage.databases, "reference", shop)
    rounds = Rounds(stage, FEW)
    async with reference.serving(stage.databases, "reference") as server:
        subject = Subject("reference", "reference", server, ORDERS_OF_REFERENCE)
        for work in (workloads.flash(shop), workloads.alike(shop), workloads.retries(shop)):
            await rounds.measure(subject, work)
        refused = await rounds.measure(subject, workloads.scarce(few))
        assert 0 < refused.statuses["201"] <= 5
        assert refused.statuses["409"] > 0
    await reference.check(stage.databases, "reference")
    await _execute(
        stage.databases.url("reference"),
        "ALTER TABLE stock DROP CONSTRAINT never_oversold",
        "UPDATE stock SET on_hand = held - 1 WHERE held > 0",
    )
    with pytest.raises(Unsound, match="oversold"):
        await reference.check(stage.databases, "reference")


async def test_a_run_whose_audit_fails_has_no_figures(stage: Stage) -> None:
    """A shop that sold by hand what it did not have gives its reason, and nothing else."""

    async def oversell(on: Stage, _effort: Effort) -> Section:
        await on.fill("broken", VARIANTS)
        section = Section("Broken")
        section.reach("P1", [1_000.0])
        await _execute(
            on.databases.url("broken"),
            "ALTER TABLE warehouses.stock DROP CONSTRAINT never_oversold",
            "UPDATE warehouses.stock SET held = on_hand + 1",
        )
        await on.audit("broken")
        return section

    if shutil.which("wrk") is None:
        pytest.skip("the machine is described with its wrk")
    results = await measure({"broken": oversell}, stage, FEW)
    assert results.goal("P1") is None
    assert "I1" in results.unsound["broken"]
    assert "| P1 |" in table(results)
    assert "| 1,000 |" not in table(results)


async def test_a_past_that_was_loaded_passes_the_audit(stage: Stage) -> None:
    """Shipped orders, with payment and ledger: not a round number for any stock row."""
    await stage.fill("past", VARIANTS, Past(shipped=457))
    await stage.audit("past")


@pytest.mark.parametrize("statuses", [{"201": 3, "500": 1}, {"404": 2}, {}])
def test_answers_that_have_no_place_give_no_figure(statuses: dict[str, int]) -> None:
    """An error is not a slow checkout."""
    run = Run(1.0, 1.0, 1.0, 1.0, 0, statuses)
    with pytest.raises(Unsound):
        check(run, workloads.Workload("flash", []))


def test_the_report_says_what_is_met_and_keeps_the_notes(tmp_path: Path) -> None:
    """A goal by its median; what was written by hand below stays."""
    section = Section("Checkouts")
    section.reach("P1", [10.0, 60.0, 70.0])
    section.reach("P5", [9.0, 11.0, 12.0])
    section.plots.append(Plot("a", "A", "connections", "ms", [Curve("one", [(1, 2), (16, 9)])]))
    (tmp_path / "performance.md").write_text(f"old\n{NOTES}\nBy hand.\n")
    path = write(Results(["a machine"], [section]), tmp_path)
    text = path.read_text()
    assert "| 60 (10 to 70) | met |" in text
    assert "| 11 (9 to 12) | **not met** |" in text
    assert text.count("| not measured |") == len(GOALS) - 2
    assert text.endswith("By hand.\n")
    ElementTree.fromstring((tmp_path / "performance" / "a.svg").read_text())  # noqa: S314 (our own)
    assert drawn(section.plots[0]).startswith("<svg")


def test_the_quick_run_leaves_out_what_takes_long() -> None:
    """Three minutes have no room for ten million orders."""
    assert QUICK.sizes == ()
