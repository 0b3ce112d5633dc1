"""The report: the table of goals, all figures, the plots, how to repeat it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import GOALS, Figure, Plot, Section
from bench.plots import drawn

# What people write below this line stays when the report is written anew.
NOTES = "<!-- Below: by hand. `make bench` leaves it alone. -->"


@dataclass
class Results:
    """What a run has given: sound sections, and why the others are not."""

    machine: list[str]
    sections: list[Section] = field(default_factory=list)
    unsound: dict[str, str] = field(default_factory=dict)

    def goal(self, code: str) -> Figure | None:
        """What was reached of a goal, if it was measured."""
        found = [section.goals[code] for section in self.sections if code in section.goals]
        return found[-1] if found else None


def table(results: Results) -> str:
    """Return the goals as a table: target, figure with its spread, met or not."""
    lines = [
        "| | goal | target | measured: median (lowest to highest) | |",
        "|---|---|---|---|---|",
    ]
    for code, goal in GOALS.items():
        figure = results.goal(code)
        reached = "not measured" if figure is None else figure.text
        met = "" if figure is None else ("met" if goal.is_met(figure) else "**not met**")
        lines.append(f"| {code} | {goal.sentence} | {goal.text} | {reached} | {met} |")
    return "\n".join(lines)


def written_report(results: Results, notes: str = "") -> str:
    """Return docs/performance.md. Plots are beside it, in performance/."""
    parts = ["# Performance", INTRODUCTION, "## Goals", table(results), "## Measured on"]
    parts.append("\n".join(f"- {line}" for line in results.machine))
    parts += ["## How it is measured", METHOD, "## Figures"]
    for section in results.sections:
        parts.append(f"### {section.title}")
        parts += list(_section(section))
    for name, reason in results.unsound.items():
        parts.append(f"### {name}\n\nNo figures: {reason}")
    return "\n\n".join([*parts, NOTES]) + "\n" + notes


def _section(section: Section) -> Iterator[str]:
    if section.remarks:
        yield "\n".join(f"- {remark}" for remark in section.remarks)
    if section.figures:
        rows = [f"| {one.name} | {one.text} | {one.unit} |" for one in section.figures]
        yield "\n".join(["| what | median (lowest to highest) | unit |", "|---|---|---|", *rows])
    for plot in section.plots:
        if plot.curves:
            yield f"![{plot.title}](performance/{plot.name}.svg)"


def write(results: Results, folder: Path) -> Path:
    """Write the report and its plots into a folder of documents; keep the notes there are."""
    path = folder / "performance.md"
    notes = ""
    if path.exists():
        _, _, notes = path.read_text(encoding="utf-8").partition(f"{NOTES}\n")
    pictures = folder / "performance"
    pictures.mkdir(parents=True, exist_ok=True)
    for plot in _plots(results.sections):
        (pictures / f"{plot.name}.svg").write_text(drawn(plot), encoding="utf-8")
    path.write_text(written_report(results, notes), encoding="utf-8")
    return path


def _plots(sections: Sequence[Section]) -> Iterator[Plot]:
    for section in sections:
        yield from (plot for plot in section.plots if plot.curves)


INTRODUCTION = """\
What Lockstock does in a second, beside what most teams write and beside what PostgreSQL does by
itself. `make bench` writes this page; nothing on it was typed in. Each run of it ends with
`lockstock audit` on every database that it used, and each burst of requests with a count: as many
new orders as answers that say so. What fails either gives no figure."""

METHOD = """\
- Everything goes through HTTP on the loopback, with the login verified, an idempotency key of its
  own for each checkout, both transactions (reserve, place) and durable commits. The load driver
  is wrk with a script of ours (`bench/driver.lua`), one thread, on the same cores; what it
  reaches against a server that does nothing is below.
- Ratios are of things that were measured in the same round, one right after the other, all
  servers up all the time on one PostgreSQL. The spread is over the rounds.
- The driver is a closed loop: each connection asks again when it was answered. So a server that
  stalls is asked less, and few requests see the stall. wrk adds to its percentiles the requests
  that a steady pace would have sent meanwhile; that is an estimate, not a measurement. The
  latencies are those of 64 (or 1, 16, 256) impatient buyers, not those of a given arrival rate.
- 503 answers (the server turns buyers away early) are no checkouts; they are noted where there
  were any. A refusal for lack of stock counts as an answer where stock is scarce, and nowhere
  else.
- 20,000 buyers, each with a token signed beforehand: a token comes back after 20,000 requests, so
  what a server remembers of tokens helps from the second time on. Logging in is not measured.
- Shops have 1,000 variants in 5 warehouses where nothing else is said. One variant of the flash
  sale, in one warehouse.
- The reference (`bench/reference/`) is FastAPI, SQLAlchemy's async ORM on asyncpg, uvicorn with
  uvloop and httptools: one transaction for each order, rows locked in one order, the same token,
  key, rows and answer. It does less: no split of a line, no exact deadline.
- pgbench runs hand-written SQL with prepared statements over the socket, without HTTP, at the
  client count of 1 to 32 that does most. One order, one line, one allocation, the counter last.
- Past orders are shipped, with payment, transitions and ledger, loaded by SQL; the audit holds
  for them as for any.

To repeat it: `make bench` (an hour or two, and 60 GB of disk for the largest shop), or
`make bench-quick` (three minutes, P1 to P5, P7 and P8). `.venv/bin/python -m bench --help` says how
to run a part. `bench/peers/README.md` compares with other systems."""
