"""Draws comparisons of the strategies of finished studies: performance profiles, and who beats whom."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchkit.reports.figures.plot import Datasets, Plot, Venue, refusing

Folders = Annotated[list[Path], typer.Argument(help="Folders of finished studies; several are more tasks.")]


def profile(
    folders: Folders,
    baseline: Annotated[str, typer.Option(help="Strategy whose mean regret is the unit.")] = "random-search",
    datasets: Datasets = None,
    venue: Venue = "neurips",
) -> Plot:
    """Draw performance profiles: the share of runs above each score, and interquartile means.

    Raises
    ------
    InputError : see `read_tasks`; the studies lack the baseline, or an unknown venue.
    """
    from benchkit.analysis.figures.profile import draw_profiles, profile_info
    from benchkit.reports.compare import read_tasks

    trials, _, notes = read_tasks(folders, datasets)
    with refusing():
        info = profile_info(trials, baseline)
        return Plot(draw_profiles(info, venue), {"": info.profiles, "aggregates": info.aggregates}, notes)


def winrate(folders: Folders, datasets: Datasets = None, venue: Venue = "neurips") -> Plot:
    """Draw the share of seeds that each strategy wins against each other.

    Raises
    ------
    InputError : see `read_tasks`; an unknown venue.
    """
    import numpy as np

    from benchkit.analysis.figures.winrate import draw_wins, win_info
    from benchkit.analysis.statistics.pairwise import pairwise
    from benchkit.reports.compare import read_tasks

    trials, _, notes = read_tasks(folders, datasets)
    with refusing():
        info = win_info(pairwise(trials, np.random.default_rng(0)))
        return Plot(draw_wins(info, venue), {"": info.pairs}, notes)
