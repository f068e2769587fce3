"""Run a study: the missing trials, in parallel, each kept as soon as it is done."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from benchkit.base.errors import blamed_on
from benchkit.base.files import write_text
from benchkit.base.json_text import to_json
from benchkit.base.limits import check_number
from benchkit.base.processes import Progress, check_backend, in_processes
from benchkit.studies.cluster import on_cluster
from benchkit.studies.spec import AnyStudySpec
from benchkit.studies.store import StudyDirectory
from benchkit.studies.work import work_of

Draw = Callable[[StudyDirectory, dict[str, Any]], None]
"""Draws the tables and figures of a study whose trials are all there, given its manifest."""


def run(
    spec: AnyStudySpec,
    out: Path,
    jobs: int = 1,
    backend: str = "loky",
    scheduler: str | None = None,
    progress: Progress | None = None,
    draw: Draw | None = None,
    device: str = "auto",
) -> StudyDirectory:
    """Run a study, or what is missing of it, and write its results into `out`.

    Parameters
    ----------
    jobs : Number of processes on this machine; -1 for all cores. The results do not depend on it.
    backend : ``loky`` (local processes) or ``dask`` (the cluster at `scheduler`, with all its workers).
    progress : Callback after every finished trial; the trials of a block follow those of the study.
    draw : What makes tables and figures of the numbers; `benchkit.reports.api.run_study` hands it in. The
        manifest says that a study is complete, so it is written after them.
    device : Device that supernets are trained on.

    Raises
    ------
    InputError : see `StudyDirectory.claim`, `benchkit.studies.work.StudyWork` and `on_cluster`; disk full;
        nothing is half-written.
    KeyboardInterrupt : finished trials are kept; the same call goes on from there.
    """
    check_number("jobs", jobs, "--jobs")
    directory = StudyDirectory(out)
    work = work_of(directory, spec, device)
    trials, blocks = work.trials, spec.blocks()
    check_backend(backend, scheduler)
    directory.claim(spec)
    if directory.complete:
        manifest = directory.read_manifest()
        work.check(manifest, f"{out} was run", "; choose another --out")
    else:
        finished = work.finished()
        waiting = [trial for trial in trials if trial not in finished]
        done = len(trials) - len(waiting)
        if progress:
            progress(done, len(trials))
        function, calls = work.calls(waiting, scheduler is not None)
        names = [str(trial) for trial in waiting]
        with closing(spread(function, calls, jobs, work.batch_size, scheduler, names)) as results:
            for result in results:
                work.keep(result)
                done += 1
                if progress:
                    progress(done, len(trials))
        for name, block in blocks.items():
            run(block, directory.path / name, jobs, backend, scheduler, progress, draw, device)
        manifest = work.assemble()
    if draw:
        with blamed_on(f"the study in {out}"):  # of a finished one, the files may be anybody's
            draw(directory, manifest)
    write_text(directory.manifest, to_json(manifest))
    directory.discard_parts()
    return directory


def spread(
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    jobs: int,
    batch_size: Literal["auto"] | int = "auto",
    scheduler: str | None = None,
    names: Sequence[str] = (),
) -> Generator[Any, None, None]:
    """Yield the result of each call as it finishes, in no particular order; close it to cancel the rest.

    Parameters
    ----------
    jobs : Number of processes; with one, the calls are made here. A cluster uses all its workers.
    names : What each call is, in words, for errors of a cluster.
    """
    if not calls:
        return
    if scheduler is not None:
        yield from on_cluster(function, calls, names, scheduler)
    elif jobs == 1:
        for call in calls:
            yield function(*call)
    else:
        yield from in_processes(function, calls, jobs, backend="loky", batch_size=batch_size)
