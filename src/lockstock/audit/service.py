"""Runs the invariants of `invariants.sql` and returns the rows that offend them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from lockstock.kernel.database import Connection, Database

MOST_ROWS = 20

_HEAD = re.compile(r"^-- (I\d+[a-z]?) (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Invariant:
    """A promise, and the statement whose rows break it."""

    name: str
    sentence: str
    statement: str


@dataclass(frozen=True)
class Finding:
    """An invariant, with up to 20 rows that break it. None: it holds."""

    invariant: Invariant
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class Verdict:
    """What the audit found, and what it looked at."""

    findings: list[Finding]
    figures: dict[str, int]

    @property
    def holds(self) -> bool:
        """Whether every invariant holds."""
        return not any(finding.rows for finding in self.findings)


def invariants() -> list[Invariant]:
    """Read the invariants: each a line `-- I2 sentence`, then one statement."""
    text = resources.files(__package__).joinpath("invariants.sql").read_text()
    heads = list(_HEAD.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return [
        Invariant(head[1], head[2], text[head.end() : end].strip().rstrip(";"))
        for head, end in zip(heads, ends, strict=True)
    ]


FIGURES = """
    SELECT
        (SELECT count(*) FROM warehouses.stock) AS stock_rows,
        (SELECT coalesce(sum(on_hand), 0) FROM warehouses.stock)::bigint AS units_on_hand,
        (SELECT count(*) FROM warehouses.movements) AS movements,
        (SELECT count(*) FROM warehouses.reservations) AS reservations,
        (SELECT count(*) FROM orders.orders) AS orders,
        (SELECT count(*) FROM warehouses.stock WHERE held + committed > on_hand) AS oversold
"""


async def audit(database: Database) -> Verdict:
    """Check every invariant, all on one snapshot, so that it can be run while shops sell."""

    async def work(connection: Connection) -> Verdict:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            # The longest statement sums all ledgers; the limit for requests is not for this.
            await connection.execute(NO_TIMEOUT)
            findings = [await _check(connection, one) for one in invariants()]
            figures = await connection.fetchrow(FIGURES)
            assert figures is not None  # noqa: S101 (it has no FROM)
            return Verdict(findings, dict(figures))

    return await database.read(work)


NO_TIMEOUT = "SET LOCAL statement_timeout = 0"


async def _check(connection: Connection, invariant: Invariant) -> Finding:
    cursor = await connection.cursor(invariant.statement)
    return Finding(invariant, [dict(row) for row in await cursor.fetch(MOST_ROWS)])


def report(verdict: Verdict) -> Sequence[str]:
    """Write the verdict as lines for people: one per invariant, its offending rows below it."""
    lines = []
    for finding in verdict.findings:
        mark = "BROKEN" if finding.rows else "ok"
        lines.append(f"{mark:>6}  {finding.invariant.name:<4} {finding.invariant.sentence}")
        lines += [
            "        " + ", ".join(f"{key}={value}" for key, value in row.items())
            for row in finding.rows
        ]
    looked_at = ", ".join(f"{value:,} {key}" for key, value in verdict.figures.items())
    lines.append(f"looked at: {looked_at.replace('_', ' ')}")
    broken = sum(bool(finding.rows) for finding in verdict.findings)
    lines.append(f"{broken} invariants BROKEN" if broken else "Nothing was oversold. All holds.")
    return lines
