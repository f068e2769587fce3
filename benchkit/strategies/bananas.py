"""BANANAS performs Bayesian optimisation with an ensemble of neural predictors.

White, Neiswanger and Savani, "BANANAS: Bayesian Optimization with Neural Architectures for Neural
Architecture Search", AAAI 2021. An ensemble of small networks learns to predict an architecture's score
from its paths; the spread of its members is its uncertainty. Candidates are small mutations of the best
architectures so far, and those whose sampled score is highest are evaluated next.

==================================================  ==============================
Algorithm 1, step 1: t_0 random architectures       `BANANAS._fill`
step 2 i: train the ensemble on path encodings      `PredictorEnsemble`, `encode`
step 2 ii: candidates, mutations of the best        `BANANAS._candidates`
step 2 iii: acquisition, independent Thompson       `independent_thompson`
step 2 iv: evaluate the best k (parallel variant)   `BANANAS.propose`
==================================================  ==============================

Deviations and choices
----------------------
- Sizes (networks of 10 layers of 20 units, Adam at 0.01, 10 random architectures first, 10 a round, 100
  candidates, 150 epochs, batches of 32) are those of the authors' code, naszilla, whose default loss is
  the mean absolute error; the paper also studies a percentage error, which needs a lower bound on the
  error that a search does not know.
- Targets are standardised before training, so that the unit of the score does not matter.
- A mutation is the space's own single step. In naszilla a NAS-Bench-201 mutation changes each edge with
  probability 1/4, so it may change several edges, or none.
- As in naszilla, candidates come from the single best architecture while it yields enough new ones, then
  from the next best, five at most. Where these yield no more than a round asks for, as in a restricted space
  whose members have few neighbours, random architectures join them, up to the number of candidates, so that
  the ensemble still has a choice.
- An architecture whose table entry (`Space.key`) this trial has asked for is never asked again; where
  nothing new is found, the batch is empty and the trial ends.
- Every round trains anew; no network is kept between rounds.
- `path_encoding` gives the encoding of each space.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.spaces.base import Batch, Space
from benchkit.strategies.hyperparameters import require
from benchkit.strategies.novelty import new_places
from benchkit.strategies.path_encoding import encode
from benchkit.strategies.predictor_ensemble import PredictorEnsemble
from benchkit.strategies.protocol import Ask, Scores, SearchStrategy

_PATIENCE = 5  # architectures to mutate, and draws for each random one: naszilla's patience_factor
_ROUNDS = 40  # of random draws before a space counts as exhausted, unless its size says so earlier


@dataclass(frozen=True)
class BANANASHyperparameters:
    """Hyperparameters with the defaults of the authors' code (naszilla: nas_algorithms, params).

    Attributes
    ----------
    initial : Number t_0 of random architectures at the start.
    batch : Number k of architectures evaluated between two trainings.
    candidates : Number c of mutations to choose from.
    members, layers, width, learning_rate, epochs, batch_size : Settings of `PredictorEnsemble`.
    longest_path : Most operations on a path of the encoding; None is the published truncation.
    """

    initial: int = 10
    batch: int = 10
    candidates: int = 100
    members: int = 5
    layers: int = 10
    width: int = 20
    learning_rate: float = 0.01
    epochs: int = 150
    batch_size: int = 32
    longest_path: int | None = None

    def __post_init__(self) -> None:
        require(self, "be at least 1", "initial", "batch", "candidates", "members", "layers", "width")
        require(self, "be at least 1", "epochs", "batch_size")
        require(self, "be positive", "learning_rate")
        if self.longest_path is not None and self.longest_path < 1:
            raise ValueError(f"longest_path must be at least 1 or None, got {self.longest_path}")


def independent_thompson(
    rng: np.random.Generator, predictions: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return float64[m], a score drawn for each candidate on its own.

    It is drawn from the normal distribution with the mean and the standard deviation (ddof 0) of the
    candidate's column in `predictions`, float64[members, m].
    """
    return np.asarray(rng.normal(predictions.mean(axis=0), predictions.std(axis=0)))


class BANANAS(SearchStrategy):
    """A method of an ensemble predictor, path encoding, Thompson sampling and mutation."""

    name = "bananas"
    citation = (
        "White, Neiswanger and Savani (2021), BANANAS: Bayesian Optimization with Neural Architectures "
        "for Neural Architecture Search, AAAI"
    )
    Hyperparameters = BANANASHyperparameters

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        chosen = self.hyperparameters
        self._ensemble = PredictorEnsemble(
            chosen.members,
            chosen.layers,
            chosen.width,
            chosen.learning_rate,
            chosen.epochs,
            chosen.batch_size,
        )
        self._rows = np.empty((0, space.length), dtype=np.int8)
        self._scores = np.empty(0)
        self._asked: set[Any] = set()  # keys

    def propose(self) -> Ask:
        chosen = self.hyperparameters
        if len(self._rows) == 0:
            batch = self._fill(self._rows, chosen.initial)
        else:
            batch = self._candidates()
            if len(batch) > chosen.batch:
                predictions = self._ensemble.fit_predict(
                    self.rng, self._encode(self._rows), self._scores, self._encode(batch)
                )
                drawn = independent_thompson(self.rng, predictions)
                batch = batch[np.argsort(-drawn, kind="stable")[: chosen.batch]]
        self._asked.update(self.space.key(batch).tolist())
        return Ask(batch)

    def observe(self, batch: Batch, scores: Scores) -> None:
        self._rows = np.concatenate([self._rows, batch])
        self._scores = np.concatenate([self._scores, scores])

    def _encode(self, batch: Batch) -> npt.NDArray[np.float32]:
        return encode(self.space, batch, self.hyperparameters.longest_path)

    def _candidates(self) -> Batch:
        """Return new architectures near the best, with random ones where those leave no choice."""
        wanted = self.hyperparameters.candidates
        found = self._rows[:0]
        for best in np.argsort(-self._scores, kind="stable")[:_PATIENCE]:
            if len(found) >= wanted:
                break
            mutants = self.space.mutate(self.rng, np.repeat(self._rows[[best]], wanted, axis=0))
            found = self._new(np.concatenate([found, mutants]))
        return found if len(found) > self.hyperparameters.batch else self._fill(found, wanted)

    def _fill(self, rows: Batch, n: int) -> Batch:
        """Return `rows` followed by new architectures drawn from the space, n in all if it has them."""
        for _ in range(_ROUNDS):
            if len(rows) >= n or len(self._asked) + len(rows) >= self.space.size:
                break
            rows = self._new(np.concatenate([rows, self.space.sample(self.rng, n * _PATIENCE)]))
        return rows[:n]

    def _new(self, batch: Batch) -> Batch:
        """Return the rows not asked for yet, each table entry once, in their order."""
        return batch[new_places(self.space.key(batch).tolist(), self._asked)]
