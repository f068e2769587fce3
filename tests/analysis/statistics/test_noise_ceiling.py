"""Run against run: hand computations, scipy over the pairs of runs, and what noise must do."""

from itertools import combinations, permutations

import numpy as np
import pytest
from scipy import stats

from benchkit.analysis.statistics.noise_ceiling import noise_ceiling


@pytest.fixture
def runs():
    """Three runs of 300 architectures."""
    rng = np.random.default_rng(0)
    return rng.normal(90, 3, 300) + rng.normal(0, 0.7, (3, 300))


def test_it_is_the_mean_over_pairs_of_runs(runs):
    frame = noise_ceiling(runs, fractions=(1.0,), resamples=50).set_index("measure")
    pairs = list(combinations(runs, 2))
    assert frame.loc["kendall_tau", "value"] == pytest.approx(
        np.mean([stats.kendalltau(a, b)[0] for a, b in pairs])
    )
    assert frame.loc["pearson", "value"] == pytest.approx(
        np.mean([stats.pearsonr(a, b)[0] for a, b in pairs])
    )
    assert frame["pairs"].unique().tolist() == [3]
    assert frame["n"].unique().tolist() == [300]
    assert (frame["low"] < frame["value"]).all()
    assert (frame["value"] < frame["high"]).all()


def test_within_the_best_either_run_is_the_truth_in_turn(runs):
    frame = noise_ceiling(runs, fractions=(0.1,), measures=("kendall_tau",), resamples=20)
    taus = []
    for predicted, truth in permutations(runs, 2):
        best = np.argsort(-truth)[:30]
        taus.append(stats.kendalltau(predicted[best], truth[best])[0])
    assert frame["value"][0] == pytest.approx(np.mean(taus))
    assert frame["n"][0] == 30


def test_the_best_are_harder_to_rank_than_all(runs):
    values = noise_ceiling(runs, measures=("kendall_tau",), resamples=10)["value"].to_numpy()
    assert (np.diff(values) < 0).all()


def test_equal_runs_have_the_ceiling_one():
    frame = noise_ceiling(np.tile(np.arange(20.0), (2, 1)), resamples=30)
    assert frame["value"].tolist() == pytest.approx([1] * 16)
    assert frame[["low", "high"]].isna().all(axis=None)  # in all samples alike: not resolvable
    assert not frame["resolved"].any()


def test_by_hand():
    # (1, 2, 3, 4) against (1, 3, 2, 4): five concordant pairs, one discordant
    frame = noise_ceiling([[1, 2, 3, 4], [1, 3, 2, 4]], fractions=(1.0,), measures=("kendall_tau",))
    assert frame["value"][0] == pytest.approx(4 / 6)


def test_a_missing_run_leaves_its_architecture_out_of_the_pair(runs):
    gaps = runs.copy()
    gaps[2, 200:] = np.nan
    gaps[1, :20] = np.nan
    frame = noise_ceiling(gaps, fractions=(1.0,), measures=("spearman",), resamples=20)
    kept = [(0, 1, slice(20, 300)), (0, 2, slice(0, 200)), (1, 2, slice(20, 200))]
    expected = [stats.spearmanr(runs[a, rows], runs[b, rows])[0] for a, b, rows in kept]
    assert frame["value"][0] == pytest.approx(np.mean(expected))
    assert frame["n"][0] == 180  # of the smallest pair


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ([[1, 2, 3]], "runs >= 2"),
        ([[1, 2], [np.inf, 1]], "finite"),
        ([[1, np.nan], [np.nan, 1]], "no architecture has both run 0 and run 1"),
    ],
)
def test_bad_input(runs, said):
    with pytest.raises(ValueError, match=said):
        noise_ceiling(runs)
