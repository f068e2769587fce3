"""What a sample can say: undefined, not resolvable, or an interval within the range of its quantity."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from benchkit.analysis.statistics.intervals import mean_interval
from benchkit.analysis.statistics.noise_ceiling import noise_ceiling
from benchkit.analysis.statistics.rank_correlation import MEASURES, correlate
from benchkit.analysis.statistics.resolution import (
    CORRELATION,
    PERCENT,
    POSITIVE,
    SHARE,
    UNBOUNDED,
    ceiling_text,
    figure_text,
    plain_text,
    resolved_ends,
    student_interval,
    told_from_zero,
)
from benchkit.analysis.statistics.top_k import top_k_figures


def words(frame):
    """Return what is said of each row of a frame of correlations, by its measure."""
    rows = zip(frame["measure"], frame["value"], frame["low"], frame["high"], strict=True)
    return {measure: figure_text(value, low, high) for measure, value, low, high in rows}


# -- the examples that once printed 1.000 [1.000, 1.000] --------------------------------------------


@pytest.mark.parametrize("points", [[1, 2], [2, 1], [1, 2, 3], [1, 3, 2]])
def test_two_or_three_points_have_a_value_and_no_interval(points):
    frame = correlate(points, np.arange(len(points)), fractions=(1.0,))
    assert frame["value"].between(-1, 1).all()
    assert set(frame["n"]) == {len(points)}
    assert all(said.endswith(" (not resolvable)") for said in words(frame).values())


@pytest.mark.parametrize("n", [5, 6, 40])
def test_perfect_agreement_is_not_sure_however_many_agree(n):
    truth = np.arange(float(n))
    assert set(words(correlate(2 * truth + 80, truth, fractions=(1.0,))).values()) == {
        "1.00 (not resolvable)"
    }


def test_five_points_in_nearly_perfect_agreement_have_an_interval():
    frame = correlate([1, 2, 3, 5, 4], np.arange(5.0), fractions=(1.0,)).set_index("measure")
    assert frame.loc["kendall_tau", "value"] == pytest.approx(0.8)
    assert -1 <= frame.loc["kendall_tau", "low"] < 0.8 < frame.loc["kendall_tau", "high"] <= 1


@pytest.mark.parametrize(
    ("predicted", "truth"),
    [([80.0], [81.0]), ([1, 1, 1, 1, 1, 1], range(6)), (range(6), [91.5] * 6), ([3, 3], [4, 4])],
)
def test_one_point_and_constant_columns_are_undefined(predicted, truth):
    frame = correlate(list(predicted), list(truth), fractions=(1.0,))
    assert words(frame) == dict.fromkeys(MEASURES, "undefined")
    assert set(frame["n"]) == {len(list(predicted))}


def test_a_bootstrap_that_is_often_undefined_says_so():
    # one of twelve differs: a resample misses it with probability (11 / 12)^12 = 0.35
    predicted = [0.0] * 11 + [5.0]
    frame = correlate(predicted, np.arange(12.0), fractions=(1.0,))
    assert set(words(frame).values()) <= {f"{value:.2f} (not resolvable)" for value in frame["value"]}
    # two kinds, half of each: (1 / 2)^12 twice, hardly ever
    known = correlate([0.0] * 6 + [5.0] * 6, np.arange(12.0) ** 2 % 7, fractions=(1.0,))
    assert known[["low", "high"]].notna().all(axis=None)


def test_a_best_share_of_few_architectures_is_not_resolvable_where_all_of_them_are():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=30)
    frame = correlate(truth + rng.normal(size=30), truth, fractions=(1.0, 0.1), measures=("kendall_tau",))
    assert frame["n"].tolist() == [30, 3]
    assert frame["low"].isna().tolist() == [False, True]


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_the_first_k_of_few_architectures_resolve_nothing(n):
    frame = top_k_figures(np.arange(float(n)), np.arange(float(n))[::-1], (1,))
    assert frame["value"].notna().all()
    assert frame[["low", "high"]].isna().all(axis=None)


# -- ceilings ---------------------------------------------------------------------------------------


def test_a_ceiling_that_may_be_zero_is_not_resolvable():
    rng = np.random.default_rng(3)
    noise = noise_ceiling(rng.normal(size=(2, 30)), fractions=(1.0,), measures=("kendall_tau",)).iloc[0]
    assert noise["low"] < 0 < noise["high"]
    assert not noise["resolved"]
    said = ceiling_text(noise["value"], noise["low"], noise["high"])
    assert said == f"not resolvable [{noise['low']:.2f}, {noise['high']:.2f}]"
    agreeing = rng.normal(size=30) + rng.normal(0, 0.1, size=(2, 30))
    real = noise_ceiling(agreeing, fractions=(1.0,), measures=("kendall_tau",)).iloc[0]
    assert real["resolved"]
    assert ceiling_text(real["value"], real["low"], real["high"]).startswith(f"{real['value']:.2f} [0.")


def test_a_ceiling_of_two_architectures_is_none():
    frame = noise_ceiling([[1.0, 2.0], [3.0, 4.0]], fractions=(1.0,))
    assert frame["value"].tolist() == [1, 1, 1, 1]
    assert not frame["resolved"].any()
    assert ceiling_text(1.0, math.nan, math.nan) == "not resolvable"
    assert ceiling_text(math.nan, math.nan, math.nan) == "undefined"


# -- intervals within the range -----------------------------------------------------------------------

RANGES = [CORRELATION, POSITIVE, SHARE, PERCENT]


def within(bounds):
    low, high = bounds
    element = st.floats(low, min(high, 1e6), allow_subnormal=False)
    return arrays(np.float64, st.integers(1, 40), elements=element)


@given(st.data(), st.sampled_from(RANGES), st.sampled_from([0.5, 0.95, 0.999]))
def test_students_interval_stays_in_the_range_and_holds_the_mean(data, bounds, level):
    values = data.draw(within(bounds))
    low, high = student_interval(values, bounds, level)
    if len(values) < 5 or np.ptp(values) == 0:
        assert math.isnan(low)
        assert math.isnan(high)
    elif not math.isnan(low):
        assert bounds[0] <= low <= values.mean() * (1 + 1e-9) + 1e-9
        assert values.mean() * (1 - 1e-9) - 1e-9 <= high <= bounds[1]


@given(arrays(np.float64, st.integers(1, 12), elements=st.integers(0, 3).map(float)), st.randoms())
def test_correlations_of_any_sample_stay_in_their_range_or_say_why_not(predicted, random):
    truth = np.array([float(random.randrange(4)) for _ in predicted])
    frame = correlate(predicted, truth, fractions=(1.0, 0.5), resamples=60)
    for row in frame.itertuples():
        assert math.isnan(row.low) == math.isnan(row.high)
        if math.isnan(row.value):
            assert math.isnan(row.low)
            continue
        assert -1 <= row.value <= 1
        if not math.isnan(row.low):
            assert row.n >= 5
            assert -1 <= row.low < row.high <= 1


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 100)))
def test_the_bootstrap_of_a_mean_has_a_width_or_is_missing(values):
    found = mean_interval(values, np.random.default_rng(0), resamples=100)
    if math.isnan(found.low):
        assert math.isnan(found.high)
        assert len(values) < 5 or stats.mode(values).count >= len(values) - 1
    else:
        assert values.min() <= found.low < found.high <= values.max()


@pytest.mark.parametrize("seeds", [[0.001, 0.004, 0.02], [0.0, 0.0, 1e-9], [0.1], [0.3, 0.2, 0.1, 0.9]])
def test_a_few_seeds_of_a_divergence_near_zero_have_no_interval(seeds):
    assert all(math.isnan(end) for end in student_interval(seeds, POSITIVE))


def test_five_seeds_of_a_divergence_near_zero_stay_above_it():
    seeds = [0.0, 0.0, 0.001, 0.002, 0.05]
    low, high = student_interval(seeds, POSITIVE)
    assert 0 < low < np.mean(seeds) < high
    assert student_interval(seeds)[0] < 0  # which the plain one did not


def test_the_scales_by_hand():
    values = np.array([0.5, 0.7, 0.6, 0.8, 0.4])
    mean, error, t = values.mean(), stats.sem(values), stats.t.ppf(0.975, 4)
    assert student_interval(values) == pytest.approx((mean - t * error, mean + t * error))
    low, high = student_interval(values, POSITIVE)
    assert np.log([low, high]) == pytest.approx(np.log(mean) + t * error / mean * np.array([-1, 1]))
    low, high = student_interval(values, CORRELATION)
    step = t * error / (1 - mean**2) * np.array([-1, 1])
    assert np.arctanh([low, high]) == pytest.approx(np.arctanh(mean) + step)
    odds = np.array(student_interval(values, SHARE))
    step = t * error / (mean * (1 - mean)) * np.array([-1, 1])
    assert np.log(odds / (1 - odds)) == pytest.approx(np.log(mean / (1 - mean)) + step)
    assert student_interval(100 * values, PERCENT) == pytest.approx(100 * odds)
    assert student_interval(-values, (-math.inf, 0.0)) == pytest.approx(
        tuple(-end for end in reversed(student_interval(values, POSITIVE)))
    )


@pytest.mark.parametrize(
    ("draw", "mean", "bounds"),
    [
        (lambda rng, n: rng.exponential(size=n), 1.0, POSITIVE),
        (lambda rng, n: rng.beta(8, 1, size=n), 8 / 9, SHARE),
        (lambda rng, n: rng.normal(0.55, 0.1, size=n), 0.55, CORRELATION),
    ],
)
def test_of_five_values_it_holds_the_mean_about_as_often_as_it_says(draw, mean, bounds):
    """Of 2,000 samples 95 %; the plain interval holds it less often where the range is near, or as often."""
    rng = np.random.default_rng(0)
    samples = [draw(rng, 5) for _ in range(2_000)]
    ours = np.array([student_interval(sample, bounds) for sample in samples])
    plain = np.array([student_interval(sample, UNBOUNDED) for sample in samples])
    covered = ((ours[:, 0] <= mean) & (mean <= ours[:, 1])).mean()
    plainly = ((plain[:, 0] <= mean) & (mean <= plain[:, 1])).mean()
    assert 0.92 < covered < 0.97
    assert covered > plainly - 0.01


# -- words, and ends ----------------------------------------------------------------------------------


def test_words():
    assert figure_text(0.634, 0.6, 0.66) == "0.63 [0.60, 0.66]"
    assert figure_text(1.0, None, None, ".3f") == "1.000 (not resolvable)"
    assert figure_text(None, None, None) == figure_text(math.nan, math.nan, math.nan) == "undefined"
    assert plain_text(93.33, math.nan, math.nan) == "93.33"
    assert plain_text(math.nan, math.nan, math.nan) == ""
    assert plain_text(0.17, 0.11, 0.23, ".1f") == "0.2 [0.1, 0.2]"
    assert [told_from_zero(low) for low in (0.1, 0.0, -0.1, math.nan, None)] == [True] + [False] * 4


@given(st.floats(-1e3, 1e3), st.floats(0, 10), st.integers(1, 12), st.floats(0, 1))
def test_ends_are_blanked_by_the_rules(low, width, n, undefined):
    assume(width == 0 or width > 1e-6)
    first, last = resolved_ends(low, low + width, n, undefined)
    missing = n < 5 or width == 0 or undefined > 1 - 0.95
    assert np.isnan(first) == np.isnan(last) == missing
    if not missing:
        assert (first, last) == (low, low + width)
