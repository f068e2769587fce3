"""``benchkit leaderboard chains``: how well the chains of a study sampled."""

from __future__ import annotations

import textwrap
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import typer

from benchkit.cli.output import JSON_OPTION, show_json, show_rows, width

_DIGITS = {"draws": 1, "starts": 1, "change": 3, "effective": 1, "distance": 3, "independent": 3}


def chains_command(
    directory: Path = typer.Argument(metavar="DIR", help="Directory of a finished study."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Print how well the chains of a study's strategies (gibbsnas) sampled, from its traces."""
    from benchkit.reports.chains import chain_figures, summarise_chains

    summary = summarise_chains(chain_figures(directory))
    if as_json:
        return show_json(summary.to_dict(orient="records"))
    for dataset, found in summary.groupby("dataset", sort=False):
        rows = [
            [
                str(row["strategy"]),
                str(row["figure"]),
                f"{row['n']}",
                *_mean(row, _DIGITS[str(row["figure"])]),
            ]
            for row in found.to_dict(orient="records")
        ]
        show_rows(["strategy", "figure", "n", "mean", "95 % interval"], rows, title=str(dataset))
        typer.echo()
    typer.echo(
        textwrap.fill(
            "Over seeds. Change: share of draws that changed the choice. Effective: sample size by the "
            "autocorrelation of the accuracy. Distance: total variation between the draws and the exact "
            "posterior; independent: that of an independent sample of the effective size.",
            width(),
        )
    )
    return None


def _mean(row: Mapping[Hashable, Any], digits: int) -> tuple[str, str]:
    low, high = row["low"], row["high"]
    interval = "not resolvable" if low != low else f"[{low:.{digits}f}, {high:.{digits}f}]"
    return f"{row['mean']:.{digits}f}", interval
