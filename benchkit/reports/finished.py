"""Draws the figures that a finished study has in its folder, by the readers of all other figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchkit.base.errors import InputError
from benchkit.reports.figure_files import write_figure, write_plot
from benchkit.reports.figures.plot import Plot
from benchkit.studies.store import StudyDirectory

_SCATTER_FRACTIONS = (1.0, 0.5)  # the failed ones squeeze all others into a corner: show the best half too


def write_figures(folder: Path) -> None:
    """Draw the figures of a finished study of any kind into its folder.

    Raises
    ------
    InputError : no finished study there, a damaged one, or a place that cannot be written to.
    """
    from benchkit.reports.figures.fading import fading

    if (folder / "correlation.json").is_file():
        _write_correlation(folder)
    elif (folder / "fading.json").is_file():
        write_figure(fading([folder]).figure, folder / "fading")
    elif (folder / "intervals.json").is_file():
        write_figure(fading([folder]).figure, folder / "intervals")
    elif (folder / "study.yaml").is_file():
        directory = StudyDirectory(folder)
        write_leaderboard_figures(directory, directory.read_manifest())
    else:
        raise InputError(f"{folder} holds no study that has figures")


def write_leaderboard_figures(directory: StudyDirectory, manifest: Mapping[str, Any]) -> None:
    """Draw the figures of a leaderboard into its folder.

    Parameters
    ----------
    manifest : Manifest of the study, which is the last file to be written.
    """
    from benchkit.reports.efficiency import study_traces
    from benchkit.reports.figures.studies import efficiency_of, ranks_of

    study, trials = study_traces(directory, manifest), directory.read_trials()
    _write(efficiency_of({"": study}), directory.figures / f"efficiency-{study.axis}")
    if trials["strategy"].nunique() > 1:
        _write(ranks_of({"": trials}), directory.figures / "ranks")


def _write(plot: Plot, out: Path) -> None:
    """Write a figure of one study, whose name its folder says."""
    write_plot(
        plot.figure, out, {ending: frame.drop(columns="study") for ending, frame in plot.frames.items()}
    )


def _write_correlation(folder: Path) -> None:
    """Draw the curves with their numbers, and the scatter, whose numbers the study has written."""
    from benchkit.reports.figures.correlation import curves_of, read_correlations, scatter_of

    study = read_correlations(folder, folder.name)
    curves = study.curves.assign(strategy=study.settings["strategy"]).astype({"seed": "Int64"})
    plot = curves_of(curves, study.ceiling if len(study.ceiling) else None)
    write_plot(plot.figure, folder / "correlation-curve", plot.frames)
    trainings = study.scatter["training"].nunique()
    columns = min(trainings, 3) if trainings > 1 else len(_SCATTER_FRACTIONS)
    write_figure(scatter_of([study], _SCATTER_FRACTIONS, columns), folder / "scatter")


def write_samples(folder: Path, searches: Sequence[Path]) -> None:
    """Draw the expected best of n samples of searches, and what `folder` says of their tests.

    Parameters
    ----------
    folder : Folder of a finished comparison of samples.
    searches : Folders of the searches that it compares, in its order.

    Raises
    ------
    InputError : a file that is missing or damaged, or a place that cannot be written to.
    """
    from benchkit.analysis.figures.sample_curve import draw_samples, sample_curves
    from benchkit.base.columnar import read_parquet
    from benchkit.base.frames import read_frame
    from benchkit.training.kept_search import TRACE

    columns: dict[str, type] = {"method": str, "search": str, "n": int, "test": float}
    rows = read_frame(folder / "samples.csv", columns, "samples")
    paths = list(dict.fromkeys(searches))
    methods = rows["method"].iloc[:: len(rows) // len(paths)]
    traces = [read_parquet(path / "trace.parquet", TRACE, "trace").to_pandas()["score"] for path in paths]
    curves = [
        (method, path.name, trace.to_numpy())
        for method, path, trace in zip(methods, paths, traces, strict=True)
    ]
    tests = {
        (str(method), str(search)): dict(zip(part["n"], part["test"], strict=True))
        for (method, search), part in rows.dropna(subset="test").groupby(["method", "search"], sort=False)
    }
    write_figure(draw_samples(sample_curves(curves, tests)), folder / "samples")
