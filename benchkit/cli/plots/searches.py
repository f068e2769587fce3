"""``benchkit plot stability`` and ``benchkit plot collapse``: what searches would have returned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from benchkit.cli.plots.options import Dataset, Formats, Out, Split, TableName, Venue, tell

if TYPE_CHECKING:
    from benchkit.analysis.figures.stability import Axis

__all__ = ["collapse", "stability"]

Folders = Annotated[
    list[Path], typer.Argument(help="Folders of finished searches, or of studies of supernet searches.")
]
MostProbable = Annotated[
    bool,
    typer.Option(
        "--most-probable",
        help="Show the most probable architecture, for sivdnas, in place of the drawn one.",
    ),
]
AxisName = Annotated[
    str, typer.Option("--axis", help="What x is: epochs or updates (of the shared weights).")
]


def stability(
    folders: Folders,
    out: Out,
    dataset: Dataset = None,
    split: Split = "valid",
    table: TableName = None,
    most_probable: MostProbable = False,
    axis: AxisName = "epochs",
    venue: Venue = "neurips",
    formats: Formats = None,
) -> None:
    """Draw the table's accuracy of what searches would have returned after each epoch."""
    from benchkit.reports.figure_files import formats_of
    from benchkit.reports.plots.searches import SearchPlot, plot_stability

    shown = SearchPlot(
        dataset, split, table, most_probable, cast("Axis", axis), venue, formats_of(out, formats)
    )
    tell(plot_stability(folders, out, shown))


def collapse(
    folders: Folders,
    out: Out,
    dataset: Dataset = None,
    split: Split = "valid",
    table: TableName = None,
    most_probable: MostProbable = False,
    axis: AxisName = "epochs",
    venue: Venue = "neurips",
    formats: Formats = None,
) -> None:
    """Draw skip connections, entropy and the table's accuracy after each epoch of searches."""
    from benchkit.reports.figure_files import formats_of
    from benchkit.reports.plots.searches import SearchPlot, plot_collapse

    shown = SearchPlot(
        dataset, split, table, most_probable, cast("Axis", axis), venue, formats_of(out, formats)
    )
    tell(plot_collapse(folders, out, shown))
