"""``benchkit leaderboard compare``, ``plot profile`` and ``plot winrate``: on studies that were run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from benchkit.reports.api import run_study as run
from benchkit.studies.spec import load_preset

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("studies")
    first, second = folder / "cells", folder / "chains"
    names = ["random-search", "regularized-evolution", "local-search"]
    run(load_preset("quick").replaced(names, ["cifar10", "cifar100"], seeds=4, queries=25), first)
    run(load_preset("macro").replaced(names[:2], seeds=4, queries=25), second)
    return first, second


def test_one_study_is_compared(studies: tuple[Path, Path], cli: Cli, tmp_path: Path) -> None:
    code, printed, _ = cli("leaderboard", "compare", studies[0], "--out", tmp_path / "out")
    assert code == 0
    assert "Friedman" in printed
    assert "local-search" in printed
    pairs = pd.read_csv(tmp_path / "out" / "pairs.csv")
    assert set(pairs["dataset"]) == {"cifar10", "cifar100"}
    assert len(pairs) == 2 * 6
    regret = pd.read_csv(studies[0] / "trials.csv").groupby(["dataset", "strategy"])["regret"].mean()
    for _, row in pairs.iterrows():
        expected = regret[row["dataset"], row["column"]] - regret[row["dataset"], row["row"]]
        assert row["difference"] == pytest.approx(expected, abs=1e-8)
    assert set(pd.read_csv(tmp_path / "out" / "improvements.csv")["row"]) == {
        "regularized-evolution",
        "local-search",
    }


def test_several_studies_are_more_tasks(studies: tuple[Path, Path], cli: Cli) -> None:
    code, printed, _ = cli("leaderboard", "compare", *studies, "--json")
    assert code == 0
    found = json.loads(printed)
    assert {row["dataset"] for row in found["pairs"]} == {
        "cells: cifar10",
        "cells: cifar100",
        "chains: cifar10",
    }
    assert {row["n"] for row in found["aggregates"]} == {12}
    assert found["notes"][0].startswith("the studies differ in budget or measure: cells 25 queries at 200")
    assert found["notes"][1:] == ["not in every study on every data set, and left out: local-search"]
    assert found["tables"]["chains"]["name"] == "nasbench-macro"


def test_different_budgets_are_said(studies: tuple[Path, Path], cli: Cli, tmp_path: Path) -> None:
    names = ["random-search", "regularized-evolution"]
    run(load_preset("macro").replaced(names, seeds=4, queries=30), tmp_path / "longer")
    code, _, error = cli("plot", "profile", studies[0], tmp_path / "longer", "--out", tmp_path / "p.svg")
    assert code == 0
    assert (
        "note: the studies differ in budget or measure: cells 25 queries at 200 epochs, regret in validation "
        "accuracy (mean) at 200 epochs, longer 30 queries at 50 epochs, regret in test accuracy (run 1)"
    ) in error


def test_a_study_without_the_data_sets_is_left_out(studies: tuple[Path, Path], cli: Cli) -> None:
    code, printed, _ = cli("leaderboard", "compare", *studies, "--datasets", "cifar100", "--json")
    assert code == 0
    found = json.loads(printed)
    assert {row["dataset"] for row in found["pairs"]} == {"cells: cifar100"}
    assert found["notes"] == ["chains has none of these data sets, and is left out"]
    assert list(found["tables"]) == ["cells"]


def test_a_strategy_that_misses_a_data_set_is_named(
    studies: tuple[Path, Path], cli: Cli, tmp_path: Path
) -> None:
    shutil.copytree(studies[0], tmp_path / "study")
    trials = pd.read_csv(tmp_path / "study" / "trials.csv")
    missing = (trials["strategy"] == "local-search") & (trials["dataset"] == "cifar100")
    trials[~missing].to_csv(tmp_path / "study" / "trials.csv", index=False)
    code, printed, _ = cli("leaderboard", "compare", tmp_path / "study", "--json")
    assert code == 0
    found = json.loads(printed)
    assert found["notes"] == ["not in every study on every data set, and left out: local-search"]
    assert {row["row"] for row in found["pairs"]} == {"random-search", "regularized-evolution"}


def test_average_ranks_are_those_of_the_leaderboard(studies: tuple[Path, Path], cli: Cli) -> None:
    code, printed, _ = cli("leaderboard", "compare", studies[0], "--json")
    assert code == 0
    found = pd.DataFrame(json.loads(printed)["ranks"]).set_index(["dataset", "strategy"])
    board = pd.read_csv(studies[0] / "leaderboard.csv").set_index(["dataset", "strategy"])
    pd.testing.assert_series_equal(
        found["rank"].sort_index(), board["rank"].sort_index(), check_names=False, atol=1e-6
    )
    assert set(found["blocks"]) == {4}


def test_without_the_baseline_there_are_no_aggregates(studies: tuple[Path, Path], cli: Cli) -> None:
    code, printed, _ = cli("leaderboard", "compare", studies[0], "--baseline", "tpe", "--datasets", "cifar10")
    assert code == 0
    assert "no aggregates: tpe has no trials on cifar10" in " ".join(printed.split())


@pytest.mark.parametrize("kind", ["profile", "winrate"])
def test_figures_come_with_their_data(
    kind: str, studies: tuple[Path, Path], cli: Cli, tmp_path: Path
) -> None:
    code, printed, error = cli("plot", kind, *studies, "--out", tmp_path / "figure", "--format", "svg,pdf")
    assert code == 0
    assert "left out: local-search" in error
    names = [Path(line).name for line in printed.split()]
    assert names[:3] == ["figure.svg", "figure.pdf", "figure.csv"]
    assert all((tmp_path / name).stat().st_size for name in names)


def test_bad_input_is_one_line(studies: tuple[Path, Path], cli: Cli, tmp_path: Path) -> None:
    first = studies[0]
    cases = {
        "holds no study": ("leaderboard", "compare", tmp_path),
        "unknown data set 'cifar'": ("leaderboard", "compare", first, "--datasets", "cifar"),
        "--rope must be a number from 0": ("leaderboard", "compare", first, "--rope", "-1"),
        "the same name": ("leaderboard", "compare", first, first),
        "bananas has no trials": ("plot", "profile", first, "--baseline", "bananas", "--out", tmp_path / "a"),
        "unknown venue": ("plot", "winrate", first, "--venue", "nips", "--out", tmp_path / "a"),
    }
    for said, words in cases.items():
        code, _, error = cli(*words)
        assert (code, error.count("\n")) == (2, 1), (said, error)
        assert said in error
