"""What a search found, as a network of its own and on test images; strategy and size options of a search."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from benchkit.base.errors import InputError
from benchkit.cli.output import assignments, shortened
from benchkit.data.images import divide, open_image_set, parse_split
from benchkit.spaces import ArchitectureError, get_space
from benchkit.spaces.engine import SHARED, build_network
from benchkit.training.evaluate import evaluate_search
from benchkit.training.search import SearchSettings, run_search

CELLS = SearchSettings(
    "spos", "nasbench201-3", "digits", epochs=2, queries=6, scoring_batch=360, size={"channels": 4}
)
SLICES = SearchSettings(
    "nasas", "branches:m@2", "digits", epochs=1, limit=200, scoring_batch=360, options={"samples": 4}
)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, Any]]]:
    torch.set_num_threads(1)
    done = {}
    for name, settings in {"cells": CELLS, "slices": SLICES}.items():
        folder = tmp_path_factory.mktemp(name) / "out"
        done[name] = folder, run_search(settings, folder, "cpu")
    return done


def test_saved_network_has_the_reported_test_accuracy(searched: Any) -> None:
    """Read the file into a network of its own and count right answers by hand, on all test images at once."""
    folder, result = searched["cells"]
    about = json.loads((folder / "network.json").read_text())
    network = build_network(
        get_space(about["space"]),
        np.array(about["row"]),
        about["classes"],
        about["image_channels"],
        generator=torch.Generator(),
        policy=SHARED,
        **about["size"],
    )
    network.load_state_dict(load_file(folder / "network.safetensors"))
    images = open_image_set("digits")
    seen, test = divide(images, parse_split(str(len(images.x_train) // 4)))
    pixels = torch.from_numpy(test.x.astype(np.float32) / 255).permute(0, 3, 1, 2)
    pixels = (pixels - seen.normalisation.mean[0]) / seen.normalisation.std[0]
    with torch.no_grad():
        right = network.eval()(pixels).argmax(dim=1) == torch.from_numpy(test.y.astype(np.int64))
    assert result["test"]["images"] == len(test) == 360
    assert result["test"]["accuracy"] == pytest.approx(100 * right.double().mean().item())


def test_evaluation_repeats_what_the_search_reported(searched: Any) -> None:
    folder, result = searched["cells"]
    found = evaluate_search(folder, device="cpu")
    assert found["architecture"] == result["architecture"]
    assert found["test"] == result["test"]


def test_fine_tuning_trains_the_architecture_and_leaves_the_search_alone(searched: Any) -> None:
    folder, _ = searched["cells"]
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    tuned = evaluate_search(folder, device="cpu", fine_tune=4, learning_rate=0.05)
    assert tuned["valid"]["accuracy"] > evaluate_search(folder, device="cpu")["valid"]["accuracy"] + 5
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_full_is_the_whole_supernet_where_the_space_has_it(searched: Any) -> None:
    full = evaluate_search(searched["slices"][0], "full", "cpu")
    found = evaluate_search(searched["slices"][0], device="cpu")
    assert set(full["architecture"]) == {"f"}
    assert full["parameters"] > found["parameters"]
    with pytest.raises(InputError, match="no architecture of nasbench201-3 holds the whole supernet"):
        evaluate_search(searched["cells"][0], "full", "cpu")


def test_findings_hold_the_posterior(searched: Any) -> None:
    drop = searched["slices"][1]["findings"]["drop_probability"]
    assert list(drop) == list(get_space("branches:m@2").group_names)
    assert all(0 < p < 1 for p in drop.values())
    assert searched["cells"][1]["findings"] == {}


def test_unusable_evaluations_are_one_line(searched: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no finished search"):
        evaluate_search(tmp_path, device="cpu")
    with pytest.raises(ArchitectureError):
        evaluate_search(searched["cells"][0], "conv", "cpu")
    with pytest.raises(InputError, match="fine_tune must be a whole number from 0"):
        evaluate_search(searched["cells"][0], device="cpu", fine_tune=-1)


def test_options_reach_strategy_and_supernet(tmp_path: Path) -> None:
    settings = replace(CELLS, options={"population": 2, "iterations": 2}, queries=None, limit=200)
    result = run_search(settings, tmp_path / "out", "cpu")
    assert result["queries"] == 4
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["network"]["size"] == {"channels": 4, "cells": 1}
    with pytest.raises(InputError, match="populaton"):
        run_search(replace(settings, options={"populaton": 2}), tmp_path / "a", "cpu")
    with pytest.raises(InputError, match="width"):
        run_search(replace(settings, size={"width": 2}), tmp_path / "b", "cpu")
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()


def test_assignments_are_read_as_yaml() -> None:
    assert assignments(["a=3", "b=0.5", "c=true", "d=text", "e=x=y"], "--set") == {
        "a": 3,
        "b": 0.5,
        "c": True,
        "d": "text",
        "e": "x=y",
    }


@pytest.mark.parametrize("wrong", [["a"], ["=3"], ["a=1", "a=2"], ["a=[1"]])
def test_malformed_assignments_are_refused(wrong: list[str]) -> None:
    with pytest.raises(InputError, match="--set"):
        assignments(wrong, "--set")


def test_long_architectures_are_shortened_in_the_middle() -> None:
    assert shortened("abc") == "abc"
    short = shortened("f" * 500 + "0")
    assert len(short) < 125
    assert short.startswith("ff")
    assert "501 characters" in short
