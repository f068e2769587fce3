"""Figures of finished studies, drawn again from their tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchkit.analysis.figures.fading import Panel, draw_study, study_info
from benchkit.analysis.figures.intervals import IntervalInfo, draw_intervals, interval_info
from benchkit.base.errors import InputError
from benchkit.base.frames import read_frame
from benchkit.reports.figure_files import Drawn, write_plot
from benchkit.studies.fading.kept import COLUMNS

__all__ = ["plot_fading", "read_frames"]

_KINDS = {
    "fading.json": ("divergence-mean", "function_space-mean", "correlation-mean", "floor"),
    "intervals.json": ("correlations", "scatter"),
}


def plot_fading(
    folders: Sequence[Path],
    out: Path,
    start: str = "shared",
    venue: str = "neurips",
    formats: Sequence[str] = ("pdf", "png"),
) -> Drawn:
    """Draw the studies of some folders into one figure, the tables that it shows beside it.

    Parameters
    ----------
    folders : finished studies of one kind: all of ``benchkit fading run``, or all of ``fading intervals``.
    out, formats : see `write_plot`.
    start : of the stand-alone trainings that a study shows: ``shared``, or the control, ``independent``.
    venue : of the page, see `benchkit.analysis.figures.style.VENUES`.

    Raises
    ------
    InputError : a folder without a finished study, folders of both kinds, no trainings with that start, no
        such venue, or a place that cannot be written to.
    """
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
    try:
        drawn = draw_intervals(IntervalInfo(panels, rows), venue) if rows else draw_study(panels, venue)
    except ValueError as error:
        raise InputError(str(error)) from error
    tables = {name: pd.concat(parts, ignore_index=True) for name, parts in shown.items()}
    return write_plot(drawn, out, tables, formats)


def read_frames(folder: Path) -> dict[str, pd.DataFrame]:
    """Return the tables of a finished study that its figure shows, by name.

    Raises
    ------
    InputError : no finished study there, or a table that cannot be read.
    """
    frames = {}
    for name in _KINDS[_kind(folder)]:
        path = folder / f"{name}.csv"
        frames[name] = read_frame(path, COLUMNS[name], "figures")
    return frames


def _kind(folder: Path) -> str:
    for kind in _KINDS:
        if (folder / kind).is_file():
            if not (folder / "result.json").is_file():
                raise InputError(f"the study in {folder} is not finished: give its command again")
            return kind
    raise InputError(f"{folder} holds no study of fading; benchkit fading run makes one")
