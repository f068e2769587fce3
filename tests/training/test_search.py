"""A whole search, from Python and from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from benchkit import Metric, get_space, open_table
from benchkit.base.errors import InputError
from benchkit.strategies import weight_sharing_names
from benchkit.training.presets import get_preset
from benchkit.training.search import SearchSettings, run_search
from benchkit.training.trainer import Progress

SMALL = SearchSettings("spos", "nasbench201-3", "digits", epochs=2, limit=300, images=60, scoring_batch=30)
# evolution uses the space up; random search has its 100; differentiable methods score what they derive
QUERIES = {
    "spos": 125,
    "fairnas": 125,
    "rsps": 100,
    "setn": 100,
    "enas": 100,
    "nasas": 200,
    "vaenas": 125,
    "pcnas": 5,
}
Run = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("strategy", weight_sharing_names())
def test_every_strategy_searches_end_to_end(strategy: str, tmp_path: Path) -> None:
    settings = replace(SMALL, strategy=strategy)
    result = run_search(settings, tmp_path / "out", "cpu")
    space = get_space("nasbench201-3")
    assert space.parse(result["architecture"]).tolist() == result["row"]
    trace = pq.read_table(tmp_path / "out" / "trace.parquet").to_pydict()
    assert len(trace["score"]) == result["queries"] == QUERIES.get(strategy, 1)
    assert set(trace["fidelity"]) == {60} == {result["images"]}
    # PC-NAS recommends, and asks first, what has the highest potential
    best = 0 if strategy == "pcnas" else int(np.argmax(trace["score"]))
    assert (trace["architecture"][best], trace["score"][best]) == (
        result["architecture"],
        result["supernet_accuracy"],
    )
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["search"]["strategy"] == strategy
    assert manifest["data"]["sha256"]
    assert manifest["data"]["limit"] == 300
    assert manifest["data"]["valid"] == 75  # a quarter
    assert len((tmp_path / "out" / "training.csv").read_text().splitlines()) == 3
    again = run_search(settings, tmp_path / "again", "cpu")
    other = json.loads((tmp_path / "again" / "manifest.json").read_text())
    assert other == manifest
    assert {**again, "seconds": 0} == {**result, "seconds": 0}


def test_an_interrupted_search_finds_what_one_in_a_single_run_finds(tmp_path: Path) -> None:
    def stop(at: Progress) -> None:
        if at.epoch == 2:
            raise KeyboardInterrupt

    run_search(SMALL, tmp_path / "whole", "cpu")
    with pytest.raises(KeyboardInterrupt):
        run_search(SMALL, tmp_path / "cut", "cpu", stop)
    assert not (tmp_path / "cut" / "result.json").exists()
    run_search(SMALL, tmp_path / "cut", "cpu")
    whole, cut = (json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("whole", "cut"))
    assert whole["trace"] == cut["trace"]
    first, second = (
        (tmp_path / name / "checkpoints" / "epoch-0002.safetensors").read_bytes() for name in ("whole", "cut")
    )
    assert first == second


def test_a_finished_search_is_not_run_again(tmp_path: Path) -> None:
    result = run_search(SMALL, tmp_path, "cpu")
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert run_search(SMALL, tmp_path, "cpu") == result
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    run_search(SMALL, tmp_path / "mine", "cpu")
    with pytest.raises(InputError, match="holds another search"):
        run_search(replace(SMALL, seed=1), tmp_path / "mine", "cpu")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("keep me")
    with pytest.raises(InputError, match="not empty and holds no search"):
        run_search(SMALL, tmp_path / "full", "cpu")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["note.txt"]


def test_the_table_entry_is_that_of_the_table(tmp_path: Path) -> None:
    settings = replace(SMALL, space="nasbench201", queries=5, epochs=1, limit=150, images=30)
    result = run_search(settings, tmp_path, "cpu")
    table = open_table("nasbench201")
    assert result["queries"] == 5
    assert result["table"]["sha256"] == table.sha256
    entries = {(each["dataset"], each["split"]): each for each in result["table"]["accuracy"]}
    assert set(entries) == {
        (d, s) for d in ("cifar10", "cifar100", "imagenet16-120") for s in ("valid", "test")
    }
    test = entries["cifar10", "test"]
    assert test["accuracy"] == table.query(result["architecture"], Metric("cifar10", "test", 200))
    assert test["epochs"] == 200
    for (dataset, split), each in entries.items():
        assert (each["runs"] or 0) == len(table.runs(Metric(dataset, split, 200)))
    assert test["optimum"] == pytest.approx(94.37, abs=0.01)  # Dong and Yang, 2020, table 5
    assert entries["cifar10", "valid"]["optimum"] == pytest.approx(91.61, abs=0.01)


def test_presets() -> None:
    published = get_preset("nasbench201")
    assert published.recipe_for("spos").epochs == 250
    assert published.recipe_for("darts").epochs == 50
    assert not published.size  # C = 16, N = 5
    assert replace(SMALL, epochs=None).resolve().recipe.epochs == 20
    with pytest.raises(InputError, match=r"unknown search preset 'smal'.*did you mean 'small'"):
        get_preset("smal")


# -- the command line -----------------------------------------------------------------------------


def words(out: Path, strategy: str = "spos", **changes: Any) -> list[object]:
    options = {"space": "nasbench201-3", "data": "digits", "epochs": 1, "limit": 200, "device": "cpu"}
    options |= {"out": out, **changes}
    return [
        "search",
        strategy,
        *(word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)),
    ]


def test_search_prints_the_architecture(cli: Run, tmp_path: Path) -> None:
    code, out, _ = cli(*words(tmp_path / "one"))
    assert code == 0
    result = json.loads((tmp_path / "one" / "result.json").read_text())
    assert result["architecture"] in out
    assert "digits valid" in out  # what the table of the same space says of it
    code, out, _ = cli(*words(tmp_path / "one"), "--json")
    assert code == 0
    assert json.loads(out) == result


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"strategy": "sops"}, "did you mean 'spos'"),
        ({"space": "nasbench"}, "unknown space"),
        ({"data": "digit"}, "unknown data set"),
        ({"preset": "large"}, "unknown search preset"),
        ({"device": "tpu"}, "none of auto, cpu, cuda"),
        ({"device": "cuda:99"}, "no device cuda:99"),
        ({"epochs": 0}, "--epochs must be a whole number from 1"),
        ({"batch_size": 5000}, "batch size 5000"),
        ({"split": 200}, "larger than the data"),
        ({"images": 51}, "there are 50"),
        ({"seed": -1}, "seed"),
        ({"accumulate": 0}, "--accumulate must be a whole number from 1"),
        ({"threads": 0}, "--threads must be a whole number from 1"),
        ({"learning_rate": 0}, "--learning-rate must be a number above 0"),
        ({"label_smoothing": 1}, "--label-smoothing must be a number of at least 0 and below 1"),
        ({"weight_decay": -1}, "--weight-decay must be a number from 0"),
        ({"strategy": "gibbsnas", "weight_decay": 0.1}, "leave the weight decay out"),
        ({"recalibrate": -1}, "recalibrate must be a whole number from 0"),
        ({"scoring_batch": 0}, "scoring-batch"),
        ({"workers": -1}, "workers"),
        ({"space": "natsbench-size"}, "has no network"),
        ({"strategy": "darts", "space": "nasbench101"}, "use spos"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    cli: Run, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    code, out, err = cli(*words(tmp_path / "out", **changes))
    assert code == 2
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_out_of_memory_is_one_line(cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB\nmore")

    monkeypatch.setattr(torch.autograd, "grad", no_memory)
    code, _, err = cli(*words(tmp_path / "out"))
    assert code == 2
    assert "CUDA out of memory at batch size 64: try --batch-size 32, or --preset small" in err
    assert "or --accumulate 2" in err
    assert err.count("\n") == 1


def test_out_of_memory_in_scoring_names_its_own_option(
    cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def no_memory(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    with monkeypatch.context() as patched:
        patched.setattr("benchkit.spaces.engine.CandidateNetwork.paths", no_memory)
        code, _, err = cli(*words(out))
    assert code == 2
    assert err.splitlines()[-1] == (
        "benchkit: error: CUDA out of memory at batch size 500: try --scoring-batch 250, or --preset small"
    )
    assert (out / "checkpoints" / "epoch-0001.json").is_file()  # the training is not lost
    assert cli(*words(out))[0] == 0


def test_a_checkpoint_cut_short_is_one_line_and_the_epoch_before_serves(cli: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert cli(*words(out, epochs=2))[0] == 0
    (out / "result.json").unlink()
    last = out / "checkpoints" / "epoch-0002.safetensors"
    whole = last.read_bytes()
    last.write_bytes(whole[:-100])
    code, _, err = cli(*words(out, epochs=2))
    assert code == 2
    assert "cut short or changed" in err
    assert err.count("\n") == 1
    last.unlink()
    last.with_suffix(".json").unlink()
    assert cli(*words(out, epochs=2))[0] == 0
    assert last.read_bytes() == whole
