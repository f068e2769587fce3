"""Studies that are stopped: nothing is lost, nothing is half-written, and the rest is run later."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import benchkit.base.files as files
import benchkit.studies.table_work as table_work
from benchkit.base.errors import InputError
from benchkit.base.processes import Progress
from benchkit.reports.api import run_study as run
from benchkit.studies.spec import StudySpec
from benchkit.studies.store import StudyDirectory
from benchkit.studies.trial import Trial

Small = Callable[..., StudySpec]
TRIALS = 12  # of the small study: three strategies, two data sets, two seeds


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files but the one that a clock has a part in."""
    same = names(folder) - {"real_seconds.parquet"}
    return {name: (folder / name).read_bytes() for name in same}


def parts(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("trials/*/*.arrow")}


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Trial]:
    """Every trial that is run in this process, in order."""
    trials: list[Trial] = []
    run_trial = table_work.run_trial

    def watched(spec: StudySpec, trial: Trial, *rest: Any) -> Any:
        trials.append(trial)
        return run_trial(spec, trial, *rest)

    monkeypatch.setattr(table_work, "run_trial", watched)
    return trials


def stop_after(trials: int) -> Progress:
    def progress(done: int, _: int) -> None:
        if done == trials:
            raise KeyboardInterrupt

    return progress


def no_space(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


# -- Ctrl-C -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0, 1, 7, TRIALS])
def test_an_interrupted_study_goes_on_where_it_stopped(
    small: Small, done: StudyDirectory, tmp_path: Path, ran: list[Trial], kept: int
) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(small(), out, progress=stop_after(kept))
    assert len(ran) == kept
    assert parts(out) == {trial.name for trial in ran}
    assert names(out) == {"study.yaml"} | {f"trials/{done_part}" for done_part in _parts_of(out)}
    assert not StudyDirectory(out).complete

    before, seen = set(ran), []
    ran.clear()
    run(small(), out, progress=lambda finished, total: seen.append((finished, total)))
    assert seen[0] == (kept, TRIALS)
    assert len(ran) == TRIALS - kept
    assert before.isdisjoint(ran)
    assert contents(out) == contents(done.path)  # as if nothing had happened


def _parts_of(out: Path) -> set[str]:
    return {path.relative_to(out / "trials").as_posix() for path in out.glob("trials/*/*.arrow")}


def test_interrupted_processes_keep_what_they_finished(
    small: Small, done: StudyDirectory, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(small(), out, jobs=2, progress=stop_after(5))
    assert len(parts(out)) == 5
    run(small(), out, jobs=2)
    assert contents(out) == contents(done.path)


def test_a_disk_that_fills_while_processes_work(
    small: Small, done: StudyDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(StudyDirectory, "_part", lambda *_: Path("/dev/full/part"))
        with pytest.raises(InputError, match="cannot write"):
            run(small(), tmp_path / "out", jobs=2)
    run(small(), tmp_path / "out")
    assert contents(tmp_path / "out") == contents(done.path)


def test_a_study_stopped_twice_is_finished_at_the_third_time(
    small: Small, done: StudyDirectory, tmp_path: Path, ran: list[Trial]
) -> None:
    out = tmp_path / "out"
    for kept in (4, 8):
        with pytest.raises(KeyboardInterrupt):
            run(small(), out, progress=stop_after(kept))
    run(small(), out)
    assert len(ran) == len(set(ran)) == TRIALS
    assert contents(out) == contents(done.path)


def test_an_interrupted_study_is_not_taken_for_another(small: Small, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(small(), tmp_path / "out", progress=stop_after(3))
    before = contents(tmp_path / "out")
    with pytest.raises(InputError, match="another study"):
        run(small(seeds=3), tmp_path / "out")
    assert contents(tmp_path / "out") == before


def test_an_unfinished_study_says_so(small: Small, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(small(), tmp_path / "out", progress=stop_after(3))
    directory = StudyDirectory(tmp_path / "out")
    for read in (directory.read_manifest, directory.read_traces, directory.read_trials):
        with pytest.raises(InputError, match="has not finished; run it again to resume"):
            read()


# -- a full disk ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [".arrow", "traces.parquet", "trials.csv", "leaderboard.csv", "leaderboard.tex", "manifest.json"],
)
def test_a_disk_that_is_full_when_a_file_is_put_in_place(
    small: Small,
    done: StudyDirectory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ran: list[Trial],
    target: str,
) -> None:
    out = tmp_path / "out"
    replace, tries = os.replace, []

    def full(source: Any, destination: Any) -> None:
        if str(destination).endswith(target):
            tries.append(destination)
            if len(tries) == 5 or not target.startswith("."):  # the fifth of the parts
                no_space()
        replace(source, destination)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", full)
        with pytest.raises(InputError, match=r"cannot write .*: No space left on device") as caught:
            run(small(), out)
    assert "\n" not in str(caught.value)
    assert not [name for name in names(out) if name.endswith(".tmp")]
    assert not [name for name in names(out) if name.endswith(target) and not target.startswith(".")]
    kept = 4 if target == ".arrow" else TRIALS
    assert len(parts(out)) == kept  # the parts stay until everything made of them is in place

    ran.clear()
    run(small(), out)
    assert len(ran) == TRIALS - kept
    assert contents(out) == contents(done.path)


def test_a_disk_that_fills_in_the_middle_of_a_part(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(pa.PythonFile):  # type: ignore[misc]
        """Takes a few bytes, and no more."""

    def sink(path: str, mode: str) -> Any:
        file = open(path, mode, buffering=0)  # noqa: SIM115
        left = [100]

        class Device:
            closed = False

            def write(self, data: bytes) -> int:
                left[0] -= len(bytes(data))
                if left[0] < 0:
                    no_space()
                return file.write(data)

            def flush(self) -> None:
                file.flush()

            def close(self) -> None:
                file.close()

            def readable(self) -> bool:
                return False

            def writable(self) -> bool:
                return True

            def seekable(self) -> bool:
                return False

            def tell(self) -> int:
                return file.tell()

        return Full(Device(), mode="w")

    with monkeypatch.context() as patch:
        patch.setattr("benchkit.studies.store.pa.OSFile", sink)
        with pytest.raises(InputError, match="No space left on device"):
            run(small(), tmp_path / "out")
    assert names(tmp_path / "out") == {"study.yaml"}


@pytest.mark.parametrize("figure", ["efficiency-queries.pdf", "ranks.png"])
def test_a_disk_that_is_full_when_a_figure_is_drawn(
    small: Small, done: StudyDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figure: str
) -> None:
    out = tmp_path / "out"
    replace = os.replace

    def full(source: Any, destination: Any) -> None:
        if str(destination).endswith(figure):
            no_space()
        replace(source, destination)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", full)
        with pytest.raises(InputError, match=r"cannot write .*figures.*: No space left on device"):
            run(small(), out)
    assert not [name for name in names(out) if figure in name]
    assert not StudyDirectory(out).complete
    run(small(), out)
    assert contents(out) == contents(done.path)


def test_a_place_that_cannot_be_written_to(small: Small, done: StudyDirectory, tmp_path: Path) -> None:
    (done.path / "figures").rename(done.path / "elsewhere")
    (done.path / "figures").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot write .*figures"):
        run(small(), done.path)
    with pytest.raises(InputError, match="cannot write"):
        run(small(), Path("/dev/null/out"))


def test_a_part_of_an_interrupted_process_is_not_taken_for_a_trial(
    small: Small, done: StudyDirectory, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(small(), out, progress=stop_after(2))
    (folder,) = (out / "trials").iterdir()
    left = sorted(folder.iterdir())
    (folder / f".{left[0].name}.123.tmp").write_bytes(left[0].read_bytes()[:100])  # killed while writing
    run(small(), out)
    assert contents(out) == contents(done.path)
