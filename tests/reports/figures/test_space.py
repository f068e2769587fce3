"""``benchkit plot space``: a table's cloud, its front, and the ways of a study's searches over it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchkit.data.tables.catalogue import open_table
from benchkit.data.tables.metric import Metric
from benchkit.data.tables.table import Table
from benchkit.studies.spec import StudySpec, load_preset
from benchkit.studies.store import StudyDirectory

Cli = Callable[..., tuple[int, str, str]]


def dominated(points: pd.DataFrame, cost: str, front: pd.DataFrame) -> bool:
    """Whether anything of a table dominates a row of its front, pair by pair."""
    return any(
        ((points[cost] <= row[cost]) & (points["accuracy"] > row["accuracy"])).any()
        or ((points[cost] < row[cost]) & (points["accuracy"] >= row["accuracy"])).any()
        for _, row in front.iterrows()
    )


@pytest.mark.parametrize(
    ("name", "words", "cost", "column", "n"),
    [
        (
            "nasbench201",
            ("--dataset", "cifar100", "--cost", "latency"),
            "latency_seconds",
            "cifar100",
            15_625,
        ),
        ("nasbench201-3", ("--cost", "flops"), "flops", "digits", 125),
        ("nasbench-macro", ("--split", "test"), "parameters", "cifar10", 6_561),
        ("nasbench101-sample", ("--cost", "energy", "--epochs", 36), "energy_kwh", "cifar10", 4_310),
    ],
)
def test_embedded_tables(
    cli: Cli, tmp_path: Path, name: str, words: tuple[object, ...], cost: str, column: str, n: int
) -> None:
    code, printed, _ = cli("plot", "space", name, *words, "--out", tmp_path / "a.svg")
    assert code == 0
    assert [Path(line).name for line in printed.splitlines()] == ["a.svg", "a.csv", "a-front.csv"]
    cloud, front = (
        pd.read_csv(tmp_path / "a.csv"),
        pd.read_csv(tmp_path / "a-front.csv", dtype={"architecture": str}),
    )
    assert (cloud["architectures"].sum() if "architectures" in cloud else len(cloud)) == n
    table = open_table(name)
    (epochs,) = set(front["epochs"])
    metric = Metric(column, "test" if "--split" in words else "valid", int(epochs))
    if metric not in table:
        metric = Metric(column, "valid", int(epochs), 0)
    costs = next(m for m in table.metrics if m.quantity == cost and m.dataset == column and m.run is None)
    everything = pd.DataFrame({cost: table.values(costs), "accuracy": table.values(metric)}).round(9)
    assert not dominated(everything.dropna(), cost, front.round(9))
    for _, row in front.iterrows():
        assert row["accuracy"] == pytest.approx(table.query(row["architecture"], metric))
        assert row[cost] == pytest.approx(table.query(row["architecture"], costs))
    assert set(front["table_sha256"]) == {table.sha256}
    assert (tmp_path / "a.svg").stat().st_size < 300_000


def test_the_way_of_a_search_is_that_of_its_trace(
    cli: Cli, toy: Table, done: StudyDirectory, tmp_path: Path
) -> None:
    words = ("plot", "space", "toy", "--dataset", "e", "--cost", "train-seconds", "--study", done.path)
    search = ("--strategy", "random-search", "--strategy", "local-search", "--seed", 1, "--seed", 0)
    code, printed, notes = cli(*words, *search, "--out", tmp_path / "b", "--format", "pdf", "--no-pareto")
    assert code == 0
    assert [Path(line).name for line in printed.splitlines()] == ["b.pdf", "b.csv", "b-path.csv"]
    assert (
        "the searches saw valid accuracy on e at 100 epochs (score mean); shown is e.valid.100ep.mean"
        in notes
    )
    way = pd.read_csv(tmp_path / "b-path.csv")
    assert list(dict.fromkeys(zip(way["strategy"], way["seed"], strict=True))) == [
        ("random-search", 1),
        ("random-search", 0),
        ("local-search", 1),
        ("local-search", 0),
    ]
    traces, rows = done.read_traces(), done.read_architectures(toy.base_space)
    seconds = Metric("e", None, 100, quantity="train_seconds")
    for (strategy, seed), mine in way.groupby(["strategy", "seed"]):
        chosen = (traces["strategy"] == strategy) & (traces["dataset"] == "e") & (traces["seed"] == seed)
        scores, batch = traces.loc[chosen, "score"].to_numpy(), rows[chosen.to_numpy()]
        better = [step for step, score in enumerate(scores) if step == 0 or score > scores[:step].max()]
        assert mine["evaluation"].tolist() == [step + 1 for step in better]
        assert mine["accuracy"].tolist() == pytest.approx(scores[better].tolist())  # it saw what is shown
        assert mine["architecture"].tolist() == [toy.base_space.format(batch[step]) for step in better]
        assert mine["train_seconds"].tolist() == pytest.approx(toy.query(batch[better], seconds).tolist())
        assert mine["accuracy"].is_monotonic_increasing
    points = pd.read_csv(tmp_path / "b.csv")
    assert len(points) == 48
    assert points["accuracy"].max() == toy.optimum(Metric("e", "valid", 100)).value


def test_without_names_all_searches_are_drawn_and_the_same_twice(
    cli: Cli, toy: Table, done: StudyDirectory, tmp_path: Path
) -> None:
    words = ("plot", "space", "toy", "--dataset", "d", "--cost", "train-seconds", "--study", done.path)
    for name in ("a.png", "b.png"):
        assert cli(*words, "--split", "test", "--out", tmp_path / name)[0] == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    way = pd.read_csv(tmp_path / "a-path.csv")
    assert list(dict.fromkeys(way["strategy"])) == ["random-search", "local-search", "bohb"]
    assert set(way["seed"]) == {0}
    assert not np.isclose(way["accuracy"], way["accuracy"].max()).all()


def test_mistakes_are_one_line(
    cli: Cli, toy: Table, done: StudyDirectory, tmp_path: Path, small: Callable[..., StudySpec]
) -> None:
    supernets = tmp_path / "supernets"
    supernets.mkdir()
    (supernets / "study.yaml").write_text(load_preset("gibbsnas-table3-small").to_yaml())
    of_toy = ("toy", "--dataset", "d", "--cost", "train-seconds")
    study = (*of_toy, "--study", done.path)
    cases = {
        "for table nasbench101-sample on cifar10; it has params, train-seconds, energy": (
            *("nasbench101-sample", "--cost", "flops"),
        ),
        "unknown cost 'parms' for table nasbench201 on cifar10; it has params, latency, train-seconds (did": (
            *("nasbench201", "--dataset", "cifar10", "--cost", "parms"),
        ),
        "unknown table 'nb201'": ("nb201",),
        "give --dataset, one of cifar10, cifar100, imagenet16-120": ("nasbench201",),
        "has no accuracy on mnist": ("nasbench201", "--dataset", "mnist"),
        "has no valid accuracy on cifar10; it has test": ("nasbench-macro",),
        "unknown epochs '13' for table nasbench201, data set cifar10; it has 12, 200": (
            *("nasbench201", "--dataset", "cifar10", "--epochs", 13),
        ),
        "unknown split 'train'": ("nasbench201-3", "--split", "train"),
        "give its folder with --study": ("nasbench201-3", "--strategy", "tpe"),
        "--seed names searches": ("nasbench201-3", "--seed", 0),
        "unknown strategy 'tpe' for study small; it has random-search": (*study, "--strategy", "tpe"),
        "has no bohb on d with seed 7; it has 0 to 1": (*study, "--strategy", "bohb", "--seed", 7),
        "is a study of table toy with SHA-256": ("nasbench201-3", "--study", done.path),
        "holds no study": (*of_toy, "--study", tmp_path / "none"),
        "holds searches that train supernets": (*of_toy, "--study", supernets),
        "unknown venue 'nature'": ("nasbench201-3", "--venue", "nature"),
    }
    for says, words in cases.items():
        code, _, error = cli("plot", "space", *words, "--out", tmp_path / "out" / "x")
        assert code == 2, says
        assert says in error
        assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
