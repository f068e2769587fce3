"""Writes the page of kept results: an overview, leaderboards, what was not seen, a section for each study.

``python -m tools.results_page results`` writes ``results/README.md``; with ``--check`` it only says whether
that is up to date (exit code 1: it is not). It is written from the folders themselves: their ``about.md``
(`tools.about`), leaderboards and key figures. So it cannot disagree with them, and a test says when it is out
of date.

Deviations and choices
----------------------
- Every folder of the place, but for hidden ones, is a kept study. The order is that of their names.
- A leaderboard holds all methods of all studies on one table and data set, by regret. Their budgets differ,
  and stand beside them: rows of different budgets are no contest.
- The best known accuracy of a row is its mean plus its mean regret, as the regret was measured from it: of
  the metric that the study reports, and within its limit.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from benchkit.base.errors import InputError
from benchkit.base.files import write_text
from benchkit.base.measure import Measure
from benchkit.studies.spec import StudySpec
from benchkit.studies.store import StudyDirectory
from benchkit.studies.wording import after_epochs, budget_text, study_measure, table_text
from tools.about import ABOUT, About, read_about
from tools.key_figures import interval_text, key_figures, markdown_table

__all__ = ["PAGE", "first_difference", "results_page", "write_results_page"]

PAGE = "README.md"
"""The page's name."""

_INTRODUCTION = f"""\
# Results that are kept

<!-- Written by `python -m tools.results_page results` from {ABOUT} and the tables: change those instead. -->

Each folder is the output of the commands named, with specification, manifests, traces, tables and figures.
To check a leaderboard, run `benchkit leaderboard verify results/NAME` (all of its trials again, bit for bit,
on the same platform). A training is checked by running its command again: the SHA-256 of its trace is in its
manifest. Checkpoints are not kept.
"""
_NOT_SEEN = "Where a paper's claim was not seen"


class _Row(NamedTuple):
    """One method in one leaderboard."""

    key: tuple[str, str, str]  # table's name, its SHA-256, data set
    title: str
    budget: tuple[bool, float, str]  # in simulated seconds, how much, and in words
    regret: float
    cells: list[str]


def write_results_page(results: Path) -> Path:
    """Write the page of a folder of kept studies, and return its path.

    Raises
    ------
    InputError : see `results_page`.
    """
    write_text(results / PAGE, results_page(results))
    return results / PAGE


def first_difference(results: Path) -> int | None:
    """Return the first line, from 1, in which the page is not what would be written; None where it is.

    Raises
    ------
    InputError : see `results_page`.
    """
    wanted = results_page(results)
    path = results / PAGE
    kept = path.read_text(encoding="utf-8") if path.is_file() else ""
    if kept == wanted:
        return None
    ours, theirs = wanted.split("\n"), kept.split("\n")
    pairs = zip(ours, theirs, strict=False)
    same = next((number for number, (a, b) in enumerate(pairs) if a != b), min(len(ours), len(theirs)))
    return same + 1


def results_page(results: Path) -> str:
    """Return the page of a folder of kept studies, Markdown.

    Raises
    ------
    InputError : no studies, one without ``about.md``, or files that cannot be read.
    """
    folders = sorted(path for path in results.glob("*") if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise InputError(f"{results} holds no folders of studies")
    missing = [folder.name for folder in folders if not (folder / ABOUT).is_file()]
    if missing:
        raise InputError(
            f"say in {ABOUT} what these studies in {results} are: {', '.join(missing)} (a title, the "
            f"command, what it shows; see tools.about)"
        )
    said = {folder: read_about(folder, key_figures) for folder in folders}
    rows = [[_link(folder), about.shows] for folder, about in said.items()]
    parts = [_INTRODUCTION, "## Overview\n", markdown_table(["study", "what it shows"], rows) + "\n"]
    parts += _leaderboards(folders)
    if any(about.not_seen for about in said.values()):
        parts.append(f"## {_NOT_SEEN}\n")
        gathered = [(_link(folder), about.not_seen) for folder, about in said.items() if about.not_seen]
        parts += [f"{link}\n\n{not_seen}\n" for link, not_seen in gathered]
    parts += ["## Studies\n", *(_section(folder, about) for folder, about in said.items())]
    return "\n".join(parts)


def _link(folder: Path) -> str:
    """Return a link to a study's section: the anchor of a heading that is its name."""
    anchor = "".join(letter for letter in folder.name.lower() if letter.isalnum() or letter in "-_")
    return f"[`{folder.name}`](#{anchor})"


def _section(folder: Path, about: About) -> str:
    pictures = [path.relative_to(folder.parent) for path in sorted(folder.rglob("*.png"))]
    links = ", ".join(f"[{path.relative_to(folder.name)}]({path.as_posix()})" for path in pictures)
    parts = [f"### `{folder.name}`", f"**{about.title}**", f"Command: {about.command}", about.shows]
    parts += [text for text in (about.text, f"Figures: {links}" if links else "") if text]
    return "\n\n".join(parts) + "\n"


def _leaderboards(folders: Sequence[Path]) -> list[str]:
    """Return a heading for each table and data set, in the order of their rows; a table for each budget."""
    rows = [row for folder in folders for row in _rows(folder)]
    if not rows:
        return []
    order = {key: number for number, key in enumerate(dict.fromkeys(row.key for row in rows))}
    header = ["method", "study", "n", "validation", "test", "regret", "best known"]
    parts = [
        "## Leaderboards\n",
        "Methods that query a table: accuracy of the architecture recommended, in %, mean over n seeds with "
        "bootstrap 95 %\ninterval; regret in points, to the best known accuracy of the same kind. By regret; "
        "a table for each budget. No\ninterval: fewer than five seeds, or seeds that are all equal.\n",
    ]
    for _, group in groupby(sorted(rows, key=lambda row: (row.key[0], order[row.key])), lambda row: row.key):
        board = sorted(group, key=lambda row: (row.budget, row.regret))
        parts.append(f"### {board[0].title}\n")
        for (_, _, budget), equal in groupby(board, lambda row: row.budget):
            parts += [f"#### {budget}\n", markdown_table(header, [row.cells for row in equal]) + "\n"]
    return parts


def _rows(folder: Path) -> list[_Row]:
    """Return the rows of a study's leaderboard, and of the queries that go with a study of supernets."""
    rows = []
    for place in (folder, folder / "queries"):
        study = StudyDirectory(place)
        if not study.leaderboard.is_file():
            continue
        spec, manifest = study.spec(), study.read_manifest()
        about = manifest["table"]
        for row in study.read_leaderboard().to_dict(orient="records"):
            dataset = str(row["dataset"])
            rows.append(
                _Row(
                    (about["name"], about["sha256"], dataset),
                    f"{table_text(about)}, {dataset}",
                    _budget(spec, manifest.get("constraint", {}).get(dataset)),
                    float(row["regret"]),
                    _cells(row, folder, study_measure(manifest)),
                )
            )
    return rows


def _budget(spec: StudySpec, limit: dict[str, Any] | None) -> tuple[bool, float, str]:
    """Return what a trial may spend, so that it sorts: queries before seconds, small before large."""
    text = f"{budget_text(spec)}{after_epochs(spec.search.epochs, 'at')}"
    if spec.search.quantity != "accuracy":
        text = f"{spec.search.quantity.replace('_', ' ')}, {text}"
    if limit is not None:
        text += f", {limit['cost']} at most {limit['max']:g} {limit['unit']}"
    spent = spec.budget.queries
    return (spent is None, float((spec.budget.simulated_seconds or 0) if spent is None else spent), text)


def _cells(row: dict[Any, Any], folder: Path, measure: Measure) -> list[str]:
    digits = measure.decimals([row["valid"], row["test"]])
    valid, test, regret = (
        interval_text(row[name], row[f"{name}_low"], row[f"{name}_high"], f".{digits}f")
        for name in ("valid", "test", "regret")
    )
    reported = row["valid"] if valid else row["test"]
    best = f"{reported + measure.sign * row['regret']:.{digits}f} {'validation' if valid else 'test'}"
    return [str(row["strategy"]), _link(folder), str(row["n"]), valid, test, regret, best]


def main(words: Sequence[str] | None = None) -> int:
    """Write the page, or check it; return the exit code: 1 where it is out of date, 2 where there is none."""
    parser = argparse.ArgumentParser(
        description="Write RESULTS/README.md from about.md, leaderboards and key figures."
    )
    parser.add_argument("results", type=Path, help="folder of the folders of kept studies")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where it is out of date")
    arguments = parser.parse_args(words)
    try:
        if not arguments.check:
            print(write_results_page(arguments.results))
            return 0
        line = first_difference(arguments.results)
    except InputError as error:
        print(f"results_page: {error}", file=sys.stderr)
        return 2
    page = arguments.results / PAGE
    if line is None:
        print(f"{page} is up to date")
        return 0
    print(f"results_page: {page} is out of date (line {line}); write it anew", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
