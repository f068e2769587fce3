"""What it costs to reach a regret: censoring, shares, medians and speed-ups, by hand."""

import numpy as np
import pandas as pd
import pytest

from benchkit.analysis.statistics.reaching import REACHING_COLUMNS, follow_up, reaching, reaching_costs


def trace(strategy, seed, costs, regrets, dataset="d"):
    about = {"strategy": strategy, "dataset": dataset, "seed": seed, "step": range(len(costs))}
    spent = {"queries": [float(c) for c in costs], "seconds": [10.0 * c for c in costs]}
    return pd.DataFrame({**about, **spent, "regret": [float(regret) for regret in regrets]})


@pytest.fixture
def traces():
    """Random search reaches 1 at 8, 10 and never; the other strategy at 2, 4 and 5, and loses it once."""
    return pd.concat(
        [
            trace("random-search", 0, [1, 8, 12], [5, 1, 1]),
            trace("random-search", 1, [1, 10, 11], [5, 0.5, 0.5]),
            trace("random-search", 2, [1, 9], [5, 3]),
            trace("fast", 0, [2, 9], [1, 0]),
            trace("fast", 1, [1, 4, 12], [3, 1, 2]),
            trace("fast", 2, [1, 5, 10], [3, 0, 0]),
        ]
    )


def row(frame, strategy, target=1.0):
    return frame[(frame["strategy"] == strategy) & (frame["target"] == target)].iloc[0]


def test_costs_and_censoring_by_hand(traces):
    trials = reaching_costs(traces, 1.0)
    assert trials["cost"].tolist() == [8, 10, 9, 2, 4, 5]
    assert trials["reached"].tolist() == [True, True, False, True, True, True]
    assert trials["held"].tolist() == [True, True, False, True, False, True]
    followed = reaching_costs(traces, 1.0, budgets={"d": 12.0})
    assert followed["cost"].tolist() == [8, 10, 12, 2, 4, 5]  # with nothing more to ask it keeps what it has
    assert reaching_costs(traces, 1.0, budgets={"d": 9.0})["reached"].tolist()[:2] == [True, False]


def test_a_target_that_is_met_but_for_rounding_is_met():
    trials = reaching_costs(trace("a", 0, [1, 2], [5, 0.1 + 0.2]), 0.3)
    assert trials["reached"].tolist() == [True]


def test_each_data_set_can_have_its_own_target(traces):
    both = pd.concat([traces, traces.assign(dataset="e")])
    trials = reaching_costs(both, {"d": 1.0, "e": 3.0})
    assert trials.loc[trials["dataset"] == "e", "cost"].tolist() == [8, 10, 9, 2, 1, 1]


def test_the_horizon_is_the_budget_or_where_a_strategy_has_no_trial_left(traces):
    assert set(follow_up(traces).items()) == {((name, "d"), 12.0) for name in set(traces["strategy"])}
    assert set(follow_up(traces[traces["seed"] > 0], "seconds").values()) == {110.0}
    assert set(follow_up(traces, budgets={"d": 99.0}).values()) == {99.0}
    own = traces.groupby("strategy")["queries"].max()
    assert follow_up(traces, own_ends=True) == {(name, "d"): end for name, end in own.items()}
    with pytest.raises(ValueError, match="no budget for data set d"):
        follow_up(traces, budgets={"e": 1.0})


def doubled(traces):
    """Return the trials twice: six of each, which resolve intervals."""
    return pd.concat([traces, traces.assign(seed=traces["seed"] + 3)])


def test_the_table_by_hand(traces):
    frame = reaching(doubled(traces), [1.0], budgets={"d": 12.0})
    assert tuple(frame.columns) == REACHING_COLUMNS
    random, fast = row(frame, "random-search"), row(frame, "fast")
    assert (random["n"], random["reached"], random["held"], random["censored_early"]) == (6, 4, 4, 0)
    assert (fast["reached"], fast["held"]) == (6, 4)
    assert random["share"] == pytest.approx(2 / 3)
    assert (random["median"], fast["median"]) == (10, 4)
    assert random["restricted_mean"] == pytest.approx((8 + 10 + 12) / 3)
    assert (fast["speed_up"], fast["speed_up_bound"]) == (2.5, "")
    assert fast["speed_up_low"] >= 8 / 5  # the slowest of the fast over the fastest of the others
    assert np.isnan(random["speed_up"])
    assert random["speed_up_bound"] == ""


def test_few_trials_have_costs_and_no_interval_but_wilsons(traces):
    frame = reaching(traces, [1.0], budgets={"d": 12.0})
    fast = row(frame, "fast")
    assert (fast["n"], fast["share"], fast["restricted_mean"]) == (3, 1, pytest.approx(11 / 3))
    assert (fast["speed_up"], fast["speed_up_bound"]) == (2.5, "")
    spread = ["restricted_mean_low", "restricted_mean_high", "speed_up_low", "speed_up_high"]
    assert fast[spread].isna().all()
    assert 0 < fast["share_low"] < fast["share_high"] == 1  # three of three may be fewer of many


def test_equal_costs_resolve_no_interval():
    trials = [trace(name, seed, [cost], [0]) for name, cost in (("a", 4), ("b", 8)) for seed in range(9)]
    frame = reaching(pd.concat(trials), [0.0], budgets={"d": 12.0}, baseline="b")
    fast = row(frame, "a", 0.0)
    assert (fast["restricted_mean"], fast["speed_up"]) == (4, 2)
    assert fast[["restricted_mean_low", "speed_up_low", "speed_up_high"]].isna().all()


def test_trials_that_end_before_the_horizon_are_censored_there(traces):
    random = row(reaching(traces, [1.0]), "random-search")
    assert random["censored_early"] == 1
    # 3 at risk at 8, one of them censored at 9, the last one at 10
    assert random["share"] == 1
    assert random["restricted_mean"] == pytest.approx(8 + 2 * 2 / 3)


@pytest.mark.parametrize(
    ("target", "bound", "speed_up"),
    [(0.0, ">=", 12 / 9), (-1.0, "unknown", np.nan)],
)
def test_a_median_beyond_the_horizon_leaves_a_bound(traces, target, bound, speed_up):
    frame = reaching(traces, [target], budgets={"d": 12.0})
    fast = row(frame, "fast", target)
    assert fast["speed_up_bound"] == bound
    assert fast["speed_up"] == pytest.approx(speed_up, nan_ok=True)
    assert np.isnan(fast["speed_up_high"])  # random search never got there: no upper end
    assert np.isnan(row(frame, "random-search", target)["median"])


def test_a_strategy_that_is_slower_than_the_horizon_has_an_upper_bound(traces):
    twice = doubled(traces)
    frame = reaching(twice, [0.0], budgets={"d": 12.0}, baseline="fast")
    random = row(frame, "random-search", 0.0)
    assert (random["speed_up_bound"], random["speed_up"]) == ("<=", 9 / 12)
    assert random["speed_up_low"] == 0


def test_a_baseline_that_is_not_there_leaves_the_speed_up_out(traces):
    frame = reaching(traces, [1.0], baseline="tpe")
    assert frame["speed_up"].isna().all()
    assert (frame["speed_up_bound"] == "").all()


def test_the_interval_of_a_speed_up_covers_it():
    """Medians of exponential costs, 3 times as fast: in 95 % of 60 tables the interval should hold 3."""
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(60):
        costs = {"random-search": rng.exponential(30, 40), "fast": rng.exponential(10, 40)}
        drawn = [trace(name, i, [c], [0]) for name, all_c in costs.items() for i, c in enumerate(all_c)]
        frame = reaching(pd.concat(drawn), [0.0], budgets={"d": 40.0}, resamples=300)
        high = row(frame, "fast", 0.0)["speed_up_high"]
        held += row(frame, "fast", 0.0)["speed_up_low"] <= 3 <= (np.inf if np.isnan(high) else high)
    assert 53 <= held <= 60  # 57 expected; fewer than 53 has a probability of 1 %


def test_rows_depend_neither_on_order_nor_on_other_strategies(traces):
    whole = reaching(traces, [1.0, 0.0], budgets={"d": 12.0})
    more = pd.concat([trace("slow", 0, [1, 12], [9, 9]), traces.sample(frac=1, random_state=2)])
    other = reaching(more, [1.0, 0.0], budgets={"d": 12.0})
    for strategy in ("random-search", "fast"):
        pd.testing.assert_series_equal(
            row(whole, strategy, 0.0), row(other, strategy, 0.0), check_names=False
        )


def test_what_does_not_fit_is_refused(traces):
    with pytest.raises(ValueError, match="unknown axis 'hours'; there are queries, seconds"):
        reaching(traces, [1.0], "hours")
    with pytest.raises(ValueError, match="at least one"):
        reaching(traces, [])
    with pytest.raises(ValueError, match="a target is a regret"):
        reaching_costs(traces, float("nan"))
