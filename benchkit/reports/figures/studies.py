"""Draws finished leaderboard studies: efficiency, ranks, and the share of trials that reached a target.

Several studies stand in one figure, a panel for each data set of each study. Beside a figure stand its
numbers as CSV, with the study's folder in the first column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchkit.base.errors import InputError, unknown
from benchkit.reports.figures.plot import Axis, Datasets, Plot, StudyFolders, Venue, refusing

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from benchkit.reports.efficiency import StudyTraces
    from benchkit.studies.store import StudyDirectory

Panels = Mapping[str, tuple[str, str]]
"""Title of a panel, and the folder and the data set that it shows."""


def efficiency(
    folders: StudyFolders, axis: Axis = None, datasets: Datasets = None, venue: Venue = "neurips"
) -> Plot:
    """Draw the regret of the incumbent against what was spent, mean and band over seeds.

    Raises
    ------
    InputError : no finished study, an axis that its traces do not have, or an unknown venue.
    """
    return efficiency_of(_studies(folders, axis), datasets, venue)


def efficiency_of(
    studies: Mapping[str, StudyTraces], datasets: Sequence[str] | None = None, venue: str = "neurips"
) -> Plot:
    """Return the figure of `efficiency` from the traces of studies, by the studies' names."""
    from benchkit.analysis.figures.efficiency import draw_efficiency, efficiency_info

    traces, panels, _ = _together(studies, datasets)
    splits = sorted({study.split for study in studies.values()})
    measures = {study.measure for study in studies.values()}
    measure = next(iter(measures)) if len(measures) == 1 else None
    with refusing():
        split = splits[0] if len(splits) == 1 else ""
        info = efficiency_info(traces, _axis_of(studies), split=split, measure=measure)
        figure = draw_efficiency(info, venue)
    notes = ["regret is on the split that each study reports: test or validation"] if len(splits) > 1 else []
    if measure is None:
        notes.append("the studies are of different quantities: each panel's regret is in its own unit")
    return Plot(figure, {"": _named(info.curves, panels)}, notes)


def reaching(
    folders: StudyFolders,
    target: Annotated[float, typer.Option(help="Regret to reach, in percent points or the quantity's unit.")],
    axis: Axis = None,
    datasets: Datasets = None,
    venue: Venue = "neurips",
) -> Plot:
    """Draw the share of trials that reached a regret, against what was spent (Kaplan-Meier).

    Raises
    ------
    InputError : see `efficiency`; a target that no trial reached.
    """
    from benchkit.analysis.figures.reaching import draw_reaching, reaching_info

    studies = _studies(folders, axis)
    traces, panels, limits = _together(studies, datasets)
    if len({limit is None for limit in limits.values()}) != 1:
        raise InputError("the studies limited different costs: draw those with one kind of budget together")
    measures = {study.measure for study in studies.values()}
    if len(measures) > 1:
        raise InputError(
            "the studies are of different quantities, in which one target means different things"
        )
    measure = next(iter(measures))
    budgets = {title: limit for title, limit in limits.items() if limit is not None}
    with refusing():
        against = _axis_of(studies)
        info = reaching_info(
            traces,
            target,
            against,
            budgets or None,
            own_ends=against == "real_seconds",
            unit="" if measure.is_percent else measure.unit,
        )
        if not info.curves["share"].gt(0).any():
            raise InputError(f"no trial reached a regret of {target:g}: take a larger --target")
        figure = draw_reaching(info, venue)
    frames = {"": _named(info.curves, panels)}
    if not len(info.censored):
        return Plot(figure, frames)
    notes = [f"{len(info.censored)} trials ended before the horizon and are censored"]
    return Plot(figure, {**frames, "censored": _named(info.censored, panels)}, notes)


def ranks(folders: StudyFolders, datasets: Datasets = None, venue: Venue = "neurips") -> Plot:
    """Draw average ranks over seeds, and which strategies the tests do not tell apart.

    Raises
    ------
    InputError : see `efficiency`; strategies that share no seed.
    """
    studies = _directories(folders)
    for directory in studies.values():
        directory.spec()
    return ranks_of({name: directory.read_trials() for name, directory in studies.items()}, datasets, venue)


def ranks_of(
    studies: Mapping[str, pd.DataFrame], datasets: Sequence[str] | None = None, venue: str = "neurips"
) -> Plot:
    """Return the figure of `ranks` from the trials of studies, by the studies' names."""
    import pandas as pd

    from benchkit.analysis.figures.ranks import draw_ranks, rank_frame, rank_info

    parts: list[pd.DataFrame] = []
    known: list[str] = []
    panels: dict[str, tuple[str, str]] = {}
    for folder, trials in studies.items():
        known += dict.fromkeys(trials["dataset"])
        for dataset in dict.fromkeys(trials["dataset"]):
            if datasets is not None and dataset not in datasets:
                continue
            title = dataset if len(studies) == 1 else f"{dataset}, {folder}"
            panels[title] = (folder, str(dataset))
            parts.append(trials[trials["dataset"] == dataset].assign(dataset=title))
    _check_datasets(datasets, known)
    with refusing():
        info = rank_info(pd.concat(parts, ignore_index=True))
        figure = draw_ranks(info, venue)
    rows = rank_frame(info)
    left = [title for title in panels if title not in set(rows["dataset"])]
    notes = [f"{title}: fewer than two strategies share a seed; it has no ranks" for title in left]
    return Plot(figure, {"": _named(rows, panels)}, notes)


def _check_datasets(datasets: Sequence[str] | None, known: Sequence[str]) -> None:
    """Check that there is something to draw, and that every data set asked for is one of a study."""
    if datasets is not None and not datasets:
        raise InputError("no data set is left to draw")
    for dataset in datasets or ():
        if dataset not in known:
            raise unknown("data set", dataset, dict.fromkeys(known), "the studies")


def _directories(folders: Sequence[Path]) -> dict[str, StudyDirectory]:
    """Return the studies by the shortest ends of their paths that tell them apart."""
    from benchkit.studies.store import StudyDirectory

    if not folders:
        raise InputError("no folder was given: name that of a finished study")
    paths = list(dict.fromkeys(folder.resolve() for folder in folders))
    for parts in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-parts:]) for path in paths]
        if len(set(names)) == len(paths):
            break
    given = {folder.resolve(): folder for folder in folders}
    return {name: StudyDirectory(given[path]) for name, path in zip(names, paths, strict=True)}


def _studies(folders: Sequence[Path], axis: str | None) -> dict[str, StudyTraces]:
    """Return the studies' traces by name, all against one axis."""
    from benchkit.reports.efficiency import read_study_traces

    found: dict[str, StudyTraces] = {}
    for name, directory in _directories(folders).items():
        found[name] = read_study_traces(directory.path, axis)
        axis = axis or found[name].axis
    return found


def _axis_of(studies: Mapping[str, StudyTraces]) -> str:
    return next(iter(studies.values())).axis


def _together(
    studies: Mapping[str, StudyTraces], datasets: Sequence[str] | None
) -> tuple[pd.DataFrame, dict[str, tuple[str, str]], dict[str, float | None]]:
    """Return all traces, panels in place of data sets; what the panels show; and their limits."""
    import pandas as pd

    parts: list[pd.DataFrame] = []
    panels: dict[str, tuple[str, str]] = {}
    limits: dict[str, float | None] = {}
    differ = len({study.measure for study in studies.values()}) > 1
    for name, study in studies.items():
        shown = [each for each in study.spec.datasets if datasets is None or each in datasets]
        of = f", {study.measure.labelled(study.measure.words)}" if differ else ""  # in its own unit
        titles = {each: each if len(studies) == 1 else f"{each}{of}\n{name}" for each in shown}
        panels |= {title: (name, dataset) for dataset, title in titles.items()}
        limits |= dict.fromkeys(titles.values(), study.limit)
        here = study.traces[study.traces["dataset"].isin(shown)]
        parts.append(here.assign(dataset=here["dataset"].map(titles)))
    _check_datasets(datasets, [each for study in studies.values() for each in study.spec.datasets])
    return pd.concat(parts, ignore_index=True), panels, limits


def _named(frame: pd.DataFrame, panels: Panels) -> Any:
    """Return a figure's numbers with the study and the data set in place of the panel's title."""
    studies = frame["dataset"].map({title: folder for title, (folder, _) in panels.items()})
    datasets = frame["dataset"].map({title: dataset for title, (_, dataset) in panels.items()})
    kept = frame.assign(dataset=datasets)
    kept.insert(0, "study", studies)
    return kept
