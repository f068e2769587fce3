"""A study on a table of a user's own: choices in YAML, figures in CSV, and no Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchkit.base.errors import InputError
from benchkit.data.tables import Table, open_table
from benchkit.data.tables.catalogue import imported_path
from benchkit.data.tables.csv_import import import_csv, load_mapping
from benchkit.reports.api import run_study
from benchkit.studies.spec import StudySpec, parse_spec

pytestmark = pytest.mark.usefixtures("home")

MAPPING = """
choices: {op0: [conv, None], op1: [conv, skip, NA]}
metrics:
  - {column: val, dataset: mine, split: valid, epochs: 20}
  - {column: test, dataset: mine, split: test, epochs: 20}
"""
ROWS = [
    "conv,conv,61,60",
    "conv,skip,62.5,61",
    "conv,NA,63,60.5",
    "None,conv,50,49",
    "None,skip,,48",
    "None,NA,1e1,9",
]


def import_rows(folder: Path, rows: list[str]) -> Table:
    (folder / "m.yaml").write_text(MAPPING)
    (folder / "r.csv").write_text("\n".join(["op0,op1,val,test", *rows]) + "\n")
    import_csv(folder / "r.csv", load_mapping(folder / "m.yaml"), imported_path("mine"), "mine")
    return open_table("mine")


def study(**changes: Any) -> StudySpec:
    facts: dict[str, Any] = {
        "name": "own",
        "table": "mine",
        "datasets": ["mine"],
        "search": {"split": "valid", "epochs": 20, "score": "mean"},
        "report": {"epochs": 20},
        "budget": {"queries": 6},
        "seeds": 2,
        "strategies": ["random-search", "regularized-evolution", "local-search", "tpe"],
    }
    return parse_spec({**facts, **changes}, "here")


def test_a_study_runs_on_an_imported_table(tmp_path: Path) -> None:
    table = import_rows(tmp_path, [row.replace(",,", ",55,") for row in ROWS])
    done = run_study(study(), tmp_path / "out")
    trials = done.read_trials()
    assert len(trials) == 8
    assert set(trials["recommended"]) <= {table.base_space.format(row) for row in table.rows}
    assert trials["regret"].tolist() == (63 - trials["valid"]).tolist()
    assert done.read_manifest()["table"]["sha256"] == table.sha256


def test_a_search_sees_the_architectures_that_have_its_score_and_says_so(tmp_path: Path) -> None:
    table = import_rows(tmp_path, ROWS)
    done = run_study(study(strategies=["random-search", "tpe"]), tmp_path / "out")
    trials = done.read_trials()
    measured = {table.base_space.format(row) for row in table.rows} - {"op0=None|op1=skip"}
    assert set(trials["recommended"]) <= measured
    assert trials["regret"].tolist() == (63 - trials["valid"]).tolist()
    assert "studied on the 5 of 6 entries" in done.read_manifest()["remarks"]["data set mine"]


def test_seconds_cannot_be_a_budget_where_there_are_none(tmp_path: Path) -> None:
    import_rows(tmp_path, [row.replace(",,", ",55,") for row in ROWS])
    with pytest.raises(InputError, match="table mine has no training seconds of mine"):
        run_study(study(budget={"simulated_seconds": 5}), tmp_path / "out")
    assert not (tmp_path / "out").exists()
