"""The best-of-K report of a study: VAENAS's Table 4 and Figure 2 from the study's traces.

A study that has ``best_of_k`` names its samplers: strategies that query N architectures, learn, then draw
`samples` and breed `children` of the first `population` of them (``vaenas`` with those options). Every cell
of the table is read from one trial of the study, so that traces, manifest and ``verify`` serve unchanged:

=============================  ==========================================================================
cell                           steps of the trace, counted from 0
=============================  ==========================================================================
sampler, best of K             N to N + K - 1
sampler, evolution             its first population, N to N + P - 1, and the children after the samples
random search, best of K       0 to K - 1
random search, N + K           0 to N + K - 1
evolution from a random start  0 to P + C - 1, and 0 to N + P + C - 1 for as many queries
=============================  ==========================================================================

The search sees validation; what a cell reports of its architecture, test included, is read here and once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchkit.analysis.tables.best_of_k import Window, best_of_k_latex, best_of_k_summary, best_steps
from benchkit.base.errors import InputError
from benchkit.base.files import write_text
from benchkit.base.measure import ACCURACY, Measure
from benchkit.data.tables.table import Table
from benchkit.reports.chains import replay, trial_strategy
from benchkit.reports.figure_files import write_plot
from benchkit.spaces.base import Batch
from benchkit.studies.best_of_k import phases_of, wanted_best_of_k
from benchkit.studies.spec import StudySpec
from benchkit.studies.store import StudyDirectory
from benchkit.studies.studied import report_metrics, studied_entries
from benchkit.studies.trial import Trial
from benchkit.studies.wording import describe_table, numbers_of

_FIGURE_SAMPLES = 5000  # section 5.3, Figure 2
_TRIAL = ["strategy", "dataset", "seed"]


def windows(spec: StudySpec) -> tuple[list[Window], dict[str, tuple[str, str]]]:
    """Return the cells of the table, and each sampler's two baselines by their rows."""
    wanted = wanted_best_of_k(spec)
    cells: list[Window] = []
    baselines: dict[str, tuple[str, str]] = {}
    phases = {label: phases_of(spec, label) for label in wanted.samplers}
    starts = sorted({each["initial"] for each in phases.values()})
    first = phases[wanted.samplers[0]]
    bred = first["population"] + first["children"]
    rows = {0: wanted.random, **{n: f"{wanted.random}, {n:,} + K" for n in starts}}
    for n, row in rows.items():
        cells += [Window(row, str(k), wanted.random, ((0, n + k),)) for k in wanted.counts]
        cells.append(Window(row, "evolution", wanted.evolution, ((0, n + bred),)))
    for label, each in phases.items():
        n = each["initial"]
        cells += [Window(label, str(k), label, ((n, n + k),)) for k in wanted.counts]
        children = n + each["samples"]
        steps = ((n, n + each["population"]), (children, children + each["children"]))
        cells.append(Window(label, "evolution", label, steps))
        baselines[label] = (rows[0], rows[n])
    return cells, baselines


def best_of_k_values(directory: StudyDirectory, table: Table) -> pd.DataFrame:
    """Return row, column, dataset, seed, valid and test: a row a cell and trial."""
    spec = directory.spec()
    cells, _ = windows(spec)
    traces = directory.read_traces()
    best = best_steps(traces, cells)
    firsts = traces.loc[traces["step"] == 0, _TRIAL].rename_axis("first").reset_index()  # steps follow it
    place = best.merge(firsts, on=_TRIAL, how="left", validate="many_to_one")["first"] + best["step"]
    rows = directory.read_architectures(table.base_space)[place.to_numpy(dtype=np.int64)]
    for split in ("valid", "test"):
        best[split] = np.nan
    for dataset in spec.datasets:
        (metrics,) = report_metrics(spec, table, dataset)
        mine = (best["dataset"] == dataset).to_numpy()
        for split, metric in zip(("valid", "test"), metrics, strict=True):
            if metric is not None:
                best.loc[mine, split] = np.asarray(table.query(rows[mine], metric))
    return best[["row", "column", "dataset", "seed", "valid", "test"]]


def sampled_accuracies(
    directory: StudyDirectory, table: Table, dataset: str, n: int = _FIGURE_SAMPLES
) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """Return validation figures of n random architectures and of n samples of every sampler (Figure 2).

    Of the trials with seed 0. A sampler is had again by telling its strategy what its kept trace says, so it
    is the one that the trial used; what it draws here comes after all that the trial drew.

    Raises
    ------
    InputError : a kept trace is not the one that its strategy makes.
    """
    spec = directory.spec()
    (metrics,) = report_metrics(spec, table, dataset)
    kept = directory.read_kept(table.base_space)
    wanted = wanted_best_of_k(spec)
    space = studied_entries(spec, table, dataset).space
    drawn: dict[str, Batch] = {wanted.random: space.sample(np.random.default_rng(0), n)}
    for label in wanted.samplers:
        trial = Trial(label, dataset, 0)
        strategy: Any = trial_strategy(spec, trial, table)
        phases = phases_of(spec, label)
        try:
            replay(strategy, kept[trial], phases["initial"] + phases["samples"])
        except InputError as error:
            raise InputError(
                f"the kept trace of {trial} is not the one that it makes now: see verify"
            ) from error
        drawn[label] = strategy.sampler.sample(n)
    return {label: np.asarray(table.query(rows, metrics[0])) for label, rows in drawn.items()}  # type: ignore[arg-type]


def write_best_of_k(directory: StudyDirectory, table: Table, measure: Measure = ACCURACY) -> None:
    """Write ``best_of_k.csv``, ``best_of_k.tex`` and ``figures/density-DATASET``.

    Parameters
    ----------
    measure : Quantity that the study searched and reports.
    """
    from benchkit.analysis.figures.sample_density import density_frame, density_info, draw_density

    spec = directory.spec()
    values = best_of_k_values(directory, table)
    summary = best_of_k_summary(values, windows(spec)[1], measure=measure)
    write_text(directory.best_of_k, summary.to_csv(index=False, float_format="%.10g"))
    source = numbers_of(spec, describe_table(table))
    remarks = [f"study {spec.name}", f"table {table.name}, SHA-256 {table.sha256}"]
    latex = best_of_k_latex(summary, f"{spec.title}.", source, remarks, measure)
    write_text(directory.best_of_k.with_suffix(".tex"), latex)
    for dataset in spec.datasets:
        accuracies = sampled_accuracies(directory, table, dataset)
        info = density_info(accuracies, f"{dataset}, {_FIGURE_SAMPLES:,} samples, seed 0", measure)
        name = "".join(c if c.isalnum() or c in "-_" else "_" for c in dataset)
        write_plot(draw_density(info), directory.figures / f"density-{name}", {"": density_frame(info)})
