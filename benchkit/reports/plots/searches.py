"""Figures of what searches would have returned after each epoch: are they stable, and do they collapse?

The architectures that searches recorded (`benchkit.reports.plots.search_story`) are looked up in the table of
their space, and drawn (`benchkit.analysis.figures.stability`). Beside a figure stand its data: ``.csv`` with
a row for each search and epoch, ``-mean.csv`` over seeds.

Deviations and choices
----------------------
- The accuracy is the mean over the table's runs after its longest schedule. Nothing is chosen by it: it is
  shown when all searches are over, so test accuracy may be asked for, but only by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.base.errors import InputError, shown
from benchkit.data.tables.catalogue import table_names
from benchkit.data.tables.table import Table
from benchkit.reports.figure_files import Drawn, write_plot
from benchkit.reports.plots.search_story import Story, read_stories
from benchkit.spaces import Space, get_space
from benchkit.strategies.derived import skip_shares
from benchkit.studies.correlation.truth import Truth, read_truth, table_of

if TYPE_CHECKING:
    import pandas as pd

    from benchkit.analysis.figures.stability import Axis


__all__ = ["SearchPlot", "plot_collapse", "plot_stability"]


@dataclass(frozen=True)
class SearchPlot:
    """What is shown of the searches.

    Attributes
    ----------
    dataset : of the table; None is the one that was searched on.
    split : ``valid`` or ``test``.
    table : name or path; None is the one that bears the space's name.
    most_probable : show the most probable architecture of methods that draw the one which they derive.
    axis : ``epochs`` or ``updates``.
    venue : of the page, see `benchkit.analysis.figures.style.VENUES`.
    formats : of the figure's files.

    Raises
    ------
    InputError : an unknown split or axis.
    """

    dataset: str | None = None
    split: str = "valid"
    table: str | None = None
    most_probable: bool = False
    axis: Axis = "epochs"
    venue: str = "neurips"
    formats: Sequence[str] = ("pdf", "png")

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("split", self.split, ("valid", "test")),
            ("axis", self.axis, ("epochs", "updates")),
        ):
            if value not in allowed:
                raise InputError(f"unknown {name} {shown(value)}; there are {', '.join(allowed)}")


def plot_stability(folders: Sequence[Path], out: Path, plot: SearchPlot) -> Drawn:
    """Draw the stand-alone accuracy of what was derived after each epoch (GibbsNAS, Figure 3).

    Parameters
    ----------
    folders : of finished searches, or of studies of such.
    out : the figure's name.

    Raises
    ------
    InputError : what `read_stories` raises; no table, or none with such an accuracy or such an entry; an
        unknown venue, or a place that cannot be written to.
    """
    from benchkit.analysis.figures.stability import stability_info

    stories, notes = read_stories(folders, plot.most_probable)
    space = get_space(stories[0].settings.space)
    table = _table(space, plot)
    if table is None:
        raise InputError(
            f"there is no table of {space.name} to look up what was derived: give --table NAME or its path"
        )
    truth = read_truth(table, plot.dataset or stories[0].settings.data, plot.split)
    points = _points(stories, space, table, truth)
    info = stability_info(points, _label(truth), table.optimum(truth.metric).value, plot.axis)
    return _written(info, out, plot, notes)


def plot_collapse(folders: Sequence[Path], out: Path, plot: SearchPlot) -> Drawn:
    """Draw share of skip connections, entropy and stand-alone accuracy after each epoch (SI-VDNAS).

    As `plot_stability`; but where the space has no table, and none is named, the accuracy is left out, and a
    note says so.
    """
    from benchkit.analysis.figures.stability import collapse_info

    stories, notes = read_stories(folders, plot.most_probable)
    space = get_space(stories[0].settings.space)
    table = _table(space, plot)
    if table is None:
        if plot.dataset is not None or plot.split != "valid":
            raise InputError(
                f"there is no table of {space.name}: give --table, or leave --dataset and --split out"
            )
        notes.append(f"there is no table of {space.name}: the accuracy is left out")
        return _written(collapse_info(_points(stories, space), axis=plot.axis), out, plot, notes)
    truth = read_truth(table, plot.dataset or stories[0].settings.data, plot.split)
    points = _points(stories, space, table, truth)
    info = collapse_info(points, _label(truth), table.optimum(truth.metric).value, plot.axis)
    return _written(info, out, plot, notes)


def _table(space: Space, plot: SearchPlot) -> Table | None:
    if plot.table is None and space.name not in table_names():
        return None
    return table_of(space, plot.table)


def _points(
    stories: list[Story], space: Space, table: Table | None = None, truth: Truth | None = None
) -> pd.DataFrame:
    """Return a row for each search and epoch, in the order of the searches."""
    import pandas as pd

    parts = []
    for story in stories:
        epochs = np.arange(1, len(story.batch) + 1)
        shares = skip_shares(space, story.batch)
        facts = {
            "method": story.method,
            "seed": story.settings.seed,
            "epoch": epochs,
            "updates": epochs * story.updates,
            "architecture": [space.format(row) for row in story.batch],
            "skips": np.nan if shares is None else shares,
            "entropy": story.entropies,
        }
        if table is not None and truth is not None:
            facts |= {
                "accuracy": _accuracies(table, truth, story),
                "dataset": truth.metric.dataset,
                "split": truth.split,
                "table_epochs": truth.metric.epochs,
                "table": table.name,
                "table_sha256": table.sha256,
            }
        parts.append(pd.DataFrame(facts))
    return pd.concat(parts, ignore_index=True)


def _accuracies(table: Table, truth: Truth, story: Story) -> Any:
    """Return float64[epochs], percent."""
    values = truth.mean[table.locate(story.batch)]
    if np.isnan(values).any():
        missing = table.base_space.format(story.batch[int(np.flatnonzero(np.isnan(values))[0])])
        raise InputError(
            f"table {table.name} has no {truth.metric} for {missing}, which {story.folder} derived"
        )
    return values


def _label(truth: Truth) -> str:
    split = {"valid": "validation", "test": "test"}[truth.split]
    return f"{split} accuracy\nalone (%), {truth.metric.dataset}"


def _written(info: Any, out: Path, plot: SearchPlot, notes: list[str]) -> Drawn:
    import pandas as pd

    from benchkit.analysis.figures.stability import draw_searches

    try:
        figure = draw_searches(info, plot.venue)
    except ValueError as error:
        raise InputError(str(error)) from error
    if plot.split == "test":
        notes = [*notes, "test accuracy is shown only: nothing was chosen by it"]
    means = pd.concat([panel.means.assign(measure=panel.measure) for panel in info.panels], ignore_index=True)
    return write_plot(figure, out, {"": info.points, "mean": means}, plot.formats, notes)
