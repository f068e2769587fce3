"""A figure of a whole table, with the ways of a study's searches over it (`benchkit.analysis.figures.space`).

Beside the figure stand ``.csv`` (the cells of the density, or the points), ``-front.csv`` (the Pareto front)
and ``-path.csv`` (a row for each incumbent of each search).

Deviations and choices
----------------------
- What is shown, accuracy as a rule, is the mean over the table's runs, in the table's unit and direction. A
  search may have seen another column (fewer epochs, a single run): a note says which, and the way is drawn
  where the figure's columns put its incumbents.
- The cost is found by what columns say of themselves (`benchkit.data.tables.costs`). One that is kept for
  several lengths of training is that of the training shown, else of the longest.
- Entries without the cost, or without what is shown, are left out; legend and note say how many.
- The incumbent holds from the evaluation that found it until the next row of ``-path.csv``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError, unknown
from benchkit.data.tables.catalogue import open_table
from benchkit.data.tables.costs import CostColumn, find_cost
from benchkit.data.tables.end_columns import end_columns
from benchkit.data.tables.table import Table
from benchkit.reports.figure_files import Drawn, write_plot
from benchkit.studies.correlation.truth import Truth, named, quantity_of, read_truth, with_unit
from benchkit.studies.spec import StudySpec
from benchkit.studies.store import StudyDirectory
from benchkit.studies.supernet_spec import is_supernet_study
from benchkit.studies.wording import after_epochs

if TYPE_CHECKING:
    import pandas as pd

    from benchkit.analysis.figures.space import SpaceInfo

__all__ = ["SpacePlot", "plot_space"]


@dataclass(frozen=True)
class SpacePlot:
    """What is shown of a table.

    Attributes
    ----------
    cost : a name of a cost, such as ``params``, or of a quantity of the table.
    dataset : None is the one that the study searched on, or the table's only one.
    split : ``valid`` or ``test``.
    epochs : of the training; None is the longest schedule.
    quantity : Quantity shown against the cost; None is accuracy, or the table's only quantity.
    pareto : draw the Pareto front.
    study : folder of a finished study on the table, or None.
    strategies : labels of the study's searches to draw; none named are all.
    seeds : of these searches.
    venue : of the page, see `benchkit.analysis.figures.style.VENUES`.
    formats : of the figure's files.

    Raises
    ------
    InputError : an unknown split; searches without a study.
    """

    cost: str = "params"
    dataset: str | None = None
    split: str = "valid"
    epochs: int | None = None
    pareto: bool = True
    study: Path | None = None
    strategies: Sequence[str] = ()
    seeds: Sequence[int] = (0,)
    venue: str = "neurips"
    formats: Sequence[str] = ("pdf", "png")
    quantity: str | None = None

    def __post_init__(self) -> None:
        if self.split not in ("valid", "test"):
            raise unknown("split", self.split, ("valid", "test"))
        if self.study is None and self.strategies:
            raise InputError("--strategy names searches of a study: give its folder with --study")


def plot_space(name: str, out: Path, plot: SpacePlot) -> Drawn:
    """Draw accuracy, or another quantity, against cost for every architecture of a table.

    Parameters
    ----------
    name : of the table, or its path.
    out : the figure's name.

    Raises
    ------
    InputError : no such table, column or search; a study that has not finished or is of another table; an
        unknown venue, or a place that cannot be written to.
    """
    from benchkit.analysis.figures.space import draw_space, space_info

    table = open_table(name)
    directory, spec = (None, None) if plot.study is None else _study(plot.study, table)
    quantity = quantity_of(table, plot.quantity)
    dataset = plot.dataset or _dataset(table, quantity, spec)
    truth = read_truth(table, dataset, plot.split, plot.epochs, quantity)
    column = find_cost(table, plot.cost, truth.metric.dataset, truth.metric.epochs)
    paths: pd.DataFrame | None = None
    notes: list[str] = []
    if directory is not None and spec is not None:
        paths, notes = _paths(table, directory, spec, plot, truth, column)
    if plot.split == "test" and (spec is None or spec.search.split != "test"):
        notes.append("test accuracy is shown only: nothing was chosen by it")
    lost = int(np.count_nonzero(~(np.isfinite(column.values) & np.isfinite(truth.mean))))
    if lost:
        notes.append(
            f"{lost:,} of {len(table):,} entries have no {plot.cost} ({column.source}) or no {truth.metric}, "
            "and are left out"
        )
    try:
        info = space_info(
            column.values,
            truth.mean,
            None if paths is None else _drawn(paths, column, quantity),
            pareto=plot.pareto,
            cost_label=column.label,
            accuracy_label=_label(truth),
            unit=truth.quantity.unit,
            higher_is_better=truth.quantity.higher_is_better,
            lower_cost=column.metric is None or not table.quantity(column.metric).higher_is_better,
            source=f"{table.name} (SHA-256 {table.sha256[:8]})",
        )
        figure = draw_space(info, plot.venue)
    except ValueError as error:
        raise InputError(f"table {table.name}: {error}") from error
    frames = {"": _cloud(info, column, quantity)}
    if plot.pareto:
        frames["front"] = _front(info, table, truth, column)
    if paths is not None:
        frames["path"] = paths
    return write_plot(figure, out, frames, plot.formats, notes)


# -- the table ------------------------------------------------------------------------------------


def _dataset(table: Table, quantity: str, spec: StudySpec | None) -> str:
    having = dict.fromkeys(metric.dataset for metric in end_columns(table, quantity=quantity))
    choices = list(having) if spec is None else spec.datasets
    if len(choices) == 1:
        return choices[0]
    where = f"table {table.name}" if spec is None else f"study {spec.name}"
    raise InputError(f"{where} has several data sets: give --dataset, one of {', '.join(choices)}")


def _label(truth: Truth) -> str:
    """Return what the y axis says, in two lines."""
    metric = truth.metric
    words = with_unit(named(truth.split, metric.quantity), truth.quantity.unit)
    trained = [] if metric.epochs is None else [f"{metric.epochs} epochs"]
    trained += [] if metric.run is None else [f"run {metric.run}"]
    return ",\n".join(filter(None, [words, ", ".join(filter(None, [metric.dataset, *trained]))]))


# -- the searches ---------------------------------------------------------------------------------


def _study(folder: Path, table: Table) -> tuple[StudyDirectory, StudySpec]:
    directory = StudyDirectory(folder)
    if directory.study.is_file() and is_supernet_study(directory.study):
        raise InputError(
            f"{folder} holds a study of supernets, whose searches have no incumbents: give the folder of a "
            f"study on a table, such as {folder / 'queries'}"
        )
    spec = directory.spec()
    about = directory.read_manifest()["table"]
    if about["sha256"] != table.sha256:
        raise InputError(
            f"{folder} is a study of table {about['name']} with SHA-256 {about['sha256'][:12]}..., not of "
            f"{table.name} with {table.sha256[:12]}..."
        )
    return directory, spec


def _paths(
    table: Table,
    directory: StudyDirectory,
    spec: StudySpec,
    plot: SpacePlot,
    truth: Truth,
    column: CostColumn,
) -> tuple[pd.DataFrame, list[str]]:
    """Return a row for each incumbent of each search that is asked for, and what to know of them."""
    import pandas as pd

    dataset = truth.metric.dataset
    searched = dataset
    if dataset not in spec.datasets:  # found on one data set, reported on another
        if dataset not in (spec.report.datasets or []):
            raise unknown("dataset", dataset, spec.report.datasets or spec.datasets, f"study {spec.name}")
        (searched,) = spec.datasets
    labels = [strategy.label for strategy in spec.strategies]
    for label in plot.strategies:
        if label not in labels:
            raise unknown("strategy", label, labels, f"study {spec.name}")
    kept = {
        (trial.label, trial.seed): trace
        for trial, trace in directory.read_kept(table.base_space).items()
        if trial.dataset == searched
    }
    quantity = truth.metric.quantity
    parts, lost = [], 0
    for label in plot.strategies or [name for name in labels if any(key[0] == name for key in kept)]:
        for seed in dict.fromkeys(plot.seeds):
            if (label, seed) not in kept:
                there = sorted(each for name, each in kept if name == label)
                known = f"0 to {there[-1]}" if there else "none: it did not apply"
                raise InputError(
                    f"study {spec.name} has no {label} on {searched} with seed {seed}; it has {known}"
                )
            trace = kept[label, seed]
            steps = np.unique(trace.incumbents())
            rows = table.locate(trace.batch[steps])
            part = pd.DataFrame(
                {
                    "strategy": label,
                    "seed": seed,
                    "searched_on": searched,
                    "evaluation": steps + 1,
                    "queries": trace.queries[steps],
                    "architecture": [table.base_space.format(row) for row in trace.batch[steps]],
                    column.quantity: _own(table, column)[rows],
                    quantity: truth.mean[rows],
                }
            )
            drawn = part[column.quantity].notna() & part[quantity].notna()
            lost += int((~drawn).sum())
            parts.append(part[drawn])
    see = spec.search
    notes = [
        f"the searches saw {' '.join(part for part in (see.split, see.quantity) if part)} on {searched}"
        f"{after_epochs(see.epochs, 'at')} (score {see.score}); "
        f"shown is {truth.metric}"
    ]
    if lost:
        notes.append(f"{lost} incumbents have no {plot.cost} or no {quantity} in the table and are left out")
    return pd.concat(parts, ignore_index=True), notes


def _drawn(paths: pd.DataFrame, column: CostColumn, quantity: str) -> pd.DataFrame:
    """Return the ways as the figure wants them, with a cost in its unit and what is on the y axis."""
    return paths.assign(cost=paths[column.quantity] * column.factor, accuracy=paths[quantity])


# -- the data beside the figure -------------------------------------------------------------------


def _own(table: Table, column: CostColumn) -> npt.NDArray[np.float64]:
    """Return float64[entries]: a cost in the table's own unit, as it is stored."""
    if column.metric is not None:
        return table.values(column.metric)
    return np.asarray(table.static_values(column.name), dtype=np.float64)


def _cloud(info: SpaceInfo, column: CostColumn, quantity: str) -> pd.DataFrame:
    """Return the points, or the cells of the density that hold any; costs in the table's own unit."""
    import pandas as pd

    name, factor, density = column.quantity, column.factor, info.density
    if density is None:
        return pd.DataFrame({name: info.cost / factor, quantity: info.accuracy})
    i, j = np.nonzero(density.counts)
    return pd.DataFrame(
        {
            f"{name}_from": density.cost_edges[i] / factor,
            f"{name}_to": density.cost_edges[i + 1] / factor,
            f"{quantity}_from": density.accuracy_edges[j],
            f"{quantity}_to": density.accuracy_edges[j + 1],
            "architectures": density.counts[i, j],
        }
    )


def _front(info: SpaceInfo, table: Table, truth: Truth, column: CostColumn) -> pd.DataFrame:
    import pandas as pd

    known = np.flatnonzero(np.isfinite(column.values) & np.isfinite(truth.mean))
    rows = known[info.front]
    return pd.DataFrame(
        {
            "architecture": [table.base_space.format(row) for row in table.rows[rows]],
            column.quantity: _own(table, column)[rows],
            truth.metric.quantity: truth.mean[rows],
            "dataset": truth.metric.dataset,
            "split": truth.split,
            "epochs": truth.metric.epochs,
            "table": table.name,
            "table_sha256": table.sha256,
        }
    )
