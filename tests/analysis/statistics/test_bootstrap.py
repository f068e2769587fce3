"""One number has one interval, wherever it is shown."""

import numpy as np
import pandas as pd
import pytest

from benchkit.analysis.statistics.bootstrap import resample_counts, shared_draws
from benchkit.analysis.statistics.curves import regret_curve
from benchkit.analysis.statistics.efficiency import sample_efficiency
from benchkit.analysis.statistics.intervals import mean_interval
from benchkit.analysis.tables.leaderboard import leaderboard


def test_a_curve_ends_in_the_interval_of_the_leaderboard_and_of_the_efficiency_table():
    rng = np.random.default_rng(4)
    about = {"dataset": "d", "strategy": "tpe"}
    regret = np.minimum.accumulate(rng.gamma(2, size=(7, 40)), axis=1)
    traces = pd.concat(
        [
            pd.DataFrame({**about, "seed": seed, "step": range(40), "queries": np.arange(1.0, 41)}).assign(
                seconds=1.0, regret=regret[seed]
            )
            for seed in range(7)
        ]
    )
    spent = {"queries": 40.0, "seconds": 1.0, "distinct": 40, "distinct_isomorphic": 40}
    trials = pd.DataFrame({**about, "seed": range(7), "valid": 90.0, "test": 89.0, "regret": regret[:, -1]})
    row = leaderboard(trials.assign(**spent)).iloc[0]
    expected = pytest.approx((row["regret"], row["regret_low"], row["regret_high"]), rel=1e-13)
    assert tuple(regret_curve(traces).iloc[-1][["mean", "low", "high"]]) == expected
    of_budget = sample_efficiency(traces, budgets={"d": (40.0,)}).iloc[0]
    assert tuple(of_budget[["regret", "regret_low", "regret_high"]]) == expected
    assert mean_interval(regret[:, -1])[1:] == expected


@pytest.mark.parametrize("at_once", [1, 30, 2**20])
def test_what_is_drawn_does_not_depend_on_the_size_of_blocks(at_once):
    whole = np.concatenate(list(resample_counts(9, shared_draws(9), 20)))
    assert (whole.sum(axis=1) == 9).all()
    blocks = list(resample_counts(9, shared_draws(9), 20, at_once))
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
