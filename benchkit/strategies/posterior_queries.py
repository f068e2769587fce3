"""Variational inference on queried accuracies: what NASAS and SI-VDNAS do alike on a table.

A distribution q over rows is fitted to p(a | D), in proportion to p(a) exp(accuracy(a) / T), by black-box
variational inference (`benchkit.strategies.score_function`); then samples of it are ranked. The methods
differ by the family of q and by the prior p(a), which is what a gradient step of theirs says.

Deviations and choices
----------------------
- log p(D | a) = accuracy / T, with accuracy in percent; T, in percentage points, says how much better an
  architecture must be to be e times as probable.
- Every queried accuracy is used in every step, weighted by importance against the mixture of all the
  distributions that were drawn from; a table's query is dear and a step is not. The steps of a round end
  when the effective sample size falls below `least_effective`. ``reuse=False`` is the plain estimator:
  one step from the draws of the round alone.
- In a restricted space draws are conditioned on membership and densities are those of the product; see
  `reinforce`.
- Queries spent on fitting q are scored architectures too: the answer is the best of all seen.
- A row that was asked before is drawn again, ten times at most: the ranking gains nothing from it. In a small
  space a concentrated q repeats itself all the same; it then spends its budget on repeats.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchkit.spaces.base import Batch, Space
from benchkit.strategies.protocol import Ask, Scores, SearchStrategy
from benchkit.strategies.score_function import Matrix, importance_weights, log_probability, vectors

__all__ = ["PosteriorHyperparameters", "PosteriorQueries"]

_TRIES = 10  # draws for a row that is new, before a known one is asked again


@dataclass(frozen=True)
class PosteriorHyperparameters:
    """Of the fit and of the ranking; the papers have none of them for tables.

    Attributes
    ----------
    fitting : queries from which q is fitted; afterwards it stays and its samples are ranked.
    round : queries between two fits, and rows asked at once.
    temperature : T, percentage points of accuracy.
    learning_rate, steps : of Adam on the parameters of q, and its largest number of steps a round.
    least_effective : smallest effective sample size, 1 / sum of squared weights, that a step may rest on.
    reuse : whether a step uses all rounds.
    """

    fitting: int = 100
    round: int = 10
    temperature: float = 0.5
    learning_rate: float = 0.05
    steps: int = 30
    least_effective: float = 5.0
    reuse: bool = True

    def __post_init__(self) -> None:
        for name in ("round", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.fitting < 0:
            raise ValueError(f"fitting must not be negative, got {self.fitting}")
        for name in ("temperature", "learning_rate", "least_effective"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")


class PosteriorQueries(SearchStrategy):
    """Variational inference on queried accuracies, then ranked samples of the posterior."""

    in_points = ("temperature",)

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        self._rows: Batch = np.empty((0, space.length), dtype=np.int8)
        self._scores: Scores = np.empty(0)
        self._drawn_from: list[tuple[int, Matrix]] = []  # how many rows were drawn from which q
        self._seen: set[Any] = set()

    @abstractmethod
    def probabilities(self) -> Matrix:
        """Return float64[d, largest arity]: q, 0 past a choice's arity."""

    @abstractmethod
    def climb(self, batch: Batch, log_likelihood: Scores, weights: Scores | None = None) -> None:
        """Take one step up the ELBO.

        Parameters
        ----------
        batch : int8[n, d], drawn from q, or from elsewhere with `weights`.
        log_likelihood : float64[n], accuracy / T.
        weights : float64[n], summing to 1; None is 1 / n each.
        """

    def begin_round(self) -> None:
        """Prepare for the fit to the queries of a further round; most methods need not."""
        return None

    def propose(self) -> Ask:
        wanted = self.hyperparameters.round
        choices = vectors(self.probabilities(), self.space.arity)
        rows = self.space.sample_product(self.rng, choices, wanted)
        for _ in range(_TRIES):
            known = self._known(rows)
            if not known.any():
                break
            rows[known] = self.space.sample_product(self.rng, choices, int(known.sum()))
        self._seen.update(self.space.key(rows).tolist())
        return Ask(rows)

    def _known(self, rows: Batch) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return bool[n]: which rows were asked before, or stand earlier in the batch."""
        keys = self.space.key(rows).tolist()
        before: set[Any] = set()
        known = []
        for key in keys:
            known.append(key in self._seen or key in before)
            before.add(key)
        return np.array(known, dtype=np.bool_)

    def observe(self, batch: Batch, scores: Scores) -> None:
        setting = self.hyperparameters
        if not len(scores) or len(self._rows) >= setting.fitting:
            return
        self._drawn_from.append((len(batch), self.probabilities()))
        self._rows = np.concatenate([self._rows, batch])
        self._scores = np.concatenate([self._scores, scores])
        self.begin_round()
        if setting.reuse:
            self._fit()
        elif len(batch) > 1:
            self.climb(batch, scores / setting.temperature)

    def _fit(self) -> None:
        """Climb the ELBO until its estimate rests on too few rows."""
        setting = self.hyperparameters
        log_likelihood = self._scores / setting.temperature
        proposals = self._proposals()
        for _ in range(setting.steps):
            probabilities = self.probabilities()
            weights = importance_weights(probabilities, self._rows, proposals)
            if 1 / (weights @ weights) < setting.least_effective:
                return
            self.climb(self._rows, log_likelihood, weights)

    def _proposals(self) -> Scores:
        """Return float64[n]: log of the mixture of all distributions that rows were drawn from."""
        shares = np.log([count for count, _ in self._drawn_from]) - np.log(len(self._rows))
        each = [log_probability(q, self._rows) for _, q in self._drawn_from]
        mixture: Scores = np.logaddexp.reduce(shares[:, None] + np.array(each), axis=0)
        return mixture
