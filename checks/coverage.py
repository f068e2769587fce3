"""Prints what share of the package the tests have reached, room by room (``make coverage``)."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["by_room", "table"]

_COUNTED = ("num_statements", "missing_lines", "num_branches", "missing_branches")


def by_room(files: Mapping[str, Mapping[str, Any]]) -> dict[str, Counter[str]]:
    """Return the counts of each room.

    Parameters
    ----------
    files : Files as coverage's JSON report lists them: path from the checkout to its ``summary``.
    """
    rooms: dict[str, Counter[str]] = defaultdict(Counter)
    for path, about in files.items():
        parts = Path(path).parts
        room = parts[1] if len(parts) > 2 else "(files at the top)"
        rooms[room].update({name: about["summary"].get(name, 0) for name in _COUNTED})
    return dict(sorted(rooms.items()))


def table(rooms: Mapping[str, Counter[str]]) -> str:
    """Return a line a room and one for all: statements, branches, and the share of both that was reached."""
    total: Counter[str] = sum(rooms.values(), Counter())
    lines = [f"{'room':20}{'statements':>12}{'branches':>10}{'reached':>10}"]
    for room, count in (*rooms.items(), ("all", total)):
        there = count["num_statements"] + count["num_branches"]
        missing = count["missing_lines"] + count["missing_branches"]
        share = 100 * (there - missing) / there if there else 100.0
        lines.append(f"{room:20}{count['num_statements']:>12,}{count['num_branches']:>10,}{share:>9.1f}%")
    return "\n".join(lines)


def main() -> None:
    """Read the data file in the working directory."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        command = [sys.executable, "-m", "coverage", "json", "-q", "-o", str(report)]
        if subprocess.run(command, check=False).returncode:
            sys.exit("no data of coverage here: run make coverage")
        print(table(by_room(json.loads(report.read_text(encoding="utf-8"))["files"])))


if __name__ == "__main__":
    main()
