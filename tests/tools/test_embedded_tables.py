"""The embedded tables against published facts of their benchmarks."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

import benchkit
from benchkit.base.errors import InputError
from benchkit.data.tables import Metric, Table, open_table
from tools.embedded_tables import INPUTS, build_embedded

DATA = Path(benchkit.__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="module")
def nb201() -> Table:
    return open_table("nasbench201")


@pytest.mark.parametrize(
    ("dataset", "split", "value", "index"),
    [
        ("cifar10", "valid", 91.61, 6111),
        ("cifar10", "test", 94.37, 6111),
        ("cifar100", "valid", 73.49, 9930),
        ("cifar100", "test", 73.51, 9930),
        ("imagenet16-120", "test", 47.31, 857),
        ("imagenet16-120", "valid", 46.73, 10676),  # the paper prints 46.77, the value of one of its runs
    ],
)
def test_published_optima(nb201: Table, dataset: str, split: str, value: float, index: int) -> None:
    best = nb201.optimum(Metric(dataset, split, 200))
    assert round(best.value, 2) == value
    optimal = nb201.values(Metric(dataset, split, 200)) == best.value
    assert index in nb201.static_values("arch_index")[optimal]


def test_the_all_skip_cell_is_the_published_result_of_darts(nb201: Table) -> None:
    cell = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
    published = {"cifar10": (39.77, 54.30), "cifar100": (15.03, 15.61), "imagenet16-120": (16.43, 16.32)}
    for dataset, (valid, test) in published.items():
        assert nb201.query(cell, Metric(dataset, "valid", 200)) == pytest.approx(valid, abs=0.005)
        assert nb201.query(cell, Metric(dataset, "test", 200)) == pytest.approx(test, abs=0.005)


def test_means_are_those_of_the_runs(nb201: Table) -> None:
    for dataset in nb201.datasets:
        runs = np.array([nb201.values(m) for m in nb201.runs(Metric(dataset, "valid", 200))])
        assert runs.shape == (3, 15_625)
        assert np.isnan(runs).sum() == 7_456  # the third run alone
        assert np.nanmean(runs, axis=0) == pytest.approx(
            nb201.values(Metric(dataset, "valid", 200)), abs=2e-5
        )


def test_runs_present_are_the_first_ones(nb201: Table) -> None:
    # the evaluator's draw of a run relies on it
    for dataset in nb201.datasets:
        missing = np.isnan([nb201.values(m) for m in nb201.runs(Metric(dataset, "valid", 200))])
        assert (np.diff(missing.astype(int), axis=0) >= 0).all()


def test_validation_and_test_differ_and_12_and_200_epochs_too(nb201: Table) -> None:
    for dataset, expected in (("cifar10", 0.823), ("cifar100", 0.823), ("imagenet16-120", 0.825)):
        valid, test = (nb201.values(Metric(dataset, split, 200)) for split in ("valid", "test"))
        assert (valid != test).mean() > 0.96  # dead cells have chance accuracy on both
        short = nb201.values(Metric(dataset, "valid", 12))
        assert spearmanr(short, valid).statistic == pytest.approx(expected, abs=0.001)


def test_parameters_follow_the_operations(nb201: Table) -> None:
    conv1, conv3 = ((nb201.rows == op).sum(axis=1) for op in (2, 3))
    counts = nb201.values(Metric("cifar10", None, None, quantity="parameters"))
    assert counts == pytest.approx(73_306 + 27_968.0 * conv1 + 243_008.0 * conv3, rel=0.01)


def test_nasbench101_sample_is_the_official_hashes(tmp_path: Path) -> None:
    table = open_table("nasbench101-sample")
    assert len(table) == 30_001
    assert not table.complete
    assert np.array_equal(table.base_space.canonical(table.rows), table.keys)
    assert table.keys[0] == b"00005c142e6f48ac74fdcf73e3439874"
    valid = table.values(Metric("cifar10", "valid", 108, 0))
    assert valid.max() < 100
    assert valid.mean() == pytest.approx(91.04, abs=0.01)
    assert np.abs(valid / 100 * 9984 - np.round(valid / 100 * 9984)).max() < 1e-2
    for epochs, expected in ((4, 0.451), (12, 0.618), (36, 0.879)):
        values = table.values(Metric("cifar10", "valid", epochs, 0))
        assert spearmanr(values, valid).statistic == pytest.approx(expected, abs=0.001)


def test_nasbench101_sample_warns_and_has_no_test_and_no_mean() -> None:
    table = open_table("nasbench101-sample")
    assert any("BEST of three" in warning for warning in table.metadata["warnings"])
    assert {m.split for m in table.metrics if m.quantity == "accuracy"} == {"valid"}
    with pytest.raises(InputError, match="unknown run 'mean'"):
        table.query(table.rows[0], Metric("cifar10", "valid", 108))


def test_nasbench_macro_best_chain() -> None:
    table = open_table("nasbench-macro")
    assert len(table) == 3**8
    best = table.optimum(Metric("cifar10", "test", 50))
    optimal = table.values(Metric("cifar10", "test", 50)) == best.value
    assert "22212220" in [table.space.format(row) for row in table.rows[optimal]]
    assert round(best.value, 2) == 93.13
    assert table.epochs("cifar10", "valid") == []


@pytest.mark.skipif(not DATA.is_dir(), reason="the published extracts are not beside this checkout")
def test_the_script_makes_the_committed_tables(tmp_path: Path) -> None:
    for path in build_embedded(DATA, tmp_path):
        made, kept = Table(path), open_table(path.stem)
        assert made.metadata == kept.metadata
        assert np.array_equal(made.rows, kept.rows)
        for metric in kept.metrics:
            assert np.array_equal(made.values(metric), kept.values(metric), equal_nan=True)


def test_the_script_refuses_other_inputs(tmp_path: Path) -> None:
    first = next(iter(INPUTS))
    with pytest.raises(InputError, match="no input file"):
        build_embedded(tmp_path, tmp_path)
    (tmp_path / first).write_bytes(b"something else")
    with pytest.raises(InputError, match=hashlib.sha256(b"something else").hexdigest()):
        build_embedded(tmp_path, tmp_path)
