"""How commands show things: a table for people, one JSON document for programs."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer

__all__ = ["JSON_OPTION", "ask_for_json", "progress_bar", "show_facts", "show_json", "show_rows", "width"]

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
    """Print a table; numbers are right-aligned."""
    from rich.table import Table

    kept = [list(row) for row in rows]
    table = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for index, name in enumerate(header):
        cells = [row[index] for row in kept if row[index]]
        numeric = bool(cells) and all(cell.lstrip("-+<")[:1].isdigit() for cell in cells)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=index == 0)
    for row in kept:
        table.add_row(*row)
    _console().print(table)


def show_facts(facts: Mapping[str, Any]) -> None:
    """Print names and values, a line each; lists take a line an item."""
    width = max(len(name) for name in facts) + 2
    for name, value in facts.items():
        items = value if isinstance(value, list) else [value]
        for index, item in enumerate(items or ["-"]):
            label = name.replace("_", " ") if index == 0 else ""
            typer.echo(f"{label:<{width}}{item}")


def width() -> int:
    """Return how many characters a line may have: the terminal's, or ``$COLUMNS``."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS"):
        return shutil.get_terminal_size().columns
    return 200  # a pipe has no width: let every row stay on its line there


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
