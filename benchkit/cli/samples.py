"""``benchkit samples``: what more ranked samples buy."""

from __future__ import annotations

from pathlib import Path

import typer

from benchkit.cli.output import JSON_OPTION, progress_bar, show_json, show_rows

__all__ = ["samples_command"]


def samples_command(
    searches: list[Path] = typer.Argument(help="Folders of finished searches of one space and data set."),
    out: Path = typer.Option(..., help="Folder of the comparison: new, or of the same one."),
    first: list[int] = typer.Option([50, 500, 1500], help="Numbers of samples; give it again for each."),
    device: str = typer.Option("auto", help="auto, cpu, cuda or cuda:N."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Cut searches after their first n samples: best, mean and test accuracy of the best, over seeds."""
    from benchkit.comparing.samples import compare_samples

    with progress_bar("architectures tested") as update:
        means = compare_samples(searches, out, sorted(set(first)), device, update)
    if as_json:
        return show_json(means.to_dict(orient="records"))
    rows = [
        [
            str(row["method"]),
            f"{row['n']:,}",
            str(row["figure"]),
            f"{row['mean']:,.2f}" if row["figure"] != "parameters" else f"{row['mean']:,.0f}",
            "" if row["trainings"] < 2 else f"[{row['low']:,.2f}, {row['high']:,.2f}]",
            f"{row['trainings']}",
        ]
        for row in means.to_dict(orient="records")
    ]
    show_rows(["method", "samples", "figure", "mean", "95 % interval", "trainings"], rows)
    typer.echo(f"\nresults: {out}")
    return None
