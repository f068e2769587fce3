"""Calls on the machines of a Dask cluster, whose results come as they are done.

Every call is a task of its own. Dask gives the calls of a worker that died to the others, and workers may
come and go while a study runs, as the jobs of a queue do.

Deviations and choices
----------------------
- `distributed.Client` is used as it is, not through joblib's Dask backend: with joblib 1.6 that one waits for
  ever when Dask gives a task up because worker after worker died with it, or cannot read it; it runs all in
  the calling process where the cluster has one thread; and it counts the workers once, at the start.
- A result is let go as soon as it is here: a worker that dies later has no finished call to run again.
- Trials change settings of their process, such as the threads of torch, so a worker must have one thread.
- Every call first compares the releases of its worker with the caller's, so that workers that join later are
  compared, too. Those of all direct dependencies must be the same, as the manifest names them.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache, partial
from typing import Any, TypeVar

from benchkit.base.environment import versions
from benchkit.base.errors import InputError

Result = TypeVar("Result")

_SECONDS = 15
"""Longest time that a scheduler may take to answer."""


def on_cluster(
    function: Callable[..., Result], calls: Sequence[tuple[Any, ...]], names: Sequence[str], scheduler: str
) -> Generator[Result, None, None]:
    """Yield ``function(*call)`` for every call, in no particular order; close it to cancel the rest.

    It waits for workers where there are none yet.

    Parameters
    ----------
    names : Names of the calls, for errors.
    scheduler : Address of the cluster, such as ``tcp://127.0.0.1:8786``.

    Raises
    ------
    InputError : Dask is not installed; no scheduler answers there, or no more; a worker has other releases,
        or more than one thread; a call ended every worker that ran it; or what a call itself raises, with its
        machine.
    """
    _check_scheduler(scheduler)
    import distributed

    connect: Any = distributed.Client
    client = connect(scheduler, timeout=f"{_SECONDS}s", set_as_default=False)
    waiting: dict[Any, str] = {}
    lost = InputError(
        f"lost the Dask scheduler at {scheduler}: what was finished is kept, and the same command goes on "
        "from there"
    )
    with _silent_client():
        try:
            task = partial(_on_worker, function, _releases())
            futures = client.map(task, *zip(*calls, strict=True), key=_name(function), pure=False)
            waiting = dict(zip(futures, names, strict=True))
            gather: Any = distributed.as_completed
            # without results: the one that is under way when a scheduler dies would be waited for, for ever
            finished = gather(futures, loop=client.loop)
            del futures
            for future in finished:
                name = waiting.pop(future)
                try:
                    error = future.exception()
                    result: Any = None if error is not None else future.result()
                except (OSError, distributed.CancelledError) as gone:
                    raise lost from gone
                del future
                if error is not None:
                    raise _explained(error, name)
                yield result
            if waiting:
                raise lost
        finally:
            with suppress(Exception):  # a scheduler that is gone holds nothing to cancel
                if waiting:
                    client.cancel(list(waiting), force=True)
            with suppress(Exception):
                client.close(timeout=_SECONDS)


@contextmanager
def _silent_client() -> Iterator[None]:
    """Hold back the tracebacks that a client logs when its scheduler dies; our caller says it in a line."""
    loggers = [logging.getLogger(f"distributed.{name}") for name in ("batched", "client")]

    def refuse(_: logging.LogRecord) -> bool:
        return False

    for logger in loggers:
        logger.addFilter(refuse)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(refuse)


def cancelled() -> bool:
    """Return whether the call that runs in this thread was cancelled; False outside of a cluster.

    Dask cannot stop a thread: a call that takes long asks now and then.
    """
    import sys

    if "distributed" not in sys.modules:
        return False
    from distributed import get_worker

    try:
        worker: Any = get_worker()
    except ValueError:
        return False
    task = worker.state.tasks.get(worker.get_current_task())
    return task is None or task.state == "cancelled"


def _name(function: Callable[..., Any]) -> str:
    while isinstance(function, partial):
        function = function.func
    return f"benchkit-{getattr(function, '__name__', 'call')}"


def _check_scheduler(address: str) -> None:
    """Ask who is there. A Client would, where nobody answers, leave threads that complain long after."""
    try:
        import distributed
    except ImportError as error:
        raise InputError("--backend dask needs the extra: pip install 'benchkit[dask]'") from error

    async def ask() -> Any:
        library: Any = distributed
        settings = library.Security().get_connection_args("client")
        async with library.rpc(address, timeout=_SECONDS, connection_args=settings) as remote:
            return await asyncio.wait_for(remote.identity(), _SECONDS)

    try:
        with ThreadPoolExecutor(1) as thread:  # there may be a loop in this one, as in a notebook
            identity = thread.submit(asyncio.run, ask()).result()
    except Exception as error:  # of any kind, where something else than Dask answers
        said = " ".join(str(error).split()) or "no answer that Dask understands"
        raise InputError(
            f"no Dask scheduler answers at {address}: {said}; --scheduler takes an address such as "
            "tcp://127.0.0.1:8786"
        ) from error
    if "workers" not in identity:
        raise InputError(f"no Dask scheduler answers at {address}, but a {identity.get('type')}")


@cache
def _releases() -> dict[str, str]:
    """Return the releases that a worker must share."""
    found = versions()
    python = ".".join(found["python"].split(".")[:2])
    return {"benchkit": found["benchkit"], "python": python, **found["dependencies"]}


def _on_worker(function: Callable[..., Result], ours: dict[str, str], *call: Any) -> Result:
    from distributed import get_worker

    host = socket.gethostname()
    worker: Any = get_worker()
    if worker.state.nthreads != 1:
        raise InputError(
            f"the Dask worker on {host} has {worker.state.nthreads} threads, and a trial needs a process of "
            "its own: start workers with --nthreads 1"
        )
    theirs = _releases()
    other = [
        f"{name} {theirs.get(name)} in place of {release}"
        for name, release in ours.items()
        if theirs.get(name) != release
    ]
    if other:
        raise InputError(f"the Dask worker on {host} has {', '.join(other)}: install the same releases there")
    try:
        return function(*call)
    except InputError as error:
        raise InputError(f"{error} (on the Dask worker on {host})") from error


def _explained(error: BaseException, name: str) -> BaseException:
    """Return what to raise for the error of a call: what speaks of the cluster's state becomes one line."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return InputError(
            f"{error.allowed_failures + 1} Dask workers died one after another while they ran {name}: give "
            "them more memory or time; what was finished is kept"
        )
    unread = isinstance(error, RuntimeError) and "deserialization" in str(error)
    if unread or isinstance(error, ImportError):
        cause = error.__cause__ if unread and error.__cause__ is not None else error
        said = " ".join(str(cause).split())
        return InputError(
            f"the Dask cluster cannot read {name}: {said}; install the same benchkit where its scheduler and "
            "its workers run"
        )
    return error
