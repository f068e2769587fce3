"""Draws finished studies of rank correlation: a scatter of each training, and curves over checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchkit.base.errors import InputError, blamed_on
from benchkit.reports.figures.plot import Plot, Split, Venue, refusing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from benchkit.analysis.figures.correlation import ScatterInfo


def correlation(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Folders of finished benchkit correlate.")
    ],
    split: Split = "valid",
    fraction: Annotated[
        Sequence[float],
        typer.Option(help="Scatter within this share of the table's best (1, 0.5, 0.25, 0.1); with commas."),
    ] = (1.0,),
    venue: Venue = "neurips",
) -> Plot:
    """Draw studies of rank correlation again: the scatter, and the correlation over checkpoints.

    The scatter has a panel for each training's last checkpoint and each fraction. Beside it, as ``curve``,
    stand the curves with a line for each study, and the noise ceiling where all studies have the same.

    Raises
    ------
    InputError : no finished study, no such split or fraction in it, or an unknown venue.
    """
    import pandas as pd

    from benchkit.studies.correlation.study_columns import distinct_names

    studies = [read_correlations(folder, name, split) for name, folder in distinct_names(folders).items()]
    quantities = {study.truth.get("quantity", "accuracy") for study in studies}
    if len(quantities) > 1:
        raise InputError(f"the studies rank by {' and '.join(sorted(quantities))}: draw them one by one")
    strategies = [study.settings["strategy"] for study in studies]
    curves = pd.concat(
        [
            study.curves.assign(
                strategy=strategy if strategies.count(strategy) == 1 else f"{strategy} ({study.name})"
            )
            for study, strategy in zip(studies, strategies, strict=True)
        ],
        ignore_index=True,
    )
    shared = _shared_ceiling(studies)
    trainings = sum(study.scatter["training"].nunique() for study in studies)
    with refusing():
        figure = scatter_of(studies, fraction, min(trainings, 3), venue)
        beside = curves_of(curves, shared, venue)
    frames = {"": _named(studies, "scatter"), "correlations": _named(studies, "last")}
    ceilings = _named(studies, "ceiling")
    if len(ceilings):
        frames["ceiling"] = ceilings
    tables = {study.name: study.settings["table"] for study in studies}
    notes = [f"{name}: table {table['name']}, sha256 {table['sha256']}" for name, table in tables.items()]
    if shared is None and len(ceilings):
        notes.append("the studies are held against different truths: the curves have no common noise ceiling")
    if any(study.lower_is_better for study in studies):
        notes.append("lower truths are better: they are ranked the other way round, so that 1 is agreement")
    if split == "test":
        notes.append("test accuracy is shown only: nothing was chosen by it")
    return Plot(figure, frames, notes, {"curve": beside})


@dataclass(frozen=True, eq=False)
class FoundCorrelations:
    """The tables of one finished study, of one split of its truth.

    Attributes
    ----------
    name : Name of the study in a figure.
    settings : Content of ``correlation.json``.
    truth : Metric that the study is held against.
    scatter : Points of the last checkpoints.
    curves : Correlations of all checkpoints, on the images that all have.
    last : Correlations of the last checkpoints, on the most images.
    ceiling : Noise ceiling; may have no rows.
    """

    name: str
    settings: dict[str, Any]
    truth: dict[str, Any]
    scatter: pd.DataFrame
    curves: pd.DataFrame
    last: pd.DataFrame
    ceiling: pd.DataFrame

    @property
    def lower_is_better(self) -> bool:
        """Whether lower values of the truth are better."""
        return bool(self.truth.get("better") == "lower")


def read_correlations(folder: Path, name: str, split: str | None = None) -> FoundCorrelations:
    """Return what a finished study of ``benchkit correlate`` found.

    Parameters
    ----------
    split : ``valid`` or ``test``; None is the study's first truth.

    Raises
    ------
    InputError : the study has not finished, has no such split, or a file is damaged.
    """
    from benchkit.base.frames import read_frame
    from benchkit.studies.correlation.kept import CEILING, CORRELATIONS, SCATTER, read_settings
    from benchkit.studies.correlation.truth import ANY_SPLIT

    settings, result = read_settings(folder)
    truths = {each["split"] or ANY_SPLIT: each for each in result["truths"]}
    split = ANY_SPLIT if ANY_SPLIT in truths else split or next(iter(truths))
    if split not in truths:
        what = result["truths"][0].get("quantity", "accuracy").replace("_", " ")
        raise InputError(f"the study in {folder} has no {split} {what}; it has {', '.join(truths)}")
    scatter = read_frame(folder / "scatter.csv", SCATTER, "points")
    correlations = read_frame(folder / "correlations.csv", CORRELATIONS, "correlations")
    ceiling = read_frame(folder / "noise_ceiling.csv", CEILING, "noise ceiling")
    with blamed_on(f"the study in {folder}"):
        mine = correlations[correlations["truth"] == split]
        newest = mine[mine["epoch"] == mine.groupby("training")["epoch"].transform("max")]
        return FoundCorrelations(
            name,
            settings,
            truths[split],
            scatter[scatter[f"table_{split}"].notna()],
            mine[mine["images"] == settings["images"]],
            newest[newest["images"] == newest.groupby("training")["images"].transform("max")],
            ceiling[ceiling["truth"] == split],
        )


def scatter_of(
    studies: Sequence[FoundCorrelations], fractions: Sequence[float], columns: int, venue: str = "neurips"
) -> Figure:
    """Return the scatter of each training's last checkpoint: a panel for each of them and each fraction.

    Raises
    ------
    ValueError : a study has no correlation within a fraction, or an unknown venue.
    """
    from benchkit.analysis.figures.correlation import draw_scatter

    trainings = [name for study in studies for name in study.scatter["training"].unique()]
    ambiguous = {name for name in trainings if trainings.count(name) > 1}
    return draw_scatter(
        [panel for share in fractions for study in studies for panel in _panels(study, share, ambiguous)],
        predicted_label="accuracy with inherited weights (%)",
        truth_label=_truth_label(studies),
        columns=columns,
        venue=venue,
    )


def curves_of(curves: pd.DataFrame, ceiling: pd.DataFrame | None, venue: str = "neurips") -> Plot:
    """Return correlation against epochs, a line for each strategy; see `curve_info`."""
    from benchkit.analysis.figures.correlation import curve_info, draw_curves

    return Plot(draw_curves(curve_info(curves, ceiling=ceiling), venue), {"": curves})


def _panels(study: FoundCorrelations, share: float, ambiguous: set[str]) -> list[ScatterInfo]:
    """Return a panel for each training, within the best share of the table.

    Raises
    ------
    ValueError : the study has no correlation within that share.
    """
    import numpy as np

    from benchkit.analysis.figures.correlation import ScatterInfo
    from benchkit.analysis.statistics.rank_correlation import best_share
    from benchkit.studies.correlation.truth import ANY_SPLIT

    panels = []
    for training, points in study.scatter.groupby("training", sort=False):
        rows = study.last[(study.last["training"] == training) & (study.last["fraction"] == share)]
        if len(rows) == 0:
            known = ", ".join(f"{each:g}" for each in study.last["fraction"].unique())
            raise ValueError(f"{study.name} has no correlation within the best {share:g}; it has {known}")
        name = f"{training!s} ({study.name})" if training in ambiguous else str(training)
        title = f"{name}, {int(rows['epoch'].iloc[0])} epochs, {int(rows['images'].iloc[0]):,} images"
        truth = points[f"table_{study.truth['split'] or ANY_SPLIT}"].to_numpy(dtype=np.float64)
        shown = best_share(-truth if study.lower_is_better else truth, share)
        predicted = points["supernet_accuracy"].to_numpy(dtype=np.float64)[shown]
        ceiling = study.ceiling if len(study.ceiling) else None
        panels.append(ScatterInfo(title, predicted, truth[shown], rows, ceiling, 0.95))
    return panels


def _truth_label(studies: Sequence[FoundCorrelations]) -> str:
    from benchkit.studies.correlation.truth import ANY_SPLIT, named, truth_label, with_unit

    first = studies[0].truth
    labels = {truth_label(study.truth) for study in studies}
    if len(labels) == 1:
        return labels.pop()
    words = named(first["split"] or ANY_SPLIT, first.get("quantity", "accuracy"))
    return with_unit(f"{words}\nof training alone", first.get("unit", "%"))


def _shared_ceiling(studies: Sequence[FoundCorrelations]) -> pd.DataFrame | None:
    """Return the noise ceiling, where all studies are held against one truth of the same architectures."""
    first = studies[0].ceiling
    same = all(study.ceiling.reset_index(drop=True).equals(first.reset_index(drop=True)) for study in studies)
    return first if same and len(first) else None


def _named(studies: Sequence[FoundCorrelations], part: str) -> pd.DataFrame:
    """Return one frame of every study, each row with the name of its study; it may have no rows."""
    import pandas as pd

    frames = {study.name: getattr(study, part) for study in studies}
    pieces = [frame.assign(study=name) for name, frame in frames.items() if len(frame)]
    return pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame()
