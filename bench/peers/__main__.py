"""Runs the sale: `python -m bench.peers lockstock vendure --processes 1 2`."""

import argparse

from bench import running
from bench.peers import lockstock, vendure
from bench.peers.sale import HEAD

SYSTEMS = {"lockstock": lockstock.run, "vendure": vendure.run}


def main() -> None:
    """Sell in each system with each number of processes; print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("systems", nargs="+", choices=SYSTEMS)
    parser.add_argument("--processes", nargs="+", type=int, default=[1, 2])
    asked = parser.parse_args()
    print(HEAD)
    for system in asked.systems:
        for processes in asked.processes:
            print(running.run(SYSTEMS[system](processes)).text, flush=True)


if __name__ == "__main__":
    main()
