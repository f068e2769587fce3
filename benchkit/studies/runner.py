"""Run a study: the missing trials, in parallel, each kept as soon as it is done."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from benchkit.base.errors import InputError, blamed_on
from benchkit.base.files import write_text
from benchkit.base.json_text import to_json
from benchkit.base.limits import check_number
from benchkit.base.processes import Progress, check_backend, in_processes
from benchkit.data.tables.catalogue import open_table
from benchkit.studies.cluster import on_cluster
from benchkit.studies.manifest import make_manifest
from benchkit.studies.plan import make_plan
from benchkit.studies.spec import StudySpec
from benchkit.studies.store import StudyDirectory
from benchkit.studies.trial import Trial, TrialResult, run_trial

__all__ = ["Draw", "run", "run_trials"]

Draw = Callable[[StudyDirectory, dict[str, Any]], None]
"""Draws the tables and figures of a study whose trials are all there, given its manifest."""


def run(
    spec: StudySpec,
    out: Path,
    jobs: int = 1,
    backend: str = "loky",
    scheduler: str | None = None,
    progress: Progress | None = None,
    draw: Draw | None = None,
) -> StudyDirectory:
    """Run a study, or what is missing of it, and write its results into `out`.

    Parameters
    ----------
    jobs : processes on this machine; -1 for all cores. The results do not depend on it.
    backend : ``loky`` (local processes) or ``dask`` (the cluster at `scheduler`, with all its workers).
    progress : called after every finished trial.
    draw : what makes tables and figures of the numbers; `benchkit.reports.api.run_study` hands it in. The
        manifest says that a study is complete, so it is written after them.

    Raises
    ------
    InputError : see `StudyDirectory.claim`, `make_plan` and `on_cluster`; disk full; nothing is half-written.
    KeyboardInterrupt : finished trials are kept; the same call goes on from there.
    """
    check_number("jobs", jobs, "--jobs")
    table = open_table(spec.table)
    plan = make_plan(spec, table)
    trials = plan.trials
    check_backend(backend, scheduler)
    directory = StudyDirectory(out, table.sha256)
    directory.claim(spec)
    if not directory.complete:
        finished = set(directory.finished(trials))
        waiting = [trial for trial in trials if trial not in finished]
        done = len(finished)
        if progress:
            progress(done, len(trials))
        with closing(
            run_trials(spec, waiting, table.path, table.sha256, jobs, backend, scheduler)
        ) as results:
            for result in results:
                directory.keep(result, table.base_space.arity)
                done += 1
                if progress:
                    progress(done, len(trials))
        digests = directory.assemble(trials, table.base_space)
        manifest = make_manifest(spec, table, digests, plan)
    else:
        manifest = directory.read_manifest()
        if manifest["table"]["sha256"] != table.sha256:
            raise InputError(
                f"{out} was run on {spec.table} with SHA-256 {manifest['table']['sha256'][:12]}..., "
                f"this one has {table.sha256[:12]}...; choose another --out"
            )
    if draw:
        with blamed_on(f"the study in {out}"):  # of a finished one, the files may be anybody's
            draw(directory, manifest)
    write_text(directory.manifest, to_json(manifest))
    directory.discard_parts()
    return directory


def run_trials(
    spec: StudySpec,
    trials: list[Trial],
    path: Path,
    sha256: str,
    jobs: int,
    backend: str,
    scheduler: str | None,
) -> Generator[TrialResult, None, None]:
    """Yield the result of each trial as it finishes, in no particular order; close it to cancel the rest."""
    if not trials:
        return
    if backend == "dask":
        there = [(trial, path.resolve(), sha256) for trial in trials]
        names = [str(trial) for trial in trials]
        yield from on_cluster(partial(run_trial, spec), there, names, scheduler or "")
    elif jobs == 1:
        for trial in trials:
            yield run_trial(spec, trial, path, sha256)
    else:
        calls = [(spec, trial, path.resolve(), sha256) for trial in trials]
        yield from in_processes(run_trial, calls, jobs, backend="loky", batch_size="auto")
