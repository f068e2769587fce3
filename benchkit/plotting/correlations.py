"""Figures of rank correlations: a matrix of columns, and a finished study of supernets drawn again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.comparing.columns import Columns, columns_of_study, columns_of_table, matrix_of
from benchkit.plotting.figure_files import Drawn, write_plot
from benchkit.spaces import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["plot_correlation", "plot_heatmap"]


def plot_heatmap(
    source: str,
    out: Path,
    columns: Sequence[str] | None = None,
    measure: str = "kendall_tau",
    fraction: float = 1.0,
    sample: int | None = None,
    resamples: int = 1_000,
    venue: str = "neurips",
    formats: Sequence[str] = ("pdf", "png"),
) -> Drawn:
    """Draw how far the columns of a table, or the supernets of a study, agree.

    Parameters
    ----------
    source : a table's name or path, or the folder of a finished study of ``benchkit correlate``.
    out, formats : see `write_plot`.
    columns, sample : of a table, see `columns_of_table`.
    measure, fraction, resamples : see `matrix_of`.

    Raises
    ------
    InputError : see `columns_of_table`, `columns_of_study` and `matrix_of`; an unknown venue, or a place that
        cannot be written to.
    """
    from benchkit.analysis.heatmap_figure import draw_heatmap, heatmap_info

    found = _columns(source, columns, sample)
    matrix = matrix_of(found, [measure], [fraction], resamples=resamples)
    try:
        figure = draw_heatmap(heatmap_info(matrix, measure, fraction), venue)
    except ValueError as error:
        raise InputError(str(error)) from error
    table = found.about["table"]
    notes = [f"table {table['name']}, sha256 {table['sha256']}, {found.about['n']:,} architectures"]
    return write_plot(figure, out, {"": matrix}, formats, notes)


def _columns(source: str, columns: Sequence[str] | None, sample: int | None) -> Columns:
    if not Path(source).is_dir():
        return columns_of_table(source, columns, sample)
    if columns is not None or sample is not None:
        raise InputError("--columns and --n are for tables; a study has the columns that it has")
    return columns_of_study(Path(source))


def plot_correlation(
    folder: Path,
    out: Path,
    split: str = "valid",
    venue: str = "neurips",
    formats: Sequence[str] = ("pdf", "png"),
) -> Drawn:
    """Draw what a study of rank correlation found: scatter of its trainings, and the curve over checkpoints.

    Two figures are written, ``NAME`` (the scatter of each training, whole) and ``NAME-curve``.

    Parameters
    ----------
    folder : of a finished study of ``benchkit correlate``.
    split : ``valid`` or ``test``.

    Raises
    ------
    InputError : no finished study, no such split in it, an unknown venue, or a place that cannot be written
        to.
    """
    from benchkit.analysis.correlation_figure import (
        ScatterInfo,
        curve_info,
        draw_curves,
        draw_scatter,
    )

    scatter, correlations, ceiling, settings = _read(folder, split)
    own_ceiling = ceiling if len(ceiling) else None
    metric = settings["truth"]
    word = {"valid": "validation", "test": "test"}[split]
    panels, shown = [], []
    for training, points in scatter.groupby("training", sort=False):
        mine = correlations[correlations["training"] == training]
        last = mine[mine["epoch"] == mine["epoch"].max()]
        images = int(last["images"].max())
        rows = last[(last["images"] == images) & (last["fraction"] == 1)]
        known = points[points[f"table_{split}"].notna()]
        title = f"{training}, {int(rows['epoch'].iloc[0])} epochs, {images:,} images"
        values = (
            known["supernet_accuracy"].to_numpy(dtype=np.float64),
            known[f"table_{split}"].to_numpy(dtype=np.float64),
        )
        panels.append(ScatterInfo(title, *values, rows, own_ceiling, 0.95))
        shown.append(rows)
    import pandas as pd

    try:
        figure = draw_scatter(
            panels,
            predicted_label="accuracy with inherited weights (%)",
            truth_label=f"{metric['dataset']} {word} accuracy\nafter {metric['epochs']} epochs alone (%)",
            columns=min(len(panels), 3),
            venue=venue,
        )
        curves = correlations[correlations["images"] == settings["images"]]
        info = curve_info(curves.assign(strategy=settings["strategy"]), ceiling=own_ceiling)
        curve = draw_curves(info, venue)
    except ValueError as error:
        raise InputError(str(error)) from error
    frames = {"": scatter, "correlations": pd.concat(shown, ignore_index=True)}
    first = write_plot(figure, out, frames, formats)
    stem = first.paths[0].with_suffix("")
    second = write_plot(curve, stem.with_name(f"{stem.name}-curve.{formats[0]}"), {"": curves}, formats)
    table = settings["table"]
    notes = [f"table {table['name']}, sha256 {table['sha256']}"]
    if split == "test":
        notes.append("test accuracy is shown only: nothing was chosen by it")
    return Drawn([*first.paths, *second.paths], notes)


def _read(folder: Path, split: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    import pandas as pd

    if not (folder / "correlation.json").is_file() or not (folder / "result.json").is_file():
        raise InputError(f"{folder} holds no finished study of benchkit correlate")
    try:
        settings = json.loads((folder / "correlation.json").read_text(encoding="utf-8"))
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        scatter, correlations, ceiling = (
            pd.read_csv(folder / f"{name}.csv") for name in ("scatter", "correlations", "noise_ceiling")
        )
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the study in {folder}: {error}") from error
    truths = {each["split"]: each for each in result["truths"]}
    if split not in truths:
        raise InputError(f"the study in {folder} has no {split} accuracy; it has {', '.join(truths)}")
    settings["truth"] = truths[split]
    return (
        scatter,
        correlations[correlations["truth"] == split],
        ceiling[ceiling["truth"] == split],
        settings,
    )
