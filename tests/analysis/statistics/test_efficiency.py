"""Area under the regret curve and regret at budgets, by hand and against a plain reading of both."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.analysis.statistics.efficiency import (
    ALL_DATASETS,
    EFFICIENCY_COLUMNS,
    common_ends,
    common_starts,
    curve_area,
    sample_efficiency,
)
from benchkit.analysis.statistics.intervals import mean_intervals, stratified_mean_intervals


def trace(strategy, seed, costs, regrets, dataset="d"):
    about = {"strategy": strategy, "dataset": dataset, "seed": seed, "step": range(len(costs))}
    costs = [float(cost) for cost in costs]
    spent = {"queries": costs, "seconds": [10 * c for c in costs], "gpu_hours": [c / 2 for c in costs]}
    return pd.DataFrame({**about, **spent, "regret": [float(regret) for regret in regrets]})


@pytest.fixture
def traces():
    """Two data sets; `a` has two trials on each, `b` one on the first and two on the second."""
    return pd.concat(
        [
            trace("a", 0, [1, 2, 4], [8, 4, 0]),
            trace("a", 1, [1, 3], [6, 2]),
            trace("b", 0, [2, 4], [5, 1]),
            trace("a", 0, [1, 2], [2, 1], "e"),
            trace("a", 1, [1, 2], [4, 3], "e"),
            trace("b", 0, [1, 2], [10, 10], "e"),
            trace("b", 1, [1, 2], [10, 0], "e"),
        ]
    )


def found(frame, dataset, strategy, budget=None):
    rows = frame[(frame["dataset"] == dataset) & (frame["strategy"] == strategy)]
    return (rows if budget is None else rows[rows["budget"] == budget]).iloc[0]


# -- one trial ------------------------------------------------------------------------------------


def test_the_area_by_hand():
    cost, regret = np.array([1.0, 2.0, 4.0]), np.array([8.0, 4.0, 0.0])
    # 8 from 0 to 2 (the first stands for what was before it), 4 from 2 to 4, then 0
    assert curve_area(cost, regret, 4) == (8 * 2 + 4 * 2) / 4
    assert curve_area(cost, regret, 8) == (8 * 2 + 4 * 2) / 8
    assert curve_area(cost, regret, 3) == (8 * 2 + 4 * 1) / 3
    assert curve_area(cost, regret, 0.5) == 8


def test_two_evaluations_at_one_cost_leave_the_later():
    assert curve_area(np.array([1.0, 1.0]), np.array([9.0, 3.0]), 3) == (9 * 1 + 3 * 2) / 3


@st.composite
def trials(draw):
    steps = draw(st.lists(st.floats(0.01, 5), min_size=1, max_size=12))
    regret = draw(st.lists(st.floats(0, 50), min_size=len(steps), max_size=len(steps)))
    return np.cumsum(steps), np.array(regret)


@given(trials(), st.floats(0.05, 100))
def test_the_area_is_a_sum_of_rectangles(trial, budget):
    cost, regret = trial
    total, held, at = 0.0, regret[0], 0.0
    for where, value in zip(cost, regret, strict=True):
        if where >= budget:
            break
        total += held * (where - at)
        held, at = value, where
    total += held * (budget - at)
    assert curve_area(cost, regret, budget) == pytest.approx(total / budget, rel=1e-9, abs=1e-9)
    assert regret.min() - 1e-9 <= curve_area(cost, regret, budget) <= regret.max() + 1e-9


@given(trials(), st.floats(0.05, 100), st.floats(0.1, 10))
def test_the_area_does_not_depend_on_the_unit_of_the_cost(trial, budget, unit):
    cost, regret = trial
    assert curve_area(cost * unit, regret, budget * unit) == pytest.approx(curve_area(cost, regret, budget))


# -- all trials -----------------------------------------------------------------------------------


def test_means_by_hand(traces):
    frame = sample_efficiency(traces, budgets={"d": (4.0,), "e": (4.0,)})
    assert tuple(frame.columns) == EFFICIENCY_COLUMNS
    row = found(frame, "d", "a")
    assert row["area"] == pytest.approx((6 + (6 * 3 + 2) / 4) / 2)
    assert (row["regret"], row["n"], row["budget"]) == (1.0, 2, 4.0)
    assert row[["area_low", "area_high", "regret_low", "regret_high"]].isna().all()  # two trials resolve none
    assert found(frame, "d", "b")[["area_low", "regret_high"]].isna().all()  # one trial has no spread


def test_over_data_sets_each_has_the_same_weight(traces):
    frame = sample_efficiency(traces, budgets={"d": (4.0,), "e": (4.0,)})
    row = found(frame, ALL_DATASETS, "b")
    assert row["regret"] == pytest.approx((1 + (10 + 0) / 2) / 2)  # not the mean over the three trials
    assert row["n"] == 3
    assert found(frame, ALL_DATASETS, "a")["area"] == pytest.approx(
        (found(frame, "d", "a")["area"] + found(frame, "e", "a")["area"]) / 2
    )


def test_a_strategy_that_misses_a_data_set_has_no_mean_over_them(traces):
    frame = sample_efficiency(pd.concat([traces, trace("c", 0, [1, 4], [1, 1])]))
    assert set(frame.loc[frame["dataset"] == ALL_DATASETS, "strategy"]) == {"a", "b"}
    assert set(frame.loc[frame["dataset"] == "d", "strategy"]) == {"a", "b", "c"}


def test_the_default_budget_is_where_the_first_trial_ends(traces):
    assert common_ends(traces) == {"d": 3.0, "e": 2.0}
    assert common_starts(traces) == {"d": 2.0, "e": 1.0}
    frame = sample_efficiency(traces)
    assert found(frame, "d", "a")["budget"] == 3.0
    assert np.isnan(found(frame, ALL_DATASETS, "a")["budget"])  # they differ


def test_any_measured_cost_is_an_axis(traces):
    by_queries = sample_efficiency(traces)
    by_hours = sample_efficiency(traces, "gpu_hours")
    assert by_hours["area"].tolist() == pytest.approx(by_queries["area"].tolist())
    with pytest.raises(ValueError, match="unknown axis 'regret'; there are queries, seconds, gpu_hours"):
        sample_efficiency(traces, "regret")


def test_a_row_depends_neither_on_order_nor_on_other_strategies(traces):
    whole = sample_efficiency(traces, budgets={"d": (4.0,), "e": (4.0,)})
    only = traces[traces["strategy"] == "a"].sample(frac=1, random_state=1)
    part = sample_efficiency(only, budgets={"d": (4.0,), "e": (4.0,)})
    for dataset in ("d", "e", ALL_DATASETS):
        pd.testing.assert_series_equal(
            found(whole, dataset, "a"), found(part, dataset, "a"), check_names=False
        )


def test_what_does_not_fit_is_refused(traces):
    with pytest.raises(ValueError, match="queries ends before the first evaluation of b on d"):
        sample_efficiency(traces, budgets={"d": (1.5,), "e": (1.5,)})
    with pytest.raises(ValueError, match="no budget for data set e"):
        sample_efficiency(traces, budgets={"d": (4.0,)})
    with pytest.raises(ValueError, match="positive numbers"):
        sample_efficiency(traces, budgets={"d": (0.0,), "e": (4.0,)})
    with pytest.raises(ValueError, match="as many budgets"):
        sample_efficiency(traces, budgets={"d": (4.0, 5.0), "e": (4.0,)})


# -- the stratified bootstrap ---------------------------------------------------------------------


def test_one_stratum_is_the_plain_bootstrap():
    values = np.random.default_rng(5).gamma(2, size=(9, 3))
    one = stratified_mean_intervals([values], np.random.default_rng(1), resamples=500)
    plain = mean_intervals(values, np.random.default_rng(1), resamples=500)
    for ours, theirs in zip(one, plain, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_strata_are_resampled_within_themselves():
    # between them is nearly all the spread there is, and none of that is left
    apart = [np.full((9, 1), 1.0), np.arange(6.0)[:, None] / 100 + 9]
    found = stratified_mean_intervals(apart, np.random.default_rng(0), resamples=200)
    assert (found.n, found.mean[0]) == (15, pytest.approx(5.0125))
    assert 5 < found.low[0] < found.mean[0] < found.high[0] < 5.025
    none = stratified_mean_intervals([apart[0], apart[0] + 8], np.random.default_rng(0), resamples=200)
    assert np.isnan([none.low[0], none.high[0]]).all()  # equal within each: not resolvable


def test_the_interval_of_a_stratified_mean_has_the_width_that_theory_says():
    rng = np.random.default_rng(2)
    strata = [rng.normal(0, 1, (200, 1)), rng.normal(5, 3, (100, 1))]
    found = stratified_mean_intervals(strata, np.random.default_rng(0), resamples=4_000)
    error = np.sqrt(sum(each.var() / len(each) for each in strata)) / 2
    assert found.mean[0] == pytest.approx(np.mean([each.mean() for each in strata]))
    assert (found.high[0] - found.low[0]) == pytest.approx(2 * 1.96 * error, rel=0.05)


def test_strata_that_do_not_fit_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="as many columns"):
        stratified_mean_intervals([np.ones((2, 1)), np.ones((2, 2))], rng)
    with pytest.raises(ValueError, match="n >= 1"):
        stratified_mean_intervals([np.ones((2, 1)), np.ones((0, 1))], rng)
    with pytest.raises(ValueError, match="level"):
        stratified_mean_intervals([np.ones((2, 1)), np.ones((2, 1))], rng, level=1.0)
    alone = stratified_mean_intervals([np.ones((2, 1)), np.ones((1, 1))], rng)
    assert np.isnan([*alone.low, *alone.high]).all()
