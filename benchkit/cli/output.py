"""How commands show things: a table for people, one JSON document for programs."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from benchkit.base.errors import InputError, shown

if TYPE_CHECKING:
    import pandas as pd

_PIPE = 200
"""A pipe has no width: every row stays on its line there."""
_LEAST_TEXT = 24
"""Narrower than this, text is no longer read with ease."""

_NUMBER = re.compile(r"[-+<]?[\d.,]+(e[-+]\d+)?(\s\[[-\d.]+, [-\d.]+\])?")
"""A number, alone or with its interval."""
JSON_OPTION = typer.Option(False, "--json", help="Print one JSON document and nothing else.")


def ask_for_json(value: Any) -> Any:
    """Return `value` with what JSON cannot hold (NaN, infinity, numpy scalars) made plain."""
    if isinstance(value, Mapping):
        return {str(key): ask_for_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [ask_for_json(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def show_json(value: Any) -> None:
    """Print one JSON document to stdout."""
    typer.echo(json.dumps(ask_for_json(value), indent=2, ensure_ascii=False))


def show_rows(header: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """Print a table, numbers right-aligned; where it does not fit, each row below its first cell."""
    from rich.table import Table

    kept = [list(row) for row in rows]
    if _least_width(header, kept) > width():
        _show_stacked(header, kept, title)
        return
    table = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for index, name in enumerate(header):
        cells = [row[index] for row in kept if row[index]]
        numeric = bool(cells) and all(_NUMBER.fullmatch(cell) for cell in cells)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=index == 0)
    for row in kept:
        table.add_row(*row)
    _console().print(table)


def _least_width(header: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Return the width of a table whose columns are whole, but for the last, whose text may wrap."""
    least = [max(map(len, name.split()), default=0) for name in header]
    for row in rows:
        for index, cell in enumerate(row):
            found = max(map(len, cell.split("\n")))
            least[index] = max(least[index], found if index < len(row) - 1 else min(found, _LEAST_TEXT))
    return sum(least) + 2 * (len(least) - 1)


def _show_stacked(header: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    if title:
        typer.echo(title)
    for first, *others in rows:
        typer.echo(first)
        facts = [f"{name} {cell}" for name, cell in zip(header[1:], others, strict=True) if cell]
        typer.echo(_wrapped("; ".join(facts), indent=2))


def _wrapped(text: str, indent: int) -> str:
    """Return text in lines of the terminal's width, with no word broken; the first line starts indented."""
    lines = textwrap.wrap(
        text, max(width() - indent, _LEAST_TEXT), break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(" " * indent + line for line in lines)


def show_facts(facts: Mapping[str, Any]) -> None:
    """Print names and values, a line each; lists take a line an item."""
    room = max(len(name) for name in facts) + 2
    for name, value in facts.items():
        items = value if isinstance(value, list) else [value]
        for index, item in enumerate(items or ["-"]):
            label = name.replace("_", " ") if index == 0 else ""
            text = str(item) if width() == _PIPE else _wrapped(str(item), room)[room:]
            typer.echo(f"{label:<{room}}{text}")


def width() -> int:
    """Return how many characters a line may have: the terminal's, or ``$COLUMNS``."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS"):
        return shutil.get_terminal_size().columns
    return _PIPE


def _console() -> Any:
    from rich.console import Console

    return Console(width=width(), highlight=False, markup=False)


@contextmanager
def progress_bar(what: str) -> Iterator[Any]:
    """Yield ``update(done, total)``: a bar on a terminal, a plain line every ten seconds otherwise."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(what, total=None)

            def draw(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)

            yield draw
        return
    last = time.monotonic()

    def write(done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last > 10:
            last = time.monotonic()
            typer.echo(f"{what}: {done} of {total}", err=True)

    yield write


def write_frames(folder: Path, frames: Mapping[str, pd.DataFrame]) -> None:
    """Write each frame as ``NAME.csv``."""
    from benchkit.base.files import write_text

    for name, frame in frames.items():
        text = frame.to_csv(index=False, float_format="%.10g", lineterminator="\n")
        write_text(folder / f"{name}.csv", text)


def assignments(given: Sequence[str], option: str) -> dict[str, Any]:
    """Return the values of repeated ``NAME=VALUE``; a value is read as YAML reads it.

    Raises
    ------
    InputError : no such form, or a name that is given twice.
    """
    from benchkit.base.yaml_text import parse_yaml

    values: dict[str, Any] = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise InputError(f"{option} takes NAME=VALUE; got {shown(text)}")
        if name in values:
            raise InputError(f"{option} {name} is given twice")
        values[name] = parse_yaml(value, f"{option} {name}: {shown(value)}")
    return values


def shortened(text: str, longest: int = 100) -> str:
    """Return the text, or its two ends where it is long."""
    if len(text) <= longest:
        return text
    half = (longest - 5) // 2
    return f"{text[:half]} ... {text[-half:]} ({len(text):,} characters)"


def words_of(text: str) -> list[str]:
    """Return the parts of a list with commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def words_or_none(text: str | None) -> list[str] | None:
    """Return the parts of a list with commas; None where no list was given."""
    return None if text is None else words_of(text)
