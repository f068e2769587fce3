"""The leaderboard as a LaTeX table (booktabs), a block a data set.

As is usual in papers, the best of a column is bold, and underlined is what the tests of
`benchkit.analysis.statistics.near_best` do not find worse than the best. The caption says which test it was,
and whose numbers these are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchkit.analysis.statistics.resolution import FEWEST, lacks_intervals
from benchkit.analysis.tables.leaderboard import BOARD, BoardColumn
from benchkit.base.measure import ACCURACY, Measure

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: "\\" + sign for sign in "&%$#_{}"},
}


class _Outcome(NamedTuple):
    """A column with an interval: its heading, whether its best is the highest, and its decimals."""

    heading: str
    highest: bool
    decimals: int


def _outcomes(frame: pd.DataFrame, measure: Measure) -> dict[str, _Outcome]:
    """Return the outcomes that have values; a split that a quantity does not have is not named."""
    values = measure.decimals([*frame["valid"], *frame["test"]])
    regrets = measure.difference_decimals(frame["regret"], percent=2)
    unit = "% pt" if measure.is_percent else measure.unit
    whole = measure.words[:1].upper() + measure.words[1:]
    valid, test = ("Valid", "Test") if frame["test"].notna().any() or measure == ACCURACY else (whole, "")
    outcomes = {
        "valid": _Outcome(escape(measure.labelled(valid)), measure.higher_is_better, values),
        "test": _Outcome(escape(measure.labelled(test)), measure.higher_is_better, values),
        "regret": _Outcome(escape(f"Regret ({unit})" if unit else "Regret"), False, regrets),
    }
    return {name: outcome for name, outcome in outcomes.items() if frame[name].notna().any()}


_MISSING = "--"


def escape(text: str) -> str:
    """Return `text` with LaTeX's special characters escaped."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def leaderboard_latex(
    frame: pd.DataFrame,
    level: float = 0.95,
    near: pd.DataFrame | None = None,
    alpha: float = 0.05,
    source: str = "",
    remarks: Sequence[str] = (),
    measure: Measure = ACCURACY,
) -> str:
    """Return a leaderboard as LaTeX; the preamble needs the package ``booktabs``.

    Parameters
    ----------
    frame : Leaderboard, see `leaderboard`.
    level : Coverage of the intervals in `frame`, stated in the caption.
    near : Comparison of the same trials with the best (`near_best`); None underlines nothing.
    alpha : Level of its tests.
    source : Origin of the numbers (table, SHA-256, seeds, budget), plain text; ends the caption.
    remarks : Comments above the table, which LaTeX does not print.
    measure : Quantity of the columns valid and test.

    The best mean of a data set is bold, and so is every other that prints the same; what is not
    significantly worse than the best is underlined, unless it is bold. Missing values are dashes.

    Raises
    ------
    ValueError : the frame has no rows.
    """
    if len(frame) == 0:
        raise ValueError("the leaderboard has no rows")
    outcomes = _outcomes(frame, measure)
    columns = [each for each in BOARD if each.latex and (each.kind != "outcome" or each.name in outcomes)]
    marked = _Near(near, alpha)
    blocks = {}
    for dataset in dict.fromkeys(frame["dataset"]):
        block = frame[frame["dataset"] == dataset]
        cells = [
            _with_interval(block, each.name, outcomes[each.name], marked.of(str(dataset), each.name))
            if each.kind == "outcome"
            else _plain(block, each)
            for each in columns
        ]
        blocks[str(dataset)] = [list(row) for row in zip(*cells, strict=True)]
    return latex_table(
        [outcomes[each.name].heading if each.name in outcomes else each.latex for each in columns],
        blocks,
        f"{_caption(frame, level, measure)}{marked.caption()}{_sentence(source)}",
        "tab:leaderboard",
        remarks,
        gap=4,
    )


def latex_table(
    header: Sequence[str],
    blocks: Mapping[str, Sequence[Sequence[str]]],
    caption: str,
    label: str = "",
    remarks: Sequence[str] = (),
    gap: int | None = None,
) -> str:
    """Return a table over the width of a page; the preamble needs the package ``booktabs``.

    Parameters
    ----------
    header : Headings, in LaTeX as are cells, caption and label.
    blocks : Rows of cells under each title; a title is plain text.
    remarks : Comments above the table, which LaTeX does not print.
    gap : Half of the space between columns, in points; by default LaTeX's own.
    """
    lines = ["% needs \\usepackage{booktabs}", *(f"% {' '.join(line.split())}" for line in remarks)]
    lines += [r"\begin{table*}[t]", r"\centering", rf"\caption{{{caption}}}"]
    lines += [rf"\label{{{label}}}"] if label else []
    lines += [r"\footnotesize"]
    lines += [] if gap is None else [rf"\setlength{{\tabcolsep}}{{{gap}pt}}"]
    lines += [rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}", r"\toprule", " & ".join(header) + r" \\"]
    for title, rows in blocks.items():
        lines += [r"\midrule", rf"\multicolumn{{{len(header)}}}{{l}}{{\textit{{{escape(title)}}}}} \\"]
        lines += [" & ".join(row) + r" \\" for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table*}"]) + "\n"


def seeds_text(counts: pd.Series[int]) -> str:
    """Return how many seeds the rows of a table have: ``5``, or ``3 to 5``."""
    fewest, most = int(counts.min()), int(counts.max())
    return f"{most}" if fewest == most else f"{fewest} to {most}"


def _caption(frame: pd.DataFrame, level: float, measure: Measure) -> str:
    return (
        rf"{_of(measure)}Mean over $n$ = {seeds_text(frame['n'])} trials with its "
        rf"{100 * level:g}\,\% bootstrap interval. "
        r"Regret: distance to the table's optimum. Rank: average over seeds. "
        r"Wins: share of seeds with a lower regret than random search, ties count half; "
        r"$p$: Wilcoxon signed-rank test of the same, Holm-corrected over the strategies of a data set. "
        rf"Best in bold.{_unresolved(frame)}"
    )


def _unresolved(frame: pd.DataFrame) -> str:
    """Return what a mean without an interval means, where there is one."""
    if not lacks_intervals(frame, ("valid", "test", "regret")):
        return ""
    if (frame["n"] < FEWEST).all():
        return rf" Fewer than {FEWEST} trials resolve no interval."
    return rf" No interval: fewer than {FEWEST} trials, or all of them equal."


class _Near:
    """What is underlined, and what the caption says of it."""

    def __init__(self, near: pd.DataFrame | None, alpha: float) -> None:
        self._near, self._alpha = near, alpha

    def of(self, dataset: str, measure: str) -> set[str]:
        """Return the strategies that are underlined in a column."""
        if self._near is None:
            return set()
        near = self._near
        rows = near[(near["dataset"] == dataset) & (near["measure"] == measure) & near["not_worse"]]
        return set(rows["strategy"])

    def caption(self) -> str:
        if self._near is None:
            return ""
        others = self._near[~self._near["best"]]
        if len(others) == 0:
            return ""
        if not (others["not_worse"] | (others["p_value"] < self._alpha)).any():
            return " Nothing is underlined: so few seeds cannot show that a strategy is worse than the best."
        return (
            r" Underlined: not significantly worse than the best mean of the data set (two-sided Wilcoxon "
            rf"signed-rank test over shared seeds, Holm-corrected, $\alpha$ = {self._alpha:g})."
        )


def _sentence(text: str) -> str:
    return f" {escape(text)}." if text else ""


def _of(measure: Measure) -> str:
    """Return what the numbers are of, for a caption; accuracy is what nobody has to be told."""
    if measure == ACCURACY:
        return ""
    direction = "higher" if measure.higher_is_better else "lower"
    return escape(f"{measure.words[:1].upper()}{measure.words[1:]}, {direction} is better. ")


def _plain(block: pd.DataFrame, column: BoardColumn) -> list[str]:
    """Return a cell a row of a column without intervals."""
    values = block[column.name]
    if column.kind == "text":
        return [escape(name) for name in values]
    if column.name == "p_value":
        return [_p_value(p) for p in values]
    cells = [_number(value, column.latex_decimals) for value in values]
    return bold_best(cells, values, highest=False) if column.name == "rank" else cells


def _with_interval(block: pd.DataFrame, column: str, outcome: _Outcome, near: set[str]) -> list[str]:
    """Return a cell a row: the mean, then its interval in small print."""
    digits = outcome.decimals
    means = [_number(mean, digits) for mean in block[column]]
    ends = [
        "" if math.isnan(low) else rf" {{\scriptsize [{low:.{digits}f}, {high:.{digits}f}]}}"
        for low, high in zip(block[f"{column}_low"], block[f"{column}_high"], strict=True)
    ]
    bold = bold_best(means, block[column], outcome.highest)
    bold = [
        rf"\underline{{{text}}}" if strategy in near and not text.startswith(r"\textbf") else text
        for text, strategy in zip(bold, block["strategy"], strict=True)
    ]
    return [mean + end for mean, end in zip(bold, ends, strict=True)]


def bold_best(
    printed: list[str], values: Sequence[float] | pd.Series[float], highest: bool = True
) -> list[str]:
    """Return the cells with the best, and all that print like it, in bold.

    Parameters
    ----------
    printed : Cells, one for each value.
    values : float[n]; NaN where missing.
    highest : Whether the highest is the best.
    """
    signed = np.asarray(values, dtype=np.float64) * (1 if highest else -1)
    if np.isnan(signed).all():
        return printed
    best = printed[int(np.nanargmax(signed))]
    return [rf"\textbf{{{text}}}" if text == best else text for text in printed]


def _number(value: float, decimals: int) -> str:
    return _MISSING if math.isnan(value) else f"{value:.{decimals}f}"


def _p_value(p: float) -> str:
    if math.isnan(p):
        return _MISSING
    return "$<$0.001" if p < 0.001 else f"{p:.3f}"
