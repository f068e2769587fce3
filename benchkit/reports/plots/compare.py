"""Figures that compare the strategies of finished studies: performance profiles, and who beats whom."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchkit.base.errors import InputError
from benchkit.reports.compare import read_tasks
from benchkit.reports.figure_files import Drawn, write_plot

__all__ = ["plot_profile", "plot_winrate"]


def plot_profile(
    folders: Sequence[Path],
    out: Path,
    baseline: str = "random-search",
    datasets: Sequence[str] | None = None,
    venue: str = "neurips",
    formats: Sequence[str] = ("pdf", "png"),
) -> Drawn:
    """Draw performance profiles and interquartile means of the strategies that all studies have.

    Parameters
    ----------
    folders, datasets : see `read_tasks`.
    out, formats : see `write_plot`.
    baseline : the strategy whose mean regret is the unit.

    Raises
    ------
    InputError : see `read_tasks`; the studies lack the baseline, an unknown venue, or a place that cannot be
        written to.
    """
    from benchkit.analysis.figures.profile import draw_profiles, profile_info

    trials, _, notes = read_tasks(folders, datasets)
    try:
        info = profile_info(trials, baseline)
        figure = draw_profiles(info, venue)
    except ValueError as error:
        raise InputError(str(error)) from error
    return write_plot(figure, out, {"": info.profiles, "aggregates": info.aggregates}, formats, notes)


def plot_winrate(
    folders: Sequence[Path],
    out: Path,
    datasets: Sequence[str] | None = None,
    venue: str = "neurips",
    formats: Sequence[str] = ("pdf", "png"),
) -> Drawn:
    """Draw the share of seeds that each strategy wins against each other, a matrix for every data set.

    Parameters
    ----------
    folders, out, datasets, formats : see `plot_profile`.

    Raises
    ------
    InputError : see `plot_profile`.
    """
    from benchkit.analysis.figures.winrate import draw_wins, win_info
    from benchkit.analysis.statistics.pairwise import pairwise

    trials, _, notes = read_tasks(folders, datasets)
    try:
        info = win_info(pairwise(trials, np.random.default_rng(0)))
        figure = draw_wins(info, venue)
    except ValueError as error:
        raise InputError(str(error)) from error
    return write_plot(figure, out, {"": info.pairs}, formats, notes)
