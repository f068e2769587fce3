"""Draws a whole table, with the ways of a study's searches over it (`benchkit.analysis.figures.space`).

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
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchkit.base.errors import InputError, unknown
from benchkit.reports.figures.plot import Plot, Split, Venue, refusing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from benchkit.analysis.figures.space import SpaceInfo
    from benchkit.data.tables.costs import CostColumn
    from benchkit.data.tables.table import Table
    from benchkit.studies.correlation.truth import Truth
    from benchkit.studies.spec import StudySpec
    from benchkit.studies.store import StudyDirectory


def space(
    table: Annotated[str, typer.Argument(help="Table, by name or path.")],
    cost: Annotated[
        str,
        typer.Option(help="What x is: params, flops, latency, train-seconds, energy; or a column's word."),
    ] = "params",
    dataset: Annotated[str | None, typer.Option(help="Data set of the table.")] = None,
    split: Split = "valid",
    epochs: Annotated[
        int | None, typer.Option(help="Training schedule of what y is; the longest by default.")
    ] = None,
    quantity: Annotated[
        str | None, typer.Option(help="What y is: accuracy by default, or another of the table.")
    ] = None,
    study: Annotated[
        Path | None, typer.Option(help="Folder of a finished study on the table: draw its searches.")
    ] = None,
    strategy: Annotated[
        list[str] | None, typer.Option(help="Only these of the study; may be repeated.")
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="Seeds of these searches; may be repeated.  [default: 0]")
    ] = None,
    pareto: Annotated[bool, typer.Option("--pareto/--no-pareto", help="Draw the Pareto front.")] = True,
    venue: Venue = "neurips",
) -> Plot:
    """Draw a whole table, accuracy or another quantity against cost: Pareto front, and ways of searches.

    Raises
    ------
    InputError : an unknown split; searches without a study; no such table, column or search; a study that has
        not finished or is of another table; an unknown venue.
    """
    import numpy as np

    from benchkit.analysis.figures.space import draw_space, space_info
    from benchkit.data.tables.catalogue import open_table
    from benchkit.data.tables.costs import find_cost
    from benchkit.studies.correlation.truth import quantity_of, read_truth

    if study is None and seed:
        raise InputError("--seed names searches of a study: give its folder with --study")
    if split not in ("valid", "test"):
        raise unknown("split", split, ("valid", "test"))
    if study is None and strategy:
        raise InputError("--strategy names searches of a study: give its folder with --study")
    whole = open_table(table)
    directory, spec = (None, None) if study is None else _study(study, whole)
    shown = quantity_of(whole, quantity)
    dataset = dataset or _dataset(whole, shown, spec)
    truth = read_truth(whole, dataset, split, epochs, shown)
    column = find_cost(whole, cost, truth.metric.dataset, truth.metric.epochs)
    paths: pd.DataFrame | None = None
    notes: list[str] = []
    if directory is not None and spec is not None:
        paths, notes = _paths(whole, directory, spec, strategy or [], seed or [0], truth, column, cost)
    if split == "test" and (spec is None or spec.search.split != "test"):
        notes.append("test accuracy is shown only: nothing was chosen by it")
    lost = int(np.count_nonzero(~(np.isfinite(column.values) & np.isfinite(truth.mean))))
    if lost:
        notes.append(
            f"{lost:,} of {len(whole):,} entries have no {cost} ({column.source}) or no {truth.metric}, "
            "and are left out"
        )
    with refusing(f"table {whole.name}: "):
        info = space_info(
            column.values,
            truth.mean,
            None
            if paths is None
            else paths.assign(cost=paths[column.quantity] * column.factor, accuracy=paths[shown]),
            pareto=pareto,
            cost_label=column.label,
            accuracy_label=_label(truth),
            unit=truth.quantity.unit,
            higher_is_better=truth.quantity.higher_is_better,
            lower_cost=column.metric is None or not whole.quantity(column.metric).higher_is_better,
            source=f"{whole.name} (SHA-256 {whole.sha256[:8]})",
        )
        figure = draw_space(info, venue)
    frames = {"": _cloud(info, column, shown)}
    if pareto:
        frames["front"] = _front(info, whole, truth, column)
    if paths is not None:
        frames["path"] = paths
    return Plot(figure, frames, notes)


# -- the table ------------------------------------------------------------------------------------


def _dataset(table: Table, quantity: str, spec: StudySpec | None) -> str:
    from benchkit.data.tables.end_columns import end_columns

    having = dict.fromkeys(metric.dataset for metric in end_columns(table, quantity=quantity))
    choices = list(having) if spec is None else spec.datasets
    if len(choices) == 1:
        return choices[0]
    where = f"table {table.name}" if spec is None else f"study {spec.name}"
    raise InputError(f"{where} has several data sets: give --dataset, one of {', '.join(choices)}")


def _label(truth: Truth) -> str:
    """Return what the y axis says, in two lines."""
    from benchkit.studies.correlation.truth import named, with_unit

    metric = truth.metric
    words = with_unit(named(truth.split, metric.quantity), truth.quantity.unit)
    trained = [] if metric.epochs is None else [f"{metric.epochs} epochs"]
    trained += [] if metric.run is None else [f"run {metric.run}"]
    return ",\n".join(filter(None, [words, ", ".join(filter(None, [metric.dataset, *trained]))]))


# -- the searches ---------------------------------------------------------------------------------


def _study(folder: Path, table: Table) -> tuple[StudyDirectory, StudySpec]:
    from benchkit.studies.store import StudyDirectory

    directory = StudyDirectory(folder)
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
    strategies: Sequence[str],
    seeds: Sequence[int],
    truth: Truth,
    column: CostColumn,
    cost: str,
) -> tuple[pd.DataFrame, list[str]]:
    """Return a row for each incumbent of each search that is asked for, and what to know of them."""
    import numpy as np
    import pandas as pd

    from benchkit.studies.wording import after_epochs

    dataset = truth.metric.dataset
    searched = dataset
    if dataset not in spec.datasets:  # found on one data set, reported on another
        if dataset not in (spec.report.datasets or []):
            raise unknown("dataset", dataset, spec.report.datasets or spec.datasets, f"study {spec.name}")
        (searched,) = spec.datasets
    labels = [strategy.label for strategy in spec.strategies]
    for label in strategies:
        if label not in labels:
            raise unknown("strategy", label, labels, f"study {spec.name}")
    kept = {
        (trial.label, trial.seed): trace
        for trial, trace in directory.read_kept(table.base_space).items()
        if trial.dataset == searched
    }
    quantity = truth.metric.quantity
    parts, lost = [], 0
    for label in strategies or [name for name in labels if any(key[0] == name for key in kept)]:
        for seed in dict.fromkeys(seeds):
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
        notes.append(f"{lost} incumbents have no {cost} or no {quantity} in the table and are left out")
    return pd.concat(parts, ignore_index=True), notes


# -- the data beside the figure -------------------------------------------------------------------


def _own(table: Table, column: CostColumn) -> npt.NDArray[np.float64]:
    """Return float64[entries]: a cost in the table's own unit, as it is stored."""
    import numpy as np

    if column.metric is not None:
        return table.values(column.metric)
    return np.asarray(table.static_values(column.name), dtype=np.float64)


def _cloud(info: SpaceInfo, column: CostColumn, quantity: str) -> pd.DataFrame:
    """Return the points, or the cells of the density that hold any; costs in the table's own unit."""
    import numpy as np
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
    import numpy as np
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
