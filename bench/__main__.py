"""Runs the benchmark: `python -m bench --help`."""

import argparse
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from bench import machine, report, running
from bench.driver import Unsound
from bench.figures import FULL, QUICK, Effort, Section
from bench.measures.checkout import checkouts, driver_ceiling, everything
from bench.measures.footprint import footprint
from bench.measures.freshness import freshness
from bench.measures.growth import growth
from bench.measures.holds import deadline, expiry
from bench.measures.listing import listing
from bench.measures.payments import payments
from bench.stage import Stage, stage

Measure = Callable[[Stage, Effort], Awaitable[Section]]

MEASURES: dict[str, Measure] = {
    "driver": driver_ceiling,
    "checkouts": checkouts,
    "listing": listing,
    "payments": payments,
    "freshness": freshness,
    "deadline": deadline,
    "footprint": footprint,
    "expiry": expiry,
    "workloads": everything,
    "growth": growth,
}
IN_QUICK = ("driver", "checkouts", "listing")


def say(words: str) -> None:
    """Tell whoever waits."""
    print(words, file=sys.stderr, flush=True)


async def run(names: list[str], effort: Effort) -> report.Results:
    """Set the stage and measure."""
    async with stage() as set_up:
        return await measure({name: MEASURES[name] for name in names}, set_up, effort)


async def measure(measures: Mapping[str, Measure], set_up: Stage, effort: Effort) -> report.Results:
    """Measure; a measurement that is unsound gives its reason and nothing else."""
    results = report.Results(await machine.describe(set_up))
    for name, work in measures.items():
        began = time.monotonic()
        say(f"{name} …")
        try:
            results.sections.append(await work(set_up, effort))
        except Unsound as reason:
            results.unsound[name] = str(reason)
        say(f"{name}: {time.monotonic() - began:.0f} s")
    return results


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="P1 to P5, P7, P8 in small")
    parser.add_argument("--only", nargs="+", choices=MEASURES, help="these measurements")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="write the report there")
    parser.add_argument("--rounds", type=int, help="how often each thing is measured")
    parser.add_argument("--seconds", type=int, help="how long each time")
    return parser.parse_args()


def main() -> None:
    """Measure, print the table, write the report. Exit code 1: something was unsound."""
    asked = arguments()
    effort = (QUICK if asked.quick else FULL).but(asked.rounds, asked.seconds)
    names = asked.only or list(IN_QUICK if asked.quick else MEASURES)
    results = running.run(run(names, effort))
    print(report.table(results))
    for section in results.sections:
        print(f"\n{section.title}")
        for figure in section.figures:
            print(f"  {figure.name}: {figure.text} {figure.unit}")
        for remark in section.remarks:
            print(f"  {remark}")
    for name, reason in results.unsound.items():
        print(f"\n{name}: no figures. {reason}")
    if asked.write is not None:
        say(f"written: {report.write(results, asked.write)}")
    sys.exit(1 if results.unsound else 0)


if __name__ == "__main__":
    main()
