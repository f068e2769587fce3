"""``benchkit plot stability`` and ``collapse``: from the folders of searches to figures and tables."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import benchkit
from benchkit.base.errors import InputError
from benchkit.data.tables.metric import Metric
from benchkit.reports.api import run_study
from benchkit.reports.figures.search_story import read_stories
from benchkit.spaces import get_space
from benchkit.studies.spec import parse_spec
from benchkit.training.search import run_search
from benchkit.training.settings import SearchSettings

Cli = Callable[..., tuple[int, str, str]]
SIZE = {"epochs": 2, "batch_size": 20, "limit": 120, "images": 30, "queries": 2}


def search(folder: Path, strategy: str, **changes: Any) -> Path:
    settings = SearchSettings(strategy, "nasbench201-3", "digits", **{**SIZE, **changes})
    run_search(settings, folder, "cpu")
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = parse_spec(
        {
            "name": "tiny",
            "table": "nasbench201-3",
            "datasets": ["digits"],
            "searches": {
                "data": "digits",
                "seeds": 2,
                "settings": SIZE,
                "strategies": [
                    "rsps",
                    {"name": "darts", "label": "DARTS-V1"},
                    {"name": "sivdnas", "label": "SI", "options": {"variant": "si"}},
                ],
            },
        },
        "study",
    )
    return run_study(spec, tmp_path_factory.mktemp("study") / "out", device="cpu").path


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("alone")
    return [
        search(folder / "plain", "darts"),
        search(folder / "decayed", "darts", weight_decay=0.0027),
        search(folder / "paths", "rsps"),
    ]


def test_the_figure_shows_the_tables_accuracy_of_every_epoch(study: Path, cli: Cli, tmp_path: Path) -> None:
    code, printed, error = cli("plot", "stability", study, "--out", tmp_path / "new" / "figure.png")
    assert code == 0
    assert [Path(line).name for line in printed.split()] == ["figure.png", "figure.csv", "figure-mean.csv"]
    assert "rsps records no architectures and is left out" in error
    points = pd.read_csv(tmp_path / "new" / "figure.csv")
    assert list(points["method"].unique()) == ["DARTS-V1", "SI"]
    assert len(points) == 2 * 2 * 2
    table = benchkit.open_table("nasbench201-3")
    for _, row in points.iterrows():
        findings = json.loads(
            (study / "searches" / f"{row['method']}-{row['seed']}" / "result.json").read_text()
        )["findings"]
        assert row["architecture"] == findings["architectures"][row["epoch"] - 1]
        cell = get_space("nasbench201-3").parse(row["architecture"])
        runs = [table.query(cell, Metric("digits", "valid", 12, run)) for run in range(3)]
        assert row["accuracy"] == pytest.approx(np.mean(runs), abs=1e-4)
        assert row["updates"] == 4 * row["epoch"]  # 90 images to train on, 20 a batch: the last is dropped
        assert row["table_sha256"] == table.sha256


def test_the_collapse_figure_has_skips_and_entropy(study: Path, cli: Cli, tmp_path: Path) -> None:
    words = ("plot", "collapse", study, "--axis", "updates", "--split", "test", "--out", tmp_path / "c.pdf")
    code, _, error = cli(*words)
    assert code == 0
    assert "test accuracy is shown only" in error
    points = pd.read_csv(tmp_path / "c.csv")
    assert points["entropy"].between(0, 1).all()
    assert points["skips"].between(0, 1).all()
    assert set(pd.read_csv(tmp_path / "c-mean.csv")["measure"]) == {"skips", "entropy", "accuracy"}
    cli(*words, "--most-probable")
    modes = pd.read_csv(tmp_path / "c.csv")
    findings = json.loads((study / "searches" / "SI-0" / "result.json").read_text())["findings"]
    kept = modes[(modes["method"] == "SI") & (modes["seed"] == 0)]
    assert list(kept["architecture"]) == findings["most_probable"]


def test_an_unfinished_study_shows_what_has_finished(
    study: Path, cli: Cli, alone: list[Path], tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(study, copy)
    (copy / "searches" / "SI-1" / "result.json").unlink()
    code, _, error = cli("plot", "stability", copy, "--out", tmp_path / "a")
    assert code == 0
    assert "5 of 6 searches have finished" in error
    for folder in (copy / "searches").iterdir():
        (folder / "result.json").unlink(missing_ok=True)
    code, _, error = cli("plot", "stability", copy, "--out", tmp_path / "b")
    assert (code, error.count("\n")) == (2, 1)
    assert "no finished search" in error
    assert not (tmp_path / "b.png").exists()


def test_searches_of_one_method_are_told_apart_by_what_differs(study: Path, alone: list[Path]) -> None:
    stories, notes = read_stories([study, *alone[:2]])
    assert [story.method for story in stories][-2:] == ["darts", "darts (weight_decay 0.0027)"]
    assert [story.method for story in stories][:4] == ["DARTS-V1", "DARTS-V1", "SI", "SI"]
    assert notes == [f"{study}: rsps records no architectures and is left out"]
    assert [len(story.batch) for story in stories] == [2] * 6


def test_what_cannot_be_drawn(alone: list[Path], cli: Cli, tmp_path: Path) -> None:
    other = search(tmp_path / "other", "darts", limit=100, images=20)
    cases: list[tuple[tuple[Any, ...], str]] = [
        ((alone[2],), "rsps records no architecture after each epoch"),
        ((alone[0], other), "saw different images (limit"),
        ((tmp_path,), "search"),
        ((alone[0], "--split", "train"), "unknown split 'train'"),
        ((alone[0], "--axis", "steps"), "unknown axis 'steps'"),
        ((alone[0], "--dataset", "cifar10"), "table nasbench201-3"),
        ((alone[0], "--venue", "nips"), "unknown venue"),
        ((alone[0], "--format", "gif"), "unknown format 'gif'"),
    ]
    for words, said in cases:
        code, _, error = cli("plot", "collapse", *words, "--out", tmp_path / "none")
        assert (code, error.count("\n")) == (2, 1), error
        assert said in error
    assert not list(tmp_path.glob("none*"))


def test_one_search_given_twice_counts_once(alone: list[Path], tmp_path: Path) -> None:
    assert len(read_stories([alone[0], alone[0]])[0]) == 1
    copy = tmp_path / "copy"
    shutil.copytree(alone[0], copy)
    with pytest.raises(InputError, match="are the same search"):
        read_stories([alone[0], copy])
