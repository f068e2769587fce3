"""``benchkit samples``: what more ranked samples buy."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import typer

from benchkit.cli.output import JSON_OPTION, progress_bar, show_json, show_rows


def samples_command(
    searches: list[Path] = typer.Argument(help="Folders of finished searches of one space and data set."),
    out: Path = typer.Option(..., help="Folder of the comparison: new, or of the same one."),
    first: list[int] = typer.Option([50, 500, 1500], help="Numbers of samples; give it again for each."),
    device: str = typer.Option("auto", help="auto, cpu, cuda or cuda:N."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Cut searches after their first n samples: best, mean and test accuracy of the best, over seeds."""
    from benchkit.base.frames import as_records
    from benchkit.reports.finished import write_samples
    from benchkit.studies.correlation.samples import compare_samples

    with progress_bar("architectures tested") as update:
        means = compare_samples(searches, out, sorted(set(first)), device, update)
    write_samples(out, searches)
    if as_json:
        return show_json(as_records(means))
    rows = [
        [
            str(row["method"]),
            f"{row['n']:,}",
            str(row["figure"]),
            _number(row["mean"], row["figure"]),
            _spread(row),
            f"{row['trainings']}",
        ]
        for row in means.to_dict(orient="records")
    ]
    show_rows(["method", "samples", "figure", "mean", "95 % interval, or the values", "trainings"], rows)
    typer.echo(f"\nresults: {out}")
    return None


def _number(value: float, figure: str) -> str:
    return f"{value:,.0f}" if figure == "parameters" else f"{value:,.2f}"


def _spread(row: dict[Hashable, Any]) -> str:
    """Return the interval of a mean over trainings; of a few their values, which resolve none."""
    from benchkit.analysis.statistics.resolution import UNRESOLVED
    from benchkit.analysis.statistics.training_mean import values_of

    if row["low"] == row["low"]:
        return f"[{_number(row['low'], row['figure'])}, {_number(row['high'], row['figure'])}]"
    values = values_of(row["values"])
    return ", ".join(_number(value, row["figure"]) for value in values) if len(values) else UNRESOLVED
