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
from benchkit.data.tables.metric import Metric

Cli = Callable[..., tuple[int, str, str]]
RESULTS = Path(benchkit.__file__).parent.parent / "results"
KEPT = RESULTS / "digits-nasbench201-3" / "correlation"
OTHER = RESULTS / "cifar10-nasbench201-spos" / "correlation"
COLUMNS = "cifar10/valid/12,cifar10/valid/200,cifar100/valid/200/1"


def test_columns_of_a_table_are_correlated(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "made"
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
    matrix = pd.read_csv(out / "matrix.csv").set_index(["row", "column"])
    about = json.loads((out / "matrix.json").read_text())
    assert about == {key: value for key, value in found.items() if key != "matrix"}
    assert (about["resamples"], about["level"]) == (30, 0.95)
    assert matrix.loc[("cifar10/valid/12", "cifar100/valid/200/1"), "value"] == pytest.approx(expected)
    assert len(found["matrix"]) == len(matrix) == 6 + 1  # one of the columns is a mean of runs
    code, printed, _ = cli(*words, "--k", "10", "--fraction", "1,0.5")
    assert code == 0
    assert all(word in printed for word in ("within the best 50 %", "precision", "(run against run)"))
    assert table.sha256[:12] in printed
    overall = printed[: printed.index("within")].splitlines()
    pair = next(line for line in overall if "valid/12 " in line and "valid/200 " in line)
    assert pair.startswith("cifar10/valid/200")  # either way round the same: shown where the ceiling is


def test_a_matrix_that_is_kept_is_drawn_as_it_stands(cli: Cli, tmp_path: Path) -> None:
    made, figure = tmp_path / "made", tmp_path / "h.png"
    words = ("--columns", "cifar10/valid/12,cifar10/test/12", "--n", 60, "--resamples", 10, "--out", made)
    assert cli("table", "correlate", "nasbench201", *words)[0] == 0
    code, _, error = cli("plot", "heatmap", made, "--out", figure)
    assert code == 0
    assert "60 architectures" in error
    assert (tmp_path / "h.csv").read_text() == (made / "matrix.csv").read_text()
    cases = {
        "leave out --columns and --n": ("--n", 5),
        "has no pearson": ("--measure", "pearson"),
    }
    for said, more in cases.items():
        code, _, error = cli("plot", "heatmap", made, *more, "--out", figure)
        assert (code, said in error) == (2, True), error
    (made / "matrix.csv").write_text("row,column\n")
    code, _, error = cli("plot", "heatmap", made, "--out", figure)
    assert (code, "matrix.csv is damaged: it has no column" in error) == (2, True)


@pytest.mark.parametrize("words", [("table", "correlate"), ("plot", "heatmap"), ("plot", "correlation")])
def test_the_help_can_be_read(cli: Cli, words: tuple[str, str]) -> None:
    code, printed, _ = cli(*words, "--help")
    assert code == 0
    assert "--fraction" in printed


def test_all_are_the_means_at_the_ends_of_schedules(cli: Cli) -> None:
    code, printed, _ = cli("table", "correlate", "nasbench201-3", "--all", "--resamples", 5, "--json")
    assert code == 0
    matrix = json.loads(printed)["matrix"]
    assert {row["row"] for row in matrix} == {"digits/valid/12", "digits/test/12"}
    assert all(row["ceiling"] is not None for row in matrix)  # both have three runs


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
        data = ["c.csv", "c-correlations.csv", "c-ceiling.csv"]
        assert names == ["c.png", *data, "c-curve.png", "c-curve.csv"]
        drawn = pd.read_csv(tmp_path / "c-correlations.csv")
        assert set(drawn["truth"]) == {"valid"}
        assert len(drawn["training"].unique()) == 3

    def test_a_share_has_panels_of_its_own(self, cli: Cli, tmp_path: Path) -> None:
        out = ("--out", tmp_path / "c", "--format", "png")
        assert cli("plot", "correlation", KEPT, *out, "--fraction", "1,0.5")[0] == 0
        code, _, error = cli("plot", "correlation", KEPT, *out, "--fraction", "0.3")
        assert (code, error.count("\n")) == (2, 1)
        assert "no correlation within the best 0.3; it has 1, 0.5, 0.25, 0.1" in error

    def test_several_studies_share_their_figures(self, cli: Cli, tmp_path: Path) -> None:
        out = ("--out", tmp_path / "c", "--format", "png", "--venue", "icml")
        code, _, error = cli("plot", "correlation", KEPT, OTHER, *out)
        assert code == 0
        assert error.count("sha256") == 2
        assert "no common noise ceiling" in error
        curves = pd.read_csv(tmp_path / "c-curve.csv")
        names = {"digits-nasbench201-3", "cifar10-nasbench201-spos"}
        assert set(curves["strategy"]) == {f"spos ({name})" for name in names}
        assert set(pd.read_csv(tmp_path / "c.csv")["study"]) == names

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
            "is for tables": ("plot", "heatmap", KEPT, "--n", 5, *out),
            "exclude each other": ("table", "correlate", "nasbench201", "--all", "--columns", "a,b"),
            "one table, or folders": ("table", "correlate", "nasbench201", KEPT),
            "given twice": ("plot", "correlation", KEPT, KEPT, *out),
            "unknown table": ("plot", "heatmap", "nasbench", *out),
            "unknown column": ("plot", "heatmap", "nasbench201", "--columns", "cifar10/valid/13,a", *out),
            "a measure and a fraction": ("table", "correlate", "nasbench201", "--n", 9, "--measure", ","),
            "needs two columns": ("table", "correlate", "nasbench201", "--columns", "cifar10/valid/12"),
            "--fraction takes numbers": ("table", "correlate", "nasbench201", "--fraction", "half"),
            "--fraction must be a number above 0 and at most 1": (
                "table",
                "correlate",
                "nasbench201",
                "--n",
                50,
                "--fraction",
                "2",
            ),
            "unknown measure": ("table", "correlate", "nasbench201", "--n", 50, "--measure", "tau"),
            "--n must be": ("table", "correlate", "nasbench201", "--n", 1),
        }
        for said, words in cases.items():
            code, _, error = cli(*words)
            assert (code, error.count("\n")) == (2, 1), (said, error)
            assert said in error
