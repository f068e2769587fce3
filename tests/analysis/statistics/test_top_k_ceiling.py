"""What one run makes of the best of another: hand computation, and the figures of single pairs."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from benchkit.analysis.statistics.top_k import top_k
from benchkit.analysis.statistics.top_k_ceiling import top_k_ceiling


def test_by_hand() -> None:
    runs = [[3.0, 2.0, 1.0, 0.0], [0.0, 5.0, 1.0, np.nan]]  # the last architecture has one run
    found = top_k_ceiling(runs, (1, 2), resamples=20).set_index(["k", "measure"])
    # the best of run 0 has 0 in run 1, 5 below its best and third; the best of run 1 is 1 below and second
    assert found.loc[(1, "precision"), "value"] == 0
    assert found.loc[(1, "regret"), "value"] == (5 + 1) / 2
    assert found.loc[(1, "best_rank"), "value"] == (3 + 2) / 2
    # the best two of run 0 hold the best of run 1; those of run 1 (the second and third) the second of run 0
    assert found.loc[(2, "precision"), "value"] == 0.5
    assert found.loc[(2, "regret"), "value"] == (0 + 1) / 2
    assert (found["n"] == 3).all()
    assert (found["pairs"] == 1).all()


def test_it_is_the_mean_over_ordered_pairs() -> None:
    rng = np.random.default_rng(0)
    runs = rng.normal(size=40) + 0.5 * rng.normal(size=(3, 40))
    found = top_k_ceiling(runs, (5,), rng, resamples=200).set_index("measure")
    expected = np.mean([top_k(one, other, 5) for one, other in permutations(runs, 2)], axis=0)
    assert found.loc[["precision", "regret", "best_rank"], "value"].tolist() == pytest.approx(list(expected))
    assert (found["low"] <= found["value"]).all()
    assert (found["value"] <= found["high"]).all()


def test_equal_runs_lose_nothing() -> None:
    run = np.arange(12.0)
    found = top_k_ceiling([run, run], (3,), resamples=50).set_index("measure")
    assert found.loc["regret", "value"] == 0
    assert found.loc["regret", ["low", "high"]].isna().all()
    assert found.loc["precision", "value"] == 1


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="one run has no ceiling"):
        top_k_ceiling([[1.0, 2.0]])
    with pytest.raises(ValueError, match="k must be at most 2"):
        top_k_ceiling([[1.0, 2.0, np.nan], [1.0, 2.0, 3.0]], (3,))
    with pytest.raises(ValueError, match="must be finite"):
        top_k_ceiling([[1.0, np.inf], [1.0, 2.0]], (1,))
