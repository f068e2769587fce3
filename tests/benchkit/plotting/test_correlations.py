"""``table correlate``, ``plot heatmap`` and ``plot correlation``: from tables and studies to files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import benchkit
from benchkit.tables.metric import Metric

Cli = Callable[..., tuple[int, str, str]]
KEPT = Path(benchkit.__file__).parent.parent / "results" / "digits-nasbench201-3" / "correlation"
COLUMNS = "cifar10/valid/12,cifar10/valid/200,cifar100/valid/200/1"


def test_columns_of_a_table_are_correlated(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "matrix.csv"
    words = ("table", "correlate", "nasbench201", "--columns", COLUMNS, "--n", 400, "--resamples", 30)
    code, printed, _ = cli(*words, "--out", out, "--json")
    assert code == 0
    found = json.loads(printed)
    table = benchkit.open_table("nasbench201")
    assert (found["table"]["sha256"], found["n"], found["sample_seed"]) == (table.sha256, 400, 0)
    rows = np.sort(np.random.default_rng(0).choice(len(table), 400, replace=False))
    short = table.values(Metric("cifar10", "valid", 12))[rows]
    run = table.values(Metric("cifar100", "valid", 200, 1))[rows]
    known = ~np.isnan(short) & ~np.isnan(run)
    expected = stats.kendalltau(short[known], run[known]).statistic
    matrix = pd.read_csv(out).set_index(["row", "column"])
    assert matrix.loc[("cifar10/valid/12", "cifar100/valid/200/1"), "value"] == pytest.approx(expected)
    assert len(found["matrix"]) == len(matrix) == 6 + 1  # one of the columns is a mean of runs
    code, printed, _ = cli(*words, "--k", "10", "--fraction", "1,0.5")
    assert code == 0
    assert all(word in printed for word in ("within the best 50 %", "precision", "(run against run)"))


def test_a_table_without_means_gives_its_runs(cli: Cli) -> None:
    code, printed, _ = cli("table", "correlate", "nasbench201-3", "--resamples", 5, "--json")
    assert code == 0
    names = {row["row"] for row in json.loads(printed)["matrix"]}
    assert {name.split("/")[0] for name in names} == {"digits"}
    assert len(names) >= 2


def test_a_matrix_is_drawn_with_its_data(cli: Cli, tmp_path: Path) -> None:
    words = ("plot", "heatmap", "nasbench201", "--columns", COLUMNS, "--n", 300, "--resamples", 20)
    code, printed, error = cli(*words, "--out", tmp_path / "h.svg")
    assert code == 0
    assert [Path(line).name for line in printed.split()] == ["h.svg", "h.csv"]
    assert "sha256" in error


@pytest.mark.skipif(not KEPT.is_dir(), reason="not a checkout")
class TestKeptStudy:
    def test_it_is_drawn_again(self, cli: Cli, tmp_path: Path) -> None:
        code, printed, _ = cli("plot", "correlation", KEPT, "--out", tmp_path / "c", "--format", "png")
        assert code == 0
        names = [Path(line).name for line in printed.split()]
        assert names == ["c.png", "c.csv", "c-correlations.csv", "c-curve.png", "c-curve.csv"]
        drawn = pd.read_csv(tmp_path / "c-correlations.csv")
        assert set(drawn["truth"]) == {"valid"}
        assert len(drawn["training"].unique()) == 3

    def test_its_supernets_are_compared(self, cli: Cli, tmp_path: Path) -> None:
        code, _, _ = cli("plot", "heatmap", KEPT, "--resamples", 20, "--out", tmp_path / "h.png")
        assert code == 0
        matrix = pd.read_csv(tmp_path / "h.csv").set_index(["row", "column"])
        scatter = pd.read_csv(KEPT / "scatter.csv")
        wide = scatter.pivot(index="architecture", columns="training", values="supernet_accuracy")
        names = list(wide.columns)
        expected = stats.kendalltau(wide[names[0]], wide[names[1]]).statistic
        assert matrix.loc[(names[0], names[1]), "value"] == pytest.approx(expected, abs=1e-9)

    def test_what_cannot_be_drawn(self, cli: Cli, tmp_path: Path) -> None:
        broken = tmp_path / "broken"
        shutil.copytree(KEPT, broken)
        (broken / "scatter.csv").unlink()
        out = ("--out", tmp_path / "x")
        cases = {
            "holds no finished study": ("plot", "correlation", tmp_path, *out),
            "cannot read": ("plot", "correlation", broken, *out),
            "no train accuracy": ("plot", "correlation", KEPT, "--split", "train", *out),
            "are for tables": ("plot", "heatmap", KEPT, "--n", 5, *out),
            "unknown table": ("plot", "heatmap", "nasbench", *out),
            "unknown column": ("plot", "heatmap", "nasbench201", "--columns", "cifar10/valid/13,a", *out),
            "needs two columns": ("table", "correlate", "nasbench201", "--columns", "cifar10/valid/12"),
            "--fraction takes numbers": ("table", "correlate", "nasbench201", "--fraction", "half"),
            "fraction must lie": ("table", "correlate", "nasbench201", "--n", 50, "--fraction", "2"),
            "unknown measure": ("table", "correlate", "nasbench201", "--n", 50, "--measure", "tau"),
            "--n must be": ("table", "correlate", "nasbench201", "--n", 1),
        }
        for said, words in cases.items():
            code, _, error = cli(*words)
            assert (code, error.count("\n")) == (2, 1), (said, error)
            assert said in error
