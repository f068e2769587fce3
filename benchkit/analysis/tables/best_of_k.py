"""The best of K samples: the layout of VAENAS's Table 4, with both random baselines and what they leave.

"VAENAS: Sampling Matters in Neural Architecture Search" (anonymous, under double-blind review), section
5.3. The paper prints one number a cell, the highest accuracy among K samples. Here a cell is a mean over
seeds with its interval; beside it stands the gain over random search, twice: with the same K samples, as in
the paper, and with as many queries as the sampler had in all, those that it was trained on included.

Steps of a trace are counted from 0. Which steps are whose is for the caller to say (`Window`): the samples
of a sampler that was trained on N queries are the steps N to N + K - 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchkit.analysis.statistics.intervals import mean_interval
from benchkit.analysis.statistics.ranking import holm, signed_rank_p
from benchkit.analysis.statistics.resolution import lacks_intervals
from benchkit.analysis.tables.latex import bold_best, escape, latex_table, seeds_text
from benchkit.base.measure import ACCURACY, Measure

SUMMARY_COLUMNS = (
    *("dataset", "row", "column", "n", "valid", "valid_low", "valid_high", "test", "test_low", "test_high"),
    *("gain", "gain_low", "gain_high", "p_value"),
    *("fair_gain", "fair_gain_low", "fair_gain_high", "fair_p_value"),
)


class Window(NamedTuple):
    """A cell of the table: the steps of a strategy's traces among which the best is taken.

    Attributes
    ----------
    row, column : Names of the cell.
    strategy : Strategy whose traces are read.
    steps : Pairs (first, end), one for each run of steps, end not included.
    """

    row: str
    column: str
    strategy: str
    steps: tuple[tuple[int, int], ...]


def best_steps(traces: pd.DataFrame, windows: Iterable[Window]) -> pd.DataFrame:
    """Return where the best score of every window stands: row, column, strategy, dataset, seed, step.

    Parameters
    ----------
    traces : Frame with a row an evaluation: strategy, dataset, seed, step (0, 1, ... within a trial), score
        (the higher the better).

    Among equal scores the first step counts.

    Raises
    ------
    ValueError : a window of a strategy that has no traces, or that ends after a trial does.
    """
    trials: dict[str, list[tuple[str, int, np.ndarray[tuple[int], np.dtype[np.float64]]]]] = {}
    for (dataset, strategy, seed), trial in traces.groupby(["dataset", "strategy", "seed"], sort=False):
        scores = trial.sort_values("step")["score"].to_numpy(dtype=np.float64)
        trials.setdefault(str(strategy), []).append((str(dataset), int(str(seed)), scores))
    found = []
    for window in windows:
        if window.strategy not in trials:
            raise ValueError(f"there are no traces of {window.strategy}")
        steps = np.concatenate([np.arange(first, end) for first, end in window.steps])
        for dataset, seed, scores in trials[window.strategy]:
            if steps[-1] >= len(scores):
                raise ValueError(
                    f"{window.row} at {window.column} needs {steps[-1] + 1:,} steps; the trial of "
                    f"{window.strategy} on {dataset} with seed {seed} has {len(scores):,}"
                )
            best = int(steps[np.argmax(scores[steps])])
            found.append((window.row, window.column, window.strategy, dataset, seed, best))
    return pd.DataFrame(found, columns=["row", "column", "strategy", "dataset", "seed", "step"])


def best_of_k_summary(
    values: pd.DataFrame,
    baselines: dict[str, tuple[str, str]],
    level: float = 0.95,
    measure: Measure = ACCURACY,
) -> pd.DataFrame:
    """Return a row a cell and data set, with the columns `SUMMARY_COLUMNS`.

    Parameters
    ----------
    values : row, column, dataset, seed, and valid and test of the best of the cell (test may be missing).
    baselines : row -> the rows of random search with the same K, and with the same queries in all.
    level : Coverage of the intervals, strictly between 0 and 1.
    measure : Quantity of the columns valid and test.

    Notes
    -----
    A gain is the mean over seeds of a row's validation accuracy minus the baseline's of the same column and
    seed, in percentage points; of a quantity whose lower values are better the baseline's minus the row's, so
    that a gain above 0 is always a better row. P-values are of the two-sided signed-rank test of the same
    differences (see `benchkit.analysis.statistics.ranking` for what pairing means), corrected by Holm over
    all rows, columns and both baselines of a data set. A baseline's own row has neither.
    """
    order = list(dict.fromkeys(values["row"])), list(dict.fromkeys(values["column"]))
    summary = []
    for dataset in dict.fromkeys(values["dataset"]):
        here = values[values["dataset"] == dataset]
        cells = {
            (str(row), str(column)): cell.set_index("seed").sort_index()
            for (row, column), cell in here.groupby(["row", "column"], sort=False)
        }
        block = []
        tests: list[tuple[dict[str, object], str, float]] = []
        for row, column in ((r, c) for r in order[0] for c in order[1] if (r, c) in cells):
            cell = cells[row, column]
            entry: dict[str, object] = {"dataset": dataset, "row": row, "column": column, "n": len(cell)}
            for split in ("valid", "test"):
                entry |= mean_interval(cell[split], level=level).named(split)
            for name, baseline in zip(("gain", "fair_gain"), baselines.get(row, ()), strict=False):
                pair = cell[["valid"]].join(cells[baseline, column]["valid"].rename("other"), how="inner")
                pair = pair if measure.higher_is_better else -pair
                entry |= mean_interval(pair["valid"] - pair["other"], level=level).named(name)
                p = signed_rank_p(-pair["valid"], -pair["other"])
                tests.append((entry, "p_value" if name == "gain" else "fair_p_value", p))
            block.append(entry)
        for (entry, name, _), corrected in zip(tests, holm([p for _, _, p in tests]), strict=True):
            entry[name] = float(corrected)
        summary += block
    return pd.DataFrame(summary, columns=list(SUMMARY_COLUMNS))


def best_of_k_layout(
    summary: pd.DataFrame, dataset: str, measure: Measure = ACCURACY
) -> tuple[list[str], list[list[str]]]:
    """Return one data set's table as (header, rows) of text: a row a method, a column each K and evolution.

    A cell is the mean of the best with its interval, or without where it is not resolvable (fewer than five
    seeds, or all of them equal: `benchkit.analysis.statistics.resolution`); below each method stand its gains
    over random search with the same K, and with the same queries in all, each with its interval, and * where
    the corrected p-value is below 0.05.
    """
    here = summary[summary["dataset"] == dataset]
    values = measure.decimals(here["valid"])
    gains = measure.difference_decimals([*here["gain"], *here["fair_gain"]], percent=2)
    columns = list(dict.fromkeys(here["column"]))
    rows = []
    for method in dict.fromkeys(here["row"]):
        cells = here[here["row"] == method].set_index("column").reindex(columns)
        rows.append([method, *_texts(cells, "valid", None, values)])
        if cells["gain"].notna().any():
            rows.append(["  over the same K", *_texts(cells, "gain", "p_value", gains)])
            rows.append(["  over the same queries", *_texts(cells, "fair_gain", "fair_p_value", gains)])
    return ["best of", *columns], rows


def _texts(cells: pd.DataFrame, name: str, p_value: str | None, digits: int) -> list[str]:
    sign = "" if p_value is None else "+"
    texts = []
    for _, cell in cells.iterrows():
        mean, low, high = (float(cell[key]) for key in (name, f"{name}_low", f"{name}_high"))
        if np.isnan(mean):
            texts.append("")
            continue
        ends = "" if np.isnan(low) else f" [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"
        star = "*" if p_value is not None and float(cell[p_value]) < 0.05 else ""
        texts.append(f"{mean:{sign}.{digits}f}{star}{ends}")
    return texts


def best_of_k_latex(
    summary: pd.DataFrame,
    caption: str = "",
    source: str = "",
    remarks: Sequence[str] = (),
    measure: Measure = ACCURACY,
) -> str:
    """Return `best_of_k_layout` of every data set as one LaTeX table; needs the package ``booktabs``.

    Parameters
    ----------
    caption : Subject of the table, put before the explanation.
    source : Origin of the numbers, plain text; ends the caption.
    remarks : Comments above the table, which LaTeX does not print.
    measure : Quantity of the values.

    The best mean of a data set and column is bold, and so is every other that prints the same.
    """
    header, _ = best_of_k_layout(summary, str(summary["dataset"].iloc[0]), measure)
    what = measure.labelled(measure.named("valid"))
    unit = "percentage points" if measure.is_percent else escape(measure.unit)
    unit = f" in {unit}" if unit else ""
    unresolved = lacks_intervals(summary, ("valid", "gain", "fair_gain"))
    text = (
        f"{escape(caption)} Best {escape(what)} of $K$ samples, mean over "
        rf"$n$ = {seeds_text(summary['n'])} seeds with its 95\,\% bootstrap interval; "
        rf"gains over random search{unit}; * $p < 0.05$, "
        "Wilcoxon signed-rank test, Holm-corrected over the cells of a data set. Best of a column in bold."
        f"{' No interval: fewer than five seeds, or all of them equal.' if unresolved else ''}"
        f"{f' {escape(source)}.' if source else ''}"
    ).strip()
    blocks = {
        str(dataset): _latex_rows(summary, str(dataset), measure)
        for dataset in dict.fromkeys(summary["dataset"])
    }
    return latex_table([_latex_cell(name) for name in header], blocks, text, "tab:best-of-k", remarks)


def _latex_rows(summary: pd.DataFrame, dataset: str, measure: Measure) -> list[list[str]]:
    """Return the rows of one data set, the best mean of each column in bold."""
    header, rows = best_of_k_layout(summary, dataset, measure)
    cells = [[_latex_cell(text) for text in row] for row in rows]
    methods = [line for line, row in zip(cells, rows, strict=True) if not row[0].startswith(" ")]
    for column in range(1, len(header)):
        parts = [line[column].partition(" ") for line in methods]  # the mean, and its interval
        means = [mean for mean, _, _ in parts]
        bold = bold_best(means, [float(mean or "nan") for mean in means], measure.higher_is_better)
        for line, mean, (_, space, interval) in zip(methods, bold, parts, strict=True):
            line[column] = mean + space + interval
    return cells


def _latex_cell(text: str) -> str:
    return rf"\quad {escape(text.strip())}" if text.startswith(" ") else escape(text)
