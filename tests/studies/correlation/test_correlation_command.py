"""The command line of correlation studies, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchkit.base.errors import InputError
from benchkit.studies.correlation.study import CorrelationSettings, run_correlation
from benchkit.training.kept_search import settings_of
from benchkit.training.search import run_search


def words(trained: Path, table: Path, out: Path, /, **changes: Any) -> list[object]:
    options: dict[str, Any] = {"checkpoint": trained / "seed-0", "table": table, "n": 15, "images": 20}
    options |= {"final-images": 20, "every": 3, "device": "cpu", "out": out, **changes}
    return [
        "correlate",
        *(word for name, value in options.items() if value is not None for word in (f"--{name}", value)),
    ]


def test_the_command_prints_a_table_and_json(
    cli: Callable[..., Any], trained: Path, table: Path, tmp_path: Path
) -> None:
    given = words(trained, table, tmp_path / "out", space="nasbench201-3", data="digits", strategy="SPOS")
    code, out, _ = cli(*given)
    assert code == 0
    for wanted in ("tau-b", "Pearson", "Spearman", "noise ceiling", "top 10 %", "seed-0", "made-up"):
        assert wanted in out
    code, out, _ = cli(*given, "--json")
    assert code == 0
    printed = json.loads(out)
    checkpoints = printed.pop("checkpoints")
    assert printed == json.loads((tmp_path / "out" / "result.json").read_text())
    kept = pd.read_csv(tmp_path / "out" / "correlations.csv")
    assert len(kept) == sum(len(each["correlations"]) for each in checkpoints)
    last = checkpoints[-1]
    whole, end = (pd.DataFrame(each["correlations"]) for each in (last, printed["trainings"][-1]))
    pd.testing.assert_frame_equal(whole, end)
    mean = printed["trainings"][-1]["mean_supernet_accuracy"]
    assert last["mean_supernet_accuracy"] == pytest.approx(mean, rel=1e-12)


def test_every_checkpoint_that_was_scored_is_printed(
    cli: Callable[..., Any], trained: Path, table: Path, tmp_path: Path
) -> None:
    given = words(trained, table, tmp_path / "out", every=2)
    for _ in range(2):  # finished, the study prints the same again
        code, out, _ = cli(*given)
        assert code == 0
        lines = [line.split() for line in out.splitlines() if line.startswith("seed-")]
        shown = {(line[0], int(line[1]), int(line[2])) for line in lines}
        last = json.loads((tmp_path / "out" / "result.json").read_text())["trainings"]
        first = min(each["images"] for each in last)
        expected = {(each["training"], 3, each["images"]) for each in last}
        assert shown == expected | {("seed-0", 2, first)}
    _, out, _ = cli(*given, "--json")
    found = json.loads(out)["checkpoints"]
    assert [each["epoch"] for each in found] == [2] + [3] * len(expected)
    scores = pd.read_parquet(tmp_path / "out" / "scores.parquet")
    earlier = scores[scores["epoch"] == 2]["supernet_accuracy"]
    assert found[0]["mean_supernet_accuracy"] == pytest.approx(earlier.mean())
    assert found[0]["best_supernet_accuracy"] == earlier.max()


def test_two_architectures_are_not_resolvable(
    cli: Callable[..., Any], trained: Path, table: Path, tmp_path: Path
) -> None:
    code, out, _ = cli(*words(trained, table, tmp_path / "out", n=2))
    assert code == 0
    assert "[1.00, 1.00]" not in out
    assert "(not resolvable)" in out or "undefined" in out
    kept = pd.read_csv(tmp_path / "out" / "correlations.csv")
    assert kept[["low", "high"]].isna().all(axis=None)
    assert set(kept["n"]) <= {1, 2}


def test_a_supernet_is_held_against_another_data_set_of_the_table(
    cli: Callable[..., Any], trained: Path, tmp_path: Path
) -> None:
    search = replace(settings_of(trained / "seed-0"), space="nasbench201", epochs=1, limit=100, images=25)
    run_search(search, tmp_path / "run", "cpu")
    given = ("correlate", "--checkpoint", tmp_path / "run", "--n", 12, "--device", "cpu")
    code, _, err = cli(*given, "--out", tmp_path / "no")
    assert code == 2
    assert "no accuracy on digits: give --dataset, one of cifar10, cifar100, imagenet16-120" in err
    code, out, _ = cli(*given, "--out", tmp_path / "out", "--dataset", "cifar100", "--json")
    assert code == 0
    result = json.loads(out)
    assert result["dataset"] == "cifar100"
    assert result["data"]["name"] == "digits"
    assert [each["epochs"] for each in result["truths"]] == [200, 200]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"space": "nasbench201"}, "is of space nasbench201-3, not of nasbench201"),
        ({"space": "nasbench"}, "unknown space"),
        ({"strategy": "darts"}, "was trained by spos, not by darts"),
        ({"strategy": "sops"}, "did you mean 'spos'"),
        ({"data": "mnist-4"}, "unknown data set"),
        ({"limit": 100}, "its limit is 100, the training's 200"),
        ({"split": 20}, "its valid is 20, the training's 50"),
        ({"image-size": 4}, "its image size is 4, the training's None"),
        ({"dataset": "cifar10"}, "no accuracy on cifar10: give --dataset, one of digits"),
        ({"table": "nasbench201"}, "is of space nasbench201, not of nasbench201-3"),
        ({"table": "nasbench-201"}, "did you mean"),
        ({"n": 126}, "cannot sample 126 architectures"),
        ({"n": 1}, "at least 2 architectures"),
        ({"images": 51}, "there are 50"),
        ({"images": 0}, "--images must be a whole number from 1"),
        ({"final-images": 5000}, "there are 50"),
        ({"every": 0}, "every must be a whole number from 1"),
        ({"threads": 0}, "threads must be a whole number from 1"),
        ({"seed": -1}, "seed"),
        ({"scoring-batch": 0}, "--scoring-batch must be a whole number from 1"),
        ({"device": "cuda:99"}, "no device cuda:99"),
        ({"checkpoint": "nowhere"}, "cannot read checkpoint nowhere"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    cli: Callable[..., Any], trained: Path, table: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    code, out, err = cli(*words(trained, table, tmp_path / "out", **changes))
    assert code == 2
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_number_and_all_contradict_each_other(
    cli: Callable[..., Any], trained: Path, table: Path, tmp_path: Path
) -> None:
    code, _, err = cli(*words(trained, table, tmp_path / "out"), "--all")
    assert code == 2
    assert "not both" in err


def test_a_folder_without_a_checkpoint(settings: CorrelationSettings, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no checkpoint in"):
        run_correlation(replace(settings, checkpoints=(tmp_path / "empty",)), tmp_path / "out")
    with pytest.raises(InputError, match="name at least one"):
        run_correlation(replace(settings, checkpoints=()), tmp_path / "out")


def test_a_space_without_a_table(settings: CorrelationSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchkit.studies.correlation.truth.table_names", lambda: ["nasbench201"])
    with pytest.raises(
        InputError, match="there is no table of nasbench201-3 to correlate with: give --table"
    ):
        run_correlation(replace(settings, table=None), Path("never"))


def test_data_of_another_shape(
    settings: CorrelationSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for change, said in (
        ({"classes": 7}, "digits has 7 classes, checkpoint .* for 10"),
        ({"size": [8, 8, 3]}, "digits has images of 3 channels, checkpoint .* for 1"),
    ):
        about = {"classes": 10, "size": [8, 8, 1], **change}
        monkeypatch.setattr(
            "benchkit.studies.correlation.study.about_image_set", lambda _, about=about: about
        )
        with pytest.raises(InputError, match=said):
            run_correlation(settings, tmp_path / "out", "cpu")
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_cut_short_keeps_the_scores_of_the_others(
    settings: CorrelationSettings, trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained / "seed-0", tmp_path / "seed-0")
    last = tmp_path / "seed-0" / "checkpoints" / "epoch-0003.safetensors"
    whole = last.read_bytes()
    last.write_bytes(whole[:-50])
    study = replace(settings, checkpoints=(tmp_path / "seed-0",))
    with pytest.raises(InputError, match="cut short or changed"):
        run_correlation(study, tmp_path / "out", "cpu")
    assert len(list((tmp_path / "out" / "scores").iterdir())) == 2
    last.write_bytes(whole)
    assert run_correlation(study, tmp_path / "out", "cpu")["trainings"][0]["epoch"] == 3


def test_trainings_of_another_kind_are_refused(
    settings: CorrelationSettings, trained: Path, tmp_path: Path
) -> None:
    run_search(
        replace(settings_of(trained / "seed-0"), epochs=1, limit=150, images=30), tmp_path / "other", "cpu"
    )
    with pytest.raises(InputError, match="of another data than the first"):
        run_correlation(
            replace(settings, checkpoints=(trained / "seed-0", tmp_path / "other")), tmp_path / "out", "cpu"
        )


def test_a_folder_of_something_else_is_refused(settings: CorrelationSettings, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("keep me")
    with pytest.raises(InputError, match="not empty and holds no correlation"):
        run_correlation(settings, tmp_path / "full", "cpu")
    quick = replace(settings, every=3, final_images=30)
    run_correlation(quick, tmp_path / "mine", "cpu")
    with pytest.raises(InputError, match="holds another correlation"):
        run_correlation(replace(quick, seed=1), tmp_path / "mine", "cpu")
