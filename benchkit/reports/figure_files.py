"""A figure as files: one a format, and the numbers that it shows beside them as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchkit.base.errors import InputError, shown
from benchkit.base.files import write_text
from benchkit.reports.figure_writer import write_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Drawn", "formats_of", "write_plot"]


_TABLES = {
    *("trials", "leaderboard", "best_of_k", "table", "training", "samples", "samples-mean"),
    *("correlations", "correlations-mean", "scatter", "top_k", "noise_ceiling"),
    *("divergence", "divergence-mean", "function_space", "function_space-mean", "correlation-mean", "floor"),
}
"""What studies call the tables in their folders, which the numbers of a figure may not take the place of."""


class Drawn(NamedTuple):
    """The files that were written, and what a reader of the figure should know."""

    paths: list[Path]
    notes: list[str]


def formats_of(out: Path, text: str | None = None) -> tuple[str, ...]:
    """Return the formats that a figure is written in.

    Parameters
    ----------
    out : the figure's name. Where nothing else is said, its suffix names the format; without one they are PDF
        and PNG.
    text : the formats, with commas.

    Raises
    ------
    InputError : a format that there is not, or none.
    """
    from benchkit.analysis.figures.style import FORMATS

    if text is None:
        suffix = out.suffix.removeprefix(".")
        return (suffix,) if suffix in FORMATS else ("pdf", "png")
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    wrong = [name for name in names if name not in FORMATS]
    if wrong or not names:
        raise InputError(
            f"unknown format {shown(wrong[0] if wrong else text)}; there are {', '.join(FORMATS)}"
        )
    return names


def write_plot(
    figure: Figure,
    out: Path,
    frames: Mapping[str, pd.DataFrame],
    formats: Sequence[str] = ("pdf", "png"),
    notes: Iterable[str] = (),
) -> Drawn:
    """Write a figure in every format, and its data beside it.

    Parameters
    ----------
    out : the figure's name; a suffix that is a format is cut off.
    frames : by the ending of their names: ``""`` is ``NAME.csv``, ``"mean"`` is ``NAME-mean.csv``.
    notes : for whoever reads the figure.

    Raises
    ------
    InputError : the place cannot be written to, or holds a study whose tables have these names.
    """
    from benchkit.analysis.figures.style import FORMATS

    stem = out.with_suffix("") if out.suffix.removeprefix(".") in FORMATS else out
    places = {
        ending: stem.with_name(f"{stem.name}-{ending}.csv" if ending else f"{stem.name}.csv")
        for ending in frames
    }
    if (stem.parent / "manifest.json").is_file():
        for path in places.values():
            if path.stem in _TABLES:
                raise InputError(f"{path} is a table of the study there: give the figure another name")
    paths = write_figure(figure, out, formats)
    for ending, frame in frames.items():
        path = places[ending]
        write_text(path, frame.to_csv(index=False, float_format="%.10g", lineterminator="\n"))
        paths.append(path)
    return Drawn(paths, list(notes))
