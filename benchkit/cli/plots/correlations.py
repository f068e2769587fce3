"""``benchkit plot heatmap`` and ``benchkit plot correlation``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchkit.cli.output import progress_bar, words_or_none
from benchkit.cli.plots.options import Formats, Out, Split, Venue, tell
from benchkit.cli.table_correlate import numbers

__all__ = ["correlation", "heatmap"]


def heatmap(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="TABLE|DIR...",
            help="Table; folders of finished benchkit correlate; or one that table correlate --out wrote.",
        ),
    ],
    out: Out,
    columns: Annotated[
        str | None,
        typer.Option(
            help="DATASET/SPLIT/EPOCHS or DATASET/SPLIT/EPOCHS/RUN; TRAINING or TRAINING/EPOCH of a folder."
        ),
    ] = None,
    measure: Annotated[
        str, typer.Option(help="kendall_tau, pearson, spearman or weighted_tau.")
    ] = "kendall_tau",
    fraction: Annotated[float, typer.Option(help="Within this share of the row's best.")] = 1.0,
    n: Annotated[
        int | None, typer.Option(help="Of so many architectures, drawn with --seed; all by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the sample of architectures.")] = 0,
    resamples: Annotated[int, typer.Option(help="Bootstrap samples for the intervals.")] = 1_000,
    venue: Venue = "neurips",
    formats: Formats = None,
) -> None:
    """Draw rank correlations between columns of a table, or supernets of studies, as a matrix."""
    from benchkit.reports.figure_files import formats_of
    from benchkit.reports.plots.correlations import plot_heatmap

    wanted = words_or_none(columns)
    kinds = formats_of(out, formats)
    with progress_bar("pairs of columns") as update:
        drawn = plot_heatmap(
            sources, out, wanted, measure, fraction, n, seed, resamples, venue, kinds, update
        )
    tell(drawn)


def correlation(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Folders of finished benchkit correlate.")
    ],
    out: Out,
    split: Split = "valid",
    fraction: Annotated[
        str,
        typer.Option(help="Scatter within this share of the table's best (1, 0.5, 0.25, 0.1); with commas."),
    ] = "1",
    venue: Venue = "neurips",
    formats: Formats = None,
) -> None:
    """Draw studies of rank correlation again: the scatter, and the correlation over checkpoints."""
    from benchkit.reports.figure_files import formats_of
    from benchkit.reports.plots.correlations import plot_correlation

    shares = numbers(fraction, "--fraction", float)
    tell(plot_correlation(folders, out, split, shares, venue, formats_of(out, formats)))
