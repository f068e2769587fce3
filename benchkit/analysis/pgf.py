"""What matplotlib's PGF lacks: text with TeX's own characters, files that name no folder of the machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.text import Text

__all__ = ["tex_texts", "without_preamble"]

_MATH = re.compile(r"((?<!\\)\$.*?(?<!\\)\$)", re.DOTALL)
_SPECIAL = re.compile(r"\\(?!\$)|[&#_{}~<>|]")
_WRITTEN = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",  # in TeX's first encoding of fonts these three are other signs
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}
_PREAMBLE = "%% Matplotlib used the following preamble\n"
_NEEDED = r"""%% and the command that Matplotlib writes into formulas
%%   \def\mathdefault#1{#1}
%%
%% Texts were measured in a Times, what the venues set; a wider font may run into its neighbours.
%%
"""


@contextmanager
def tex_texts(figure: Figure, font: str) -> Iterator[None]:
    """Within the ``with`` block, spell a figure's texts as TeX does; matplotlib itself does so for % and ^.

    Formulas, between dollars, stay what they are. Texts in `font`, which TeX does not know by that name, are
    set in the document's serif font instead.
    """
    before = [(text, text.get_text(), text.get_fontfamily()) for text in figure.findobj(Text)]
    for text, content, family in before:
        text.set_text(_escaped(content))
        if list(family) == [font]:
            text.set_fontfamily("serif")
    try:
        with rc_context({"font.family": "serif"}):  # for ticks that are not there yet
            yield
    finally:
        for text, content, family in before:
            text.set_text(content)
            text.set_fontfamily(family)


def without_preamble(path: Path) -> None:
    """Put what a paper needs in place of the preamble in a PGF's heading: that names the folders of fonts."""
    text = path.read_text(encoding="utf-8")
    start = text.index(_PREAMBLE)
    path.write_text(text[:start] + _NEEDED + text[text.index(r"\begingroup", start) :], encoding="utf-8")


def _escaped(text: str) -> str:
    pieces = _MATH.split(text)
    pieces[::2] = [
        _SPECIAL.sub(lambda found: _WRITTEN.get(found[0], rf"\{found[0]}"), piece) for piece in pieces[::2]
    ]
    return "".join(pieces)
