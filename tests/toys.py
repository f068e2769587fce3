"""A small imported table, and small studies on it, for the tests of studies and of the command line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchkit.cli import main
from benchkit.data.tables import Metric, Table
from benchkit.data.tables.write import Column, TableSource, write_table
from benchkit.reports.api import run_study as run
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.studies.spec import StudySpec, parse_spec
from benchkit.studies.store import StudyDirectory


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of imported tables, empty and nobody else's."""
    monkeypatch.setenv("BENCHKIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def toy(home: Path) -> Table:
    """48 architectures on the data sets d and e: two runs and their mean at 100 epochs, a mean at 10."""
    return make_toy(home)


def make_toy(home: Path) -> Table:
    space = CategoricalSpace("toy", {"a": list("wxyz"), "b": list("pqrs"), "c": list("klm")})
    i = np.arange(space.size, dtype=float)
    columns: dict[Metric, Column] = {}
    for factor, dataset in ((5, "d"), (11, "e")):
        good = i * factor % 48  # every value once
        columns |= {
            Metric(dataset, "valid", 100, 0): Column(40 + good),
            Metric(dataset, "valid", 100, 1): Column(40 + (good + 6) % 48),
            Metric(dataset, "valid", 100): Column(40 + (good + (good + 6) % 48) / 2),
            Metric(dataset, "valid", 10): Column(30 + i * 7 % 48),
            Metric(dataset, "test", 100): Column(39 + i * 13 % 48),
            Metric(dataset, None, 100, quantity="train_seconds"): Column(10 + i),
        }
    source = TableSource("toy", space, "a toy", "made here", "CC0", {"in.csv": "0" * 64})
    write_table(home / "tables" / "toy.arrow", source, space.at(np.arange(space.size)), columns)
    return Table(home / "tables" / "toy.arrow")


@pytest.fixture
def small(toy: Table) -> Callable[..., StudySpec]:
    """``small(seeds=3, ...)``: a study on the toy table with these keys instead of its own."""
    return make_small


def make_small(**changes: Any) -> StudySpec:
    study = {
        "name": "small",
        "table": "toy",
        "datasets": ["d", "e"],
        "search": {"split": "valid", "epochs": 100, "score": "mean"},
        "report": {"epochs": 100},
        "budget": {"queries": 20},
        "seeds": 2,
        "strategies": ["random-search", "local-search", "bohb"],
    }
    return parse_spec({**study, **changes}, "the test's study")


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small study, run once for all tests."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BENCHKIT_HOME", str(folder / "home"))
        make_toy(folder / "home")
        return run(make_small(), folder / "out").path


@pytest.fixture
def done(toy: Table, finished_once: Path, tmp_path: Path) -> StudyDirectory:
    """A copy of the small study's results, on the same table as `toy`: the same bytes, the same SHA-256."""
    return StudyDirectory(Path(shutil.copytree(finished_once, tmp_path / "done")))


@pytest.fixture
def spread(small: Callable[..., StudySpec], tmp_path: Path) -> StudyDirectory:
    """The small study with six seeds: enough for intervals."""
    return run(small(seeds=6), tmp_path / "spread")


@pytest.fixture
def cli(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """``cli("table", "list")``: exit code, stdout and stderr of the program, run in this process."""
    monkeypatch.delenv("COLUMNS", raising=False)  # that of whoever runs the tests

    def run_main(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["benchkit", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        streams = capsys.readouterr()
        return int(left.value.code or 0), streams.out, streams.err

    return run_main
