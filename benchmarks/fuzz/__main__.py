"""``python -m benchmarks.fuzz --n N --seed S``: malformed inputs at every door, counted by door.

Each input is read in a child process with a memory limit, forked from a warm server. A door holds when every
input is read or refused by one clear line: no other exception, no signal, at most 1 GB and a minute.
Ends with exit code 1 otherwise, or where fewer than half of the inputs get past the header of their format.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.fuzz.campaign import BAD, run_campaign, shares


def main() -> int:
    """Run the campaign, print a row a door, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=1000, help="number of inputs in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--doors", default="", help="names of doors, with commas; all by default")
    parser.add_argument("--say", action="store_true", help="show what the refusals say, too")
    parser.add_argument("--keep", type=Path, help="folder for the inputs that fail")
    given = parser.parse_args()
    names = [name.strip() for name in given.doors.split(",") if name.strip()]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        results = run_campaign(Path(folder), shares(given.n, names), given.seed, given.keep)
    table = Table("door", "inputs", "past header", "read", "refused", *BAD, "over 1 GB", "most GB", box=None)
    total: Counter[str] = Counter()
    for name, outcomes in results.items():
        counts = Counter(outcome.verdict for outcome in outcomes)
        counts["inputs"] = len(outcomes)
        counts["past"] = sum(outcome.past_header for outcome in outcomes)
        counts["over"] = sum(outcome.gigabytes > 1 for outcome in outcomes)
        total += counts
        most = max((outcome.gigabytes for outcome in outcomes), default=0.0)
        table.add_row(name, *_cells(counts), f"{most:.2f}")
    table.add_row("all", *_cells(total), "")
    Console(width=140).print(table)
    for name, outcomes in results.items():
        faults = Counter(f"{o.verdict}: {o.detail}" for o in outcomes if o.verdict in BAD or given.say)
        for text, count in faults.most_common(40):
            print(f"{name}: {count} x {text}")
    print(f"{total['inputs']:,} inputs, seed {given.seed}, {time.monotonic() - began:.0f} s")
    failed = sum(total[verdict] for verdict in BAD) + total["over"]
    return int(failed > 0 or 2 * total["past"] < total["inputs"])


def _cells(counts: Counter[str]) -> list[str]:
    keys = ("inputs", "past", "read", "refused", *BAD, "over")
    return [f"{counts[key]:,}" for key in keys]


if __name__ == "__main__":
    sys.exit(main())
