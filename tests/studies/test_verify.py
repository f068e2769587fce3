"""Verification finds every trace that is not the one which the study gives today."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import benchkit.studies.verify as verify_module
from benchkit.base.errors import InputError
from benchkit.reports.api import run_study as run
from benchkit.strategies import Ask
from benchkit.strategies.random_search import RandomSearch
from benchkit.studies.spec import StudySpec
from benchkit.studies.store import StudyDirectory
from benchkit.studies.trial import Trial
from benchkit.studies.verify import verify

FIRST = Trial("random-search", "d", 0)


def change_manifest(directory: StudyDirectory, change: Callable[[dict[str, Any]], Any]) -> None:
    manifest = json.loads(directory.manifest.read_text())
    change(manifest)
    directory.manifest.write_text(json.dumps(manifest))


def change_traces(directory: StudyDirectory, column: str, row: int, value: Any) -> None:
    kept = pq.read_table(directory.traces)
    values = kept.column(column).to_pylist()
    values[row] = value(values[row])
    index = kept.schema.get_field_index(column)
    pq.write_table(
        kept.set_column(index, column, pa.array(values, kept.schema.field(column).type)), directory.traces
    )


def test_what_was_just_run_is_verified(done: StudyDirectory) -> None:
    seen: list[tuple[int, int]] = []
    found = verify(done.path, progress=lambda checked, total: seen.append((checked, total)))
    assert (found.checked, found.total, found.different, found.difference) == (12, 12, None, "")
    assert seen == [(checked, 12) for checked in range(1, 13)]


def test_without_traces_the_hashes_are_compared(done: StudyDirectory) -> None:
    done.traces.unlink()
    assert verify(done.path).different is None
    change_manifest(done, lambda manifest: manifest["traces"].update({FIRST.name: "0" * 64}))
    found = verify(done.path)
    assert found.different == FIRST
    assert found.difference == "another hash, and no traces.parquet to say where"


def test_other_processes_verify_it_too(done: StudyDirectory) -> None:
    assert verify(done.path, jobs=2).different is None


def test_a_share_of_the_trials_is_drawn_with_a_seed(done: StudyDirectory) -> None:
    for trial in list(done.read_manifest()["traces"])[1:]:  # all but the first are wrong
        change_manifest(done, lambda manifest, name=trial: manifest["traces"].update({name: "0" * 64}))
    drawn = {verify(done.path, sample=1, seed=seed).different for seed in range(6)}
    assert len(drawn) > 2
    assert verify(done.path, sample=1, seed=5) == verify(done.path, sample=1, seed=5)
    assert (verify(done.path, sample=5).checked, verify(done.path, sample=99).checked) == (5, 12)
    for sample in (0, -1):
        with pytest.raises(InputError, match="--sample must be a whole number from 1"):
            verify(done.path, sample=sample)


def test_the_first_wrong_hash_is_named(done: StudyDirectory) -> None:
    trials = [Trial("bohb", "d", 1), Trial("local-search", "d", 1)]  # the second comes first in the study
    for trial in trials:
        change_manifest(done, lambda manifest, name=trial.name: manifest["traces"].update({name: "0" * 64}))
    found = verify(done.path)
    assert found.different == trials[1]
    assert str(found.different) == "local-search on d, seed 1"
    assert found.difference == "the kept trace equals this one: the manifest's hash is of another trace"


def test_the_first_is_that_of_the_study_whatever_finishes_first(
    done: StudyDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_order = verify_module.spread

    def backwards(function: Any, calls: list[Any], *rest: Any) -> Any:
        return in_order(function, calls[::-1], *rest)

    monkeypatch.setattr(verify_module, "spread", backwards)
    change_manifest(
        done, lambda manifest: manifest.update(traces=dict.fromkeys(manifest["traces"], "0" * 64))
    )
    assert verify(done.path).different == FIRST


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("score", lambda old: old + 0.5, "evaluation 3 is apart by 0.5 points"),
        ("fidelity", lambda old: old - 90, "evaluation 3 is apart by 90 epochs"),
        ("queries", lambda old: old + 2, "evaluation 3 is apart by 2 queries"),
        ("seconds", lambda old: old + 60, "evaluation 3 is apart by 60 s"),
        ("seconds", lambda _: None, "evaluation 3 is apart by inf s"),
        ("architecture", lambda old: bytes([old[0] ^ 0b01000000]), "evaluation 3 is another architecture"),
    ],
)
def test_a_changed_trace_is_found_and_shown_where(
    done: StudyDirectory, column: str, value: Any, says: str
) -> None:
    change_traces(done, column, 3, value)
    found = verify(done.path)
    assert (found.different, found.difference) == (FIRST, says)


def test_a_trace_cut_short_or_lost_is_found(done: StudyDirectory) -> None:
    kept = pq.read_table(done.traces)
    pq.write_table(pa.concat_tables([kept.slice(0, 15), kept.slice(20)]), done.traces)
    assert verify(done.path).difference == "20 evaluations instead of 15"
    pq.write_table(kept.slice(20), done.traces)
    found = verify(done.path)
    assert (found.different, found.difference) == (FIRST, "traces.parquet has no row of it")


def test_a_change_in_how_a_trial_runs_is_found(done: StudyDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RandomSearch, "propose", lambda self: Ask(self.space.at([0])))
    found = verify(done.path)
    assert found.different == FIRST
    assert "evaluation 0" in found.difference


def test_another_table_is_refused(done: StudyDirectory) -> None:
    change_manifest(done, lambda manifest: manifest["table"].update(sha256="1" * 64))
    with pytest.raises(InputError, match=r"ran on toy with SHA-256 111111111111\.\.\.") as caught:
        verify(done.path)
    assert "\n" not in str(caught.value)


def test_what_is_no_finished_study_is_refused(
    done: StudyDirectory, small: Callable[..., StudySpec], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="holds no study"):
        verify(tmp_path / "nowhere")

    def stop(finished: int, _: int) -> None:
        if finished == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(small(), tmp_path / "half", progress=stop)
    with pytest.raises(InputError, match="has not finished"):
        verify(tmp_path / "half")
    change_manifest(done, lambda manifest: manifest["traces"].pop(FIRST.name))
    with pytest.raises(InputError, match="has no trace hash of random-search on d, seed 0"):
        verify(done.path)
