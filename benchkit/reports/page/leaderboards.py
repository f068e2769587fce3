"""Makes the section of a leaderboard study: its leaderboard at three budgets, and its best-so-far curves.

Deviations and choices
----------------------
- Curves are given at 160 costs at most, in geometric progression; at each the value is exact.
- Intervals are resampled from a fixed seed: the same folder gives the same page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchkit.analysis.tables.leaderboard import BOARD, never_zero
from benchkit.base.measure import ACCURACY, Measure
from benchkit.reports.efficiency import SHARES
from benchkit.reports.page.charts import Axis, Series, lines_table, view_data
from benchkit.reports.page.origin import command, facts_of, kept_files, leaderboard_commands
from benchkit.reports.page.parts import (
    Cell,
    Column,
    DataTable,
    Figure,
    Row,
    Section,
    choice,
    number_cell,
    text_cell,
)
from benchkit.reports.page.shares import study_table, trials_at
from benchkit.reports.report import leaderboard_of
from benchkit.studies.spec import StudySpec
from benchkit.studies.store import StudyDirectory
from benchkit.studies.wording import numbers_of, reported, study_measure

if TYPE_CHECKING:
    import pandas as pd

_POINTS = 160
_SHOWN = (BOARD[1], BOARD[0], *BOARD[2:])
"""Columns of the page, the strategy first."""
_RANK = 6


def _columns(spec: StudySpec, measure: Measure) -> tuple[Column, ...]:
    """Return the columns, the measured ones by their quantity and unit."""
    unit, points = (f", {each}" if each else "" for each in (measure.unit, measure.difference))
    valid = "valid" if spec.search.split else measure.words
    first = measure.named("valid" if spec.search.split else None)
    outcomes = {
        "valid": Column(valid, about=f"{first} of what was recommended{unit}"),
        "test": Column("test", about=f"{measure.named('test')} of the same{unit}; nothing is chosen by it"),
        "regret": Column("regret", about=f"to the table's best entry{points}"),
    }
    return tuple(
        outcomes.get(each.name)
        or Column(each.page_heading or each.heading, each.kind != "text", about=each.about)
        for each in _SHOWN
    )


def leaderboard_section(folder: Path, name: str) -> Section:
    """Return the section of a finished leaderboard study.

    Parameters
    ----------
    name : Name of the folder, on the page and in its commands.

    Raises
    ------
    InputError : no finished study there, or a damaged one.
    """
    directory = StudyDirectory(folder)
    spec = directory.spec()
    manifest = directory.read_manifest()
    directory.read_trials()
    measure = study_measure(manifest)
    notes = _notes(spec, manifest)
    boards: dict[float, pd.DataFrame] = {1.0: directory.read_leaderboard()}
    figures: tuple[Figure, ...] = ()
    if directory.traces.is_file():
        table = study_table(spec, str(manifest["table"].get("sha256")))
        shares = tuple(share for share in SHARES if share < 1)
        for share, trials in trials_at(directory, table, shares, measure).items():
            if len(trials):
                boards[share] = leaderboard_of(trials)
        if table is None:
            notes.append(
                f"Table {spec.table} with this SHA-256 is not on the machine that made this page: at a "
                "share of the budget numbers that need it are missing."
            )
        figures = (_curves(directory, spec, measure, name),)
    else:
        notes.append("The traces were not kept: there are no curves, and the whole budget only.")
    return Section(
        title=spec.title or spec.name,
        kind="Leaderboard",
        lead=(f"{numbers_of(spec, manifest['table'], manifest.get('studied'))}.",),
        tables=(_table(spec, measure, boards, name),),
        figures=figures,
        notes=tuple(notes),
        facts=facts_of(manifest),
        commands=leaderboard_commands(name),
        files=kept_files(folder, ("study.yaml", "manifest.json")),
    )


def _notes(spec: StudySpec, manifest: Mapping[str, Any]) -> list[str]:
    notes = [
        f"On {dataset}: {limit['cost']} at most {limit['max']:g} {limit['unit']}, which "
        f"{limit['feasible']:,} of {limit['entries']:,} entries keep; regret is to the best of these."
        for dataset, limit in manifest.get("constraint", {}).items()
    ]
    notes += [f"Not applicable: {label}: {reason}" for label, reason in manifest["not_applicable"].items()]
    notes += [f"{label}: {remark}" for label, remark in manifest.get("remarks", {}).items()]
    notes += [f"{each.label}: {each.note.strip()}" for each in spec.strategies if each.note]
    return [*notes, *spec.notes, *(f"Table: {warning}" for warning in manifest["table"].get("warnings", ()))]


def _budget_text(spec: StudySpec, share: float) -> str:
    if spec.budget.queries is not None:
        return f"{100 * share:g} %: {share * spec.budget.queries:,.6g} queries"
    return f"{100 * share:g} %: {share * float(spec.budget.simulated_seconds or 0):,.6g} simulated seconds"


def _table(spec: StudySpec, measure: Measure, boards: Mapping[float, pd.DataFrame], name: str) -> DataTable:
    rows = []
    digits = {
        dataset: (
            measure.decimals([*group["valid"], *group["test"]]),
            measure.difference_decimals(group["regret"]),
        )
        for dataset, group in boards[1.0].groupby("dataset", sort=False)
    }
    shares = sorted(boards, reverse=True)
    for share in shares:
        records: Any = boards[share].to_dict(orient="records")
        for row in records:
            rows.append(Row(_cells(row, *digits[row["dataset"]]), (str(row["dataset"]), f"{share:g}")))
    datasets = list(dict.fromkeys(row.keys[0] for row in rows))
    single = len(shares) == 1
    caption = (
        f"{_caption(measure)}: mean [95 % bootstrap interval over n seeds; none of fewer than five seeds, or "
        "of seeds that are all equal]."
    )
    if not single:
        caption += " At a share of the budget each search counts with its incumbent then."
    budgets = choice(
        "Budget", [f"{share:g}" for share in shares], [_budget_text(spec, share) for share in shares]
    )
    commands = (
        command("leaderboard", "show", name),
        command("leaderboard", "efficiency", name),
        command("report", name, "--out", "report.html"),
    )
    return DataTable(
        caption=caption,
        columns=_columns(spec, measure),
        rows=tuple(rows),
        filters=(choice("Data set", datasets, everything="all"), budgets),
        sorted_by=_RANK if len(datasets) == 1 else None,  # else by data set first
        commands=commands[: 1 if single else None],
    )


def _caption(measure: Measure) -> str:
    if measure == ACCURACY:
        return "Accuracy in %, regret in % points"
    unit = f" in {measure.unit}" if measure.unit else ""
    words = measure.words[:1].upper() + measure.words[1:]
    return f"{words}{unit} ({'higher' if measure.higher_is_better else 'lower'} is better), and regret"


def _cells(row: Mapping[str, Any], digits: int, regrets: int) -> tuple[Cell, ...]:
    cells = []
    for column in _SHOWN:
        value, *ends = (row[name] for name in column.in_files)
        if column.kind == "text":
            cells.append(text_cell(value))
            continue
        cell = number_cell(value, column.page_form or column.form_of(digits, regrets), *ends)
        cells.append(replace(cell, text=never_zero(column.name, cell.text)))
    return tuple(cells)


def _curves(directory: StudyDirectory, spec: StudySpec, measure: Measure, name: str) -> Figure:
    """Return the regret of the incumbent against both costs, a view a data set and cost."""
    traces = directory.read_traces()
    limited = "queries" if spec.budget.queries is not None else "seconds"
    if directory.real_seconds.is_file():
        traces["real_seconds"] = directory.read_real_seconds()
    titles = {"queries": "queries", "seconds": "simulated time (s)", "real_seconds": "real time (s)"}
    axes = sorted(titles, key=lambda axis: axis != limited)
    axes = [axis for axis in axes if axis in traces and traces[axis].notna().all()]
    views = [
        _view(traces[traces["dataset"] == dataset], dataset, axis, titles[axis], measure)
        for dataset in spec.datasets
        for axis in axes
    ]
    split = reported(spec)
    of = ", ".join(
        part for part in (split if measure == ACCURACY else measure.named(split), measure.difference) if part
    )
    filters = (choice("Data set", spec.datasets), choice("Against", axes, [titles[axis] for axis in axes]))
    about = (
        f"Regret of the incumbent ({of}) against what was spent: mean over seeds with "
        "a pointwise 95 % bootstrap band; of fewer than five seeds each is a thin line. Lower is better."
    )
    return Figure(
        kind="lines",
        title="Best so far",
        about=about,
        data={"views": views},
        filters=filters,
        table=lines_table(about, filters, views, "spent", measure.difference_labelled("regret")),
        commands=tuple(
            command("plot", "efficiency", name, "--axis", axis.replace("_", "-"), "--out", "efficiency.pdf")
            for axis in axes
        ),
    )


def _view(traces: pd.DataFrame, dataset: str, axis: str, title: str, measure: Measure) -> dict[str, Any]:
    from benchkit.analysis.figures.cost_axis import first_shown, from_cost, logarithmic_ticks
    from benchkit.analysis.figures.style import method_looks
    from benchkit.analysis.statistics.curves import few_trials, regret_curve, step_values

    curves = regret_curve(traces, axis, _grid(traces, axis))
    start = first_shown(axis, float(curves["x"].min()))
    kept = []
    for label, whole in curves.groupby("strategy", sort=False):
        curve = from_cost(whole, start)
        if len(curve):
            kept.append((str(label), curve))
    kept.sort(key=lambda pair: float(pair[1]["mean"].iloc[-1]))
    looks = method_looks(label for label, _ in kept)
    single = few_trials(traces, axis)
    series = []
    for label, curve in kept:
        shown = Series.of(label, f"{int(curve['n'].iloc[0])} seeds", looks[label], curve)
        series.append(shown)
        for cost, regret in single.get((label, dataset), []):
            series.append(Series.thin(label, "1 seed", shown.x, step_values(cost, regret, shown.x)))
    ends = [float(end) for _, curve in kept for end in (curve["x"].iloc[0], curve["x"].iloc[-1])]
    low, high = min(ends, default=0.0), max(ends, default=0.0)
    wide = low > 0 and high > 5 * low
    across = Axis(
        title,
        "log" if wide else "linear",
        (low, high) if high > low else None,
        tuple(tick for tick in logarithmic_ticks(low, high) if low <= tick <= high) if wide else (),
    )
    return view_data((dataset, axis), across, _regret_axis(series, measure), series, step=True)


def _grid(traces: pd.DataFrame, axis: str) -> npt.NDArray[np.float64]:
    """Return every cost where those are few, else some, and where each curve starts and ends."""
    costs = np.unique(traces[axis].to_numpy(dtype=np.float64))
    if len(costs) <= _POINTS:
        return costs
    positive = costs[costs > 0]
    wanted = np.geomspace(positive[0], positive[-1], _POINTS)
    some = positive[np.maximum(np.searchsorted(positive, wanted, side="right") - 1, 0)]
    trials = traces.groupby(["strategy", "seed"])[axis].agg(["min", "max"]).groupby("strategy")
    grid: npt.NDArray[np.float64] = np.unique(np.concatenate([some, *trials.max().to_numpy(np.float64).T]))
    return grid


def _regret_axis(series: list[Series], measure: Measure) -> Axis:
    """Return a logarithmic axis, which is linear near 0 where a curve or a band gets there."""
    from benchkit.analysis.figures.cost_axis import regret_scale

    title = measure.difference_labelled("regret")
    if not series:
        return Axis(title)
    mean, low, high = (
        np.concatenate([np.where(np.isnan(values), means, values) for values, means in pairs])
        for pairs in (
            [(getattr(each, name), each.mean) for each in series] for name in ("mean", "low", "high")
        )
    )
    scale = regret_scale(mean, float(low.min()), float(high.max()), measure)
    if scale is None:
        return Axis(title)
    bottom = scale.low if scale.floor is None else scale.floor
    ticks = tuple(tick for tick in scale.ticks if tick == 0 or bottom <= tick <= scale.high)
    if scale.floor is None:
        return Axis(title, "log", (scale.low, scale.high), ticks)
    return Axis(title, "symlog", (scale.low, scale.high), ticks, scale.floor)
