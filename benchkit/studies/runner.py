"""Run a study: the missing trials, in parallel, each kept as soon as it is done."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchkit.parallel import in_processes
from benchkit.spaces import InputError, unknown
from benchkit.studies.manifest import make_manifest, to_json, versions
from benchkit.studies.plan import make_plan
from benchkit.studies.report import write_report
from benchkit.studies.spec import StudySpec
from benchkit.studies.store import StudyDirectory
from benchkit.studies.trial import Trial, TrialResult, run_trial
from benchkit.tables.catalogue import open_table

__all__ = ["BACKENDS", "Progress", "check_versions", "run", "run_trials"]

BACKENDS = ("loky", "dask")

Progress = Callable[[int, int], None]
"""Called with (trials done, trials in all)."""


def run(
    spec: StudySpec,
    out: Path,
    jobs: int = 1,
    backend: str = "loky",
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> StudyDirectory:
    """Run a study, or what is missing of it, and write its results into `out`.

    Parameters
    ----------
    jobs : processes on this machine; -1 for all cores. The results do not depend on it.
    backend : ``loky`` (local processes) or ``dask`` (the cluster at `scheduler`).
    progress : told after every finished trial.

    Raises
    ------
    InputError : see `StudyDirectory.claim` and `make_plan`; disk full; nothing is half-written.
    KeyboardInterrupt : finished trials are kept; the same call goes on from there.
    """
    table = open_table(spec.table)
    plan = make_plan(spec, table)
    trials = plan.trials
    _check_backend(backend, scheduler)
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
        manifest = to_json(make_manifest(spec, table, digests, plan))
    else:
        kept = directory.read_manifest()
        if kept["table"]["sha256"] != table.sha256:
            raise InputError(
                f"{out} was run on {spec.table} with SHA-256 {kept['table']['sha256'][:12]}..., this one has "
                f"{table.sha256[:12]}...; choose another --out"
            )
        manifest = to_json(kept)
    write_report(directory, manifest)
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
    if jobs == 1 and backend == "loky":
        for trial in trials:
            yield run_trial(spec, trial, path, sha256)
        return
    with _backend(backend, scheduler) as arguments:
        calls = [(spec, trial, path, sha256) for trial in trials]
        yield from in_processes(run_trial, calls, jobs, **arguments)


def _check_backend(backend: str, scheduler: str | None) -> None:
    if backend not in BACKENDS:
        raise unknown("backend", backend, BACKENDS)
    if backend == "loky" and scheduler is not None:
        raise InputError("--scheduler goes with --backend dask")
    if backend == "dask" and scheduler is None:
        raise InputError("--backend dask needs --scheduler ADDRESS, such as tcp://127.0.0.1:8786")


@contextmanager
def _backend(backend: str, scheduler: str | None) -> Iterator[dict[str, Any]]:
    if backend == "loky":
        yield {"backend": "loky", "batch_size": "auto"}
        return
    try:
        import distributed
    except ImportError as error:
        raise InputError("--backend dask needs the extra: pip install 'benchkit[dask]'") from error
    from joblib import parallel_config

    try:
        connect: Any = distributed.Client
        client: Any = connect(scheduler, timeout="10s")
    except (OSError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers at {scheduler}: {error}") from error
    with client:
        check_versions(versions(), client.run(versions))
        with parallel_config(backend="dask"):
            yield {}


def check_versions(mine: Mapping[str, Any], workers: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that workers would give the traces that this machine gives.

    Parameters
    ----------
    mine : see `benchkit.studies.manifest.versions`.
    workers : the same of each worker that there is, by its address; of one that comes later nothing is known.

    Raises
    ------
    InputError : a worker has another release of benchkit, or of what it stands on.
    """
    for address, theirs in workers.items():
        here = {"benchkit": mine["benchkit"], **mine["dependencies"]}
        there = {"benchkit": theirs["benchkit"], **theirs["dependencies"]}
        other = [
            f"{name} {there.get(name)} in place of {release}"
            for name, release in here.items()
            if there.get(name) != release
        ]
        if other:
            raise InputError(
                f"the Dask worker at {address} has {', '.join(other)}: install the same releases"
            )
