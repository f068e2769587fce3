"""Weight-sharing searches under a constraint, from Python and from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.spaces.counts import count
from benchkit.strategies import get_weight_sharing
from benchkit.strategies.evolution import EvolutionHyperparameters
from benchkit.strategies.spos import SPOS
from benchkit.training.kept_search import settings_of
from benchkit.training.search import SearchSettings, run_search
from tests.lookups import flat_lookup

Cli = Callable[..., tuple[int, str, str]]

SPACE = get_space("nasbench201-3")
SIZE = {"channels": 4, "cells": 1}
SMALL = SearchSettings(
    *("spos", "nasbench201-3", "digits"),
    epochs=1,
    limit=150,
    images=30,
    scoring_batch=30,
    options={"population": 10, "iterations": 3, "top": 4},
    size=SIZE,
)
LOOKUP = flat_lookup("nasbench201-3")


def asked_in(folder: Path) -> Any:
    names = pq.read_table(folder / "trace.parquet").to_pydict()["architecture"]
    return np.array([SPACE.parse(name) for name in names])


def test_counts_are_those_of_the_supernets_own_network(tmp_path: Path) -> None:
    # digits: 8 x 8 pixels of one channel
    counted = count(SPACE, SPACE.at(np.arange(SPACE.size)), 10, 8, 1, **SIZE)
    most = float(np.median(counted.flops)) / 1e6
    settings = replace(SMALL, limits={"flops": most})
    result = run_search(settings, tmp_path, "cpu")
    asked = asked_in(tmp_path)
    flops = count(SPACE, asked, 10, 8, 1, **SIZE).flops
    assert len(asked) == 30
    assert flops.max() <= most * 1e6
    row = np.array([result["row"]], dtype=np.int8)
    assert result["costs"] == {"flops": pytest.approx(count(SPACE, row, 10, 8, 1, **SIZE).flops[0] / 1e6)}
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (limit,) = manifest["constraint"]
    assert (limit["cost"], limit["max"], limit["unit"]) == ("flops", most, "millions")
    assert limit["source"]["counted"] == {
        "classes": 10,
        "image_size": 8,
        "size": SIZE,
        "image_channels": 1,
    }


def test_the_manifest_names_the_look_up_table_and_a_resume_must_match(tmp_path: Path) -> None:
    settings = replace(SMALL, limits={"latency": 6.0, "params": 1.0}, latency=LOOKUP.document())
    result = run_search(settings, tmp_path, "cpu")
    assert LOOKUP.predict(asked_in(tmp_path)).max() <= 6.0
    assert set(result["costs"]) == {"latency", "params"}
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["search"]["latency"]["sha256"] == LOOKUP.sha256
    assert "layers" not in manifest["search"]["latency"]
    source = manifest["constraint"][0]["source"]["latency look-up table"]
    assert source["sha256"] == LOOKUP.sha256
    assert settings_of(tmp_path) == settings
    assert run_search(settings, tmp_path, "cpu") == result
    for other in (
        replace(settings, limits={"latency": 7.0, "params": 1.0}),
        replace(settings, limits={"latency": 6.0}),
        replace(settings, latency=flat_lookup("nasbench201-3", 0.5).document()),
        SMALL,
    ):
        with pytest.raises(InputError, match="holds another search"):
            run_search(other, tmp_path, "cpu")


def test_a_search_without_limits_says_nothing_of_them(tmp_path: Path) -> None:
    result = run_search(SMALL, tmp_path, "cpu")
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    settings = json.loads((tmp_path / "search.json").read_text())
    assert "costs" not in result
    assert "constraint" not in manifest
    assert not {"limits", "latency"} & set(settings)


def test_what_nothing_keeps_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"among 20,\d+ drawn keeps params=1e-05 \(millions; the smallest"):
        run_search(replace(SMALL, limits={"params": 1e-5}), tmp_path / "out", "cpu")
    assert not (tmp_path / "out").exists()


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(InputError, match="unknown cost 'speed'"):
        replace(SMALL, limits={"speed": 1.0})
    with pytest.raises(InputError, match="needs a look-up table"):
        replace(SMALL, limits={"latency": 1.0})
    document = LOOKUP.document()
    document["fixed"][0]["ms"] = 0.5
    with pytest.raises(InputError, match="was changed after it was measured"):
        replace(SMALL, limits={"latency": 1.0}, latency=document)


# -- strategies that plan their queries ------------------------------------------------------------


@dataclass(frozen=True)
class PlannedHyperparameters(EvolutionHyperparameters):
    """The queries are handed in, not the product of two others."""

    queries: int | None = None  # type: ignore[assignment]


class Planned(SPOS):
    plans_queries = True
    Hyperparameters = PlannedHyperparameters
    told: list[int | None] = []  # noqa: RUF012

    def __init__(self, *arguments: Any, **hyperparameters: Any) -> None:
        super().__init__(*arguments, **hyperparameters)
        self.told.append(self.hyperparameters.queries)

    @property
    def default_queries(self) -> int:
        return 10


@pytest.mark.parametrize(
    ("given", "options", "expected"), [(7, {}, 7), (7, {"queries": 3}, 3), (None, {}, 200)]
)
def test_a_strategy_that_plans_is_told_its_queries(
    given: int | None,
    options: dict[str, int],
    expected: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Planned, "told", [])
    monkeypatch.setattr("benchkit.training.settings.get_weight_sharing", lambda name: Planned)
    settings = replace(SMALL, queries=given, options={**SMALL.options, **options})
    result = run_search(settings, tmp_path, "cpu")
    assert Planned.told == [expected]
    assert result["queries"] == (10 if given is None else given)


# -- the command line ------------------------------------------------------------------------------


def search_words(out: Path, *more: object, strategy: str = "spos") -> list[object]:
    return [
        *("search", strategy, "--space", "nasbench201-3", "--data", "digits", "--out", out),
        *("--epochs", 1, "--limit", 150, "--images", 30, "--queries", 12, "--device", "cpu"),
        *("--size", "channels=4", "--size", "cells=1", *more),
    ]


def test_search_under_two_limits(cli: Cli, tmp_path: Path) -> None:
    LOOKUP.write(tmp_path / "latency.json")
    limits = ("--max", "latency=6", "--max", "params=1.5", "--latency", tmp_path / "latency.json")
    code, out, err = cli(*search_words(tmp_path / "out", *limits))
    assert code == 0, err
    assert "latency " in out
    assert " ms" in out
    (tmp_path / "latency.json").unlink()
    flat_lookup("nasbench201-3", 0.5).write(tmp_path / "latency.json")
    code, _, err = cli(*search_words(tmp_path / "out", *limits))
    assert code == 2
    assert "holds another search" in err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--max", "speed=1"), "unknown cost 'speed'"),
        (("--max", "params"), "--max takes NAME=VALUE"),
        (("--max", "params=-1"), "must be a positive number"),
        (("--max", "params=1", "--max", "params=2"), "--max params is given twice"),
        (("--max", "latency=1"), "needs a look-up table"),
        (("--latency", "none.json"), "goes with a limit of latency"),
        (("--max", "latency=1", "--latency", "none.json"), "cannot read latency file none.json"),
    ],
)
def test_wrong_limits_end_with_one_line(
    cli: Cli, tmp_path: Path, more: tuple[str, ...], message: str
) -> None:
    code, _, err = cli(*search_words(tmp_path / "out", *more))
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_strategy_without_constraints_says_which_take_one(cli: Cli, tmp_path: Path) -> None:
    assert not get_weight_sharing("darts").takes_constraint
    code, _, err = cli(*search_words(tmp_path / "out", "--max", "params=1", strategy="darts"))
    assert code == 2
    assert "darts takes no constraint; spos, fairnas" in err
