"""The leaderboard and its LaTeX, against trials small enough to summarise by hand."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchkit.analysis.statistics.near_best import near_best
from benchkit.analysis.tables.latex import escape, leaderboard_latex
from benchkit.analysis.tables.leaderboard import LEADERBOARD_COLUMNS, leaderboard
from tests.analysis.latex_structure import check_structure

REGRETS = {
    ("cifar100", "random-search"): [3.0, 2.0, 4.0, 5.0, 2.5, 3.5],
    ("cifar100", "bananas"): [1.0, 2.0, 0.0, 0.5, 0.7, 0.2],
    ("cifar100", "reinforce"): [2.0, 3.0, 3.0, 1.0, 2.6, 3.0],
    ("cifar10", "random-search"): [0.3, 0.2, 0.4, 0.1, 0.6, 0.5],
    ("cifar10", "bananas"): [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
}


@pytest.fixture
def trials():
    rows = [
        {
            "strategy": strategy,
            "dataset": dataset,
            "seed": seed,
            "valid": 90.0 - regret,
            "test": 89.0 - regret + 0.01 * seed,
            "regret": regret,
            "queries": 150.0,
            "seconds": 1000.0 + seed,
            "distinct": 100 + seed,
            "distinct_isomorphic": 80,
        }
        for (dataset, strategy), regrets in REGRETS.items()
        for seed, regret in enumerate(regrets)
    ]
    return pd.DataFrame(rows)


def test_columns_and_order(trials):
    board = leaderboard(trials)
    assert list(board.columns) == list(LEADERBOARD_COLUMNS)
    assert board[["dataset", "strategy"]].to_numpy().tolist() == [
        ["cifar100", "bananas"],
        ["cifar100", "reinforce"],
        ["cifar100", "random-search"],
        ["cifar10", "bananas"],
        ["cifar10", "random-search"],
    ]
    assert board["n"].tolist() == [6] * 5


def test_means_and_ranks_by_hand(trials):
    board = leaderboard(trials).set_index(["dataset", "strategy"])
    row = board.loc["cifar100", "bananas"]
    assert row["regret"] == pytest.approx(4.4 / 6)
    assert row["valid"] == pytest.approx(90 - 4.4 / 6)
    assert row["test"] == pytest.approx(89 - 4.4 / 6 + 0.025)
    assert (row["queries"], row["seconds"], row["distinct"], row["distinct_isomorphic"]) == (
        150,
        1002.5,
        102.5,
        80,
    )
    # seeds: 1, 1.5 (tied with random search), 1, 1, 1, 1
    assert row["rank"] == pytest.approx(6.5 / 6)
    # 2, 3, 2, 2, 3, 2
    assert board.loc["cifar100", "reinforce"]["rank"] == pytest.approx(14 / 6)
    exact = board.loc["cifar10", "bananas"]
    assert exact["regret"] == 0
    assert exact[["regret_low", "regret_high"]].isna().all()  # six equal seeds: not resolvable


def test_intervals_surround_the_mean_and_follow_the_regret(trials):
    board = leaderboard(trials)
    spread = board[board["regret"] > 0]
    assert len(spread) == len(board) - 1
    assert (spread["regret_low"] < spread["regret"]).all()
    assert (spread["regret"] < spread["regret_high"]).all()
    assert spread["valid_low"].to_numpy() == pytest.approx(90 - spread["regret_high"].to_numpy())


def test_wins_and_corrected_tests_against_scipy(trials):
    board = leaderboard(trials).set_index(["dataset", "strategy"])
    assert board.loc["cifar100", "bananas"]["wins_over_random"] == (5 + 0.5) / 6
    assert board.loc["cifar100", "reinforce"]["wins_over_random"] == 4 / 6
    baseline = np.array(REGRETS["cifar100", "random-search"])
    first, second = (
        stats.wilcoxon(
            np.array(REGRETS["cifar100", name]),
            baseline,
            zero_method="wilcox",
            method=stats.PermutationMethod(n_resamples=np.inf),
        ).pvalue
        for name in ("bananas", "reinforce")
    )
    assert first < second
    assert board.loc["cifar100", "bananas"]["p_value"] == pytest.approx(2 * first)
    assert board.loc["cifar100", "reinforce"]["p_value"] == pytest.approx(max(2 * first, second))
    # the only comparison of its data set: nothing to correct for
    assert board.loc["cifar10", "bananas"]["p_value"] == pytest.approx(2 / 2**6)
    assert board.loc["cifar10", "random-search"][["wins_over_random", "p_value"]].isna().all()


def test_without_the_baseline_the_comparison_is_missing(trials):
    board = leaderboard(trials[trials["strategy"] != "random-search"])
    assert board[["wins_over_random", "p_value"]].isna().all(axis=None)
    other = leaderboard(trials, baseline="reinforce").set_index(["dataset", "strategy"])
    assert other.loc["cifar100", "random-search"]["wins_over_random"] == 2 / 6
    assert np.isnan(other.loc["cifar10", "random-search"]["wins_over_random"])


def test_row_order_changes_nothing(trials):
    board = leaderboard(trials)
    by_name = ["dataset", "strategy"]
    shuffled = leaderboard(trials.sample(frac=1, random_state=3))
    pd.testing.assert_frame_equal(
        board.sort_values(by_name, ignore_index=True), shuffled.sort_values(by_name, ignore_index=True)
    )


def test_other_strategies_do_not_move_an_interval(trials):
    measured = ["valid_low", "valid_high", "test_low", "test_high", "regret_low", "regret_high"]
    pair = trials[trials["strategy"] != "reinforce"]
    board, fewer = (leaderboard(t).set_index(["dataset", "strategy"]) for t in (trials, pair))
    pd.testing.assert_frame_equal(board.loc[fewer.index, measured], fewer[measured])


def test_uneven_seeds_rank_over_the_shared_ones(trials):
    uneven = trials[~((trials["strategy"] == "reinforce") & (trials["seed"] > 1))]
    board = leaderboard(uneven).set_index(["dataset", "strategy"])
    assert board.loc["cifar100"]["n"].to_dict() == {"bananas": 6, "reinforce": 2, "random-search": 6}
    assert board.loc["cifar100"]["rank"].to_dict() == {
        "bananas": 1.25,
        "reinforce": 2.5,
        "random-search": 2.25,
    }
    assert board.loc["cifar100", "bananas"]["wins_over_random"] == (5 + 0.5) / 6  # its own pairs, all six


def test_a_table_without_test_results_has_none(trials):
    board = leaderboard(trials.assign(test=np.nan, seconds=np.nan))
    assert board[["test", "test_low", "test_high", "seconds"]].isna().all(axis=None)
    spread = board[board["regret"] > 0]
    assert spread[["valid", "valid_low", "valid_high"]].notna().all(axis=None)
    assert "Test" not in leaderboard_latex(board)


def test_one_seed_has_no_interval(trials):
    board = leaderboard(trials[trials["seed"] == 0])
    assert board[["regret_low", "regret_high"]].isna().all(axis=None)
    text = leaderboard_latex(board)
    assert not re.search(r"\bnan\b", text)
    assert "$n$ = 1 trials" in text
    assert "Fewer than 5 trials resolve no interval." in text
    assert "scriptsize [" not in text


def test_a_trial_given_twice_is_refused(trials):
    with pytest.raises(ValueError, match="strategy random-search, dataset cifar100, seed 0 more than once"):
        leaderboard(pd.concat([trials, trials.iloc[:1]]))


def test_latex_has_a_block_a_data_set_and_the_best_in_bold(trials):
    text = leaderboard_latex(leaderboard(trials))
    assert text.count(r"\midrule") == 2
    assert r"\multicolumn{9}{l}{\textit{cifar100}}" in text
    assert "No interval: fewer than 5 trials, or all of them equal." in text  # of bananas on cifar10
    assert "$n$ = 6 trials with its 95\\,\\%" in text
    bananas = next(line for line in text.splitlines() if line.startswith("bananas"))
    cells = [cell.strip() for cell in bananas.removesuffix(r"\\").split("&")]
    assert cells[1] == "6"
    assert cells[2].startswith(r"\textbf{89.27} {\scriptsize [")
    assert cells[4].startswith(r"\textbf{0.73}")
    assert cells[5:] == [r"\textbf{1.08}", "150", "0.92", "0.125"]
    baseline = next(line for line in text.splitlines() if line.startswith("random-search"))
    assert "textbf" not in baseline
    assert baseline.endswith(r"& -- & -- \\")


def test_latex_rows_are_all_as_wide_as_the_heading(trials):
    text = leaderboard_latex(leaderboard(trials))
    rows = [line for line in text.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert len(rows) == 6
    assert {row.count("&") for row in rows} == {8}
    assert text.count("{") == text.count("}")


def test_what_is_not_worse_than_the_best_is_underlined(trials):
    board = leaderboard(trials)
    near = near_best(trials, 0.2)
    # six seeds against bananas on cifar100, Holm: 2 / 2**6 x 2, and with a tie 2 / 2**5: both are worse
    assert not near["not_worse"].any()
    worse = leaderboard_latex(board, near=near, alpha=0.2, source="Table a_b; 6 seeds")
    assert r"\underline" not in worse
    assert r"Holm-corrected, $\alpha$ = 0.2). Table a\_b; 6 seeds.}" in worse
    near["not_worse"] = (near["strategy"] == "reinforce") & (near["measure"] != "test")
    text = leaderboard_latex(board, near=near, alpha=0.2)
    (line,) = (line for line in text.splitlines() if line.startswith("reinforce"))
    cells = [cell.strip() for cell in line.removesuffix(r"\\").split("&")]
    assert cells[2].startswith(r"\underline{87.57} {\scriptsize [")
    assert cells[3].startswith("86.59 ")
    assert cells[4].startswith(r"\underline{2.43} {\scriptsize [")
    assert text.count(r"\underline") == 2
    near["not_worse"] = True
    printed = leaderboard_latex(board, near=near, alpha=0.2)
    assert r"\underline{\textbf" not in printed  # what is bold already is not underlined, too
    assert r"\textbf{\underline" not in printed
    for each in (worse, text, printed):
        check_structure(each)


def test_too_few_seeds_underline_nothing_and_the_caption_says_so(trials):
    few = trials[trials["seed"] < 3]
    text = leaderboard_latex(leaderboard(few), near=near_best(few))
    assert r"\underline" not in text
    assert "Nothing is underlined: so few seeds" in text
    alone = trials[trials["strategy"] == "bananas"]
    text = leaderboard_latex(leaderboard(alone), near=near_best(alone))
    assert "nderlined" not in text


def test_remarks_are_comments_of_one_line(trials):
    board = leaderboard(trials)
    text = leaderboard_latex(board, remarks=["table t,\nSHA-256 00", "a % b"])
    assert text.splitlines()[:3] == ["% needs \\usepackage{booktabs}", "% table t, SHA-256 00", "% a % b"]
    check_structure(text)


def test_latex_escapes():
    assert escape("a_b & 5% {x} #1 $ ~^\\") == (
        r"a\_b \& 5\% \{x\} \#1 \$ \textasciitilde{}\textasciicircum{}\textbackslash{}"
    )


def test_latex_of_nothing_is_refused(trials):
    with pytest.raises(ValueError, match="no rows"):
        leaderboard_latex(leaderboard(trials).iloc[:0])
