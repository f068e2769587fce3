"""Folders of results from strangers: a file of another shape ends in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchkit.studies.store import StudyDirectory

Cli = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"table": ["toy"]}, "table is a list, not an object"),
        ({"table": 3}, "table is 3, not an object"),
        ({"table": {"name": "toy", "sha256": 5, "entries": 48}}, "table.sha256 is 5, not text"),
        ({"traces": []}, "traces is a list, not an object"),
        ({"traces": {"a": None}}, "traces.a is None, not text"),
        ({"not_applicable": "none"}, "not_applicable is 'none', not an object"),
        ({"constraint": {"d": {"cost": "latency"}}}, "constraint.d has no max"),
    ],
)
def test_a_manifest_of_another_shape_is_one_line(
    cli: Cli, done: StudyDirectory, changes: dict[str, Any], says: str
) -> None:
    manifest = {**json.loads(done.manifest.read_text()), **changes}
    done.manifest.write_text(json.dumps(manifest))
    code, _, error = cli("leaderboard", "show", done.path)
    assert (code, says in error, error.count("\n")) == (2, True, 1), error


@pytest.mark.parametrize(
    ("name", "column", "says"),
    [
        ("score", pa.nulls(1, pa.float64()), "column score has missing entries"),
        ("seed", pa.array(["x"]), "column seed is of type string, not whole numbers"),
        ("architecture", pa.array([b"abc"], pa.binary(3)), "not of space toy"),
        ("architecture", pa.array([b"\xff"], pa.binary(1)), "choices that space toy does not have"),
    ],
)
def test_traces_of_another_shape_are_one_line(
    cli: Cli, done: StudyDirectory, name: str, column: pa.Array, says: str
) -> None:
    traces = pq.read_table(done.traces)
    other = pa.chunked_array([pa.concat_arrays([column] * traces.num_rows)])
    place = traces.schema.get_field_index(name)
    pq.write_table(traces.set_column(place, name, other), done.traces)
    code, _, error = cli("leaderboard", "verify", done.path, "--sample", 1, "--jobs", 1)
    assert (code, says in error, error.count("\n")) == (2, True, 1), error


def test_a_folder_in_the_place_of_a_file_is_one_line(cli: Cli, done: StudyDirectory) -> None:
    done.trials.unlink()
    done.trials.mkdir()
    code, _, error = cli("leaderboard", "compare", done.path)
    assert (code, error.count("\n")) == (2, 1), error


def test_trials_that_are_there_twice_are_one_line_when_a_study_is_run_again(
    cli: Cli, done: StudyDirectory
) -> None:
    lines = done.trials.read_text().splitlines(keepends=True)
    done.trials.write_text("".join([*lines, lines[-1]]))
    code, _, error = cli("leaderboard", "run", done.path / "study.yaml", "--out", done.path, "--jobs", 1)
    assert (code, "more than once" in error, error.count("\n")) == (2, True, 1), error
