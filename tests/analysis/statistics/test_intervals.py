"""The bootstrap of a mean, against scipy's and against what is known without one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from benchkit.analysis.statistics.intervals import mean_interval, mean_intervals

accuracies = arrays(np.float64, st.integers(2, 30), elements=st.floats(0, 100))


def test_agrees_with_scipys_percentile_bootstrap():
    accuracy = np.random.default_rng(3).normal(91.0, 0.5, size=40)
    ours = mean_interval(accuracy, np.random.default_rng(0), resamples=20_000)
    theirs = stats.bootstrap(
        (accuracy,), np.mean, method="percentile", n_resamples=20_000, random_state=np.random.default_rng(1)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.mean == pytest.approx(accuracy.mean(), abs=1e-12)
    assert ours.low == pytest.approx(theirs.low, abs=0.03 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.03 * width)


def test_one_that_differs_has_the_interval_that_counting_gives():
    # resamples of 0, 0, 0, 0, 1 hold the 1 k times with probability binom(5, k) 0.2^k 0.8^(5 - k):
    # none in .328, at most two in .942, at most three in .993
    assert mean_interval([0, 0, 0, 0, 1], np.random.default_rng(0)) == (5, 0.2, 0.0, pytest.approx(0.6))
    assert mean_interval([0, 0, 0, 0, 1], np.random.default_rng(0), level=0.8)[3] == pytest.approx(0.4)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_fewer_than_five_values_resolve_no_interval(n):
    found = mean_interval(np.arange(float(n)), np.random.default_rng(0))
    assert (found.n, found.mean) == (n, (n - 1) / 2)
    assert np.isnan([found.low, found.high]).all()


def test_covers_the_true_mean_about_as_often_as_it_says():
    samples = np.random.default_rng(5).normal(size=(30, 400))
    _, _, low, high = mean_intervals(samples, np.random.default_rng(0), level=0.8, resamples=1_000)
    assert 0.72 < ((low < 0) & (high > 0)).mean() < 0.86


def test_one_trial_has_a_mean_and_no_interval():
    n, mean, low, high = mean_interval([93.2], np.random.default_rng(0))
    assert (n, mean) == (1, 93.2)
    assert np.isnan([low, high]).all()


@given(st.floats(-100, 100), st.integers(2, 20))
def test_equal_values_have_themselves_as_mean_and_resolve_no_interval(value, n):
    found = mean_interval([value] * n, np.random.default_rng(0), resamples=50)
    assert (found.n, found.mean) == (n, value)
    assert np.isnan([found.low, found.high]).all()


@given(accuracies)
def test_the_interval_lies_among_the_values_and_a_wider_level_contains_it(accuracy):
    narrow = mean_interval(accuracy, np.random.default_rng(0), level=0.5, resamples=200)
    wide = mean_interval(accuracy, np.random.default_rng(0), level=0.95, resamples=200)
    if len(accuracy) < 5 or np.isnan(wide.low):
        assert np.isnan([wide.low, wide.high, *([] if len(accuracy) >= 5 else narrow[2:])]).all()
        return
    if np.isnan(narrow.low):  # half of the samples without the one value that differs
        narrow = narrow._replace(low=narrow.mean, high=narrow.mean)
        wide = wide._replace(low=min(wide.low, narrow.mean), high=max(wide.high, narrow.mean))
    slack = 1e-9
    assert accuracy.min() - slack <= wide.low <= narrow.low + slack
    assert narrow.high - slack <= wide.high <= accuracy.max() + slack


def test_columns_are_resampled_together_however_many_they_are():
    values = np.random.default_rng(1).normal(size=(6, 300))  # more than one block of columns
    together = mean_intervals(values, np.random.default_rng(0), resamples=500)
    for column in (0, 255, 256, 299):
        alone = mean_interval(values[:, column], np.random.default_rng(0), resamples=500)
        assert alone == pytest.approx((6, together.mean[column], together.low[column], together.high[column]))


def test_many_trials_are_resampled_in_blocks_of_the_same_law():
    values = np.random.default_rng(2).normal(size=3_000)  # 10,000 resamples of them take many blocks
    interval = mean_interval(values, np.random.default_rng(0), resamples=2_000)
    error = values.std() / np.sqrt(3_000)
    assert interval.low == pytest.approx(values.mean() - 1.96 * error, abs=0.2 * error)
    assert interval.high == pytest.approx(values.mean() + 1.96 * error, abs=0.2 * error)


def test_a_missing_value_makes_its_own_column_missing_only():
    values = np.column_stack([np.arange(6.0), [np.nan, 3, 1, 2, 4, 5]])
    result = mean_intervals(values, np.random.default_rng(0))
    assert np.isnan([result.mean[1], result.low[1], result.high[1]]).all()
    assert result.mean[0] == 2.5
    assert 0 < result.low[0] < 2.5 < result.high[0] < 5


def test_same_generator_same_interval():
    values = [1.0, 5.0, 2.0, 8.0, 7.0, 4.0]
    first, second = (mean_interval(values, np.random.default_rng(7), resamples=30) for _ in range(2))
    assert first == second
    assert any(mean_interval(values, np.random.default_rng(s), resamples=30) != first for s in range(5))


@pytest.mark.parametrize(
    ("values", "options", "word"),
    [
        ([], {}, "shape"),
        ([[1.0]], {}, "one-dimensional"),
        ([1.0, 2.0], {"level": 1.0}, "level"),
        ([1.0, 2.0], {"resamples": 0}, "resamples"),
    ],
)
def test_unusable_input_is_named(values, options, word):
    with pytest.raises(ValueError, match=word):
        mean_interval(values, np.random.default_rng(0), **options)
