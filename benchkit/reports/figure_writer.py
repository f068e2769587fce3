"""A figure as files, one a format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchkit.base.errors import InputError
from benchkit.base.files import is_special

__all__ = ["write_figure"]


def write_figure(figure: Any, out: Path, formats: Sequence[str] = ("pdf", "png")) -> list[Path]:
    """Write a matplotlib figure in each format, and return the paths.

    Parameters
    ----------
    out : their name; a suffix that is a format is cut off. Its folder is made.
    formats : Names from `benchkit.analysis.figures.style.FORMATS`.

    Raises
    ------
    InputError : the place cannot be written to, or PGF without TeX.
    """
    from matplotlib.backends.backend_pgf import LatexError

    from benchkit.analysis.figures.style import FORMATS, save_figure

    stem = out.with_suffix("") if out.suffix.removeprefix(".") in FORMATS else out
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
