"""Kaplan-Meier: a published data set, hand computations, and an independent plain implementation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchkit.analysis.statistics.kaplan_meier import (
    median_cost,
    reached_share,
    resampled_medians,
    restricted_means,
)

# Freireich et al. (1963), weeks in remission under 6-MP, with the estimates of Kleinbaum and Klein, Survival
# Analysis, chapter 2
WEEKS = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
RELAPSED = [True] * 9 + [False] * 12
PUBLISHED = {6: 0.8571, 7: 0.8067, 10: 0.7529, 13: 0.6902, 16: 0.6275, 22: 0.5378, 23: 0.4482}


def plain(cost, reached, at):
    """One minus the product-limit estimate, in its textbook form."""
    left = 1.0
    for time in sorted({c for c, r in zip(cost, reached, strict=True) if r and c <= at}):
        risk = sum(c >= time for c in cost)
        events = sum(c == time and r for c, r in zip(cost, reached, strict=True))
        left *= 1 - events / risk
    return 1 - left


def test_the_remissions_of_freireich():
    curve = reached_share(WEEKS, RELAPSED, 35)
    at = dict(zip(curve.cost.tolist(), curve.share.tolist(), strict=True))
    assert {week: round(1 - at[week], 4) for week in PUBLISHED} == PUBLISHED
    assert dict(zip(curve.cost.tolist(), curve.at_risk.tolist(), strict=True))[10] == 15
    assert median_cost(curve).median == 23


def test_without_censoring_it_is_the_share_with_wilson_s_interval():
    curve = reached_share([1, 2, 2, 5, 10, 10], [True] * 4 + [False] * 2, 10)
    assert curve.cost.tolist() == [0, 1, 2, 5, 10]
    assert curve.share.tolist() == pytest.approx([0, 1 / 6, 3 / 6, 4 / 6, 4 / 6])
    wilson = stats.binomtest(3, 6).proportion_ci(0.95, method="wilson")
    assert (curve.low[2], curve.high[2]) == pytest.approx((wilson.low, wilson.high))


def test_all_or_none_has_an_interval_with_a_width():
    everyone = reached_share([1.0] * 10, [True] * 10, 5)
    nobody = reached_share([5.0] * 10, [False] * 10, 5)
    wilson = stats.binomtest(10, 10).proportion_ci(0.95, method="wilson")
    assert (everyone.low[-1], everyone.high[-1]) == pytest.approx((wilson.low, 1))
    assert (nobody.low[-1], nobody.high[-1]) == pytest.approx((0, 1 - wilson.low))
    assert median_cost(everyone) == (1, 1, 1)
    assert median_cost(nobody) == (np.inf, np.inf, np.inf)


def test_early_censoring_widens_the_interval():
    full = reached_share([1, 2, 3, 4, 5, 6, 7, 8], [True] * 4 + [False] * 4, 4)
    cut = reached_share(
        [1, 1.5, 1.6, 1.7, 2, 3, 7, 8], [True, False, False, False, True, True, False, False], 4
    )
    assert cut.high[-1] - cut.low[-1] > full.high[-1] - full.low[-1]


def test_rothman_s_effective_number_by_hand():
    # 4 at risk: one event; one censored; of 2 left one event: S = 3/4 * 1/2
    curve = reached_share([1, 2, 3, 9], [True, False, True, False], 5)
    s, variance = 3 / 8, (3 / 8) ** 2 * (1 / (4 * 3) + 1 / (2 * 1))
    worth, z = s * (1 - s) / variance, stats.norm.ppf(0.975)
    centre = (1 - s + z**2 / (2 * worth)) / (1 + z**2 / worth)
    half = z / (1 + z**2 / worth) * np.sqrt(s * (1 - s) / worth + z**2 / (4 * worth**2))
    assert curve.share[-1] == pytest.approx(1 - s)
    assert (curve.low[-1], curve.high[-1]) == pytest.approx((centre - half, centre + half))


def test_the_median_s_interval_is_where_the_share_s_interval_holds_one_half():
    curve = reached_share(np.arange(1, 31), [True] * 30, 30)
    median = median_cost(curve)
    inside = [(low <= 0.5 <= high) for low, high in zip(curve.low, curve.high, strict=True)]
    assert median.median == 15
    assert (median.low, median.high) == (curve.cost[inside].min(), curve.cost[inside].max() + 1)
    late = median_cost(reached_share(np.arange(1, 31), np.arange(30) < 16, 30))
    assert (late.median, late.high) == (15, np.inf)


def test_a_restricted_mean_by_hand():
    # two reach it at 2 and 6, one is censored at 4 (then only one is left), horizon 10
    one = np.ones((1, 3))
    assert restricted_means([2, 4, 6], [True, False, True], 10, one)[0] == pytest.approx(2 + 4 * 2 / 3)
    assert restricted_means([2, 4, 6], [True, False, True], 5, one)[0] == pytest.approx(2 + 3 * 2 / 3)
    assert restricted_means([5, 5], [False, False], 5, np.ones((1, 2)))[0] == 5


samples = st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=1, max_size=15)


@given(samples)
@settings(max_examples=60)
def test_it_is_the_product_limit_estimate(sample):
    cost, reached = zip(*sample, strict=True)
    curve = reached_share(cost, reached, 13)
    for x, share in zip(curve.cost, curve.share, strict=True):
        assert share == pytest.approx(plain(cost, reached, x), abs=1e-12)
    assert (curve.low <= curve.share).all()
    assert (curve.share <= curve.high).all()
    assert (np.diff(curve.share) >= -1e-12).all()


@given(samples, st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_a_resample_is_the_sample_written_out(sample, seed):
    cost, reached = (np.array(each) for each in zip(*sample, strict=True))
    rows = np.random.default_rng(seed).integers(len(cost), size=len(cost))
    counts = np.bincount(rows, minlength=len(cost))[None]
    written = reached_share(cost[rows], reached[rows], 10.0)
    median = median_cost(written).median
    assert resampled_medians(cost, reached, 10.0, counts)[0] == median
    area = np.diff(written.cost) @ (1 - written.share[:-1])
    assert restricted_means(cost, reached, 10.0, counts)[0] == pytest.approx(area)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="equally long"):
        reached_share([1, 2], [True], 3)
    with pytest.raises(ValueError, match="non-empty"):
        reached_share([], [], 3)
    with pytest.raises(ValueError, match="finite"):
        reached_share([np.inf], [True], 3)
    with pytest.raises(ValueError, match="level"):
        reached_share([1], [True], 3, level=0)


def test_numpy_s_error_state_is_left_alone():
    before = np.geterr()
    reached_share([1, 2], [True, True], 3)
    assert np.geterr() == before
