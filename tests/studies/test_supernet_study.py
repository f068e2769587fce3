"""Studies whose trials train supernets: run, resumed, shown, verified."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import benchkit
from benchkit.base.errors import InputError
from benchkit.data.tables.metric import Metric
from benchkit.reports.api import run_study
from benchkit.spaces import get_space
from benchkit.studies.spec import SupernetStudySpec, load_preset, load_study, parse_spec, preset_names
from benchkit.studies.supernet_work import searches_of
from benchkit.studies.verify import verify

STUDY: dict[str, Any] = {
    "name": "tiny",
    "table": "nasbench201",
    "datasets": ["cifar10", "cifar100"],
    "searches": {
        "data": "digits",
        "seeds": 2,
        "settings": {
            "epochs": 1,
            "limit": 200,
            "size": {"channels": 4, "cells": 1},
            "queries": 5,
            "images": 50,
        },
        "strategies": ["spos", {"name": "darts", "label": "DARTS-V1"}],
    },
    "queries": {"preset": "nb201-12k", "seeds": 3, "strategies": ["random-search"]},
    "published": {"DARTS-V1": {"cifar10": {"valid": [39.77, 0.0], "test": [54.3, 0.0]}}},
    "source": "a paper",
}
Run = Callable[..., Any]


def spec(**changes: Any) -> SupernetStudySpec:
    return parse_spec({**STUDY, **changes}, "study")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_study(spec(), tmp_path_factory.mktemp("study") / "out", device="cpu").path


def test_the_table_says_what_each_search_found(done: Path) -> None:
    import pandas as pd

    table = pd.read_csv(done / "table.csv").set_index(["strategy", "dataset"])
    found = []
    for seed in range(2):
        result = json.loads((done / "searches" / f"spos-{seed}" / "result.json").read_text())
        row = get_space("nasbench201").parse(result["architecture"])
        found.append(benchkit.open_table("nasbench201").query(row, Metric("cifar100", "test", 200)))
    assert table.loc[("spos", "cifar100"), "test"] == pytest.approx(np.mean(found), abs=1e-6)
    assert table.loc[("spos", "cifar100"), "test_sd"] == pytest.approx(np.std(found, ddof=1), abs=1e-6)
    assert list(table.loc["random-search"]["n"]) == [3, 3]
    assert table.loc[("DARTS-V1", "cifar10"), "published_test"] == 54.3


def test_checkpoints_go_and_hashes_stay(done: Path) -> None:
    assert not list(done.rglob("*.safetensors"))
    manifest = json.loads((done / "manifest.json").read_text())
    assert list(manifest["traces"]) == ["spos-0", "spos-1", "DARTS-V1-0", "DARTS-V1-1"]
    assert manifest["table"]["name"] == "nasbench201"


def test_what_is_finished_is_not_run_again(done: Path, tmp_path: Path) -> None:
    """One search and the tables are missing; in two processes the rest gives the same."""
    copy = tmp_path / "copy"
    shutil.copytree(done, copy)
    shutil.rmtree(copy / "searches" / "spos-1")
    (copy / "table.csv").unlink()
    seen: list[tuple[int, int]] = []
    run_study(spec(), copy, jobs=2, device="cpu", progress=lambda at, of: seen.append((at, of)))
    assert seen == [(3, 4), (4, 4)]
    for name in ("table.csv", "table.tex", "table.md"):
        assert (copy / name).read_text() == (done / name).read_text()
    assert json.loads((copy / "manifest.json").read_text()) == json.loads(
        (done / "manifest.json").read_text()
    )


def test_another_study_is_refused(done: Path) -> None:
    with pytest.raises(InputError, match="holds another study"):
        run_study(spec(title="another"), done)


def test_searches_are_verified(done: Path, tmp_path: Path) -> None:
    found = verify(done, sample=2)
    assert (found.checked, found.total, found.different) == (2, 4, None)
    copy = tmp_path / "copy"
    shutil.copytree(done, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["traces"]["spos-0"] = "0" * 64
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert str(verify(copy).different) == "spos-0"


def test_searches_and_queries_are_compared(cli: Run, done: Path, tmp_path: Path) -> None:
    from benchkit.reports.compare import compare_studies

    found = compare_studies([done])
    table = benchkit.open_table("nasbench201")
    row = found.trials.set_index(["strategy", "dataset", "seed"]).loc[("spos", "cifar10", 1)]
    best = table.optimum(Metric("cifar10", "valid", 200)).value
    assert row["regret"] == pytest.approx(best - row["valid"])
    assert set(found.ranks["strategy"]) == {"spos", "DARTS-V1", "random-search"}
    assert set(found.ranks["blocks"]) == {2}  # seeds that all of them have
    code, _, said = cli("leaderboard", "efficiency", done)
    assert code == 2
    assert f"{done / 'queries'} is a study on a table" in said


def test_the_evaluator_may_be_named() -> None:
    assert parse_spec({**STUDY, "evaluator": "supernet"}, "study") == spec()
    with pytest.raises(InputError, match="unknown evaluator 'alone' for a study; it has table, supernet"):
        spec(evaluator="alone")
    with pytest.raises(InputError, match="unknown key 'searches' for a study"):
        spec(evaluator="table")


def test_from_the_command_line(cli: Run, done: Path, tmp_path: Path) -> None:
    for form, beginning in (("latex", "% needs"), ("markdown", "**tiny**"), ("csv", "block,strategy")):
        code, shown, _ = cli("leaderboard", "show", done, "--format", form)
        assert code == 0
        assert shown.startswith(beginning)
    rows = json.loads(cli("leaderboard", "show", done, "--json")[1])["table"]
    assert rows[0]["published_valid"] is None
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump(STUDY))
    code, _, said = cli("leaderboard", "run", study, "--out", tmp_path / "out", "--queries", "10")
    assert code == 2
    assert "study tiny trains supernets: no --queries" in said
    assert not (tmp_path / "out").exists()
    code, shown, said = cli("leaderboard", "run", study, "--out", done, "--jobs", "1", "--device", "cpu")
    assert code == 0, said
    assert "supernets trained on digits, preset small, epochs 1" in shown
    assert "published: a paper" in shown


def test_parts_of_a_study() -> None:
    kept = spec().replaced(strategies=["DARTS-V1"], datasets=["cifar100"], seeds=1)
    assert [trial.name for trial in searches_of(kept)] == ["DARTS-V1-0"]
    assert (kept.queries, kept.datasets) == (None, ["cifar100"])
    assert list(kept.published) == ["DARTS-V1"]
    both = spec().replaced(strategies=["spos", "random-search"])
    assert both.queries is not None
    assert both.queries.strategies == ["random-search"]
    with pytest.raises(InputError, match="unknown strategy 'rsps'"):
        spec().replaced(strategies=["rsps"])
    with pytest.raises(InputError, match="needs one of its searches: spos, DARTS-V1"):
        spec().replaced(strategies=["random-search"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"search": {}}, "unknown key 'search' for a study"),
        ({"searches": {**STUDY["searches"], "epochs": 3}}, "'epochs' for the searches of a study"),
        (
            {"searches": {**STUDY["searches"], "settings": {"epoch": 3}}},
            "unknown setting 'epoch' for a search",
        ),
        ({"source": ""}, "published figures need their source"),
        ({"searches": {**STUDY["searches"], "strategies": ["spos", "spos"]}}, "names something twice"),
        ({"datasets": []}, "datasets: must not be empty"),
    ],
)
def test_a_wrong_study_is_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        spec(**changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("nasty", "unknown weight-sharing strategy 'nasty'"),
        ({"name": "rsps", "options": {"color": 1}}, "unknown hyperparameter 'color'"),
    ],
)
def test_a_wrong_strategy_is_found_before_anything_runs(strategy: Any, message: str, tmp_path: Path) -> None:
    wrong = spec(searches={**STUDY["searches"], "strategies": ["spos", strategy]})
    with pytest.raises(InputError, match=message):
        run_study(wrong, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_every_preset_can_start() -> None:
    studies = [study for study in map(load_preset, preset_names()) if isinstance(study, SupernetStudySpec)]
    assert "gibbsnas-table3" in [study.name for study in studies]
    for study in studies:
        assert searches_of(study)
        assert [*study.blocks()] == ([] if study.queries is None else ["queries"])
        assert load_study(study.name) == study
