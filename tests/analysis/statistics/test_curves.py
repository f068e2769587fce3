"""Best-so-far curves, against hand-made traces and a plain reading of the definition."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.analysis.statistics.curves import regret_curve, step_values


def trace(strategy, seed, costs, regrets, dataset="cifar10"):
    return pd.DataFrame(
        {
            "strategy": strategy,
            "dataset": dataset,
            "seed": seed,
            "step": range(len(costs)),
            "queries": [float(cost) for cost in costs],
            "seconds": [100.0 * cost for cost in costs],
            "regret": [float(regret) for regret in regrets],
        }
    )


@pytest.fixture
def traces():
    """Two seeds that pay differently: means by hand in the tests."""
    return pd.concat(
        [
            trace("bohb", 0, [1, 2, 4], [8, 4, 0]),
            trace("bohb", 1, [2, 3], [6, 2]),
            trace("tpe", 0, [1, 2, 3, 4], [5, 5, 5, 1]),
        ]
    )


def test_mean_regret_by_hand(traces):
    curve = regret_curve(traces)
    bohb = curve[curve["strategy"] == "bohb"]
    # seed 1 has no evaluation before 2; after 3 it keeps its incumbent
    assert bohb["x"].tolist() == [2, 3, 4]
    assert bohb["mean"].tolist() == [(4 + 6) / 2, (4 + 2) / 2, (0 + 2) / 2]
    assert bohb["n"].tolist() == [2, 2, 2]
    assert bohb[["low", "high"]].isna().all(axis=None)  # two trials resolve no interval
    assert list(curve.columns) == ["strategy", "dataset", "x", "n", "mean", "low", "high"]


def test_one_seed_has_a_curve_and_no_band(traces):
    tpe = regret_curve(traces).query("strategy == 'tpe'")
    assert tpe["mean"].tolist() == [5, 5, 5, 1]
    assert tpe[["low", "high"]].isna().all(axis=None)


def test_a_curve_ends_where_its_last_trial_ends(traces):
    curve = regret_curve(pd.concat([traces, trace("local-search", 0, [1, 9], [3, 3])]))
    assert curve.groupby("strategy")["x"].max().to_dict() == {"bohb": 4, "tpe": 4, "local-search": 9}


def test_seconds_are_an_axis_too(traces):
    curve = regret_curve(traces, "seconds", grid=[50, 250, 399, 400])
    assert curve.query("strategy == 'bohb'")[["x", "mean"]].to_numpy().tolist() == [
        [250, 5],
        [399, 3],
        [400, 1],
    ]


@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 50)), min_size=1, max_size=12),
    st.lists(st.floats(0, 100), min_size=1, max_size=8),
)
def test_step_values_are_the_last_at_or_before_each_point(steps, grid):
    cost = np.cumsum([spent for spent, _ in steps])
    value = np.array([regret for _, regret in steps])
    for x, read in zip(grid, step_values(cost, value, np.array(grid)), strict=True):
        before = [v for c, v in zip(cost, value, strict=True) if c <= x]
        assert read == before[-1] if before else np.isnan(read)


def test_row_order_and_other_strategies_change_nothing():
    rng = np.random.default_rng(0)
    parts = [
        trace(s, seed, np.arange(1, 21), np.minimum.accumulate(rng.gamma(2, size=20)))
        for s in ("tpe", "bohb")
        for seed in range(5)
    ]
    both = pd.concat(parts)
    curve = regret_curve(both)
    shuffled = regret_curve(both.sample(frac=1, random_state=1))
    for strategy in ("tpe", "bohb"):
        own = curve[curve["strategy"] == strategy].reset_index(drop=True)
        again = shuffled[shuffled["strategy"] == strategy].reset_index(drop=True)
        alone = regret_curve(both[both["strategy"] == strategy])
        pd.testing.assert_frame_equal(own, again)
        pd.testing.assert_frame_equal(own, alone)


def test_many_distinct_costs_are_thinned_yet_start_and_end_where_the_trials_do():
    rng = np.random.default_rng(0)
    runs = [np.cumsum(rng.uniform(0.1, 2.0, size=700)) for _ in range(3)]
    regrets = [np.minimum.accumulate(rng.gamma(2, size=700)) for _ in range(3)]
    curve = regret_curve(pd.concat([trace("tpe", seed, runs[seed], regrets[seed]) for seed in range(3)]))
    assert 100 < len(curve) < 600
    assert curve["x"].iloc[0] == max(run[0] for run in runs)
    assert curve["x"].iloc[-1] == max(run[-1] for run in runs)
    assert curve["mean"].iloc[-1] == pytest.approx(np.mean([r[-1] for r in regrets]))
    assert curve["x"].isin(np.concatenate(runs)).all()


def test_data_sets_do_not_mix():
    traces = pd.concat([trace("tpe", 0, [1, 2], [4, 2]), trace("tpe", 0, [1, 2], [40, 20], "cifar100")])
    curve = regret_curve(traces)
    assert curve[["dataset", "mean"]].to_numpy().tolist() == [
        ["cifar10", 4],
        ["cifar10", 2],
        ["cifar100", 40],
        ["cifar100", 20],
    ]


def test_unusable_traces_are_named(traces):
    with pytest.raises(ValueError, match="unknown axis 'hours'"):
        regret_curve(traces, "hours")
    with pytest.raises(ValueError, match="ascending"):
        regret_curve(traces, grid=[2, 1])
    with pytest.raises(ValueError, match="lack the columns regret"):
        regret_curve(traces.drop(columns="regret"))
    with pytest.raises(ValueError, match="strategy tpe, dataset cifar10, seed 0, step 3 more than once"):
        regret_curve(pd.concat([traces, traces.iloc[-1:]]))
    with pytest.raises(ValueError, match="no seconds for strategy bohb"):
        regret_curve(traces.assign(seconds=np.nan), "seconds")
    with pytest.raises(ValueError, match="no finite regret for strategy tpe"):
        regret_curve(pd.concat([traces, trace("tpe", 1, [1], [np.nan])]))
    with pytest.raises(ValueError, match="run backwards for strategy gdas"):
        regret_curve(pd.concat([traces, trace("gdas", 0, [2, 1], [1, 1])]))
    with pytest.raises(ValueError, match="no traces"):
        regret_curve(traces.iloc[:0])
