"""Draws finished studies of posterior fading from their tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchkit.base.errors import InputError
from benchkit.reports.figures.plot import Plot, Venue, refusing

if TYPE_CHECKING:
    import pandas as pd

_KINDS = {
    "fading.json": ("divergence-mean", "function_space-mean", "correlation-mean", "floor"),
    "intervals.json": ("correlations", "scatter"),
}


def fading(
    folders: Annotated[list[Path], typer.Argument(help="Of benchkit fading run, or of fading intervals.")],
    start: Annotated[
        str, typer.Option(help="Stand-alone trainings to show: shared or independent.")
    ] = "shared",
    venue: Venue = "neurips",
) -> Plot:
    """Draw divergence and correlation against the number of models, or against the intervals of PC-NAS.

    Raises
    ------
    InputError : a folder without a finished study, folders of both kinds, no trainings with that start, or an
        unknown venue.
    """
    import pandas as pd

    from benchkit.analysis.figures.fading import Panel, draw_study, study_info
    from benchkit.analysis.figures.intervals import IntervalInfo, draw_intervals, interval_info

    kinds = {folder: _kind(folder) for folder in folders}
    if len(set(kinds.values())) > 1:
        raise InputError("give folders of one kind: of benchkit fading run, or of benchkit fading intervals")
    several = len(kinds) > 1
    panels: list[Panel] = []
    rows = []
    shown: dict[str, list[pd.DataFrame]] = {}
    for folder, kind in kinds.items():
        frames = read_frames(folder)
        for name, frame in frames.items():
            shown.setdefault(name, []).append(frame.assign(folder=folder.name) if several else frame)
        if kind == "fading.json":
            if not (frames["divergence-mean"]["start"] == start).any():
                raise InputError(
                    f"{folder} has no trainings with {start} first weights; --control makes them"
                )
            found = study_info(frames, start)
        else:
            found, scatters = interval_info(frames["correlations"], frames["scatter"])
            rows += scatters
        panels += [
            panel._replace(title=f"{folder.name}: {panel.title}") if several else panel for panel in found
        ]
    tables = {name: pd.concat(parts, ignore_index=True) for name, parts in shown.items()}
    with refusing():
        drawn = draw_intervals(IntervalInfo(panels, rows), venue) if rows else draw_study(panels, venue)
    return Plot(drawn, tables)


def read_frames(folder: Path) -> dict[str, pd.DataFrame]:
    """Return the tables of a finished study that its figure shows, by name.

    Raises
    ------
    InputError : no finished study there, or a table that cannot be read.
    """
    from benchkit.base.frames import read_frame
    from benchkit.studies.fading.kept import COLUMNS

    return {
        name: read_frame(folder / f"{name}.csv", COLUMNS[name], "figures") for name in _KINDS[_kind(folder)]
    }


def _kind(folder: Path) -> str:
    for kind in _KINDS:
        if (folder / kind).is_file():
            if not (folder / "result.json").is_file():
                raise InputError(f"the study in {folder} is not finished: give its command again")
            return kind
    raise InputError(f"{folder} holds no study of fading; benchkit fading run makes one")
