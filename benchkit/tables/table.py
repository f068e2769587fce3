"""A table: the measured results of a space's architectures, read-only and memory-mapped.

The file is an uncompressed Arrow IPC file of one record batch, so that opening it reads only the
schema and a query reads only the pages that it touches. Any Arrow reader can open it.

* Schema metadata ``benchkit`` holds JSON: format version, name, space, source, licence, SHA-256 of the
  source, warnings.
* Column ``architecture`` holds each row's choices as fixed-length bytes; ``key`` holds the sorted keys
  of `Space.key`, unless the table covers the whole of an enumerable space, in the order of `Space.index`.
* Every other column is a `Metric` (its parts are JSON in the field's metadata) or a static column. A
  column of fixed-size lists is a curve: one metric for each epoch that its metadata lists.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchkit.base.columnar import read_arrow
from benchkit.base.errors import shown
from benchkit.spaces import InputError, Space, get_space, unknown
from benchkit.spaces.base import Architecture, Batch, Keys
from benchkit.spaces.row_index import RowIndex
from benchkit.tables import schema_check as check
from benchkit.tables.arrow_file import fixed_bytes, to_keys, to_numpy, to_percent
from benchkit.tables.metric import QUANTITIES, Metric, Quantity

__all__ = ["FORMAT_VERSION", "METADATA_KEY", "Lookup", "Optimum", "Table", "space_from_json"]

FORMAT_VERSION = 1
METADATA_KEY = b"benchkit"
_MOST_RUNS = 16

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Optimum:
    """The best entry of a column: its value, how many entries share it, and the first of them."""

    value: float
    row: int
    ties: int
    n: int


@dataclass(frozen=True, slots=True)
class Lookup:
    """From architectures to entries.

    Attributes
    ----------
    space : the table's space (restricted where the table covers part of it).
    keys : the sorted keys of the entries; None where entry i is architecture i of the space.
    stored : the entries by their exact choices, which spares most rows their key; with `keys` only.
    """

    space: Space
    keys: Keys | None
    stored: RowIndex | None = None

    def locate(self, batch: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return int64[n]: the entry of each architecture.

        Raises
        ------
        ArchitectureError : a row is malformed, not in the space, or not among the entries.
        """
        if not self.space.complete:
            return self.space.index(self.space.shaped(batch))  # its index is that of the entries, and checks
        if self.keys is None or self.stored is None:
            return self.space.index(self.space.validate(batch))
        rows = self.space.shaped(batch)
        entry = self.stored.find(rows)
        rest = np.flatnonzero(entry < 0)  # another encoding of an entry, or not a member
        if len(rest):
            entry[rest] = np.searchsorted(self.keys, self.space.key(self.space.validate(rows[rest])))
        return entry


def space_from_json(description: Any) -> Space:
    """Return the space that a table's metadata names: a built-in one or user-defined choices."""
    if isinstance(description, str):
        return get_space(description)
    from benchkit.spaces.categorical import CategoricalSpace

    return CategoricalSpace(description["name"], description["choices"])


class Table:
    """Measured results, opened from a file.

    Parameters
    ----------
    path : the Arrow file.

    Raises
    ------
    InputError : no such file, not a table, truncated, or written in another format version.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._data = read_arrow(self.path, "table")
        self.metadata: dict[str, Any] = check.metadata_of(self._data, self.path)
        version = self.metadata.get("format_version")
        if version != FORMAT_VERSION:
            raise InputError(
                f"table {self.path} has format version {shown(version)}; this benchkit reads "
                f"{FORMAT_VERSION}: build or import the table again"
            )
        check.check_metadata(self.metadata, self.path)
        self.name: str = self.metadata["name"]
        self.base_space = space_from_json(self.metadata["space"])
        check.check_width(self._data, self.base_space, self.path)
        facts = check.column_facts(self._data, self.path)
        self.metrics: dict[Metric, tuple[str, int]] = {}  # -> column, point of its curve
        self._quantities: dict[str, Quantity] = dict(QUANTITIES)
        self.static: list[str] = []
        for field in self._data.schema:
            about = facts.get(field.name)
            if about is not None:
                if "better" in about:
                    named = Quantity(about["unit"], about["better"] == "higher")
                    self._quantities[about["metric"]["quantity"]] = named
                last = Metric(**about["metric"])
                for point, epochs in enumerate(about.get("epochs", [last.epochs])):
                    metric = replace(last, epochs=epochs, schedule=last.schedule or last.epochs)
                    self.metrics[metric] = (field.name, point)
            elif field.name not in ("architecture", "key"):
                self.static.append(field.name)
        self._columns: dict[Metric, tuple[Values, bool]] = {}

    def __len__(self) -> int:
        """Return the number of entries."""
        return int(self._data.num_rows)

    def __repr__(self) -> str:
        return f"<table {self.name}: {len(self):,} of {self.base_space.size:,} {self.base_space.name}>"

    def __reduce__(self) -> tuple[type[Table], tuple[Path]]:
        """Pickle as the path: every process maps the one file."""
        return (Table, (self.path,))

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema, with the metadata of the table and of each column."""
        return self._data.schema

    # -- what it covers -----------------------------------------------------------------------

    @property
    def complete(self) -> bool:
        """Whether the table covers its whole space."""
        return len(self) == self.base_space.size

    @property
    def space(self) -> Space:
        """The table's space; a restricted space where the table covers only part of it."""
        return self.lookup.space

    @cached_property
    def lookup(self) -> Lookup:
        """Which entry an architecture has; all that a search may know of the table's layout."""
        if self.complete:
            if self.base_space.enumerable:
                check.check_order(self.rows, self.base_space, self.path)
                return Lookup(self.base_space, None)
            return Lookup(self.base_space, self.keys, RowIndex(self.rows, self.base_space.arity))
        from benchkit.spaces.restricted import RestrictedSpace

        space = RestrictedSpace(self.base_space, self.rows, name=self.base_space.name, keys=self.keys)
        return Lookup(space, self.keys)

    @cached_property
    def rows(self) -> Batch:
        """int8[n, d]: the architecture of every entry (read-only)."""
        rows = fixed_bytes(self._data.column("architecture").chunk(0)).view(np.int8)
        return check.check_rows(rows, self.base_space, self.path)

    @cached_property
    def keys(self) -> Keys:
        """The sorted key of every entry (`Space.key`)."""
        if self.complete and self.base_space.enumerable:
            return np.arange(len(self))
        if "key" not in self._data.column_names:
            raise InputError(f"table {self.path} is damaged: it covers part of its space, and has no keys")
        keys = to_keys(self._data.column("key").chunk(0))
        return check.check_keys(keys, self.rows, self.base_space, self.path)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the file: the table's identity in every result."""
        import hashlib

        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def __contains__(self, metric: Metric) -> bool:
        return metric in self.metrics

    @property
    def datasets(self) -> list[str]:
        """The data sets that the table has accuracies for, in the order of its columns."""
        return list(dict.fromkeys(m.dataset for m in self.metrics if m.quantity == "accuracy"))

    def quantity(self, metric: Metric) -> Quantity:
        """Return the unit and the direction of a column.

        Raises
        ------
        InputError : the table has no such quantity.
        """
        if metric.quantity not in self._quantities:
            raise unknown("quantity", metric.quantity, self._quantities, f"table {self.name}")
        return self._quantities[metric.quantity]

    def runs(self, metric: Metric) -> list[Metric]:
        """Return the columns of the separate runs behind `metric`, in run order; may be empty."""
        several = (replace(metric, run=run) for run in range(_MOST_RUNS))
        return [each for each in several if each in self.metrics]

    def epochs(self, dataset: str, split: str, schedule: int | None = None) -> list[int]:
        """Return, ascending, the epochs at which the table has this data set's accuracy.

        Those at which a training schedule ends; with `schedule`, every point of that schedule's curve.
        """
        wanted = (dataset, split, "accuracy", "")
        return sorted(
            {
                m.epochs
                for m in self.metrics
                if (m.dataset, m.split, m.quantity, m.variant) == wanted
                and m.epochs is not None
                and (m.schedule is None if schedule is None else (m.schedule or m.epochs) == schedule)
            }
        )

    # -- reading ------------------------------------------------------------------------------

    def values(self, metric: Metric) -> Values:
        """Return float64[len(self)], the whole column; NaN where an entry is missing (read-only).

        Raises
        ------
        InputError : the table has no such column; it says which part is unknown and what there is.
        """
        return self._column(metric)[0]

    def _column(self, metric: Metric) -> tuple[Values, bool]:
        try:
            return self._columns[metric]
        except KeyError:
            pass
        values = to_percent(self.raw(metric))
        check.check_finite(values, metric, self.path)
        loaded = (values, bool(np.isnan(values).any()))
        self._columns[metric] = loaded
        return loaded

    def raw(self, metric: Metric) -> npt.NDArray[np.floating[Any]]:
        """Return float[len(self)] as stored: a view of the mapped file; `to_percent` makes it exact.

        Raises
        ------
        InputError : as `values`.
        """
        if metric not in self.metrics:
            raise self._no_such(metric)
        name, point = self.metrics[metric]
        column = self._data.column(name).chunk(0)
        if pa.types.is_fixed_size_list(column.type):
            return to_numpy(column.flatten()).reshape(len(self), -1)[:, point]
        return to_numpy(column)

    def static_values(self, name: str) -> npt.NDArray[Any]:
        """Return a static column: what is known of each entry without having been measured.

        Raises
        ------
        InputError : the table has no such column.
        """
        if name not in self.static:
            raise unknown("static column", name, self.static, f"table {self.name}")
        return to_numpy(self._data.column(name).chunk(0))

    def _no_such(self, metric: Metric) -> InputError:
        """Return the error that names the first part of `metric` which the table does not have."""
        left = list(self.metrics)
        curves: list[Metric] = []
        place = f"table {self.name}"
        for part in ("quantity", "dataset", "split", "schedule", "epochs", "variant", "run"):
            wanted = getattr(metric, part)
            known = list(dict.fromkeys(getattr(m, part) for m in left))
            if wanted not in known:
                if all(isinstance(k, int) for k in known):
                    known.sort()
                word = {"run": "mean", "schedule": "none (the end of training)"}.get(part)
                shown = [word if k is None else k for k in known]
                given = word if wanted is None else wanted
                error = unknown(part, given, shown, place)
                inside = sorted({m.schedule for m in curves if m.epochs == metric.epochs and m.schedule})
                if part == "epochs" and inside:  # on the curve of a longer training
                    return InputError(
                        f"{error}; {given} lies inside the schedule of {inside[0]}: name that too"
                    )
                if part == "run" and wanted is None:
                    return InputError(f"{error}: name a run, such as {known[0]}")
                return error
            if part == "schedule":  # so that the epochs of curves are known below
                curves = [m for m in left if m.schedule]
            left = [m for m in left if getattr(m, part) == wanted]
            if wanted not in (None, ""):
                place += f", {part} {wanted}"
        return InputError(f"table {self.name} has no column {metric}")

    def locate(self, batch: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return int64[n]: the entry of each architecture.

        Raises
        ------
        ArchitectureError : a row is malformed, not in the space, or not among a partial table's entries.
        """
        return self.lookup.locate(batch)

    @overload
    def query(self, architectures: str, metric: Metric) -> float: ...
    @overload
    def query(self, architectures: npt.NDArray[np.integer[Any]], metric: Metric) -> Any: ...
    def query(self, architectures: Any, metric: Metric) -> Any:
        """Return what was measured.

        Parameters
        ----------
        architectures : int8[n, d] for a float64[n] answer; int8[d] or the space's own notation for a
            float.
        metric : what to read.

        Raises
        ------
        InputError : unknown metric, an architecture that the table does not hold, or a missing entry.
        """
        if isinstance(architectures, str):
            architectures = self.base_space.parse(architectures)
        values, gaps = self._column(metric)
        found = values[self.locate(architectures)]
        if gaps and np.isnan(found).any():
            raise self._missing(metric, np.atleast_2d(architectures)[np.isnan(found)])
        return found if np.ndim(architectures) == 2 else float(found[0])

    def _missing(self, metric: Metric, batch: Batch) -> InputError:
        first: Architecture = batch[0]
        present = int((~np.isnan(self.values(metric))).sum())
        alternatives = [
            str(other)
            for other in self.metrics
            if other != metric
            and (other.dataset, other.split, other.epochs) == (metric.dataset, metric.split, metric.epochs)
            and not np.isnan(self.query_all(other, first))
        ]
        advice = f"; for this architecture there is {', '.join(alternatives)}" if alternatives else ""
        return InputError(
            f"table {self.name} has no {metric} for {self.base_space.format(first)} "
            f"({present:,} of {len(self):,} entries have it){advice}"
        )

    def query_all(self, metric: Metric, architecture: Architecture) -> float:
        """Return one entry of a column, NaN where it is missing."""
        return float(self.values(metric)[self.locate(architecture)[0]])

    def optimum(self, metric: Metric) -> Optimum:
        """Return the best entry of a column, by its own direction, over all that have it."""
        values = self.values(metric)
        if np.isnan(values).all():
            raise InputError(f"table {self.name} has no {metric}: every entry is missing")
        signed = values if self.quantity(metric).higher_is_better else -values
        row = int(np.nanargmax(signed))
        return Optimum(
            value=float(values[row]),
            row=row,
            ties=int((values == values[row]).sum()),
            n=int((~np.isnan(values)).sum()),
        )
