"""``make bench``: run every benchmark and print one table. Name modules to run only those."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table


def main(names: list[str]) -> None:
    """Run the named benchmarks, or all of them, and print a row a figure."""
    here = Path(__file__).parent
    table = Table("what", "measured", "must reach", "ratio", title="benchmarks", box=None)
    for name in names or sorted(path.stem for path in here.glob("bench_*.py")):
        Console(stderr=True).print(f"running {name} ...")
        for row in import_module(f"benchmarks.{name}").run():
            table.add_row(row["what"], row["measured"], row["limit"], row["ratio"])
    Console(width=150).print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
