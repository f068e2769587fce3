"""Draws what searches would have returned after each epoch: are they stable, and do they collapse?

The architectures that searches recorded (`benchkit.reports.figures.search_story`) are looked up in the table
of their space, and drawn (`benchkit.analysis.figures.stability`). Beside a figure stand its data: ``.csv``
with a row for each search and epoch, ``-mean.csv`` over seeds.

Deviations and choices
----------------------
- The accuracy is the mean over the table's runs after its longest schedule. Nothing is chosen by it: it is
  shown when all searches are over, so test accuracy may be asked for, but only by name.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from benchkit.base.errors import InputError, unknown
from benchkit.reports.figures.plot import Plot, Split, Venue, refusing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from benchkit.analysis.figures.stability import Axis
    from benchkit.data.tables.table import Table
    from benchkit.reports.figures.search_story import Story
    from benchkit.spaces import Space
    from benchkit.studies.correlation.truth import Truth

Folders = Annotated[
    list[Path], typer.Argument(help="Folders of finished searches, or of studies of supernet searches.")
]
Dataset = Annotated[str | None, typer.Option(help="Data set of the table.")]
TableName = Annotated[
    str | None, typer.Option("--table", help="Table, by name or path; that of the space by default.")
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
    dataset: Dataset = None,
    split: Split = "valid",
    table: TableName = None,
    most_probable: MostProbable = False,
    axis: AxisName = "epochs",
    venue: Venue = "neurips",
) -> Plot:
    """Draw the table's accuracy of what searches would have returned after each epoch.

    Source: GibbsNAS, Figure 3.

    Raises
    ------
    InputError : what `read_stories` raises; no table, or none with such an accuracy or such an entry; an
        unknown split, axis or venue.
    """
    return _drawn("stability", folders, dataset, split, table, most_probable, axis, venue)


def collapse(
    folders: Folders,
    dataset: Dataset = None,
    split: Split = "valid",
    table: TableName = None,
    most_probable: MostProbable = False,
    axis: AxisName = "epochs",
    venue: Venue = "neurips",
) -> Plot:
    """Draw skip connections, entropy and the table's accuracy after each epoch of searches.

    Source: the claim of SI-VDNAS. Where the space has no table, and none is named, the accuracy is left out,
    and a note says so.

    Raises
    ------
    InputError : see `stability`.
    """
    return _drawn("collapse", folders, dataset, split, table, most_probable, axis, venue)


def _drawn(
    kind: str,
    folders: list[Path],
    dataset: str | None,
    split: str,
    table_name: str | None,
    most_probable: bool,
    axis: str,
    venue: str,
) -> Plot:
    import pandas as pd

    from benchkit.analysis.figures.stability import collapse_info, draw_searches, stability_info
    from benchkit.data.tables.catalogue import table_names
    from benchkit.reports.figures.search_story import read_stories
    from benchkit.spaces import get_space
    from benchkit.studies.correlation.truth import read_truth, table_of

    for name, value, allowed in (
        ("split", split, ("valid", "test")),
        ("axis", axis, ("epochs", "updates")),
    ):
        if value not in allowed:
            raise unknown(name, value, allowed)
    along = cast("Axis", axis)
    stories, notes = read_stories(folders, most_probable)
    space = get_space(stories[0].settings.space)
    if table_name is not None or space.name in table_names():
        table = table_of(space, table_name)
        truth = read_truth(table, dataset or stories[0].settings.data, split)
        points = _points(stories, space, table, truth)
        what = "test" if split == "test" else "validation"
        label = f"{what} accuracy\nalone (%), {truth.metric.dataset}"
        make = stability_info if kind == "stability" else collapse_info
        info = make(points, label, table.optimum(truth.metric).value, along)
    elif kind == "stability":
        raise InputError(
            f"there is no table of {space.name} to look up what was derived: give --table NAME or its path"
        )
    elif dataset is not None or split != "valid":
        raise InputError(
            f"there is no table of {space.name}: give --table, or leave --dataset and --split out"
        )
    else:
        notes.append(f"there is no table of {space.name}: the accuracy is left out")
        info = collapse_info(_points(stories, space), axis=along)
    with refusing():
        figure = draw_searches(info, venue)
    if split == "test":
        notes.append("test accuracy is shown only: nothing was chosen by it")
    means = pd.concat([panel.means.assign(measure=panel.measure) for panel in info.panels], ignore_index=True)
    return Plot(figure, {"": info.points, "mean": means}, notes)


def _points(
    stories: list[Story], space: Space, table: Table | None = None, truth: Truth | None = None
) -> pd.DataFrame:
    """Return a row for each search and epoch, in the order of the searches."""
    import numpy as np
    import pandas as pd

    from benchkit.strategies.derived import skip_shares

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


def _accuracies(table: Table, truth: Truth, story: Story) -> npt.NDArray[np.float64]:
    """Return float64[epochs], percent."""
    import numpy as np

    values = truth.mean[table.locate(story.batch)]
    if np.isnan(values).any():
        missing = table.base_space.format(story.batch[int(np.flatnonzero(np.isnan(values))[0])])
        raise InputError(
            f"table {table.name} has no {truth.metric} for {missing}, which {story.folder} derived"
        )
    return values
