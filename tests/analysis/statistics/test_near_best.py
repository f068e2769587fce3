"""Which strategies are not worse than the best: by hand, and against scipy with statsmodels' Holm."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from benchkit.analysis.statistics.near_best import NEAR_BEST_COLUMNS, near_best


def trials(regrets: dict[str, list[float]], dataset: str = "d") -> pd.DataFrame:
    rows = [
        {
            **{"strategy": strategy, "dataset": dataset, "seed": seed, "regret": regret},
            **{"valid": 90 - regret, "test": np.nan, "queries": 10.0, "seconds": 1.0},
            **{"distinct": 10, "distinct_isomorphic": 9},
        }
        for strategy, values in regrets.items()
        for seed, regret in enumerate(values)
    ]
    return pd.DataFrame(rows)


def row(found: pd.DataFrame, strategy: str, measure: str = "regret") -> pd.Series:
    (index,) = np.flatnonzero((found["strategy"] == strategy) & (found["measure"] == measure))
    return found.iloc[index]


def test_by_hand() -> None:
    """Eight seeds: one loses in each (p = 2 / 2**8), one is equal, one is ahead in half of them."""
    best = [1.0, 2, 3, 4, 5, 6, 7, 8]
    found = near_best(
        trials(
            {
                "best": best,
                "behind": [value + 1 + 0.1 * seed for seed, value in enumerate(best)],
                "equal": best,
                "even": [value + 0.2 * (-1) ** seed + 0.01 for seed, value in enumerate(best)],
            }
        )
    )
    assert list(found.columns) == list(NEAR_BEST_COLUMNS)
    assert sorted(set(found["measure"])) == ["regret", "valid"]  # no test accuracies, no tests
    for measure in ("regret", "valid"):
        assert found[found["measure"] == measure]["best"].tolist() == [False, True, False, False]
        assert row(found, "behind", measure)["p_value"] == pytest.approx(3 * 2 / 2**8)
        assert not row(found, "behind", measure)["not_worse"]
        assert row(found, "equal", measure)["not_worse"]
        assert row(found, "even", measure)["not_worse"]
    assert np.isnan(row(found, "best")["p_value"])
    assert not row(found, "best")["not_worse"]
    assert (found["n"] == 8).all()


def test_p_values_against_other_implementations() -> None:
    rng = np.random.default_rng(3)
    regrets = {name: rng.gamma(2, 1 + 0.4 * i, 30).tolist() for i, name in enumerate("abcde")}
    found = near_best(trials(regrets))
    means = {name: np.mean(values) for name, values in regrets.items()}
    best = min(means, key=lambda name: means[name])
    others = [name for name in regrets if name != best]
    raw = [stats.wilcoxon(regrets[name], regrets[best], method="exact").pvalue for name in others]
    corrected = multipletests(raw, method="holm")[1]
    for name, p in zip(others, corrected, strict=True):
        assert row(found, name)["p_value"] == pytest.approx(p)
        assert row(found, name)["not_worse"] == (p >= 0.05)
        assert row(found, name, "valid")["p_value"] == pytest.approx(p)
    assert found["not_worse"].any()
    assert not found[~found["best"]]["not_worse"].all()  # the test can tell


def test_who_is_ahead_in_nearly_all_seeds_is_not_worse_for_one_accident() -> None:
    steady = [1.0] * 12
    found = near_best(
        trials({"steady": steady, "daring": [0.5 + 0.01 * seed for seed in range(11)] + [99.0]})
    )
    assert row(found, "steady")["best"]
    daring = row(found, "daring")
    assert daring["p_value"] < 0.05
    assert daring["not_worse"]


def test_few_seeds_say_nothing() -> None:
    losing = {"a": [0.0] * 5, "b": [1.0, 2, 3, 4, 5]}  # 2 / 2**5 > 0.05
    assert not near_best(trials(losing))["not_worse"].any()
    # one seed more would do for one comparison, not for two
    six = {"a": [0.0] * 6, "b": [0.0, 0, 0, 0, 0, 1]}
    assert row(near_best(trials(six)), "b")["not_worse"]
    assert not near_best(trials({**six, "c": [1.0] * 6}))["not_worse"].any()


def test_strategies_are_compared_over_the_seeds_that_both_have() -> None:
    uneven = trials({"a": [0.0] * 10, "b": [1.0] * 8})
    found = near_best(uneven)
    assert row(found, "b")["n"] == 8
    assert row(found, "a")["n"] == 10
    assert row(found, "b")["p_value"] == pytest.approx(2 / 2**8)
    apart = pd.concat([uneven[uneven["strategy"] == "a"], uneven[uneven["strategy"] == "b"].assign(seed=99)])
    with pytest.raises(ValueError, match="more than once"):
        near_best(apart)


def test_data_sets_stand_for_themselves() -> None:
    first, second = trials({"a": [0.0] * 8, "b": [1.0] * 8}), trials({"a": [2.0] * 8, "b": [1.0] * 8}, "e")
    both = near_best(pd.concat([first, second]))
    pd.testing.assert_frame_equal(
        both, pd.concat([near_best(first), near_best(second)], ignore_index=True), check_dtype=False
    )
    assert both[both["best"] & (both["measure"] == "regret")]["strategy"].tolist() == ["a", "b"]
