"""Writes a figure: one file a format, and the numbers that it shows beside them as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchkit.base.errors import InputError, shown
from benchkit.base.files import is_special, write_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_TABLES = {
    *("trials", "leaderboard", "best_of_k", "table", "training", "samples", "samples-mean"),
    *("correlations", "correlations-mean", "scatter", "top_k", "noise_ceiling"),
    *("divergence", "divergence-mean", "function_space", "function_space-mean", "correlation-mean", "floor"),
}
"""Names of the tables in the folders of studies, which the numbers of a figure may not replace."""


class Drawn(NamedTuple):
    """The files that were written, and what a reader of the figure should know."""

    paths: list[Path]
    notes: list[str]


def formats_of(out: Path, text: str | None = None) -> tuple[str, ...]:
    """Return the formats that a figure is written in.

    Parameters
    ----------
    out : Name of the figure. Without `text` its suffix names the format; without a suffix they are PDF and
        PNG.
    text : Names of formats, with commas.

    Raises
    ------
    InputError : an unknown format, or none.
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
    out : Name of the figure; a suffix that is a format is cut off.
    frames : Data by the ending of their names: ``""`` is ``NAME.csv``, ``"mean"`` is ``NAME-mean.csv``.
    notes : Sentences for whoever reads the figure.

    Raises
    ------
    InputError : the place cannot be written to, or holds a study whose tables have these names.
    """
    stem = _stem(out)
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
        write_text(places[ending], frame.to_csv(index=False, float_format="%.10g", lineterminator="\n"))
    return Drawn([*paths, *places.values()], list(notes))


def write_figure(figure: Figure, out: Path, formats: Sequence[str] = ("pdf", "png")) -> list[Path]:
    """Write a figure in each format, without its data, and return the paths.

    Parameters
    ----------
    out : Name of the files; a suffix that is a format is cut off. Their folder is made.
    formats : Names from `benchkit.analysis.figures.style.FORMATS`.

    Raises
    ------
    InputError : the place cannot be written to, or PGF without TeX.
    """
    from matplotlib.backends.backend_pgf import LatexError

    from benchkit.analysis.figures.style import save_figure

    stem = _stem(out)
    if stem == out and is_special(out):
        raise InputError(f"{out} is no regular file: name a figure by its format, such as {out.name}.pdf")
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        return save_figure(figure, stem, formats)
    except OSError as error:
        if isinstance(error, BrokenPipeError) and "pgf" in formats:  # TeX ended before it was asked
            raise InputError(f"PGF needs a TeX installation with xelatex: it ended: {error}") from error
        place = stem.with_name(f"{stem.name}.{formats[0]}")
        raise InputError(f"cannot write {place}: {error.strerror or error}") from error
    except (RuntimeError, LatexError, ValueError) as error:
        if "pgf" not in formats:
            raise
        if isinstance(error, ValueError):
            if not isinstance(error.__cause__, LatexError):
                raise
            reason = " ".join(str(error.__cause__).split())
            raise InputError(f"TeX cannot set a text of this figure: {reason}") from error
        reason = " ".join(str(error).split())  # with what TeX said, it has many lines
        raise InputError(f"PGF needs a TeX installation with xelatex: {reason}") from error


def _stem(out: Path) -> Path:
    from benchkit.analysis.figures.style import FORMATS

    return out.with_suffix("") if out.suffix.removeprefix(".") in FORMATS else out
