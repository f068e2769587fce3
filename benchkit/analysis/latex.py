"""The leaderboard as a LaTeX table (booktabs), a block a data set."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

__all__ = ["escape", "leaderboard_latex"]

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: "\\" + sign for sign in "&%$#_{}"},
}


class _Measure(NamedTuple):
    """A column with an interval, and whether its best is the highest."""

    column: str
    heading: str
    highest: bool


_MEASURES = (
    _Measure("valid", r"Valid (\%)", True),
    _Measure("test", r"Test (\%)", True),
    _Measure("regret", r"Regret (\% pt)", False),
)
_MISSING = "--"


def escape(text: str) -> str:
    """Return `text` with LaTeX's special characters escaped."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def leaderboard_latex(frame: pd.DataFrame, level: float = 0.95) -> str:
    """Return a leaderboard as LaTeX; the preamble needs the package ``booktabs``.

    Parameters
    ----------
    frame : what `leaderboard` returns.
    level : coverage of the intervals in `frame`, stated in the caption.

    The best mean of a data set is bold, and so is every other that prints the same. Missing values are
    dashes.

    Raises
    ------
    ValueError : the frame has no rows.
    """
    if len(frame) == 0:
        raise ValueError("the leaderboard has no rows")
    measures = [m for m in _MEASURES if frame[m.column].notna().any()]
    headings = ["Strategy", "$n$", *(m.heading for m in measures), "Rank", "Queries", "Wins", "$p$"]
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table*}[t]",
        r"\centering",
        rf"\caption{{{_caption(frame, level)}}}",
        r"\label{tab:leaderboard}",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{4pt}",
        rf"\begin{{tabular}}{{l{'r' * (len(headings) - 1)}}}",
        r"\toprule",
        " & ".join(headings) + r" \\",
    ]
    for dataset in dict.fromkeys(frame["dataset"]):
        block = frame[frame["dataset"] == dataset]
        lines += [r"\midrule", rf"\multicolumn{{{len(headings)}}}{{l}}{{\textit{{{escape(dataset)}}}}} \\"]
        cells = [
            [escape(name) for name in block["strategy"]],
            [f"{n:d}" for n in block["n"]],
            *(_with_interval(block, m) for m in measures),
            _bold_best([_number(rank, 2) for rank in block["rank"]], block["rank"], highest=False),
            [_number(queries, 0) for queries in block["queries"]],
            [_number(wins, 2) for wins in block["wins_over_random"]],
            [_p_value(p) for p in block["p_value"]],
        ]
        lines += [" & ".join(row) + r" \\" for row in zip(*cells, strict=True)]
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table*}"]
    return "\n".join(lines) + "\n"


def _caption(frame: pd.DataFrame, level: float) -> str:
    fewest, most = int(frame["n"].min()), int(frame["n"].max())
    trials = f"{most}" if fewest == most else f"{fewest} to {most}"
    return (
        rf"Mean over $n$ = {trials} trials with its {100 * level:g}\,\% bootstrap interval. "
        r"Regret: distance to the table's optimum. Rank: average over seeds. "
        r"Wins: share of seeds with a lower regret than random search, ties count half; "
        r"$p$: Wilcoxon signed-rank test of the same, Holm-corrected over the strategies of a data set. "
        r"Best in bold."
    )


def _with_interval(block: pd.DataFrame, measure: _Measure) -> list[str]:
    """Return a cell a row: the mean, then its interval in small print."""
    column = measure.column
    means = [_number(mean, 2) for mean in block[column]]
    ends = [
        "" if math.isnan(low) else rf" {{\scriptsize [{low:.2f}, {high:.2f}]}}"
        for low, high in zip(block[f"{column}_low"], block[f"{column}_high"], strict=True)
    ]
    bold = _bold_best(means, block[column], measure.highest)
    return [mean + end for mean, end in zip(bold, ends, strict=True)]


def _bold_best(printed: list[str], values: pd.Series[float], highest: bool) -> list[str]:
    """Return the cells with the best, and all that print like it, in bold."""
    if values.isna().all():
        return printed
    signed = values.to_numpy(dtype=np.float64) * (1 if highest else -1)
    best = printed[int(np.nanargmax(signed))]
    return [rf"\textbf{{{text}}}" if text == best else text for text in printed]


def _number(value: float, decimals: int) -> str:
    return _MISSING if math.isnan(value) else f"{value:.{decimals}f}"


def _p_value(p: float) -> str:
    if math.isnan(p):
        return _MISSING
    return "$<$0.001" if p < 0.001 else f"{p:.3f}"
