"""A figure as files: one a format, and the numbers that it shows beside them as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchkit.files import write_figure, write_text
from benchkit.spaces import InputError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Drawn", "formats_of", "write_plot"]


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
    from benchkit.analysis.style import FORMATS

    if text is None:
        suffix = out.suffix.removeprefix(".")
        return (suffix,) if suffix in FORMATS else ("pdf", "png")
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    wrong = [name for name in names if name not in FORMATS]
    if wrong or not names:
        raise InputError(f"unknown format {wrong[0] if wrong else text!r}; there are {', '.join(FORMATS)}")
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
    InputError : the place cannot be written to.
    """
    paths = write_figure(figure, out, formats)
    stem = paths[0].with_suffix("")
    for ending, frame in frames.items():
        path = stem.with_name(f"{stem.name}-{ending}.csv" if ending else f"{stem.name}.csv")
        write_text(path, frame.to_csv(index=False, float_format="%.10g", lineterminator="\n"))
        paths.append(path)
    return Drawn(paths, list(notes))
