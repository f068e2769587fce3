"""Evaluates architectures by training each alone, from scratch.

Each architecture is trained with every one of the study's seeds, by one recipe, and its score is the mean
validation accuracy over them, in percent. Answers are kept: a repeated query gets the same answer, and is
charged again, as everywhere. A fidelity is a number of epochs, and a lower one is a training with a shorter
schedule of its own.

Seconds
-------
With `timed`, an evaluation carries the training seconds of all its runs, without their scoring. They are
measured, so that a search which a budget in seconds stops, or a trace that carries them, is not reproducible
bit for bit. Without them it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.searching.table_evaluator import Evaluation
from benchkit.spaces import Space
from benchkit.spaces.base import Architecture, Batch


class Run(Protocol):
    """The result of one training, as far as a search may see it."""

    @property
    def valid(self) -> npt.NDArray[np.float64]:
        """float64[epochs], validation accuracy in percent after each epoch."""
        ...

    @property
    def train_seconds(self) -> float:
        """Seconds of training, without scoring."""
        ...


class TrainsAlone(Protocol):
    """The protocol of trainers, see ``benchkit.training.standalone.StandaloneTrainer``."""

    space: Space
    epochs: int

    @property
    def has_test(self) -> bool:
        """Whether it scores test images too."""
        ...

    def train(self, architecture: Architecture, seed: int, epochs: int | None = None) -> Run:
        """Train one architecture; all but the seconds of the answer depends on these three alone."""
        ...


class StandaloneEvaluator:
    """Scores by training from scratch.

    Parameters
    ----------
    trainer : Trainer without test images.
    seeds : Seeds of the runs of every architecture, or their number: 0, 1, 2, ...
    timed : Whether evaluations carry seconds.

    Attributes
    ----------
    full_fidelity : Number of epochs of the trainer's recipe.

    Raises
    ------
    InputError : There are no seeds, a seed is given twice, or the trainer has test images.
    """

    def __init__(self, trainer: TrainsAlone, seeds: int | Sequence[int] = 1, *, timed: bool = False) -> None:
        chosen = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
        if not chosen or len(set(chosen)) < len(chosen) or min(chosen) < 0:
            raise InputError(
                f"stand-alone training needs at least one seed, each at least 0 and given once; got {seeds}"
            )
        if trainer.has_test:
            raise InputError("a search must not see test images: make the trainer without them")
        self.space = trainer.space
        self.full_fidelity = trainer.epochs
        self.seeds = chosen
        self._trainer = trainer
        self._timed = timed
        self._known: dict[tuple[Any, int], tuple[float, float]] = {}  # (architecture, epochs) -> %, seconds

    @property
    def has_seconds(self) -> bool:
        return self._timed

    @property
    def trained(self) -> int:
        """Number of different (architecture, fidelity) pairs trained so far."""
        return len(self._known)

    def evaluate(self, batch: Batch, fidelity: int | None = None) -> Evaluation:
        """Return scores, and seconds where they are measured, for int8[n, d].

        Raises
        ------
        ArchitectureError : An architecture is not in the space.
        InputError : The fidelity is not in 1..full_fidelity, or a loss is not finite.
        """
        epochs = self.full_fidelity if fidelity is None else fidelity
        if not 1 <= epochs <= self.full_fidelity:
            raise InputError(f"a fidelity is a number of epochs in 1..{self.full_fidelity}, got {epochs}")
        answers = np.array([self._answer(row, epochs) for row in self.space.validate(batch)]).reshape(-1, 2)
        return Evaluation(answers[:, 0].copy(), answers[:, 1].copy() if self._timed else None)

    def _answer(self, row: Architecture, epochs: int) -> tuple[float, float]:
        # by the choices, not by the table key: each of two encodings of one cell has weights of its own
        known = (row.tobytes(), epochs)
        if known not in self._known:
            runs = [self._trainer.train(row, seed, epochs) for seed in self.seeds]
            score = float(np.mean([run.valid[-1] for run in runs]))
            self._known[known] = (score, float(sum(run.train_seconds for run in runs)))
        return self._known[known]
