"""The leaderboard: a row per data set and strategy, each mean with its interval and its n.

`BOARD` declares its columns, once for all: ``leaderboard.csv``, the terminal, LaTeX and the report page take
them from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from benchkit.analysis.statistics.frames import check_trials
from benchkit.analysis.statistics.intervals import mean_intervals
from benchkit.analysis.statistics.resolution import plain_text


@dataclass(frozen=True)
class BoardColumn:
    """A column of the leaderboard.

    Attributes
    ----------
    name : Name in files. An ``outcome`` has two more columns there, for the ends of its interval.
    kind : Way in which it is computed. ``text`` and ``count`` identify the row. An ``outcome`` is a mean with
        its interval, and ``spent`` a mean, both of the column of this name in the frame of trials.
        ``compared`` sets the strategy against others.
    heading : Heading in a terminal, and on a page unless that has its own.
    form : Format of its numbers; that of an outcome follows from the quantity.
    about : Explanation on a page.
    latex : Heading in LaTeX; empty where it is not shown there.
    latex_decimals : Number of decimals in LaTeX.
    page_heading, page_form : Heading and format on a page, where they differ.
    """

    name: str
    kind: Literal["text", "count", "outcome", "spent", "compared"]
    heading: str
    form: str = ""
    about: str = ""
    latex: str = ""
    latex_decimals: int = 0
    page_heading: str = ""
    page_form: str = ""

    @property
    def in_files(self) -> tuple[str, ...]:
        """Names of its columns in files: its own, and of an outcome those of the interval's ends."""
        ends = ("", "_low", "_high") if self.kind == "outcome" else ("",)
        return tuple(self.name + end for end in ends)

    def form_of(self, values: int, regrets: int) -> str:
        """Return its format, given the decimals of values and of regrets."""
        if self.kind != "outcome":
            return self.form
        return f".{regrets if self.name == 'regret' else values}f"

    def text(self, row: Mapping[str, Any], values: int, regrets: int) -> str:
        """Return its cell of a row; empty where the value is missing.

        Parameters
        ----------
        row : Row of `leaderboard`.
        values, regrets : Number of decimals of values and of regrets.
        """
        if self.kind == "text":
            return str(row[self.name])
        form = self.form_of(values, regrets)
        if self.kind == "outcome":
            value, low, high = (row[name] for name in self.in_files)
            return plain_text(value, low, high, form)
        value = row[self.name]
        return "" if value != value else never_zero(self.name, format(value, form))


def never_zero(name: str, text: str) -> str:
    """Return a cell, and for a p-value that rounds to 0 that it is below what is printed."""
    return "<0.001" if name == "p_value" and text == "0.000" else text


BOARD = (
    BoardColumn("dataset", "text", "data set"),
    BoardColumn("strategy", "text", "strategy", latex="Strategy"),
    BoardColumn("n", "count", "n", ".0f", "trials, one a seed", latex="$n$"),
    BoardColumn("valid", "outcome", "valid", latex="Valid"),
    BoardColumn("test", "outcome", "test", latex="Test"),
    BoardColumn("regret", "outcome", "regret", latex="Regret"),
    BoardColumn("rank", "compared", "rank", ".2f", "average over seeds, by regret", "Rank", 2),
    BoardColumn("queries", "spent", "queries", ".1f", "spent, mean a trial", "Queries", page_form=",.1f"),
    BoardColumn("seconds", "spent", "seconds", ",.0f", "simulated, mean a trial"),
    BoardColumn("distinct", "spent", "distinct", ".1f", "different architectures, mean a trial"),
    BoardColumn("distinct_isomorphic", "spent", "up to iso.", ".1f", "different networks, mean a trial",
                page_heading="up to isomorphism"),
    BoardColumn("wins_over_random", "compared", "wins", ".2f", "share of seeds better than random search",
                "Wins", 2),
    BoardColumn("p_value", "compared", "p (Holm)", ".3f",
                "signed-rank test against random search, Holm-corrected", "$p$", page_heading="p"),
)  # fmt: skip
"""Columns of the leaderboard, in the order of files and tables."""

LEADERBOARD_COLUMNS = tuple(name for column in BOARD for name in column.in_files)

_MEASURED = [column.name for column in BOARD if column.kind == "outcome"]
_SPENT = [column.name for column in BOARD if column.kind == "spent"]


def leaderboard(trials: pd.DataFrame, baseline: str = "random-search", level: float = 0.95) -> pd.DataFrame:
    """Summarise trials: a row per data set and strategy.

    Parameters
    ----------
    trials : Frame with a row per (strategy, dataset, seed) (see `benchkit.analysis.statistics.frames`), in
        any order.
    baseline : Strategy that `wins_over_random` and `p_value` compare with.
    level : Coverage of the intervals, strictly between 0 and 1.

    Returns
    -------
    A frame with the columns `LEADERBOARD_COLUMNS`; data sets in order of first appearance, then rank,
    then name.

    - n: trials of the strategy on the data set. Means, intervals and spendings are over these n.
    - valid, test: percent; regret: percent points; missing where a trial's value is missing. So are the ends
      of an interval that is not resolvable (`benchkit.analysis.statistics.resolution`): fewer than five
      trials, or equal ones.
    - rank: average rank of the regret, over the seeds that all strategies of the data set have.
    - queries, seconds, distinct, distinct_isomorphic: means a trial.
    - wins_over_random: share of shared seeds with a regret lower than the baseline's, ties count half.
    - p_value: two-sided signed-rank test against the baseline, corrected by Holm over the strategies of
      the data set. Both are missing for the baseline itself, and where it is absent.

    Raises
    ------
    ValueError : a malformed frame.

    Notes
    -----
    Samples of one size share their resamples (`benchkit.analysis.statistics.bootstrap`), so the figures
    depend neither on the order of the rows nor on which other strategies are in the frame (rank and p_value
    aside).
    """
    from benchkit.analysis.statistics.ranking import average_ranks, regret_by_seed

    check_trials(trials)
    blocks = []
    for dataset in dict.fromkeys(trials["dataset"]):
        here = trials[trials["dataset"] == dataset].sort_values(["strategy", "seed"])
        rows = [
            {"dataset": dataset, "strategy": strategy, **_means(group, level)}
            for strategy, group in here.groupby("strategy")
        ]
        ranks = regret_by_seed(here)
        block = pd.DataFrame(rows).set_index("strategy")
        block["rank"] = pd.Series(average_ranks(ranks), index=ranks.columns)
        block = block.join(_against(here, baseline))
        blocks.append(block.reset_index().sort_values(["rank", "strategy"]))
    return pd.concat(blocks, ignore_index=True)[list(LEADERBOARD_COLUMNS)]


def _means(group: pd.DataFrame, level: float) -> dict[str, float]:
    """Return one strategy's n, means and intervals; `group` is sorted by seed."""
    values = group[_MEASURED].to_numpy(dtype=np.float64)
    found = mean_intervals(values, level=level)
    row: dict[str, float] = {"n": found.n}
    for i, column in enumerate(_MEASURED):
        row |= found.at(i).named(column)
    spent = group[_SPENT].to_numpy(dtype=np.float64).mean(axis=0)
    return row | dict(zip(_SPENT, spent.tolist(), strict=True))


def _against(trials: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Return wins over the baseline and corrected p-values, a row per strategy that can be compared."""
    from benchkit.analysis.statistics.ranking import holm, regret_by_seed, share_of_wins, signed_rank_p

    wins: dict[str, float] = {}
    p_values: dict[str, float] = {}
    names = sorted(set(trials["strategy"]))
    if baseline in names:
        for name in names:
            pair = regret_by_seed(trials[trials["strategy"].isin([name, baseline])])
            if name != baseline and len(pair):
                wins[name] = share_of_wins(pair[name], pair[baseline])
                p_values[name] = signed_rank_p(pair[name], pair[baseline])
    corrected = pd.Series(holm(list(p_values.values())), index=list(p_values), dtype=float)
    return pd.DataFrame({"wins_over_random": pd.Series(wins, dtype=float), "p_value": corrected})
