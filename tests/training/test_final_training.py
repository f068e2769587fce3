"""Final trainings, whole: resumed, finished, refused; and what they see of the data."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from benchkit.base.errors import InputError
from benchkit.data.images import divide, open_image_set, parse_split
from benchkit.data.images.catalogue import imported_place
from benchkit.data.images.image_set import LabelledImages, image_set
from benchkit.data.images.importing import import_images
from benchkit.data.images.storage import write_image_set
from benchkit.spaces import get_space
from benchkit.spaces.counts import count
from benchkit.spaces.engine import build_network
from benchkit.training import final_training
from benchkit.training.final_data import FinalData, open_test, seen_images
from benchkit.training.final_settings import FinalSettings
from benchkit.training.final_trainer import FinalStreams, FinalTrainer
from benchkit.training.final_training import train_finally
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.search import SearchSettings, run_search
from benchkit.training.standalone import StandaloneTrainer
from benchkit.training.trainer import Progress
from tests.data.images.layouts import make_loaded, picture_folder

pytestmark = pytest.mark.usefixtures("one_thread")
Run = Callable[..., tuple[int, str, str]]

NASNET = get_space("nasnet")
CELLS = NASNET.format(NASNET.sample(np.random.default_rng(3), 1)[0])
DENSE = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|"
FULL = FinalSettings(
    CELLS,
    "nasnet",
    "digits",
    preset="darts-cifar10",
    epochs=3,
    batch_size=10,
    accumulate=2,
    limit=20,
    cutout=3,
    mixup=0.5,
    label_smoothing=0.1,
    warmup_epochs=1,
    drop_path=0.5,
    size={"cells": 3, "channels": 2},
)
"""Everything at once: auxiliary classifier, drop path, mixup, warmup, parts of a batch."""
PLAIN = FinalSettings(DENSE, "nasbench201-3", "digits", epochs=2, limit=150, size={"channels": 2})


def stop_in(epoch: int) -> Callable[[Progress], None]:
    def stop(at: Progress) -> None:
        if at.epoch == epoch:
            raise KeyboardInterrupt

    return stop


def curves(out: Path) -> list[dict[str, str]]:
    rows = csv.DictReader((out / "training.csv").read_text(encoding="utf-8").splitlines())
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def document(out: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / f"{name}.json").read_text(encoding="utf-8"))
    return found


# -- interruption -----------------------------------------------------------------------------------


def test_a_training_cut_in_any_epoch_ends_as_one_that_was_not(tmp_path: Path) -> None:
    whole = train_finally(FULL, tmp_path / "whole", "cpu")
    for epoch in (1, 2, 3):
        out, said = tmp_path / f"cut-{epoch}", list[str]()
        with pytest.raises(KeyboardInterrupt):
            train_finally(FULL, out, "cpu", stop_in(epoch))
        assert not (out / "result.json").exists()
        result = train_finally(FULL, out, "cpu", say=said.append)
        assert said == ([f"going on after epoch {epoch - 1} of 3"] if epoch > 1 else [])
        assert {**result, "seconds": 0} == {**whole, "seconds": 0}
        assert document(out, "manifest") == document(tmp_path / "whole", "manifest")  # the weights' SHA-256
        assert curves(out) == curves(tmp_path / "whole")
    rates = [float(row["drop_path"]) for row in curves(tmp_path / "whole")]
    assert rates == pytest.approx([0, 0.5 / 3, 1 / 3])
    kept = sorted(path.name for path in (tmp_path / "whole" / "checkpoints").glob("*.json"))
    assert kept == ["epoch-0002.json", "epoch-0003.json"]


@pytest.mark.parametrize("write", range(1, 13))
def test_a_training_stopped_before_any_write_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    rename, seen = os.replace, 0

    def stopping(*names: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == write:
            raise KeyboardInterrupt
        rename(*names)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", stopping)
        with pytest.raises(KeyboardInterrupt):
            train_finally(PLAIN, tmp_path / "cut", "cpu")
    cut = train_finally(PLAIN, tmp_path / "cut", "cpu")
    whole = train_finally(PLAIN, tmp_path / "whole", "cpu")
    assert {**cut, "seconds": 0} == {**whole, "seconds": 0}
    assert document(tmp_path / "cut", "manifest") == document(tmp_path / "whole", "manifest")
    assert curves(tmp_path / "cut") == curves(tmp_path / "whole")


def test_every_part_of_the_recipe_changes_the_weights(tmp_path: Path) -> None:
    def weights(name: str, **changes: Any) -> str:
        train_finally(replace(FULL, **changes), tmp_path / name, "cpu")
        return str(document(tmp_path / name, "manifest")["weights"])

    parts = {
        "auxiliary": 0.8,
        "drop_path": 0.0,
        "mixup": 0.0,
        "label_smoothing": 0.0,
        "cutout": 0,
        "warmup_epochs": 0,
        "schedule": "linear",
        "weight_decay": 0.1,
        "bfloat16": True,
        "seed": 1,
    }
    found = [weights("all"), *(weights(name, **{name: value}) for name, value in parts.items())]
    assert len(set(found)) == len(found)


def test_a_finished_training_is_not_run_again(tmp_path: Path) -> None:
    result = train_finally(PLAIN, tmp_path, "cpu")
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    said: list[str] = []
    assert train_finally(PLAIN, tmp_path, "cpu", say=said.append) == result
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times
    assert len(said) == 1
    assert "finished" in said[0]


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_finally(PLAIN, tmp_path / "mine", "cpu", stop_in(2))
    with pytest.raises(InputError, match="holds another training"):
        train_finally(replace(PLAIN, seed=1), tmp_path / "mine", "cpu")
    train_finally(PLAIN, tmp_path / "mine", "cpu")
    with pytest.raises(InputError, match="holds another training"):
        train_finally(replace(PLAIN, epochs=3), tmp_path / "mine", "cpu")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("keep me")
    with pytest.raises(InputError, match="not empty and holds no training"):
        train_finally(PLAIN, tmp_path / "full", "cpu")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["note.txt"]


def test_a_damaged_checkpoint_is_one_line_and_the_epoch_before_serves(tmp_path: Path) -> None:
    train_finally(PLAIN, tmp_path / "whole", "cpu")
    with pytest.raises(KeyboardInterrupt):
        train_finally(replace(PLAIN, epochs=4), tmp_path / "cut", "cpu", stop_in(4))
    last = tmp_path / "cut" / "checkpoints" / "epoch-0003.safetensors"
    last.write_bytes(last.read_bytes()[:-50])
    with pytest.raises(InputError, match="cut short or changed"):
        train_finally(replace(PLAIN, epochs=4), tmp_path / "cut", "cpu")
    last.unlink()
    last.with_suffix(".json").unlink()
    said: list[str] = []
    result = train_finally(replace(PLAIN, epochs=4), tmp_path / "cut", "cpu", say=said.append)
    assert said == ["going on after epoch 2 of 4"]
    assert result["epochs"] == 4


# -- what it is -----------------------------------------------------------------------------------


def test_with_nothing_added_it_is_the_training_of_a_table(tmp_path: Path) -> None:
    space = get_space("nasbench201-3")
    row = space.parse(DENSE)
    recipe = TrainingRecipe(epochs=2, batch_size=32, learning_rate=0.1, last_learning_rate=0.0, clip=None)
    images, _ = divide(open_image_set("digits", limit=200), parse_split("100"))
    size = {"channels": 2, "cells": 1}
    run = StandaloneTrainer(space, images, recipe, size=size).train(row, 4)

    settings = FinalSettings(DENSE, "nasbench201-3", "digits", images="train", split="100", limit=200)
    seen, device = seen_images(settings), torch.device("cpu")
    recipe, streams = recipe.for_images(seen.size), FinalStreams.of(row, 4, device)
    network = build_network(space, row, 10, 1, generator=streams.weights, **size)  # type: ignore[arg-type]
    trainer = FinalTrainer(network, FinalData(seen, recipe, streams.batches, device), recipe, device, streams)
    trainer.fit()
    assert [epoch["loss"] for epoch in trainer.history] == run.loss.tolist()
    assert [epoch["valid"] for epoch in trainer.history] == run.valid.tolist()


def test_the_result_says_what_the_saved_network_is(tmp_path: Path) -> None:
    result = train_finally(PLAIN, tmp_path, "cpu")
    space = get_space("nasbench201-3")
    row, about = space.parse(DENSE), document(tmp_path, "network")
    assert (result["row"], about["row"]) == (row.tolist(), row.tolist())
    options = {"channels": 2, "cells": 1}  # those of the preset, under what was given
    assert about["size"] == options
    counted = count(space, row[None], 10, 8, 1, **options)
    assert (result["parameters"], result["flops"]) == (int(counted.parameters[0]), int(counted.flops[0]))
    network = build_network(space, row, 10, 1, generator=torch.Generator(), **options)  # type: ignore[arg-type]
    network.load_state_dict(load_file(tmp_path / "network.safetensors"))
    network.eval()
    whole = open_image_set("digits", limit=150)
    mean, std = whole.x_train.mean() / 255, whole.x_train.std() / 255
    x = torch.tensor((whole.x_test.transpose(0, 3, 1, 2) / 255 - mean) / std, dtype=torch.float32)
    with torch.no_grad():
        right = network(x).argmax(dim=1).numpy() == whole.y_test
    assert result["test"]["images"] == len(whole.y_test) == 360
    assert result["test"]["accuracy"] == pytest.approx(100 * right.mean(), abs=0.3)  # an image of 360
    manifest = document(tmp_path, "manifest")
    assert manifest["data"] == {**whole.identity(), "images": "all"}
    assert FinalSettings(**manifest["training"]) == PLAIN


def test_global_generators_are_left_alone(tmp_path: Path) -> None:
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    train_finally(replace(FULL, epochs=2), tmp_path, "cpu")
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # type: ignore[index]  # noqa: NPY002


# -- images -----------------------------------------------------------------------------------------


def test_all_images_or_the_searchs_own() -> None:
    everything = seen_images(PLAIN)
    assert (len(everything.train), everything.valid) == (150, None)
    part = seen_images(replace(PLAIN, images="train", split="40"))
    assert part.valid is not None
    assert (len(part.train), len(part.valid)) == (110, 40)
    with pytest.raises(InputError, match="all or train"):
        seen_images(replace(PLAIN, images="valid"))
    with pytest.raises(InputError, match="leave it out"):
        seen_images(replace(PLAIN, split="40"))


def test_test_images_are_opened_once_after_the_last_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[bool] = []

    def watched(*arguments: Any) -> Any:
        opened.append((tmp_path / "checkpoints" / "epoch-0002.json").is_file())
        return open_test(*arguments)

    monkeypatch.setattr(final_training, "open_test", watched)
    with pytest.raises(KeyboardInterrupt):
        train_finally(PLAIN, tmp_path, "cpu", stop_in(2))
    assert opened == []
    train_finally(PLAIN, tmp_path, "cpu")
    train_finally(PLAIN, tmp_path, "cpu")
    assert opened == [True]


def test_what_is_trained_does_not_depend_on_test_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHKIT_HOME", str(tmp_path / "home"))
    loaded = make_loaded(40, 8, 1, 2)
    for name, test in (("one", loaded.test.x), ("other", 255 - loaded.test.x)):
        changed = replace(loaded, test=LabelledImages(test, loaded.test.y))
        write_image_set(imported_place(name), image_set(name, changed, "CC0"))
    small = replace(PLAIN, limit=None, batch_size=10)
    results = [
        train_finally(replace(small, data=name), tmp_path / f"out-{name}", "cpu") for name in ("one", "other")
    ]
    first, second = (document(tmp_path / f"out-{name}", "manifest") for name in ("one", "other"))
    assert first["weights"] == second["weights"]
    assert first["data"]["sha256"] != second["data"]["sha256"]
    assert results[0]["loss"] == results[1]["loss"]


@pytest.mark.parametrize("images", ["all", "train"])
def test_pictures_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: str) -> None:
    monkeypatch.setenv("BENCHKIT_HOME", str(tmp_path / "home"))
    import_images(
        picture_folder(tmp_path / "in", [(24 + n % 5, 30 - n % 3) for n in range(40)]), "twenty", stream=True
    )
    settings = replace(PLAIN, data="twenty", limit=None, image_size=16, batch_size=5, images=images)
    whole = train_finally(settings, tmp_path / "whole", "cpu")
    with pytest.raises(KeyboardInterrupt):
        train_finally(settings, tmp_path / "cut", "cpu", stop_in(2))
    train_finally(settings, tmp_path / "cut", "cpu", workers=2)
    assert document(tmp_path / "cut", "manifest") == document(tmp_path / "whole", "manifest")
    assert whole["test"]["images"] > 0
    assert (whole["valid"] is None) == (images == "all")
    with pytest.raises(InputError, match="cutout 4 does not apply to pictures on disk"):
        train_finally(replace(settings, cutout=4), tmp_path / "no", "cpu")


# -- the command line -------------------------------------------------------------------------------


def words(out: Path, *architecture: str, **changes: Any) -> list[object]:
    options = {"space": "nasbench201-3", "data": "digits", "epochs": 1, "limit": 150, "device": "cpu"}
    options |= {"size": "channels=2", "out": out, **changes}
    named = (
        word
        for name, value in options.items()
        if value is not None
        for word in (f"--{name.rstrip('_').replace('_', '-')}", value)
    )
    return ["train", *architecture, *named]


def test_train_prints_the_accuracy_and_says_when_it_was_finished(cli: Run, tmp_path: Path) -> None:
    code, out, err = cli(*words(tmp_path / "one", DENSE))
    assert code == 0
    result = document(tmp_path / "one", "result")
    assert DENSE in out
    assert f"{result['test']['accuracy']:.2f} % of 360" in out
    assert "finished" not in err
    code, out, err = cli(*words(tmp_path / "one", DENSE), "--json")
    assert (code, json.loads(out)) == (0, result)
    assert err.count("is finished") == 1


def test_train_takes_what_a_search_found(cli: Run, tmp_path: Path) -> None:
    searched = run_search(
        SearchSettings(
            "spos", "nasbench201-3", "digits", epochs=1, limit=150, images=20, queries=5, split="30"
        ),
        tmp_path / "search",
        "cpu",
    )
    found = {"from_": tmp_path / "search", "space": None, "data": None}
    assert cli(*words(tmp_path / "all", **found))[0] == 0
    result = document(tmp_path / "all", "result")
    assert (result["architecture"], result["data"]) == (searched["architecture"], "digits")
    assert result["images"] == {"which": "all", "train": 150}
    assert cli(*words(tmp_path / "part", **found, images="train"))[0] == 0
    part = document(tmp_path / "part", "result")
    assert part["valid"]["images"] == 30  # the search's own split
    # the same training, asked for by name, goes on in the same folder
    assert cli(*words(tmp_path / "all", searched["architecture"]), "--json")[0] == 0
    code, _, err = cli(*words(tmp_path / "bad", **{**found, "space": "nasbench201"}))
    assert code == 2
    assert "searched nasbench201-3, not nasbench201" in err


@pytest.mark.parametrize(
    ("architecture", "changes", "said"),
    [
        ((), {}, "give either an architecture, or --from"),
        ((DENSE,), {"from_": "somewhere"}, "give either an architecture, or --from"),
        ((), {"from_": "nowhere"}, "holds no finished search"),
        ((DENSE,), {"space": None}, "give --space and --data"),
        (("|nonsense~0|",), {}, "nonsense"),
        ((DENSE,), {"space": "nasbench"}, "unknown space"),
        ((DENSE,), {"data": "digit"}, "unknown data set"),
        ((DENSE,), {"preset": "smal"}, "did you mean 'small'"),
        ((DENSE,), {"preset": "pcnas"}, "options squeeze; that of nasbench201-3 has channels, cells"),
        ((DENSE,), {"preset": "vaenas-shufflenet"}, "batch size 1024 must be in 1..150"),
        ((DENSE,), {"auxiliary": 0.4}, "no auxiliary classifier; give --auxiliary 0"),
        ((DENSE,), {"drop_path": 0.2}, "no drop path; leave its rate at 0 (--drop-path 0)"),
        ((DENSE,), {"dropout": 0.2}, "no dropout; leave its rate at 0 (--dropout 0)"),
        ((DENSE,), {"dropout": 1}, "dropout must be a number"),
        ((DENSE,), {"mixup": -1}, "mixup must be a number"),
        ((DENSE,), {"warmup_epochs": 1}, "warmup_epochs of a training of 1 epochs cannot be 1"),
        ((DENSE,), {"cutout": 8}, "cutout 8 leaves little of images of 8 x 8 pixels: give --cutout 4"),
        ((DENSE,), {"epochs": 0}, "epochs must be a whole number"),
        ((DENSE,), {"schedule": "steps"}, "schedule cannot be 'steps'"),
        ((DENSE,), {"batch_size": 151}, "batch size 151"),
        ((DENSE,), {"images": "valid"}, "all or train"),
        ((DENSE,), {"split": "20"}, "leave it out"),
        ((DENSE,), {"seed": -1}, "seed"),
        ((DENSE,), {"size": "width=3"}, "unknown size 'width'"),
        ((DENSE,), {"device": "tpu"}, "none of auto, cpu, cuda"),
        ((DENSE,), {"learning_rate": 1e30}, "try a lower --learning-rate"),
    ],
)
def test_bad_input_is_one_line(
    cli: Run, tmp_path: Path, architecture: tuple[str, ...], changes: dict[str, Any], said: str
) -> None:
    code, out, err = cli(*words(tmp_path / "out", *architecture, **changes))
    assert code == 2
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
    assert "learning_rate" in changes or not (tmp_path / "out").exists()
