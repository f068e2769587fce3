"""Figures of rank correlations: a matrix of columns, and finished studies of supernets drawn again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.base.errors import InputError, blamed_on
from benchkit.base.frames import read_frame
from benchkit.reports.figure_files import Drawn, write_plot
from benchkit.studies.correlation.columns import columns_of, describe_columns, matrix_of
from benchkit.studies.correlation.kept_study import CEILING, CORRELATIONS, SCATTER, read_settings
from benchkit.studies.correlation.matrix_files import holds_matrix, read_matrix
from benchkit.studies.correlation.study_columns import distinct_names
from benchkit.studies.correlation.truth import ANY_SPLIT, named, truth_label, with_unit

if TYPE_CHECKING:
    import pandas as pd

    from benchkit.analysis.figures.correlation import ScatterInfo

__all__ = ["plot_correlation", "plot_heatmap"]


def plot_heatmap(
    sources: Sequence[str],
    out: Path,
    columns: Sequence[str] | None = None,
    measure: str = "kendall_tau",
    fraction: float = 1.0,
    sample: int | None = None,
    seed: int = 0,
    resamples: int = 1_000,
    venue: str = "neurips",
    formats: Sequence[str] = ("pdf", "png"),
    on_progress: Callable[[int, int], None] | None = None,
) -> Drawn:
    """Draw how far the columns of a table, or the supernets of studies, agree.

    Parameters
    ----------
    sources : a table's name or path; folders of finished studies of ``benchkit correlate``; or one folder
        that ``benchkit table correlate --out`` has written, whose matrix is drawn as it stands.
    out, formats : see `write_plot`.
    columns, sample, seed : see `columns_of`.
    measure, fraction, resamples, on_progress : see `matrix_of`.

    Raises
    ------
    InputError : see `columns_of` and `matrix_of`; columns or a sample for a matrix that is kept; a measure or
        fraction that it lacks; an unknown venue, or a place that cannot be written to.
    """
    from benchkit.analysis.figures.heatmap import draw_heatmap, heatmap_info

    notes: tuple[str, ...] = ()
    if len(sources) == 1 and holds_matrix(Path(sources[0])):
        if columns is not None or sample is not None:
            raise InputError(f"{sources[0]} holds a matrix that is finished: leave out --columns and --n")
        matrix, about = read_matrix(Path(sources[0]))
    else:
        found = columns_of(sources, columns, sample, seed)
        matrix = matrix_of(found, [measure], [fraction], resamples=resamples, on_progress=on_progress)
        about, notes = describe_columns(found), found.notes
    lower = about.get("lower_is_better", [])
    try:
        figure = draw_heatmap(heatmap_info(_marked(matrix, lower), measure, fraction), venue)
    except ValueError as error:
        raise InputError(str(error)) from error
    table = about["table"]
    if lower:
        notes = (f"lower is better in {', '.join(lower)}: turned round, so that 1 is agreement", *notes)
    notes = (f"table {table['name']}, sha256 {table['sha256']}, {about['n']:,} architectures", *notes)
    return write_plot(figure, out, {"": matrix}, formats, notes)


def plot_correlation(
    folders: Sequence[Path],
    out: Path,
    split: str = "valid",
    fractions: Sequence[float] = (1.0,),
    venue: str = "neurips",
    formats: Sequence[str] = ("pdf", "png"),
) -> Drawn:
    """Draw what studies of rank correlation found: a scatter of each training, curves over checkpoints.

    Two figures are written, ``NAME`` (the last checkpoint of each training) and ``NAME-curve`` (a line a
    study). The noise ceiling stands in the curves where all studies have the same.

    Parameters
    ----------
    folders : of finished studies of ``benchkit correlate``.
    split : ``valid`` or ``test``.
    fractions : a row of panels for each; within the best share of the table, see `benchkit.analysis`.

    Raises
    ------
    InputError : no finished study, no such split or fraction in it, an unknown venue, or a place that cannot
        be written to.
    """
    import pandas as pd

    from benchkit.analysis.figures.correlation import curve_info, draw_curves, draw_scatter

    studies = [_read(folder, name, split) for name, folder in distinct_names(folders).items()]
    trainings = [name for study in studies for name in study.scatter["training"].unique()]
    ambiguous = {name for name in trainings if trainings.count(name) > 1}
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
    quantities = {study.truth.get("quantity", "accuracy") for study in studies}
    if len(quantities) > 1:
        raise InputError(f"the studies rank by {' and '.join(sorted(quantities))}: draw them one by one")
    shared = _shared_ceiling(studies)
    try:
        panels = [
            panel for share in fractions for study in studies for panel in _panels(study, share, ambiguous)
        ]
        figure = draw_scatter(
            panels,
            predicted_label="accuracy with inherited weights (%)",
            truth_label=_truth_label(studies),
            columns=min(len(trainings), 3),
            venue=venue,
        )
        curve = draw_curves(curve_info(curves, ceiling=shared), venue)
    except ValueError as error:
        raise InputError(str(error)) from error
    frames = {"": _named(studies, "scatter"), "correlations": _named(studies, "last")}
    ceilings = _named(studies, "ceiling")
    if len(ceilings):
        frames["ceiling"] = ceilings
    first = write_plot(figure, out, frames, formats)
    stem = first.paths[0].with_suffix("")
    second = write_plot(curve, stem.with_name(f"{stem.name}-curve.{formats[0]}"), {"": curves}, formats)
    notes = [f"{s.name}: table {s.table['name']}, sha256 {s.table['sha256']}" for s in studies]
    if shared is None and len(ceilings):
        notes.append("the studies are held against different truths: the curves have no common noise ceiling")
    if any(study.truth.get("better") == "lower" for study in studies):
        notes.append("lower truths are better: they are ranked the other way round, so that 1 is agreement")
    if split == "test":
        notes.append("test accuracy is shown only: nothing was chosen by it")
    return Drawn([*first.paths, *second.paths], notes)


def _marked(matrix: pd.DataFrame, lower: Sequence[str]) -> pd.DataFrame:
    """Return a matrix in which the names of columns whose lower values are better say so."""
    names = {name: f"{name} (lower is better)" for name in lower}
    return matrix.assign(row=matrix["row"].replace(names), column=matrix["column"].replace(names))


@dataclass(frozen=True, eq=False)
class _Study:
    """One finished study, of one split.

    Attributes
    ----------
    settings : what ``correlation.json`` holds.
    truth : the metric that it is held against.
    scatter : the points of the last checkpoints.
    curves : correlations of all checkpoints, on the images that all have.
    last : those of the last checkpoints, on the most images.
    ceiling : may have no rows.
    """

    name: str
    settings: dict[str, Any]
    truth: dict[str, Any]
    scatter: pd.DataFrame
    curves: pd.DataFrame
    last: pd.DataFrame
    ceiling: pd.DataFrame

    @property
    def table(self) -> dict[str, Any]:
        """Name and SHA-256."""
        table: dict[str, Any] = self.settings["table"]
        return table


def _read(folder: Path, name: str, split: str) -> _Study:
    settings, result = read_settings(folder)
    truths = {each["split"] or ANY_SPLIT: each for each in result["truths"]}
    split = ANY_SPLIT if ANY_SPLIT in truths else split
    if split not in truths:
        what = result["truths"][0].get("quantity", "accuracy").replace("_", " ")
        raise InputError(f"the study in {folder} has no {split} {what}; it has {', '.join(truths)}")
    scatter = read_frame(folder / "scatter.csv", SCATTER, "points")
    correlations = read_frame(folder / "correlations.csv", CORRELATIONS, "correlations")
    ceiling = read_frame(folder / "noise_ceiling.csv", CEILING, "noise ceiling")
    with blamed_on(f"the study in {folder}"):
        mine = correlations[correlations["truth"] == split]
        newest = mine[mine["epoch"] == mine.groupby("training")["epoch"].transform("max")]
        return _Study(
            name,
            settings,
            truths[split],
            scatter[scatter[f"table_{split}"].notna()],
            mine[mine["images"] == settings["images"]],
            newest[newest["images"] == newest.groupby("training")["images"].transform("max")],
            ceiling[ceiling["truth"] == split],
        )


def _panels(study: _Study, share: float, ambiguous: set[str]) -> list[ScatterInfo]:
    """Return a panel for each training, within the best share of the table.

    Raises
    ------
    ValueError : the study has no correlation within that share.
    """
    from benchkit.analysis.figures.correlation import ScatterInfo
    from benchkit.analysis.statistics.rank_correlation import best_share

    panels = []
    for training, points in study.scatter.groupby("training", sort=False):
        rows = study.last[(study.last["training"] == training) & (study.last["fraction"] == share)]
        if len(rows) == 0:
            known = ", ".join(f"{each:g}" for each in study.last["fraction"].unique())
            raise ValueError(f"{study.name} has no correlation within the best {share:g}; it has {known}")
        name = f"{training!s} ({study.name})" if training in ambiguous else str(training)
        title = f"{name}, {int(rows['epoch'].iloc[0])} epochs, {int(rows['images'].iloc[0]):,} images"
        truth = points[f"table_{study.truth['split'] or ANY_SPLIT}"].to_numpy(dtype=np.float64)
        shown = best_share(-truth if study.truth.get("better") == "lower" else truth, share)
        predicted = points["supernet_accuracy"].to_numpy(dtype=np.float64)[shown]
        ceiling = study.ceiling if len(study.ceiling) else None
        panels.append(ScatterInfo(title, predicted, truth[shown], rows, ceiling, 0.95))
    return panels


def _truth_label(studies: Sequence[_Study]) -> str:
    first = studies[0].truth
    labels = {truth_label(study.truth) for study in studies}
    if len(labels) == 1:
        return labels.pop()
    words = named(first["split"] or ANY_SPLIT, first.get("quantity", "accuracy"))
    return with_unit(f"{words}\nof training alone", first.get("unit", "%"))


def _shared_ceiling(studies: Sequence[_Study]) -> pd.DataFrame | None:
    """Return the noise ceiling, where all studies are held against one truth of the same architectures."""
    first = studies[0].ceiling
    same = all(study.ceiling.reset_index(drop=True).equals(first.reset_index(drop=True)) for study in studies)
    return first if same and len(first) else None


def _named(studies: Sequence[_Study], part: str) -> pd.DataFrame:
    """Return one frame of every study, each row with the name of its study; it may have no rows."""
    import pandas as pd

    frames = {study.name: getattr(study, part) for study in studies}
    pieces = [frame.assign(study=name) for name, frame in frames.items() if len(frame)]
    return pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame()
