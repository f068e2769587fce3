"""``benchkit plot heatmap`` and ``benchkit plot correlation``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchkit.cli.plots.options import Formats, Out, Split, Venue, tell

__all__ = ["correlation", "heatmap"]


def heatmap(
    source: Annotated[str, typer.Argument(help="Table, or folder of a finished benchkit correlate.")],
    out: Out,
    columns: Annotated[
        str | None, typer.Option(help="Of a table: DATASET/SPLIT/EPOCHS[/RUN] with commas.")
    ] = None,
    measure: Annotated[
        str, typer.Option(help="kendall_tau, pearson, spearman or weighted_tau.")
    ] = "kendall_tau",
    fraction: Annotated[float, typer.Option(help="Within this share of the row's best.")] = 1.0,
    n: Annotated[int | None, typer.Option(help="Of so many architectures; all by default.")] = None,
    resamples: Annotated[int, typer.Option(help="Bootstrap samples for the intervals.")] = 1_000,
    venue: Venue = "neurips",
    formats: Formats = None,
) -> None:
    """Draw rank correlations between columns of a table, or supernets of a study, as a matrix."""
    from benchkit.plotting.correlations import plot_heatmap
    from benchkit.plotting.figure_files import formats_of

    wanted = None if columns is None else [part.strip() for part in columns.split(",") if part.strip()]
    written = formats_of(out, formats)
    tell(plot_heatmap(source, out, wanted, measure, fraction, n, resamples, venue, written))


def correlation(
    folder: Annotated[Path, typer.Argument(help="Folder of a finished benchkit correlate.")],
    out: Out,
    split: Split = "valid",
    venue: Venue = "neurips",
    formats: Formats = None,
) -> None:
    """Draw a study of rank correlation again: the scatter, and the correlation over checkpoints."""
    from benchkit.plotting.correlations import plot_correlation
    from benchkit.plotting.figure_files import formats_of

    tell(plot_correlation(folder, out, split, venue, formats_of(out, formats)))
