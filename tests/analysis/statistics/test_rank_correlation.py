"""Rank correlations against scipy on repeated pairs, plain loops over pairs, and hand computations."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchkit.analysis.statistics.bootstrap import percentile_interval, resample_counts
from benchkit.analysis.statistics.fast_tau import PairedRanks
from benchkit.analysis.statistics.rank_correlation import (
    FRACTIONS,
    MEASURES,
    best_share,
    correlate,
    correlation_curve,
    measure_samples,
)
from benchkit.analysis.statistics.resolution import CORRELATION, POSITIVE
from benchkit.analysis.statistics.training_mean import mean_over_trainings, values_of

SCIPY = {
    "kendall_tau": stats.kendalltau,
    "spearman": stats.spearmanr,
    "pearson": stats.pearsonr,
    "weighted_tau": lambda x, y: stats.weightedtau(x, y, rank=True),
}


def tied(rng, n):
    """Two correlated columns with many ties, as accuracies on few images have."""
    x = rng.integers(0, max(2, n // 3), n).astype(float)
    return x, np.round(x + rng.normal(0, 3, n))


def scipy_value(measure, x, y):
    if len(np.unique(x)) < 2 or len(np.unique(y)) < 2:
        return np.nan
    return SCIPY[measure](x, y)[0]


def plain_tau_b(x, y):
    """Kendall's tau-b by its definition, over all pairs."""
    balance = first = second = 0
    for i in range(len(x)):
        for j in range(i):
            a, b = np.sign(x[i] - x[j]), np.sign(y[i] - y[j])
            balance, first, second = balance + a * b, first + a * a, second + b * b
    return balance / np.sqrt(first * second)


# -- every measure, on every bootstrap sample -----------------------------------------------------


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("n", [2, 3, 31, 32, 33, 64, 65, 200])
def test_a_bootstrap_sample_has_the_figures_of_the_repeated_pairs(measure, n):
    x, y = tied(np.random.default_rng(n), n)
    counts = np.concatenate(list(resample_counts(n, np.random.default_rng(1), 12))).astype(float)
    assert counts.sum(axis=1).tolist() == [n] * 12
    mine = measure_samples(PairedRanks(x, y), x, y, counts, [measure])[:, 0]
    for row, value in zip(counts.astype(int), mine, strict=True):
        expected = scipy_value(measure, np.repeat(x, row), np.repeat(y, row))
        np.testing.assert_allclose(value, expected, atol=1e-10)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=40))
def test_tau_is_kendalls_definition(pairs):
    x, y = np.array(pairs, dtype=float).T
    value = PairedRanks(x, y).kendall_tau(np.ones((1, len(x))))[0]
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert np.isnan(value)
    else:
        assert value == pytest.approx(plain_tau_b(x, y))


def test_tau_by_hand():
    # pairs of (1, 2, 3, 4) and (1, 3, 2, 4): five concordant, one discordant
    assert PairedRanks([1, 2, 3, 4], [1, 3, 2, 4]).kendall_tau(np.ones((1, 4)))[0] == pytest.approx(4 / 6)
    # one pair is tied in x: tau-b = 5 / sqrt(5 * 6)
    assert PairedRanks([1, 1, 3, 4], [1, 2, 3, 4]).kendall_tau(np.ones((1, 4)))[0] == pytest.approx(
        5 / np.sqrt(30)
    )


@pytest.mark.parametrize("measure", MEASURES)
def test_a_ranking_backwards_is_negative(measure):
    frame = correlate(np.arange(20.0), -np.arange(20.0), measures=(measure,), fractions=(1.0,), resamples=50)
    assert frame["value"].tolist() == pytest.approx([-1])
    assert frame[["low", "high"]].isna().all(axis=None)  # in all samples alike: not resolvable


def test_pearson_is_exact_for_accuracies_that_differ_in_the_last_decimals():
    rng = np.random.default_rng(0)
    x = 94 + 1e-6 * rng.random(50)
    y = 73 + 1e-6 * (x - 94) / 1e-6 + 1e-7 * rng.random(50)
    frame = correlate(x, y, fractions=(1.0,), measures=("pearson",), resamples=1)
    assert frame["value"][0] == pytest.approx(stats.pearsonr(x - 94, y - 73)[0], abs=1e-6)


# -- the frame ------------------------------------------------------------------------------------


def test_every_fraction_and_measure_has_a_row_with_n_value_and_interval():
    rng = np.random.default_rng(0)
    y = rng.permutation(200).astype(float)
    x = y + rng.normal(0, 40, 200)
    frame = correlate(x, y, resamples=200)
    assert list(frame.columns) == ["fraction", "measure", "n", "value", "low", "high"]
    assert frame["n"].tolist() == [n for n in (200, 100, 50, 20) for _ in MEASURES]
    for row in frame.itertuples():
        best = np.argsort(-y)[: row.n]
        assert row.value == pytest.approx(SCIPY[row.measure](x[best], y[best])[0])
        assert row.low < row.value < row.high


def test_an_interval_is_that_of_the_percentile_bootstrap():
    rng = np.random.default_rng(3)
    y = rng.normal(size=60)
    x = y + rng.normal(size=60)
    row = correlate(x, y, fractions=(1.0,), measures=("kendall_tau",), resamples=2000).iloc[0]
    draws = np.random.default_rng(4).integers(60, size=(2000, 60))
    plain = np.quantile([stats.kendalltau(x[d], y[d])[0] for d in draws], [0.025, 0.975])
    assert [row["low"], row["high"]] == pytest.approx(plain.tolist(), abs=0.02)


def test_a_fractions_interval_does_not_depend_on_what_else_is_asked_for():
    x, y = tied(np.random.default_rng(0), 90)
    everything = correlate(x, y, np.random.default_rng(5), resamples=60)
    one = correlate(x, y, np.random.default_rng(5), (0.25,), ("spearman",), resamples=60)
    chosen = everything[(everything["fraction"] == 0.25) & (everything["measure"] == "spearman")]
    pd.testing.assert_frame_equal(chosen.reset_index(drop=True), one)


def test_the_best_share_is_of_the_truth_and_ties_are_all_in():
    truth = np.array([5.0, 1.0, 4.0, 4.0, 2.0, 3.0])
    assert best_share(truth, 1 / 3).tolist() == [0, 2, 3]
    assert best_share(truth, 1).tolist() == list(range(6))
    assert len(best_share(np.arange(30.0), 0.1)) == 3  # 0.1 * 30 is a little more than 3 in floats


def test_what_is_undefined_is_nan_and_left_out_of_intervals():
    frame = correlate(np.ones(10), np.arange(10.0), resamples=20)
    assert frame[["value", "low", "high"]].isna().all().all()
    low, high = percentile_interval(np.array([[np.nan, 1.0], [np.nan, np.nan], [np.nan, 3.0]]), 0.5)
    assert np.isnan([low[0], high[0]]).all()
    assert (low[1], high[1]) == (1.5, 2.5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"predicted": [1, 2]}, "of one length"),
        ({"predicted": [1, np.nan, 3]}, "finite"),
        ({"fractions": (0.0,)}, r"\(0, 1\]"),
        ({"measures": ("tau",)}, "unknown measure 'tau'"),
        ({"level": 1.0}, "level"),
        ({"resamples": 0}, "resamples"),
    ],
)
def test_bad_input(changes, said):
    with pytest.raises(ValueError, match=said):
        correlate(**{"predicted": [1, 2, 3], "truth": [1, 3, 2], **changes})


# -- curves, and several trainings ----------------------------------------------------------------


def test_a_curve_is_each_checkpoints_correlation_under_the_same_draws():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=40)
    scores = np.stack([truth + rng.normal(0, noise, 40) for noise in (3, 1, 1)])
    scores[2] = scores[1]
    curve = correlation_curve([5, 10, 20], scores, truth, np.random.default_rng(1), resamples=50)
    assert curve["epoch"].tolist() == [epoch for epoch in (5, 10, 20) for _ in MEASURES]
    second, third = (curve[curve["epoch"] == e].drop(columns="epoch").to_numpy() for e in (10, 20))
    assert (second == third).all()
    assert curve["value"][0] == pytest.approx(stats.kendalltau(scores[0], truth)[0])


def test_a_curve_needs_ascending_epochs_and_a_row_each():
    with pytest.raises(ValueError, match="ascend"):
        correlation_curve([2, 1], np.zeros((2, 3)), [1, 2, 3])
    with pytest.raises(ValueError, match="shape"):
        correlation_curve([1, 2], np.zeros((1, 3)), [1, 2, 3])


def test_the_mean_over_trainings_by_hand():
    frame = pd.DataFrame(
        {
            "training": ["a", "b", "c", "a", "b"],
            "epoch": [1, 1, 1, 2, 2],
            "measure": "kendall_tau",
            "value": [0.1, 0.2, 0.6, 0.5, np.nan],
        }
    )
    mean = mean_over_trainings(frame, ("epoch", "measure"), bounds=CORRELATION)
    assert mean["trainings"].tolist() == [3, 1]
    assert mean["mean"].tolist() == pytest.approx([0.3, 0.5])
    assert mean["sd"][0] == pytest.approx(np.sqrt(0.07))
    assert mean["values"].tolist() == ["0.1 0.2 0.6", ""]  # three resolve no interval: they are shown
    assert values_of(mean["values"][0]).tolist() == [0.1, 0.2, 0.6]
    assert len(values_of(np.nan)) == 0
    assert mean[["low", "high"]].isna().all(axis=None)
    assert np.isnan(mean["sd"][1])
    with pytest.raises(ValueError, match="two figures"):
        mean_over_trainings(pd.concat([frame, frame]), ("epoch", "measure"), bounds=CORRELATION)
    with pytest.raises(ValueError, match="between which bounds kendall_tau lies; known are regret"):
        mean_over_trainings(frame, ("epoch", "measure"), bounds={"regret": POSITIVE})


def test_five_trainings_have_students_interval_on_fishers_scale_by_hand():
    values = [0.1, 0.2, 0.6, 0.5, 0.35]
    frame = pd.DataFrame({"training": list("abcde"), "measure": "kendall_tau", "value": values})
    (row,) = mean_over_trainings(frame, ("measure",), bounds={"kendall_tau": CORRELATION}).itertuples()
    error = np.std(values, ddof=1) / np.sqrt(5)
    half = (
        2.776445 * error / (1 - 0.35**2)
    )  # Student's t with four degrees of freedom; dz / dr = 1 / (1 - r^2)
    assert (row.trainings, row.mean, row.values) == (5, pytest.approx(0.35), "")
    assert (row.low, row.high) == pytest.approx(np.tanh(np.arctanh(0.35) + np.array([-half, half])))


def test_the_usual_fractions():
    assert FRACTIONS == (1.0, 0.5, 0.25, 0.1)
