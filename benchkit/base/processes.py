"""Makes calls in several processes, and gives out results as they are done."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from benchkit.base.errors import InputError, unknown
from benchkit.base.limits import check_number

BACKENDS = ("loky", "dask")
"""Processes of this machine, or those of a cluster (`benchkit.studies.cluster`)."""

Progress = Callable[[int, int], None]
"""Told (calls done, calls in all) whenever one is done."""

Result = TypeVar("Result")

_MOST_A_CORE = 4
_FEW = 8
"""Processes that any machine can start."""


def check_backend(backend: str, scheduler: str | None) -> None:
    """Check that a backend is known, and has a scheduler where it needs one.

    Raises
    ------
    InputError : it is not, or has not.
    """
    if backend not in BACKENDS:
        raise unknown("backend", backend, BACKENDS)
    if backend == "loky" and scheduler is not None:
        raise InputError("--scheduler goes with --backend dask")
    if backend == "dask" and not scheduler:
        raise InputError("--backend dask needs --scheduler ADDRESS, such as tcp://127.0.0.1:8786")


def in_processes(
    function: Callable[..., Result], calls: Sequence[tuple[Any, ...]], jobs: int, **arguments: Any
) -> Generator[Result, None, None]:
    """Yield ``function(*call)`` for every call, in no particular order; close it to cancel the rest.

    Parameters
    ----------
    jobs : Number of processes; -1 for all cores. There are never more than calls, nor more than four a core.
    arguments : Options of ``joblib.Parallel``, such as its backend.

    Raises
    ------
    InputError : `jobs` is out of its range.
    """
    from joblib import Parallel, delayed

    check_number("jobs", jobs, "--jobs")
    jobs = min(jobs, max(len(calls), 1), max(_MOST_A_CORE * (os.cpu_count() or 1), _FEW))

    # joblib keeps its workers for the next call with equal arguments: where they are and import from are some
    here = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("BENCHKIT_")))
    arguments |= {"initializer": _start_worker, "initargs": (tuple(sys.path), os.getcwd(), here)}
    pool: Any = Parallel(n_jobs=jobs, return_as="generator_unordered", **arguments)
    results = pool(delayed(function)(*call) for call in calls)
    try:
        for result in results:  # noqa: UP028 (`yield from` would close `results` out of our hands)
            yield result
    finally:
        with _quiet_cancelling():
            results.close()


def _start_worker(path: tuple[str, ...], folder: str, ours: tuple[tuple[str, str], ...]) -> None:
    """Be where the parent is and import from where it does; leave Ctrl-C to it: it ends its workers."""
    sys.path[:] = path
    os.chdir(folder)
    for name in [name for name in os.environ if name.startswith("BENCHKIT_")]:
        del os.environ[name]
    os.environ.update(ours)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _quiet_cancelling() -> Iterator[None]:
    """Let joblib cancel what is running without a word of its own; our caller says what happened.

    It warns of cancelled tasks, and its manager thread can meet a task that it has already forgotten.
    """
    hook = threading.excepthook

    def quiet(event: threading.ExceptHookArgs) -> None:
        if event.thread is None or event.thread.name != "ExecutorManagerThread":
            hook(event)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="joblib")
        threading.excepthook = quiet
        try:
            yield
        finally:
            threading.excepthook = hook
