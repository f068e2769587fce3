"""Columns of figures about the same architectures: of a table, or of a study of rank correlation.

A column of a table is named ``DATASET/SPLIT/EPOCHS``, with ``/RUN`` for a single run (0, 1, ...): the mean
over runs as a rule.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchkit.spaces import InputError, unknown
from benchkit.tables.catalogue import open_table
from benchkit.tables.metric import Metric
from benchkit.tables.table import Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Columns", "columns_of_study", "columns_of_table", "matrix_of"]

Values = npt.NDArray[np.float64]
_SEED = 0


@dataclass(frozen=True, eq=False)
class Columns:
    """Figures of the same architectures.

    Attributes
    ----------
    values : by name float64[n], accuracies in percent, NaN where one is missing.
    runs : of those that have single trainings, float64[r, n].
    about : where they come from: the table's name and SHA-256, and so on.
    """

    values: dict[str, Values]
    runs: dict[str, Values]
    about: dict[str, Any]


def columns_of_table(
    name: str, wanted: Sequence[str] | None = None, sample: int | None = None, seed: int = 0
) -> Columns:
    """Return columns of a table.

    Parameters
    ----------
    name : of the table, or its path.
    wanted : their names; None is every mean accuracy that the table has, or every run where it has no mean,
        of the ends of its schedules.
    sample : take so many architectures, drawn with `seed`; None is all.

    Raises
    ------
    InputError : no such table or column, fewer than two, or a sample out of range.
    """
    table = open_table(name)
    metrics = _all(table) if wanted is None else {each: _parse(table, each) for each in dict.fromkeys(wanted)}
    if len(metrics) < 2:
        raise InputError(f"a correlation needs two columns; {table.name} has {', '.join(_all(table))}")
    rows = np.arange(len(table))
    if sample is not None:
        if not 2 <= sample <= len(table):
            raise InputError(f"--n must be between 2 and {len(table):,}, got {sample:,}")
        rows = np.sort(np.random.default_rng(seed).choice(len(table), sample, replace=False))
    values = {label: table.values(metric)[rows] for label, metric in metrics.items()}
    runs = {}
    for label, metric in metrics.items():
        single = [table.values(run)[rows] for run in table.runs(metric)] if metric.run is None else []
        if len(single) > 1:
            runs[label] = np.stack(single)
    about = {"table": {"name": table.name, "sha256": table.sha256}, "n": len(rows), "sample_seed": None}
    if sample is not None:
        about["sample_seed"] = seed
    return Columns(values, runs, about)


def columns_of_study(folder: Path) -> Columns:
    """Return what each supernet of a study of rank correlation predicts last, and the table's accuracies.

    Raises
    ------
    InputError : no finished study of ``benchkit correlate`` there.
    """
    import pandas as pd

    path = folder / "scatter.csv"
    if not (folder / "correlation.json").is_file() or not (folder / "result.json").is_file():
        raise InputError(f"{folder} holds no finished study of benchkit correlate")
    try:
        frame = pd.read_csv(path)
        settings = json.loads((folder / "correlation.json").read_text(encoding="utf-8"))
        predicted = frame.pivot(index="architecture", columns="training", values="supernet_accuracy")
        first = frame[frame["training"] == frame["training"].iloc[0]].set_index("architecture")
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    values = {}
    for split in ("valid", "test"):
        if f"table_{split}" in first:
            truth = first[f"table_{split}"].reindex(predicted.index)
            values[f"{settings['dataset']}/{split}"] = truth.to_numpy(dtype=np.float64)
    for training in predicted.columns:
        values[str(training)] = predicted[training].to_numpy(dtype=np.float64)
    return Columns(values, {}, {"table": settings["table"], "n": len(predicted), "study": folder.name})


def matrix_of(
    columns: Columns,
    measures: Sequence[str] = ("kendall_tau",),
    fractions: Sequence[float] = (1.0,),
    ks: Sequence[int] = (),
    resamples: int = 1_000,
) -> pd.DataFrame:
    """Return the correlation matrix, its intervals drawn from a fixed seed.

    Raises
    ------
    InputError : an unknown measure, or a number out of range.
    """
    from benchkit.analysis.correlation_matrix import correlation_matrix

    try:
        return correlation_matrix(
            columns.values,
            columns.runs,
            np.random.default_rng(_SEED),
            measures,
            fractions,
            ks,
            resamples=resamples,
        )
    except ValueError as error:
        raise InputError(str(error)) from error


def _all(table: Table) -> dict[str, Metric]:
    """Return every mean accuracy at the end of a schedule, or its runs where there is no mean."""
    found: dict[str, Metric] = {}
    means = [metric for metric in table.metrics if _plain(metric) and metric.run is None]
    have = {(metric.dataset, metric.split, metric.epochs) for metric in means}
    for metric in table.metrics:
        if _plain(metric) and (
            metric.run is None or (metric.dataset, metric.split, metric.epochs) not in have
        ):
            found[_label(metric)] = metric
    return found


def _plain(metric: Metric) -> bool:
    return (
        metric.quantity == "accuracy"
        and metric.split in ("valid", "test")
        and not metric.variant
        and metric.schedule is None
    )


def _label(metric: Metric) -> str:
    run = "" if metric.run is None else f"/{metric.run}"
    return f"{metric.dataset}/{metric.split}/{metric.epochs}{run}"


def _parse(table: Table, text: str) -> Metric:
    known: Mapping[str, Metric] = {_label(metric): metric for metric in table.metrics if _plain(metric)}
    if text not in known:
        raise unknown("column", text, known, f"table {table.name}")
    return known[text]
