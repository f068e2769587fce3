"""NASAS on a table learns its posterior from queries instead of from gradients.

Zhou, Sun, Luo, Zha and Zeng, "One-Shot Neural Architecture Search Through A Posteriori Distribution Guided
Sampling" (NASAS). The paper fits q to the posterior of architecture and weights and then ranks samples of q.
A table holds no weights: q(architecture) remains, fitted to the posterior p(a | D) in proportion to
exp(accuracy(a) / T) by black-box variational inference, with the paper's sampling and ranking.

=======================================================  ===================================
paper                                                    here
=======================================================  ===================================
Eq. 10: negative ELBO, minimised                         `NASASQueries.climb`
Eq. 13: independent choices                              q, a softmax for each choice
section 2.3: C samples of q, ranked, the best returned   ``propose``, ``recommend``
=======================================================  ===================================

Deviations and choices
----------------------
- `benchkit.strategies.posterior_queries` describes the fit, the draws and the ranking.
- The prior is uniform over the rows. The paper's u = 0, the whole one-shot model, has no meaning where a
  choice holds exactly one operation.
- The table's accuracy is not differentiable: the reparameterised gradient of Eq. 17 is replaced by the score
  function with a control variate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchkit.spaces.base import Batch, Space
from benchkit.strategies.posterior_queries import PosteriorHyperparameters, PosteriorQueries
from benchkit.strategies.protocol import Scores
from benchkit.strategies.score_function import Adam, Matrix, elbo_gradient, padded, softmax


class NASASQueries(PosteriorQueries):
    """A softmax for each choice under a uniform prior."""

    name = "nasas"
    citation = (
        "Zhou et al. (2019), One-Shot Neural Architecture Search Through A Posteriori Distribution Guided "
        "Sampling"
    )
    Hyperparameters = PosteriorHyperparameters

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        shape = (space.length, max(space.arity))
        self._logits = padded(space.arity, np.zeros(shape))
        self._adam = Adam(shape, self.hyperparameters.learning_rate)

    def probabilities(self) -> Matrix:
        return softmax(self._logits)

    def climb(self, batch: Batch, log_likelihood: Scores, weights: Scores | None = None) -> None:
        gradient = elbo_gradient(self.probabilities(), batch, log_likelihood, weights)
        self._logits += self._adam.step(-gradient)
