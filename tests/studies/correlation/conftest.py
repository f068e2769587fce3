"""Two trained supernets and a table beside them, for the tests of correlations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchkit.data.tables import Metric
from benchkit.data.tables.write import Column, TableSource, write_table
from benchkit.spaces import get_space
from benchkit.studies.correlation.study import CorrelationSettings
from benchkit.training.search import SearchSettings, run_search

SEARCH = SearchSettings(
    "spos", "nasbench201-3", "digits", epochs=3, queries=2, limit=200, images=40, scoring_batch=40
)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two searches of three epochs, seeds 0 and 1."""
    folder = tmp_path_factory.mktemp("trained")
    for seed in (0, 1):
        run_search(replace(SEARCH, seed=seed), folder / f"seed-{seed}", "cpu")
    return folder


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up table of nasbench201-3: three runs on digits, of which one lacks an entry."""
    space = get_space("nasbench201-3")
    rng = np.random.default_rng(0)
    good = 80 + 10 * rng.random(125)
    runs = good + rng.normal(0, 1, (3, 125))
    runs[2, 7] = np.nan
    columns = {Metric("digits", "valid", 30, run): Column(values) for run, values in enumerate(runs)}
    columns[Metric("digits", "valid", 30)] = Column(np.nanmean(runs, axis=0))
    columns[Metric("digits", "valid", 5)] = Column(good - 20)
    columns[Metric("digits", "test", 30)] = Column(good - 1)
    path = tmp_path_factory.mktemp("table") / "made-up.arrow"
    source = TableSource("made-up", "nasbench201-3", "made up", "made here", "CC0", {})
    write_table(path, source, space.at(np.arange(125)), columns)
    return path


@pytest.fixture
def settings(trained: Path, table: Path) -> CorrelationSettings:
    return CorrelationSettings((trained / "seed-0",), n=20, images=30, final_images=50, table=str(table))
