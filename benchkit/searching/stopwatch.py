"""Measures how long a search really takes, by an evaluator that notes the time of each answer."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from benchkit.searching.loop import Evaluator
from benchkit.searching.table_evaluator import Evaluation
from benchkit.spaces.base import Batch


class Stopwatch:
    """An evaluator that asks another one, and notes the time of each answer.

    Parameters
    ----------
    evaluator : Evaluator that answers; the stopwatch starts at once.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self.space = evaluator.space
        self.full_fidelity = evaluator.full_fidelity
        self._times: list[float] = []
        self._start = time.perf_counter()

    @property
    def has_seconds(self) -> bool:
        """Whether evaluations carry (simulated) seconds."""
        return self._evaluator.has_seconds

    def evaluate(self, batch: Batch, fidelity: int | None = None) -> Evaluation:
        """Return the evaluator's scores and seconds for int8[n, d]."""
        evaluation = self._evaluator.evaluate(batch, fidelity)
        self._times += [time.perf_counter() - self._start] * len(batch)
        return evaluation

    def real_seconds(self, n: int) -> npt.NDArray[np.float64]:
        """Return float64[n], seconds on this machine from the start to each of the first n answers.

        They include the strategy's own time before it asked.
        """
        return np.array(self._times[:n], dtype=np.float64)
