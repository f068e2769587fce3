"""Writes the curves of a training as CSV: a row an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchkit.base.files import write_text


def write_history(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write a training's epochs; a figure that an epoch has not is an empty cell."""
    names = list(dict.fromkeys(name for row in history for name in row))
    lines = [
        ",".join(names),
        *(",".join(repr(row[name]) if name in row else "" for name in names) for row in history),
    ]
    write_text(path, "\n".join(lines) + "\n")
