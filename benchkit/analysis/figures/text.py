r"""Names that users gave, as a figure shows them: as they are written, and no longer than there is room.

Matplotlib reads what stands between two dollars as a formula, which ends in an error where it is none, and in
some releases leaves a label that begins with ``_`` out of a legend. A name is text: ``$\alpha_1$`` is printed
as these ten characters, as tables and pages print it too. For a character that the font does not have, such
as Chinese ones, there is a question mark; tables and pages have it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
import numpy.typing as npt
from matplotlib.font_manager import FontProperties, findfont, get_font

FONT = "STIXGeneral"
"""Font of all figures, a Times that comes with matplotlib."""

LONGEST_TEXT = 36
"""Characters of a name that a figure shows: the narrowest column leaves no room for more."""

MEASURES = {
    "kendall_tau": r"Kendall's $\tau_b$",
    "spearman": r"Spearman's $\rho$",
    "pearson": "Pearson's $r$",
    "weighted_tau": r"weighted $\tau$",
}
"""Measures of correlation, and how figures name them."""


def range_text(values: npt.ArrayLike, form: str = "", to: str = "–") -> str:
    """Return numbers as their smallest and largest, or as one number where these are equal."""
    low, high = np.min(values), np.max(values)
    return f"{high:{form}}" if low == high else f"{low:{form}}{to}{high:{form}}"


def share_text(fraction: float) -> str:
    """Return in words within which share of the truth's best a correlation is."""
    return "all" if fraction == 1 else f"best {100 * fraction:g} %"


def name_text(name: str, longest: int = LONGEST_TEXT) -> str:
    """Return how a figure shows a name; each of its lines is cut in its middle where it is too long."""
    return "\n".join(_literal(_cut(line, longest)) for line in name.split("\n"))


def method_texts(names: Iterable[str], longest: int = LONGEST_TEXT) -> dict[str, str]:
    """Return how one figure shows each of several names: no two alike, in their order.

    Parameters
    ----------
    names : labels of methods, or other names of one kind.
    longest : number of characters above which a name is cut in its middle.
    """
    taken: set[str] = set()
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        text, number = _cut(name, longest), 1
        while text in taken:  # cut, two long names may look the same
            number += 1
            text = f"{_cut(name, longest - len(str(number)) - 3)} ({number})"
        taken.add(text)
        found[name] = _literal(text)
    return found


@cache
def _signs() -> frozenset[int]:
    """Return the characters that the font of all figures has."""
    return frozenset(get_font(findfont(FontProperties(family=FONT))).get_charmap())


def _cut(text: str, longest: int) -> str:
    text = "".join(each if ord(each) in _signs() else "?" for each in text)
    if len(text) <= longest:
        return text
    head = (longest - 1) * 2 // 3
    return f"{text[:head].rstrip()}…{text[len(text) - (longest - 1 - head) :].lstrip()}"


def _literal(text: str) -> str:
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text
