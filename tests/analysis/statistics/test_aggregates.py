"""Robust aggregates against plain implementations of the published formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.analysis.statistics.aggregates import (
    AGGREGATES,
    aggregate,
    performance_profiles,
    probability_of_improvement,
    task_scores,
)

Rows = list[tuple[str, str, int, float]]


def trials(rows: Rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["strategy", "dataset", "seed", "regret"])


def some_trials() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows: Rows = []
    for dataset, scale in (("easy", 1.0), ("hard", 5.0)):
        for strategy, factor in (("random-search", 1.0), ("good", 0.4)):
            rows += [(strategy, dataset, seed, scale * factor * rng.gamma(4) / 4) for seed in range(12)]
    return trials(rows)


def test_scores_are_in_units_of_the_baselines_mean_regret() -> None:
    rows: Rows = [("random-search", "a", 0, 2.0), ("random-search", "a", 1, 4.0), ("good", "a", 0, 1.5)]
    scores = task_scores(trials(rows))
    np.testing.assert_allclose(scores["random-search"][0], [1 - 2 / 3, 1 - 4 / 3])
    np.testing.assert_allclose(scores["good"][0], [0.5])
    assert np.mean(scores["random-search"][0]) == pytest.approx(0)


def test_strategies_that_miss_a_task_are_left_out() -> None:
    frame = some_trials()
    frame = frame[(frame["strategy"] != "good") | (frame["dataset"] == "easy")]
    assert list(task_scores(frame)) == ["random-search"]


def plain_aggregates(runs: list[np.ndarray]) -> dict[str, float]:
    pooled = np.sort(np.concatenate(runs))
    cut = len(pooled) // 4
    return {
        "interquartile mean": float(pooled[cut : len(pooled) - cut].mean()),
        "median": float(np.median([run.mean() for run in runs])),
        "mean": float(np.mean([run.mean() for run in runs])),
        "optimality gap": float(np.mean([1 - np.minimum(run, 1).mean() for run in runs])),
    }


def test_aggregates_and_their_intervals_are_the_published_ones() -> None:
    scores = task_scores(some_trials())
    found: Any = aggregate(scores, np.random.default_rng(0)).set_index(["strategy", "measure"])
    for strategy, runs in scores.items():
        for measure, value in plain_aggregates(list(runs)).items():
            row = found.loc[(strategy, measure)]
            assert row["value"] == pytest.approx(value)
            assert row["n"] == 24
            assert row["low"] <= value <= row["high"]
    # the stratified bootstrap, in a loop
    rng = np.random.default_rng(5)
    runs = scores["good"]
    drawn = [
        plain_aggregates([rng.choice(run, len(run)) for run in runs])["interquartile mean"]
        for _ in range(2_000)
    ]
    row = found.loc[("good", "interquartile mean")]
    np.testing.assert_allclose([row["low"], row["high"]], np.quantile(drawn, [0.025, 0.975]), atol=0.02)


def test_a_strategys_rows_do_not_depend_on_the_others() -> None:
    scores = task_scores(some_trials())
    both = aggregate(scores, np.random.default_rng(0))
    alone = aggregate({"good": scores["good"]}, np.random.default_rng(0))
    chosen = both[both["strategy"] == "good"].reset_index(drop=True)
    pd.testing.assert_frame_equal(chosen, alone)
    assert tuple(alone["measure"]) == AGGREGATES


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=6),
    st.lists(st.integers(0, 4), min_size=1, max_size=6),
)
def test_the_probability_of_improvement_counts_pairs(x: list[int], y: list[int]) -> None:
    value, low, high = probability_of_improvement(
        [np.array(x, float)], [np.array(y, float)], np.random.default_rng(0), resamples=50
    )
    pairs = [(a > b) + 0.5 * (a == b) for a in x for b in y]
    assert value == pytest.approx(np.mean(pairs))
    resolved = min(len(x), len(y)) >= 5 and 0 < value < 1 and len(set(x + y)) > 1
    assert 0 <= low < high <= 1 if resolved else np.isnan([low, high]).all()


def test_the_probability_of_improvement_averages_tasks() -> None:
    better = [np.array([1.0, 2.0]), np.array([0.0])]
    worse = [np.array([0.0]), np.array([1.0, 2.0, 3.0])]
    assert probability_of_improvement(better, worse, np.random.default_rng(0))[0] == pytest.approx(0.5)
    with pytest.raises(ValueError, match="the same tasks"):
        probability_of_improvement(better, worse[:1], np.random.default_rng(0))


def test_profiles_are_shares_of_runs_above_a_score() -> None:
    scores = {"a": [np.array([0.1, 0.1, 0.1, 0.5, 0.5]), np.array([0.5, 0.5, 0.9, 0.9, 0.9, 0.9])]}
    found = performance_profiles(scores, np.random.default_rng(0), [0.0, 0.5, 0.8, 1.0])
    np.testing.assert_allclose(found["share"], [1.0, (0 + 2 / 3) / 2, (0 + 2 / 3) / 2, 0.0])
    inside = found[found["share"].between(0.01, 0.99)]
    assert (inside["low"] < inside["share"]).all()
    assert (inside["share"] < inside["high"]).all()
    assert found.loc[found["share"].isin([0, 1]), ["low", "high"]].isna().all(axis=None)  # all runs agree
    assert set(found["n"]) == {11}
    whole = performance_profiles(task_scores(some_trials()), np.random.default_rng(0))
    for _, rows in whole.groupby("strategy"):
        assert (np.diff(rows["share"]) <= 0).all()


def test_four_runs_on_a_task_resolve_no_interval() -> None:
    several = np.array([0.1, 0.2, -0.1, 0.3, 0.2])
    scores = {"a": [several[:4], several], "b": [several, several + 0.5]}
    found: Any = aggregate(scores, np.random.default_rng(0), resamples=50).set_index("strategy")
    assert found.loc["a", ["low", "high"]].isna().all(axis=None)
    assert found.loc["b", ["low", "high"]].notna().all(axis=None)
    value, low, high = probability_of_improvement(scores["b"], scores["a"], np.random.default_rng(0))
    assert 0.5 < value < 1
    assert np.isnan([low, high]).all()
    profile = performance_profiles(scores, np.random.default_rng(0), [0.15], resamples=50)
    assert list(profile["low"].isna()) == [True, False]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("good", "a", 0, 1.0)], "random-search has no trials on a"),
        ([("random-search", "a", 0, 0.0), ("good", "a", 0, 1.0)], "no regret on a"),
        ([], "no trials"),
    ],
)
def test_what_has_no_scores(rows: Rows, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        task_scores(trials(rows))


def test_numbers_out_of_range() -> None:
    scores = task_scores(some_trials())
    for options, said in (({"level": 1.0}, "level must lie"), ({"resamples": 0}, "at least 1, got 0")):
        with pytest.raises(ValueError, match=said):
            aggregate(scores, np.random.default_rng(0), **options)
    with pytest.raises(ValueError, match="needs a strategy"):
        performance_profiles({}, np.random.default_rng(0))
