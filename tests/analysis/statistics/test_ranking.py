"""Ranks and tests, against Demsar (2006), scipy, scikit-posthocs and plain enumeration."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchkit.analysis.statistics.ranking import (
    average_ranks,
    critical_difference,
    friedman_test,
    holm,
    indistinct_groups,
    regret_by_seed,
    share_of_wins,
    signed_rank_p,
)

# Demsar (2006), table 6: AUC of C4.5, C4.5+m, C4.5+cf, C4.5+m+cf on 14 data sets. In "voting" the paper
# prints 0.975 twice with ranks 2 and 3, so a digit is added there.
DEMSAR_AUC = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)
tables = st.integers(2, 6).flatmap(
    lambda k: st.lists(st.lists(st.integers(0, 4), min_size=k, max_size=k), min_size=1, max_size=10)
)


def test_demsars_average_ranks():
    assert average_ranks(-DEMSAR_AUC).round(3).tolist() == [3.143, 2.000, 2.893, 1.964]


def test_demsars_critical_difference_and_what_it_tells_apart():
    difference = critical_difference(4, 14)
    assert difference == pytest.approx(1.25, abs=0.005)
    # "the corresponding critical difference is 1.25 ... the difference between best and worst is smaller"
    assert indistinct_groups([1.964, 2.000, 2.893, 3.143], difference) == [(0, 3)]


@pytest.mark.parametrize(
    ("alpha", "published"),  # Demsar (2006), table 5(a): k = 2..10
    [
        (0.05, [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]),
        (0.10, [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920]),
    ],
)
def test_critical_values_are_the_published_ones(alpha, published):
    ours = [critical_difference(k, 6, alpha) / np.sqrt(k * (k + 1) / 36) for k in range(2, 11)]
    assert ours == pytest.approx(published, abs=1.1e-3)


def test_friedman_on_demsars_ranks():
    # Demsar's 9.28 leaves the correction for ties out
    ranks = stats.rankdata(-DEMSAR_AUC, axis=1)
    uncorrected = 12 * 14 / (4 * 5) * ((ranks.mean(axis=0) ** 2).sum() - 4 * 25 / 4)
    assert uncorrected == pytest.approx(9.28, abs=0.005)
    ties = (ranks.shape[0] * 4 * 15 / 12) / ((ranks - 2.5) ** 2).sum()
    assert friedman_test(-DEMSAR_AUC).statistic == pytest.approx(uncorrected * ties)


@given(tables)
def test_friedman_agrees_with_scipy(rows):
    table = np.array(rows, dtype=float)
    ours = friedman_test(table)
    if (table == table[:, :1]).all():
        assert ours == (0.0, 1.0)
    elif table.shape[1] >= 3:
        theirs = stats.friedmanchisquare(*table.T)
        assert ours == pytest.approx((theirs.statistic, theirs.pvalue), abs=1e-9)


@given(tables)
def test_average_ranks_sum_to_the_same_and_order_by_wins(rows):
    ranks = average_ranks(np.array(rows, dtype=float))
    k = len(rows[0])
    assert ranks.sum() == pytest.approx(k * (k + 1) / 2)
    table = np.array(rows)
    # rank 1 + rivals beaten by, ties half: the definition, counted
    for j in range(k):
        worse = (table < table[:, [j]]).sum(axis=1) + ((table == table[:, [j]]).sum(axis=1) - 1) / 2
        assert ranks[j] == pytest.approx(1 + worse.mean())


def test_nemenyis_groups_agree_with_scikit_posthocs():
    rng = np.random.default_rng(0)
    for spread in (0.3, 1.0, 3.0):
        table = rng.normal(size=(12, 6)) + spread * np.arange(6)
        p = scikit_posthocs.posthoc_nemenyi_friedman(table).to_numpy()
        ranks = average_ranks(table)
        order = np.argsort(ranks)
        groups = indistinct_groups(ranks[order].tolist(), critical_difference(6, 12))
        joined = {
            (i, j) for first, last in groups for i in range(first, last) for j in range(i + 1, last + 1)
        }
        alike = {(i, j) for i in range(6) for j in range(i + 1, 6) if p[order[i], order[j]] > 0.05}
        assert joined == alike


def test_groups_are_maximal():
    assert indistinct_groups([1.0, 1.5, 2.2, 4.0, 4.1], 1.0) == [(0, 1), (1, 2), (3, 4)]
    assert indistinct_groups([1.0, 1.1, 1.2], 1.0) == [(0, 2)]
    assert indistinct_groups([1.0, 3.0, 5.0], 1.0) == []


def test_regret_by_seed_keeps_the_seeds_that_all_have():
    trials = pd.DataFrame(
        [("tpe", 0, 1.0), ("tpe", 1, 2.0), ("bohb", 1, 3.0), ("bohb", 2, 4.0)],
        columns=["strategy", "seed", "regret"],
    )
    table = regret_by_seed(trials)
    assert table.columns.tolist() == ["bohb", "tpe"]
    assert table.index.tolist() == [1]
    assert table.to_numpy().tolist() == [[3.0, 2.0]]
    assert regret_by_seed(trials, ["tpe"]).index.tolist() == [0, 1]


def test_without_a_shared_seed_there_is_no_rank():
    assert np.isnan(average_ranks(np.empty((0, 3)))).all()


def test_wins_count_ties_half():
    assert share_of_wins([1, 2, 3, 4], [2, 2, 2, 5]) == (1 + 0.5 + 0 + 1) / 4
    assert share_of_wins([0.3], [0.1 + 0.2]) == 0.5  # a rounding is no win


def enumerated_p(differences):
    """The signed-rank test by writing out all signs."""
    kept = [d for d in differences if d != 0]
    if not kept:
        return 1.0
    ranks = stats.rankdata(np.abs(kept))
    observed = sum(r for r, d in zip(ranks, kept, strict=True) if d > 0)
    sums = [
        sum(r for r, sign in zip(ranks, signs, strict=True) if sign)
        for signs in product([0, 1], repeat=len(kept))
    ]
    lower = np.mean([s <= observed for s in sums])
    upper = np.mean([s >= observed for s in sums])
    return min(1.0, 2 * min(lower, upper))


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=8))
def test_signed_rank_is_exact_with_ties_and_zeros(differences):
    ours = signed_rank_p(np.array(differences, dtype=float), np.zeros(len(differences)))
    assert ours == pytest.approx(enumerated_p(differences))


@pytest.mark.parametrize("n", [5, 10, 40])
def test_signed_rank_agrees_with_scipys_exact_one(n):
    rng = np.random.default_rng(n)
    regret, baseline = rng.normal(0.3, 1, size=n), rng.normal(size=n)
    assert signed_rank_p(regret, baseline) == pytest.approx(
        stats.wilcoxon(regret, baseline, method="exact").pvalue
    )


def test_signed_rank_of_many_trials_agrees_with_the_normal_approximation():
    rng = np.random.default_rng(0)
    regret, baseline = rng.normal(0.1, 1, size=500), rng.normal(size=500)
    approximate = stats.wilcoxon(regret, baseline, correction=True, method="approx").pvalue
    assert signed_rank_p(regret, baseline) == pytest.approx(approximate, rel=0.02)


def test_no_difference_at_all_is_no_evidence():
    assert signed_rank_p([0.0, 0.0], [0.0, 0.0]) == 1.0


def test_ten_wins_of_ten():
    assert signed_rank_p(np.zeros(10), np.arange(1, 11)) == 2 / 2**10


def test_holm_by_hand():
    # sorted: 0.01 x 3, 0.02 x 2, 0.5 x 1
    assert holm([0.5, 0.01, 0.02]).tolist() == pytest.approx([0.5, 0.03, 0.04])
    assert holm([0.03, 0.02]).tolist() == pytest.approx([0.04, 0.04])  # never below a smaller p's
    assert len(holm([])) == 0


def test_unusable_input_is_named():
    with pytest.raises(ValueError, match="at least 1 block and 2"):
        friedman_test(np.ones((3, 1)))
    with pytest.raises(ValueError, match="k >= 2"):
        critical_difference(1, 10)
    with pytest.raises(ValueError, match="equally long"):
        share_of_wins([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="shape"):
        average_ranks([1.0, 2.0])
