"""Precision, regret and best rank of a predicted top k: hand computations and plain enumeration."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.analysis.statistics.bootstrap import resample_counts
from benchkit.analysis.statistics.top_k import top_k, top_k_figures


def enumerated(x, y, k):
    """Return the mean figures over every choice of k that a sort by x could have made."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    border, true_border = np.sort(x)[-k], np.sort(y)[-k]
    sure, tied = np.flatnonzero(x > border), np.flatnonzero(x == border)
    found = []
    for some in combinations(tied, k - len(sure)):
        chosen = y[[*sure, *some]]
        rank = 1 + np.count_nonzero(y > chosen.max())
        found.append((np.mean(chosen >= true_border), y.max() - chosen.max(), rank))
    return np.mean(found, axis=0)


def test_by_hand():
    predicted = [90, 80, 70, 60, 50]
    truth = [91, 95, 92, 94, 93]  # ranks 5, 1, 4, 2, 3
    assert top_k(predicted, truth, 1) == (0, 4, 5)
    assert top_k(predicted, truth, 2) == (0.5, 0, 1)
    assert top_k(predicted, truth, 3) == pytest.approx((1 / 3, 0, 1))
    assert top_k(predicted, truth, 5) == (1, 0, 1)


def test_ties_in_the_prediction_are_an_expectation_and_no_order_helps():
    predicted, truth = np.array([7.0, 7.0, 7.0]), np.array([3.0, 2.0, 1.0])
    assert top_k(predicted, truth, 1) == pytest.approx((1 / 3, 1, 2))
    assert top_k(predicted[::-1], truth[::-1], 1) == top_k(predicted, truth, 1)


def test_ties_in_the_truth_are_all_among_the_best():
    assert top_k([3, 2, 1], [5, 5, 5], 1) == (1, 0, 1)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=9).flatmap(
        lambda pairs: st.tuples(st.just(pairs), st.integers(1, len(pairs)))
    )
)
def test_against_every_choice_among_the_tied(drawn):
    pairs, k = drawn
    x, y = np.array(pairs, float).T
    assert top_k(x, y, k) == pytest.approx(tuple(enumerated(x, y, k)))


def test_the_frame_and_its_intervals():
    rng = np.random.default_rng(0)
    y = rng.permutation(80).astype(float)
    x = y + rng.normal(0, 10, 80)
    frame = top_k_figures(x, y, (1, 10), np.random.default_rng(1), resamples=400)
    assert frame["k"].tolist() == [1, 1, 1, 10, 10, 10]
    assert frame["measure"].tolist() == ["precision", "regret", "best_rank"] * 2
    assert frame["value"].tolist() == pytest.approx([*top_k(x, y, 1), *top_k(x, y, 10)])
    key = int(np.random.default_rng(1).integers(2**63))  # as documented: the draws depend on it and on n
    order = np.argsort(-x)
    draws = np.concatenate(list(resample_counts(80, np.random.default_rng([key, 80]), 400))).astype(int)
    plain = [enumerated(np.repeat(x[order], row), np.repeat(y[order], row), 1) for row in draws]
    low, high = np.quantile(plain, [0.025, 0.975], axis=0)
    mine = frame[frame["k"] == 1]
    assert mine["low"].to_numpy() == pytest.approx(low)
    assert mine["high"].to_numpy() == pytest.approx(high)


def test_a_perfect_prediction_is_perfect_in_every_bootstrap_sample():
    y = np.random.default_rng(0).normal(size=50)
    frame = top_k_figures(y, y, (5,), resamples=50)
    assert frame["value"].tolist() == [1, 0, 1]
    assert frame[["low", "high"]].isna().all(axis=None)  # so it resolves no interval


@pytest.mark.parametrize("k", [0, 4])
def test_bad_k(k):
    with pytest.raises(ValueError, match=r"1\.\.3"):
        top_k([1, 2, 3], [1, 2, 3], k)
    with pytest.raises(ValueError, match=r"1\.\.3"):
        top_k_figures([1, 2, 3], [1, 2, 3], (1, k))


def test_bad_arrays():
    with pytest.raises(ValueError, match="of one length"):
        top_k([1, 2], [1, 2, 3], 1)
    with pytest.raises(ValueError, match="finite"):
        top_k([1, np.inf], [1, 2], 1)
