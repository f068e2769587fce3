"""What matplotlib's PGF lacks: text with TeX's own characters, files that name no folder of the machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import Formatter

_MATH = re.compile(r"((?<!\\)\$.*?(?<!\\)\$)", re.DOTALL)
_DOLLAR = re.compile(r"(?<!\\)\$")
_SPECIAL = re.compile(r"\\?\$|\\|[&#_{}~<>|]")
_WRITTEN = {
    "\\": r"\textbackslash{}",
    "$": r"\textdollar{}",  # what is left of them after formulas
    r"\$": r"\textdollar{}",
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
    tickers = [
        ticker
        for ax in figure.findobj(Axes)
        for axis in (ax.xaxis, ax.yaxis)
        for ticker in (axis.major, axis.minor)
    ]
    formatters: list[Any] = [ticker.formatter for ticker in tickers]
    for ticker, formatter in zip(tickers, formatters, strict=True):
        ticker.formatter = _Escaped(formatter)
    try:
        with rc_context({"font.family": "serif"}):  # for ticks that are not there yet
            yield
    finally:
        for text, content, family in before:
            text.set_text(content)
            text.set_fontfamily(family)
        for ticker, formatter in zip(tickers, formatters, strict=True):
            ticker.formatter = formatter


def without_preamble(path: Path) -> None:
    """Put what a paper needs in place of the preamble in a PGF's heading: that names the folders of fonts."""
    text = path.read_text(encoding="utf-8")
    start = text.index(_PREAMBLE)
    path.write_text(text[:start] + _NEEDED + text[text.index(r"\begingroup", start) :], encoding="utf-8")


class _Escaped(Formatter):
    """A formatter whose texts are spelled as TeX does: axes write their labels anew when they are drawn."""

    def __init__(self, formatter: Formatter) -> None:
        self._formatter = formatter
        self.axis = formatter.axis

    def __call__(self, x: float, pos: int | None = None) -> str:
        return _escaped(self._formatter(x, pos))

    def format_ticks(self, values: Any) -> list[str]:
        return [_escaped(text) for text in self._formatter.format_ticks(values)]

    def get_offset(self) -> str:
        return _escaped(self._formatter.get_offset())


def _escaped(text: str) -> str:
    pieces = _MATH.split(text) if len(_DOLLAR.findall(text)) % 2 == 0 else [text]
    pieces[::2] = [
        _SPECIAL.sub(lambda found: _WRITTEN.get(found[0], rf"\{found[0]}"), piece) for piece in pieces[::2]
    ]
    return "".join(pieces)
