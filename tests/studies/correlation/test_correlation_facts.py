"""Rank correlations of the real NAS-Bench-201 table, against published figures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchkit import Metric, open_table
from benchkit.analysis.statistics.noise_ceiling import noise_ceiling
from benchkit.analysis.statistics.rank_correlation import correlate

DATASETS = ("cifar10", "cifar100", "imagenet16-120")


def spearman(first: Metric, second: Metric) -> float:
    table = open_table("nasbench201")
    frame = correlate(
        table.values(first), table.values(second), fractions=(1.0,), measures=("spearman",), resamples=1
    )
    assert frame["n"][0] == 15_625
    return float(frame["value"][0])


# figures that were computed from the original extracts, by other code
@pytest.mark.parametrize(("dataset", "value"), list(zip(DATASETS, (0.823, 0.823, 0.825), strict=True)))
def test_twelve_epochs_rank_like_two_hundred(dataset: str, value: float) -> None:
    found = spearman(Metric(dataset, "valid", 12), Metric(dataset, "valid", 200))
    assert found == pytest.approx(value, abs=5e-4)


@pytest.mark.parametrize(("dataset", "value"), list(zip(DATASETS, (0.984, 0.993, 0.995), strict=True)))
def test_validation_ranks_like_test(dataset: str, value: float) -> None:
    found = spearman(Metric(dataset, "valid", 200), Metric(dataset, "test", 200))
    assert found == pytest.approx(value, abs=5e-4)


def test_tau_of_the_whole_table_is_scipys() -> None:
    table = open_table("nasbench201")
    x, y = (table.values(Metric("cifar10", "valid", epochs)) for epochs in (12, 200))
    frame = correlate(x, y, fractions=(1.0, 0.1), measures=("kendall_tau",), resamples=5)
    best = y >= np.sort(y)[-1563]  # ceil(0.1 * 15,625)
    assert frame["value"].tolist() == pytest.approx(
        [stats.kendalltau(x, y)[0], stats.kendalltau(x[best], y[best])[0]], abs=1e-12
    )


def test_the_noise_ceiling_falls_among_the_best() -> None:
    table = open_table("nasbench201")
    runs = np.stack([table.values(run) for run in table.runs(Metric("cifar10", "valid", 200))])
    assert len(runs) == 3
    frame = noise_ceiling(runs, fractions=(1.0, 0.1), measures=("kendall_tau",), resamples=5)
    plain = []
    for a, b in ((0, 1), (0, 2), (1, 2)):
        both = ~np.isnan(runs[a]) & ~np.isnan(runs[b])
        plain.append(stats.kendalltau(runs[a, both], runs[b, both])[0])
    assert frame["value"][0] == pytest.approx(np.mean(plain))
    assert frame["value"][1] < frame["value"][0] < 1
