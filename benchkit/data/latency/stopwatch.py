"""Times pieces of work: warms up, repeats, and takes medians."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Timing:
    """Median and interquartile range of the repetitions, in milliseconds."""

    ms: float
    iqr_ms: float


@dataclass(frozen=True, slots=True)
class Work:
    """Something to time.

    Attributes
    ----------
    call : Function that does it once.
    calls : Number of calls in a row in each repetition, without waiting for the device between them.
    """

    call: Callable[[], object]
    calls: int = 1


class Stopwatch:
    """Times work on a device.

    Parameters
    ----------
    warmup, repeats : Number of rounds before those that count, and of those.
    synchronise : Function that waits until the device has done all that it was given.
    clock : Function that gives seconds, rising.
    """

    def __init__(
        self, warmup: int, repeats: int, synchronise: Callable[[], None], clock: Callable[[], float]
    ) -> None:
        self.warmup, self.repeats = warmup, repeats
        self._synchronise, self._clock = synchronise, clock

    def times(
        self, works: Sequence[Work], progress: Callable[[int, int], None] | None = None
    ) -> list[Timing]:
        """Return what one call of each piece of work takes.

        A round is one repetition of each, so that a slow minute of the machine meets all of them alike.

        Parameters
        ----------
        progress : Function called with (rounds done, all of them).
        """
        rounds = self.warmup + self.repeats
        taken = np.empty((rounds, len(works)))
        for number in range(rounds):
            for index, work in enumerate(works):
                self._synchronise()
                began = self._clock()
                for _ in range(work.calls):
                    work.call()
                self._synchronise()
                taken[number, index] = (self._clock() - began) * 1e3 / work.calls
            if progress:
                progress(number + 1, rounds)
        # a nanosecond is finer than any clock
        quartiles = np.percentile(taken[self.warmup :], (25, 50, 75), axis=0).round(6)
        return [Timing(median, round(high - low, 6)) for low, median, high in quartiles.T.tolist()]
