"""Says what a reader of an official benchmark file offers: recognise it, announce the cost, read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from benchkit.data.tables.metric import Metric
from benchkit.data.tables.write import Column, TableSource
from benchkit.spaces.base import Batch

Report = Callable[[int, int], None]
"""Called with (done, total) as an import goes on; total 0 where it is not known."""


@dataclass(frozen=True, slots=True)
class Found:
    """The findings of a reader at a path, before it reads it all.

    Attributes
    ----------
    title : Kind of the file, in words.
    table : Default name of the table to be made.
    memory_bytes : Peak memory that the import will need, beyond the program itself.
    seconds : Rough time that it will take on one core.
    advice : Remedy where that is too much; empty as a rule.
    """

    title: str
    table: str
    memory_bytes: int
    seconds: float
    advice: str = ""


@dataclass(frozen=True)
class Imported:
    """A table ready to be written (see `write_table`)."""

    source: TableSource
    batch: Batch
    metrics: Mapping[Metric, Column]
    static: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


class Reader(Protocol):
    """One official format."""

    name: str

    def recognise(self, path: Path) -> Found | None:
        """Return the findings at `path` if it is of this format, judged by its content, else None.

        Reads the first bytes only. Raises InputError for a file that is certainly of this format and
        certainly damaged.
        """
        ...

    def read(self, path: Path, name: str, report: Report, verify: bool = False) -> Imported:
        """Read the whole file as a table called `name`; `verify` checks all that can be recomputed, not a
        sample.

        An InputError says that the file is truncated, damaged, lacks a field, or holds something that must
        not be in it.
        """
        ...
