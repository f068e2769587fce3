"""Searches cut after their first samples."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from benchkit.base.errors import InputError
from benchkit.reports.finished import write_samples
from benchkit.studies.correlation.samples import compare_samples
from benchkit.training.evaluate import evaluate_search
from benchkit.training.search import SearchSettings, run_search

GUIDED = SearchSettings(
    "nasas", "branches:m@2", "digits", epochs=1, limit=120, scoring_batch=360, options={"samples": 12}
)


@pytest.fixture(scope="module")
def searches(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two guided searches and two predefined ones."""
    torch.set_num_threads(1)
    home = tmp_path_factory.mktemp("searches")
    folders = []
    for sampling in ("guided", "predefined"):
        for seed in (0, 1):
            options = {"samples": 12, "sampling": sampling}
            folders.append(home / f"{sampling}-{seed}")
            run_search(replace(GUIDED, seed=seed, options=options), folders[-1], "cpu")
    return folders


def test_cuts_are_what_the_searches_would_have_reported(searches: list[Path], tmp_path: Path) -> None:
    means = compare_samples(searches, tmp_path / "out", (3, 12), "cpu")
    table = pd.read_csv(tmp_path / "out" / "samples.csv")
    assert len(table) == 4 * 2
    assert list(dict.fromkeys(table["method"])) == ["guided (nasas)", "predefined (nasas)"]
    for path in searches:
        trace = pq.read_table(path / "trace.parquet").to_pandas()
        for n in (3, 12):
            (row,) = table[(table["search"] == path.name) & (table["n"] == n)].to_dict("records")
            assert row["best"] == trace["score"][:n].max()
            assert row["mean"] == pytest.approx(trace["score"][:n].mean())
    result = json.loads((searches[0] / "result.json").read_text())
    (last,) = table[(table["search"] == searches[0].name) & (table["n"] == 12)].to_dict("records")
    assert last["test"] == result["test"]["accuracy"]
    assert last["parameters"] == evaluate_search(searches[0], device="cpu")["parameters"]
    shown = means[(means["method"] == "guided (nasas)") & (means["figure"] == "test") & (means["n"] == 12)]
    both = table[(table["method"] == "guided (nasas)") & (table["n"] == 12)]["test"]
    assert float(shown["mean"].iloc[0]) == pytest.approx(both.mean())
    write_samples(tmp_path / "out", searches)
    for name in ("samples.png", "samples.pdf", "samples-mean.csv", "manifest.json"):
        assert (tmp_path / "out" / name).stat().st_size > 100


def test_searches_that_cannot_be_compared_are_refused(searches: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="scored 12 samples; it cannot be cut after 3, 13"):
        compare_samples(searches, tmp_path / "a", (3, 13), "cpu")
    with pytest.raises(InputError, match="no search was given"):
        compare_samples([], tmp_path / "b", (3,), "cpu")
    with pytest.raises(InputError, match="holds no finished search"):
        compare_samples([tmp_path], tmp_path / "c", (3,), "cpu")
    other = tmp_path / "other"
    run_search(replace(GUIDED, limit=100), other, "cpu")
    with pytest.raises(InputError, match="with limit 100, the first with 120"):
        compare_samples([searches[0], other], tmp_path / "d", (3,), "cpu")
    assert not any((tmp_path / name).exists() for name in "abcd")
