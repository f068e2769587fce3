"""Shares of coverage, room by room, from made-up reports."""

from __future__ import annotations

from checks.coverage import by_room, table


def summary(statements: int, missing: int, branches: int = 0, untaken: int = 0) -> dict[str, dict[str, int]]:
    return {
        "summary": {
            "num_statements": statements,
            "missing_lines": missing,
            "num_branches": branches,
            "missing_branches": untaken,
        }
    }


def test_files_are_counted_in_their_rooms() -> None:
    files = {
        "benchkit/base/files.py": summary(10, 1, 4, 1),
        "benchkit/base/pickles/tape.py": summary(6, 0),
        "benchkit/spaces/base.py": summary(3, 3),
        "benchkit/__init__.py": summary(2, 0),
    }
    lines = [line.split() for line in table(by_room(files)).splitlines()]
    assert lines[2:] == [
        ["base", "16", "4", "90.0%"],
        ["spaces", "3", "0", "0.0%"],
        ["all", "21", "4", "80.0%"],
    ]
    assert lines[1][-3:] == ["2", "0", "100.0%"]


def test_a_room_without_statements_is_reached() -> None:
    assert table(by_room({"benchkit/cli/__init__.py": summary(0, 0)})).splitlines()[-1].endswith("100.0%")
