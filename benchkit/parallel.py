"""Calls in several processes of this machine, whose results come as they are done."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["in_processes", "quiet_cancelling"]

Result = TypeVar("Result")


def in_processes(
    function: Callable[..., Result], calls: Sequence[tuple[Any, ...]], jobs: int
) -> Generator[Result, None, None]:
    """Yield ``function(*call)`` for every call, in no particular order; close it to cancel the rest.

    Parameters
    ----------
    jobs : processes; -1 for all cores.
    """
    from joblib import Parallel, delayed

    # a batch is a training: one of seconds must not wait for another to be handed in
    pool: Any = Parallel(n_jobs=jobs, backend="loky", batch_size=1, return_as="generator_unordered")
    results = pool(delayed(function)(*call) for call in calls)
    try:
        for result in results:  # noqa: UP028 (`yield from` would close `results` out of our hands)
            yield result
    finally:
        with quiet_cancelling():
            results.close()


@contextmanager
def quiet_cancelling() -> Iterator[None]:
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
