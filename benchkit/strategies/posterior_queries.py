"""Performs variational inference on queried accuracies, as NASAS and SI-VDNAS both do on a table.

A distribution q over rows is fitted to p(a | D), in proportion to p(a) exp(accuracy(a) / T), by black-box
variational inference (`benchkit.strategies.score_function`); then samples of it are ranked. The methods
differ by the family of q and by the prior p(a), and so by their gradient step.

Deviations and choices
----------------------
- log p(D | a) = accuracy / T, with accuracy in percent. An architecture that is T percentage points better is
  e times as probable.
- Every queried accuracy is used in every step, weighted by importance against the mixture of all the
  distributions that were drawn from, since a table's query is dear and a step is not. The steps of a round
  end when the effective sample size falls below `least_effective`. ``reuse=False`` is the plain estimator:
  one step from the draws of the round alone.
- In a restricted space draws are conditioned on membership and densities are those of the product; see
  `reinforce`.
- The queries that fit q are scored architectures too: the answer is the best of all seen.
- A row that was asked before is drawn again, ten times at most: the ranking gains nothing from it. In a small
  space a concentrated q repeats itself all the same, and spends its budget on repeats.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchkit.spaces.base import Batch, Space
from benchkit.strategies.hyperparameters import require
from benchkit.strategies.novelty import redrawn
from benchkit.strategies.protocol import Ask, Scores, SearchStrategy
from benchkit.strategies.score_function import Matrix, importance_weights, log_probability, vectors


@dataclass(frozen=True)
class PosteriorHyperparameters:
    """Hyperparameters of the fit and of the ranking; the papers have none of them for tables.

    Attributes
    ----------
    fitting : Number of queries from which q is fitted; afterwards it stays and its samples are ranked.
    round : Number of queries between two fits, which is that of rows asked at once.
    temperature : Temperature T, in percentage points of accuracy.
    learning_rate, steps : Learning rate of Adam on the parameters of q, and most steps in a round.
    least_effective : Smallest effective sample size, 1 / sum of squared weights, on which a step may rest.
    reuse : Whether a step uses all rounds.
    """

    fitting: int = 100
    round: int = 10
    temperature: float = 0.5
    learning_rate: float = 0.05
    steps: int = 30
    least_effective: float = 5.0
    reuse: bool = True

    def __post_init__(self) -> None:
        require(self, "be at least 1", "round", "steps")
        require(self, "not be negative", "fitting")
        require(self, "be positive", "temperature", "learning_rate", "least_effective")


class PosteriorQueries(SearchStrategy):
    """A method of variational inference on queried accuracies, which then ranks samples of the posterior."""

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
        """Prepare for the fit to the queries of a further round, by default not at all."""
        return None

    def propose(self) -> Ask:
        choices = vectors(self.probabilities(), self.space.arity)

        def draw(n: int) -> Batch:
            return self.space.sample_product(self.rng, choices, n)

        return Ask(redrawn(self.space, self._seen, draw(self.hyperparameters.round), draw))

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
        # the logarithm of the mixture of all distributions that rows were drawn from
        shares = np.log([count for count, _ in self._drawn_from]) - np.log(len(self._rows))
        each = [log_probability(q, self._rows) for _, q in self._drawn_from]
        proposals: Scores = np.logaddexp.reduce(shares[:, None] + np.array(each), axis=0)
        for _ in range(setting.steps):
            weights = importance_weights(self.probabilities(), self._rows, proposals)
            if 1 / (weights @ weights) < setting.least_effective:
                return
            self.climb(self._rows, self._scores / setting.temperature, weights)
