"""What the tests of every reader need: a pickle that tries to run code, and how a refusal looks.

`outcomes` reads files in a child that has 1 GB of memory: what would crash or fill this process ends it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import benchkit
from benchkit.base.errors import InputError
from benchkit.data.tables.formats import import_official, recognise


class Hostile:
    """Its pickle, when opened by Python's own unpickler, makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return os.system, (f"touch {self.marker}",)


def outcomes(door: str, files: Mapping[str, Path]) -> dict[str, tuple[str, str]]:
    """Return name -> what became of each file at a door of `limited_child`: "read", or "refused" and a line.

    Whatever else came of it is (name of the exception, its words), or ("died", code) where the child did.
    """
    found: dict[str, tuple[str, str]] = {}
    left = dict(files)
    child = Path(__file__).with_name("limited_child.py")
    root = str(Path(benchkit.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    while left:
        run = subprocess.run(
            [sys.executable, str(child), door, *map(str, left.values())],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        lines = [json.loads(line) for line in run.stdout.splitlines()]
        assert lines, run.stderr
        for name, outcome in zip(list(left), lines[1::2], strict=False):
            found[name] = tuple(outcome)
            del left[name]
        if len(lines) % 2:  # the last was begun and not ended
            name = next(iter(left))
            found[name] = "died", str(run.returncode)
            del left[name]
    return found


def refused(path: Path, says: str) -> None:
    """Neither recognised nor read, or recognised and then not read; in one line, and nothing is written."""

    def read() -> None:
        reader, _ = recognise(path)
        import_official(reader, path, path.parent / "none.arrow", "none", lambda done, total: None)

    with pytest.raises(InputError, match=says) as caught:
        read()
    assert "\n" not in str(caught.value)
    assert not (path.parent / "none.arrow").exists()
