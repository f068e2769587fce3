"""Keeps finished trainings in a journal, a line each: a build may be stopped and goes on from it.

The first line says what the trainings have in common; a build with another recipe does not go on from it. A
run is the same whichever architectures and seeds were asked for beside it, so those may change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchkit.base.errors import InputError, clipped
from benchkit.base.files import MEGABYTE, read_text
from benchkit.base.json_text import parse_json
from benchkit.base.shapes import LARGEST, Maybe, Number, check_shape
from benchkit.training.standalone import StandaloneRun

_MOST_BYTES = 1_000 * MEGABYTE
_RUN = {
    **{"architecture": str, "seed": Number(0, LARGEST, whole=True), "loss": [float], "valid": [float]},
    **{"test": Maybe([float]), "train_seconds": Number(0)},
}

Key = tuple[str, int]
"""An architecture in its space's notation, and a seed."""


class RunJournal:
    """Finished runs, kept in a file of JSON lines.

    Parameters
    ----------
    path : File; it is made when the first run is kept.
    identity : Facts that all runs have in common, JSON-ready.

    Attributes
    ----------
    runs : Runs found in the file, and those kept since.

    Raises
    ------
    InputError : the file is of another build, is damaged, or cannot be read.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = path
        self.runs: dict[Key, StandaloneRun] = {}
        self._head = json.dumps(identity, sort_keys=True)
        text = read_text(path, "journal", _MOST_BYTES) if path.exists() else ""
        # what follows the last line feed is a line that an interruption cut off
        whole, _, _ = text.rpartition("\n")
        self._length = len(whole.encode()) + 1 if whole else 0
        lines = whole.split("\n") if whole else []
        if lines:
            self._check_head(lines[0])
        for number, line in enumerate(lines[1:], start=2):
            try:
                self._take(check_shape(parse_json(line, f"line {number}"), _RUN, f"line {number}"))
            except (ValueError, KeyError, TypeError, OverflowError) as error:
                raise InputError(
                    f"line {number} of the journal {path} is damaged: remove the file to build from the start"
                ) from error

    def keep(self, key: Key, run: StandaloneRun) -> None:
        """Add a finished run, on disk when this returns.

        Raises
        ------
        InputError : the disk is full, or the place cannot be written to.
        """
        test = None if run.test is None else run.test.tolist()
        about = {
            "architecture": key[0],
            "seed": key[1],
            "loss": run.loss.tolist(),
            "valid": run.valid.tolist(),
        }
        line = json.dumps({**about, "test": test, "train_seconds": run.train_seconds}) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                if self._length == 0:
                    line = f"{self._head}\n{line}"
                file.truncate(self._length)
                self._length += file.write(line.encode())
        except OSError as error:
            raise InputError(f"cannot write {self.path}: {error.strerror or error}") from error
        self.runs[key] = run

    def discard(self) -> None:
        """Remove the file: what it held is in the table."""
        self.path.unlink(missing_ok=True)

    def _check_head(self, found: str) -> None:
        if found == self._head:
            return
        try:
            theirs = parse_json(found, f"journal {self.path}")
        except InputError:
            theirs = None
        if not isinstance(theirs, dict):
            raise InputError(f"{self.path} is no journal of a table build: move it away")
        mine = json.loads(self._head)
        other = sorted(key for key in {*mine, *theirs} if mine.get(key) != theirs.get(key))
        raise InputError(
            f"{self.path} holds trainings of another build (other {clipped(', '.join(other))}): give the "
            f"settings of then, remove it, or choose another name for the table"
        )

    def _take(self, about: dict[str, Any]) -> None:
        test = about["test"]
        self.runs[str(about["architecture"]), int(about["seed"])] = StandaloneRun(
            np.array(about["loss"], dtype=np.float64),
            np.array(about["valid"], dtype=np.float64),
            None if test is None else np.array(test, dtype=np.float64),
            float(about["train_seconds"]),
        )
