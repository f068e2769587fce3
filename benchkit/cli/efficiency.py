"""``benchkit leaderboard efficiency``: how soon the strategies of a study get good."""

from __future__ import annotations

import textwrap
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from benchkit.base.errors import shown
from benchkit.base.measure import ACCURACY
from benchkit.cli.output import JSON_OPTION, show_json, show_rows, width, words_of, write_frames

if TYPE_CHECKING:
    from benchkit.reports.efficiency import StudyEfficiency

_UNITS = {"queries": ("queries", 1), "seconds": ("simulated s", 0), "real_seconds": ("real s", 4)}
"""Of an axis: its unit, and how many digits its costs are printed with."""

_WIDE = 130
"""Characters that a row of all columns takes, with the longest of our names."""


def efficiency_command(
    directory: Path = typer.Argument(metavar="DIR", help="Directory of a finished study."),
    axis: str | None = typer.Option(
        None, help="queries, seconds (simulated) or real-seconds; by default what the study limited."
    ),
    targets: str | None = typer.Option(
        None,
        help="Regrets to reach, in percent points or the quantity's unit, with commas; baseline is what the "
        "baseline's median trial ends with. By default 1,0.5,0.2,baseline; else baseline.",
        show_default=False,
    ),
    baseline: str = typer.Option("random-search", help="Strategy that speed-ups are over."),
    budgets: str | None = typer.Option(
        None, help="Budgets, with commas; by default a quarter, a half and all.", show_default=False
    ),
    out: Path | None = typer.Option(None, help="Folder for efficiency.csv and reaching.csv."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Print the area under the regret curves, and what it costs to reach target regrets."""
    from benchkit.reports.efficiency import study_efficiency

    aims = None if targets is None else _numbers(targets, "--targets", lowest=0.0, words=("baseline",))
    spent = None if budgets is None else [float(each) for each in _numbers(budgets, "--budgets")]
    found = study_efficiency(directory, axis, aims, baseline, spent)
    if out is not None:
        write_frames(out, {"efficiency": found.efficiency, "reaching": found.reaching})
    if as_json:
        return show_json(_document(found))
    _show(found)
    if out is not None:
        typer.echo(f"\n{out / 'efficiency.csv'}\n{out / 'reaching.csv'}")
    return None


def _numbers(
    text: str, option: str, lowest: float | None = None, words: tuple[str, ...] = ()
) -> list[float | str]:
    """Return the numbers of a list with commas, each once; they are at least `lowest`, or else above 0."""
    from benchkit.base.errors import InputError

    found: list[float | str] = []
    for part in words_of(text):
        if part in words:
            found.append(part)
            continue
        try:
            number = float(part)
        except ValueError:
            number = float("nan")
        good = number > 0 if lowest is None else number >= lowest
        if not good or number == float("inf"):
            named = "".join(f", or {word}" for word in words)
            least = "above 0" if lowest is None else f"from {lowest:g} on"
            raise InputError(f"{option} takes numbers {least} with commas{named}; got {shown(part)}")
        found.append(number)
    if not found:
        raise InputError(f"{option} names nothing")
    return list(dict.fromkeys(found))


def _document(found: StudyEfficiency) -> dict[str, Any]:
    study = found.of
    return {
        "study": study.spec.name,
        "table": {name: study.manifest["table"].get(name) for name in ("name", "sha256")},
        "axis": study.axis,
        "limit": study.limit,
        "regret_on": study.split,
        "measure": study.measure._asdict(),
        "baseline": found.baseline,
        "efficiency": found.efficiency.to_dict(orient="records"),
        "reaching": found.reaching.to_dict(orient="records"),
    }


def _show(found: StudyEfficiency) -> None:
    study = found.of
    unit, digits = _UNITS[study.axis]
    table = study.manifest["table"]
    typer.echo(f"{study.spec.name}: {study.spec.title or study.spec.table}")
    limited = "" if study.limit is None else f", budget {study.limit:,g} {unit}"
    measure = study.measure
    regret = f"regret in {measure.difference}" if measure.difference else "regret"
    on = study.split if measure == ACCURACY else measure.named(study.split)
    identity = (
        f"table {table['name']} (sha256 {table['sha256'][:12]}){limited}; {regret} "
        f"({on}), mean [95 % interval]"
    )
    typer.echo(textwrap.fill(identity, width()) + "\n")
    if found.efficiency.empty:
        text = "Some trials end before others have an evaluation: there is no budget to compare all at."
        typer.echo(textwrap.fill(text, width()) + "\n")
    for dataset, rows in found.efficiency.groupby("dataset", sort=False):
        decimals = measure.difference_decimals([*rows["area"], *rows["regret"]])
        _show_efficiency(str(dataset), rows.to_dict(orient="records"), unit, decimals)
    for (where, target, kind), rows in found.reaching.groupby(["dataset", "target", "target_is"], sort=False):
        whose = (
            "the median of all trials" if kind == "all trials" else f"the median trial of {found.baseline}"
        )
        of = f", where {whose} ends" if kind else ""
        title = f"{where}: cost of a regret of {target:.4g}{of} ({unit})"
        _show_reaching(title, rows.to_dict(orient="records"), digits)
    text = "" if found.efficiency.empty else "Area: mean regret of the incumbent while the budget is spent. "
    text += (
        "Reached: trials with the target "
        "within the horizon, of n; share by Kaplan-Meier. Mean cost: where a trial pays no more than the "
        f"horizon ({_horizons(found)}{unit}). A median beyond the horizon is shown as >. "
    )
    if found.baseline is not None:
        text += (
            f"Speed-up: median cost of {found.baseline} over that of the strategy; a bound where one of the "
            "two is beyond the horizon, ? where both are. "
        )
    early = int(found.reaching["censored_early"].sum())
    if study.limit is None:
        text += (
            f"The study did not limit {study.axis.replace('_', ' ')}: trials end at different costs, and "
            f"count as censored there ({early} in these tables)."
        )
    text += " An interval is left out where it is not resolvable: of fewer than 5 trials, or of equal ones."
    typer.echo(textwrap.fill(text, width()))


def _horizons(found: StudyEfficiency) -> str:
    of_dataset = found.reaching.groupby("dataset", sort=False)["horizon"]
    if (of_dataset.nunique() > 1).any():
        return "where the strategy's own trials end, in "
    return ", ".join(_plain(value) for value in dict.fromkeys(of_dataset.first())) + " "


def _plain(cost: float) -> str:
    return f"{cost:,.0f}" if cost > 1e4 else f"{cost:,.6g}"


def _show_efficiency(dataset: str, rows: list[dict[Hashable, Any]], unit: str, digits: int) -> None:
    """Print the area up to the last budget and the regret at each, a row a strategy."""
    from benchkit.reports.efficiency import SHARES

    budgets = list(dict.fromkeys(row["budget"] for row in rows if row["budget"] == row["budget"]))
    strategies = list(dict.fromkeys(row["strategy"] for row in rows))
    by_strategy = {name: [row for row in rows if row["strategy"] == name] for name in strategies}
    # over data sets whose budgets differ there is none to name, but its share of what is known of each
    known = max(map(len, by_strategy.values()))
    names = [_plain(budget) for budget in budgets] or [f"{100 * share:g} %" for share in SHARES[-known:]]
    header = ["strategy", "n", f"area to {names[-1]}", *(f"regret at {name}" for name in names)]
    cells = [
        [
            name,
            str(group[0]["n"]),
            _with_interval(group[-1], "area", digits),
            *(_with_interval(row, "regret", digits) for row in group),
        ]
        for name, group in by_strategy.items()
    ]
    show_rows(header, _narrow(cells), title=f"{dataset}: area under the curve, and regret ({unit})")
    typer.echo()


def _show_reaching(title: str, rows: list[dict[Hashable, Any]], digits: int) -> None:
    cells = [
        [
            row["strategy"],
            f"{row['reached']}/{row['n']}",
            _with_interval(row, "share", 2),
            _median(row, digits),
            _with_interval(row, "restricted_mean", digits),
            _speed_up(row),
        ]
        for row in rows
    ]
    show_rows(
        ["strategy", "reached", "share", "median", "mean cost", "speed-up"], _narrow(cells), title=title
    )
    typer.echo()


def _narrow(rows: list[list[str]]) -> list[list[str]]:
    """Return the rows with each interval below its number where the terminal is narrow."""
    return rows if width() >= _WIDE else [[cell.replace(" [", "\n[") for cell in row] for row in rows]


def _with_interval(row: Mapping[Hashable, Any], name: str, digits: int) -> str:
    from benchkit.analysis.statistics.resolution import plain_text

    return plain_text(row[name], row[f"{name}_low"], row[f"{name}_high"], f".{digits}f")


def _median(row: Mapping[Hashable, Any], digits: int) -> str:
    """Return a median with its interval; what lies beyond the horizon is larger than it."""
    beyond = f">{row['horizon']:.{digits}f}"
    value, low, high = (
        beyond if row[name] != row[name] else f"{row[name]:.{digits}f}"
        for name in ("median", "median_low", "median_high")
    )
    return f"{value} [{low}, {high}]"


def _speed_up(row: Mapping[Hashable, Any]) -> str:
    bound, value = row["speed_up_bound"], row["speed_up"]
    if bound == "unknown":
        return "?"
    if value != value:
        return ""
    low, high = row["speed_up_low"], row["speed_up_high"]
    if low != low:
        return f"{bound}{value:.2f}"
    return f"{bound}{value:.2f} [{low:.2f}, {'inf' if high != high else format(high, '.2f')}]"
