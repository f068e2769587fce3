"""``benchkit leaderboard compare``: who is better than whom, over the data sets of one or several studies."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from benchkit.cli.output import JSON_OPTION, show_json, show_rows, width, words_or_none, write_frames

if TYPE_CHECKING:
    import pandas as pd

    from benchkit.reports.compare import Comparison

_PAIR_HEADER = ["better", "worse", "n", "regret less", "wins", "", "p (Holm)",
                "P(better)", "P(same)", "P(worse)"]  # fmt: skip


def compare_command(
    directories: list[Path] = typer.Argument(metavar="DIR...", help="Directories of finished studies."),
    datasets: str | None = typer.Option(None, help="Only these data sets: x,y."),
    baseline: str = typer.Option("random-search", help="Strategy whose mean regret is the unit."),
    rope: float | None = typer.Option(
        None,
        help="Regrets this close are practically the same; by default 0.1 percent points, of what is not in "
        "percent 0.",
        show_default=False,
    ),
    out: Path | None = typer.Option(None, help="Folder for the tables as CSV."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Print robust aggregates of the strategies, and tests of every pair."""
    from benchkit.base.frames import as_records
    from benchkit.reports.compare import compare_studies

    found = compare_studies(directories, words_or_none(datasets), baseline, rope)
    names = ("aggregates", "improvements", "pairs", "ranks", "friedman")
    tables = {name: getattr(found, name) for name in names}
    if out is not None:
        write_frames(out, tables)
    if as_json:
        document = {name: as_records(frame) for name, frame in tables.items()}
        return show_json({"tables": found.tables, "rope": found.rope, **document, "notes": found.notes})
    _show(found, baseline)
    if out is not None:
        typer.echo("\n" + "\n".join(str(out / f"{name}.csv") for name in tables))
    return None


def _show(found: Comparison, baseline: str) -> None:
    if len(found.aggregates):
        show_rows(
            ["strategy", "n", "IQM", "", "median", "mean", "gap", f"P(beats {baseline})", ""],
            _aggregate_rows(found),
            title="aggregates of the score 1 - regret / mean regret of the baseline",
        )
        typer.echo()
    for dataset, pairs in found.pairs.groupby("dataset", sort=False):
        measure = found.measure
        digits = 3 if measure is None else measure.difference_decimals(pairs["difference"])
        order = {name: place for place, name in enumerate(dict.fromkeys(pairs["row"]))}
        upper = pairs[pairs["row"].map(order) < pairs["column"].map(order)]
        show_rows(
            _PAIR_HEADER,
            [
                [
                    *(str(row["row"]), str(row["column"]), f"{row['n']}", f"{row['difference']:.{digits}f}"),
                    *(f"{row['wins']:.2f}", _interval(row["wins_low"], row["wins_high"], 2)),
                    *(_p(row["p_holm"]), f"{row['probably_better']:.2f}"),
                    *(f"{row['probably_equal']:.2f}", f"{row['probably_worse']:.2f}"),
                ]
                for row in upper.to_dict(orient="records")
            ],
            title=f"{dataset}: {_friedman(found.friedman, str(dataset))}",
        )
        ranks = found.ranks[found.ranks["dataset"] == dataset]
        average = ", ".join(
            f"{name} {rank:.2f}" for name, rank in zip(ranks["strategy"], ranks["rank"], strict=True)
        )
        if average:
            typer.echo(textwrap.fill(f"average ranks: {average}", width()))
        typer.echo()
    unit = "" if found.measure is None else found.measure.difference.replace("%", "percent")
    unit = f" {unit}" if unit else ""
    words = (
        "Aggregates: 95 % intervals of the stratified bootstrap over seeds. IQM: interquartile mean; gap: "
        "optimality gap, lower is better. Pairs: sorted by mean regret; wins: share of shared seeds, with "
        "Wilson's 95 % interval; p: signed-rank test, Holm's correction over all pairs of the data set; "
        f"P: posterior of the Bayesian signed-rank test, the same within {found.rope:g}{unit}."
    )
    typer.echo(textwrap.fill(words, width()))
    for name, table in found.tables.items():
        typer.echo(f"{name}: table {table['name']}, sha256 {table['sha256'][:12]}")
    for note in found.notes:
        typer.echo(f"note: {note}")


def _aggregate_rows(found: Comparison) -> list[list[str]]:
    values = found.aggregates.pivot(index="strategy", columns="measure", values="value")
    iqm = found.aggregates[found.aggregates["measure"] == "interquartile mean"].set_index("strategy")
    beats = found.improvements.set_index("row")
    rows = []
    for strategy in iqm["value"].sort_values(ascending=False, kind="stable").index:
        about = iqm.loc[strategy]
        chance = ["", ""]
        if strategy in beats.index:
            its = beats.loc[strategy]
            chance = [f"{its['value']:.2f}", _interval(its["low"], its["high"], 2)]
        rows.append(
            [
                *(str(strategy), f"{about['n']:.0f}", _plain(about["value"])),
                _interval(about["low"], about["high"], 3),
                *(_plain(values.loc[strategy, name]) for name in ("median", "mean", "optimality gap")),
                *chance,
            ]
        )
    return rows


def _friedman(frame: pd.DataFrame, dataset: str) -> str:
    row = frame[frame["dataset"] == dataset]
    if not len(row):
        return "no seed that all strategies share"
    test = row.iloc[0]
    nemenyi = f"Nemenyi's difference of ranks {test['critical_difference']:.2f}"
    return f"Friedman p = {test['p_value']:.2g} over {test['blocks']} seeds, {nemenyi}"


def _plain(value: float) -> str:
    return f"{round(value, 3) + 0.0:.3f}"  # no negative zero


def _interval(low: float, high: float, digits: int) -> str:
    return "not resolvable" if math.isnan(low) else f"[{low:.{digits}f}, {high:.{digits}f}]"


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"
