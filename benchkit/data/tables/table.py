"""Reads a table: the measured results of a space's architectures, read-only and memory-mapped.

The file is an uncompressed Arrow IPC file of one record batch, so that opening it reads only the schema and a
query reads only the pages that it touches. Any Arrow reader can open it.

* Schema metadata ``benchkit`` holds JSON: format version, name, space (see `space_json`), source, licence,
  SHA-256 of the source, warnings.
* Column ``architecture`` holds each row's choices as fixed-length bytes; ``key`` holds the sorted keys
  of `Space.key`, unless the table covers the whole of an enumerable space, in the order of `Space.index`.
* Every other column is a `Metric` (its parts are JSON in the field's metadata) or a static column. A
  column of fixed-size lists is a curve: one metric for each epoch that its metadata lists.

The mean over runs has one meaning, wherever it is asked for: the stored column, or else, where there are two
runs or more, the mean over the runs that an entry has. A single run is no mean and does not answer for one.
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
from benchkit.base.errors import InputError, shown, unknown
from benchkit.base.files import file_sha256
from benchkit.data.tables import schema_check as check
from benchkit.data.tables.arrow_file import filled, fixed_bytes, to_keys, to_numpy, to_percent
from benchkit.data.tables.lookup import Lookup
from benchkit.data.tables.metric import QUANTITIES, Metric, Quantity
from benchkit.data.tables.run_means import group_runs, mean_of_runs, with_means
from benchkit.data.tables.space_json import FORMAT_VERSIONS, space_from_json
from benchkit.spaces import Space
from benchkit.spaces.base import Architecture, Batch, Keys
from benchkit.spaces.row_index import RowIndex

__all__ = ["METADATA_KEY", "Lookup", "Optimum", "Table"]

METADATA_KEY = b"benchkit"

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Optimum:
    """The best entry of a column: its value, how many entries share it, and the first of them."""

    value: float
    row: int
    ties: int
    n: int


class Table:
    """Measured results, opened from a file.

    Raises InputError where there is no such file, or it is not a table, truncated, or of another format
    version.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._data = read_arrow(self.path, "table")
        self.metadata: dict[str, Any] = check.metadata_of(self._data, self.path)
        version = self.metadata.get("format_version")
        if version not in FORMAT_VERSIONS:
            raise InputError(
                f"table {self.path} has format version {shown(version)}; this benchkit reads "
                f"{' and '.join(map(str, FORMAT_VERSIONS))}: build or import the table again"
            )
        check.check_metadata(self.metadata, self.path)
        self.name: str = self.metadata["name"]
        self.base_space = space_from_json(self.metadata["space"], f"table {self.path}")
        check.check_width(self._data, self.base_space, self.path)
        facts = check.column_facts(self._data, self.path)
        self.metrics: dict[Metric, tuple[str, int]] = {}  # -> column, point of its curve
        self._quantities: dict[str, Quantity] = dict(QUANTITIES)
        self._stated: dict[str, Quantity] = {}  # by column: two of one quantity may differ in their unit
        self.static: list[str] = []
        for field in self._data.schema:
            about = facts.get(field.name)
            if about is not None:
                quantity = about["metric"].get("quantity", "accuracy")
                usual = QUANTITIES.get(quantity)
                if "better" in about or (usual is not None and about.get("unit", usual.unit) != usual.unit):
                    better = about["better"] == "higher" if "better" in about else QUANTITIES[quantity][1]
                    self._stated[field.name] = Quantity(about["unit"], better)
                    self._quantities.setdefault(quantity, self._stated[field.name])
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
        """The entry of each architecture; all that a search may know of the table's layout."""
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
        return file_sha256(self.path)

    def __contains__(self, metric: Metric) -> bool:
        """Return whether a metric can be asked for: a stored column, or the mean over stored runs."""
        return metric in self.metrics or len(self._runs.get(metric, ())) > 1

    @cached_property
    def _runs(self) -> dict[Metric, list[Metric]]:
        """The stored runs behind each mean."""
        return group_runs(self.metrics)

    @cached_property
    def available(self) -> list[Metric]:
        """Every metric that can be asked for: the stored columns, and means computed of stored runs."""
        return with_means(list(self.metrics), self._runs)

    @property
    def datasets(self) -> list[str]:
        """The data sets that the table has columns for, in the order of its columns."""
        return list(dict.fromkeys(m.dataset for m in self.metrics if m.dataset))

    def quantity(self, metric: Metric) -> Quantity:
        """Return the unit and the direction of a column; raise InputError where there is no such quantity."""
        # a mean that is computed is in the unit of its runs
        stored = self.metrics.get(metric) or self.metrics.get(next(iter(self.runs(metric)), metric))
        if stored is not None and stored[0] in self._stated:
            return self._stated[stored[0]]
        if metric.quantity not in self._quantities:
            raise unknown("quantity", metric.quantity, self._quantities, f"table {self.name}")
        return self._quantities[metric.quantity]

    def runs(self, metric: Metric) -> list[Metric]:
        """Return the columns of the separate runs behind `metric`, in run order; may be empty."""
        return list(self._runs.get(replace(metric, run=None), ()))

    def epochs(
        self, dataset: str, split: str | None, schedule: int | None = None, quantity: str = "accuracy"
    ) -> list[int]:
        """Return, ascending, the epochs at which the table has a quantity of this data set.

        Those at which a training schedule ends; with `schedule`, every point of that schedule's curve.
        """
        wanted = (dataset, split, quantity, "")
        found = [m for m in self.metrics if (m.dataset, m.split, m.quantity, m.variant) == wanted]
        if schedule is None:
            return sorted({m.epochs for m in found if m.epochs is not None and m.schedule is None})
        inside = [m for m in found if (m.schedule or m.epochs) == schedule]
        return sorted({m.epochs for m in inside if m.epochs is not None})

    # -- reading ------------------------------------------------------------------------------

    def values(self, metric: Metric) -> Values:
        """Return float64[len(self)], the whole column; NaN where an entry is missing (read-only).

        A mean that is not stored is that over the runs which an entry has, where the table has two runs or
        more of it; `raw`, `query`, `optimum` and ``in`` agree. Raises an InputError that says which part of
        the metric is unknown, and what there is.
        """
        return self._column(metric)[0]

    def _column(self, metric: Metric) -> tuple[Values, bool]:
        try:
            return self._columns[metric]
        except (KeyError, TypeError):  # not read yet, or no metric, as `raw` says
            pass
        values = to_percent(self.raw(metric))
        check.check_finite(values, metric, self.path)
        loaded = (values, bool(np.isnan(values).any()))
        self._columns[metric] = loaded
        return loaded

    def raw(self, metric: Metric) -> npt.NDArray[np.floating[Any]]:
        """Return float[len(self)] as stored: a view of the mapped file; `to_percent` makes it exact.

        Raises as `values`.
        """
        if not isinstance(metric, Metric):
            raise InputError(
                f"what to read is a Metric, as in {next(iter(self.metrics))!r}; got {shown(metric)}"
            )
        if metric not in self.metrics:
            if metric not in self:
                raise self._no_such(metric)
            if metric not in self._columns:
                mean = mean_of_runs([self.values(run) for run in self.runs(metric)])
                self._columns[metric] = (mean, bool(np.isnan(mean).any()))
            return self._columns[metric][0]
        name, point = self.metrics[metric]
        column = self._data.column(name).chunk(0)
        if pa.types.is_fixed_size_list(column.type):
            return to_numpy(column.flatten()).reshape(len(self), -1)[:, point]
        return to_numpy(column)

    def present(self, metric: Metric) -> npt.NDArray[np.bool_]:
        """Return bool[len(self)]: which entries a column has, without a look at their values."""
        if metric not in self:
            raise self._no_such(metric)
        stored = [self.metrics[each] for each in ([metric] if metric in self.metrics else self.runs(metric))]
        there = [filled(self._data.column(name).chunk(0), point) for name, point in stored]
        return np.asarray(np.any(there, axis=0))

    def static_values(self, name: str) -> npt.NDArray[Any]:
        """Return a static column: known of each entry without having been measured; or raise InputError."""
        if name not in self.static:
            raise unknown("static column", name, self.static, f"table {self.name}")
        return to_numpy(self._data.column(name).chunk(0))

    def _no_such(self, metric: Metric) -> InputError:
        """Return the error that names the first part of `metric` which the table does not have."""
        left = self.available
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

        Raises ArchitectureError for a row that is malformed, not in the space, or not among the entries.
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
        architectures : int8[n, d] for a float64[n] answer; int8[d] or the space's own notation for a float.
        metric : Column to read.

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
            for other in self.available
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
            raise InputError(f"table {self.name} has no {metric} for any architecture")
        signed = values if self.quantity(metric).higher_is_better else -values
        row = int(np.nanargmax(signed))
        ties, n = int((values == values[row]).sum()), int((~np.isnan(values)).sum())
        return Optimum(float(values[row]), row, ties, n)
