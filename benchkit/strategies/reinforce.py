"""REINFORCE moves a softmax for each choice by the policy gradient.
Williams, "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning", Machine
Learning 8 (1992), in the form that Dong and Yang, "NAS-Bench-201", ICLR 2020, use as a baseline (code: D-X-Y/
AutoDL-Projects, ``exps/NATS-algos/reinforce.py``). The policy has free logits. Each evaluation moves them up
the gradient of the log-probability of the drawn architecture, in proportion to how far its accuracy exceeds
a moving average; Adam makes the steps.

==============================================================  =============================
Equation                                                        here
==============================================================  =============================
p_i = softmax(theta_i)                                          `softmax`
d log p_i(a) / d theta_ij = [a = j] - p_ij                      `log_probability_gradient`
b_t = (1 - m) sum_s m^(t-s) r_s / (1 - m^t)                     `MovingAverage`
delta theta = lr (r - b) d log p / d theta  (Williams, eq. 4)   `Reinforce.observe`, `Adam`
==============================================================  =============================

Deviations and choices
----------------------
- ``batch=1``, the default, draws and updates one architecture at a time, as the published code does. In a
  larger batch every reward enters the baseline in order, then the mean gradient makes one step.
- The baseline includes the present reward, as in the published code: the first step has advantage zero.
- Rewards are accuracies in percent, as there. Adam divides the scale out, up to its epsilon.
- The learning rate of the NAS-Bench-201 and NATS-Bench runs is 0.01; an early script of the same repository
  has 0.001.
- In a space where some combinations are not architectures, draws are conditioned on membership
  (``space.sample_product``). The gradient is still that of the unconditioned product: the exact one subtracts
  the expectation of [a = j] - p_ij over the members, a sum over the space without a closed form. The estimate
  is exact where every combination is a member; elsewhere it masks the draw but not the gradient, as is usual.
- The answer is the best architecture seen, as in the published code, not the most probable one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from benchkit.spaces.base import Batch, Space
from benchkit.strategies.hyperparameters import require
from benchkit.strategies.protocol import Ask, Scores, SearchStrategy
from benchkit.strategies.score_function import (
    Adam,
    Matrix,
    log_probability_gradient,
    padded,
    softmax,
    vectors,
)


@dataclass(frozen=True)
class ReinforceHyperparameters:
    """Hyperparameters of REINFORCE.

    Attributes
    ----------
    learning_rate : Learning rate of Adam.
    momentum : Momentum m of the moving-average baseline, in [0, 1).
    batch : Number of architectures drawn for each step.
    init_scale : Standard deviation of the logits at the start.
    """

    learning_rate: float = 0.01  # exps/NATS-algos/run-all.sh
    momentum: float = 0.9  # EMA_momentum, same code
    batch: int = 1  # same code
    init_scale: float = 1e-3  # arch_parameters, same code

    def __post_init__(self) -> None:
        require(self, "be positive", "learning_rate")
        require(self, "be in [0, 1)", "momentum")
        require(self, "be at least 1", "batch")
        require(self, "not be negative", "init_scale")


class MovingAverage:
    """Exponential moving average without bias towards its start."""

    def __init__(self, momentum: float) -> None:
        self._momentum = momentum
        self._sum = 0.0
        self._weight = 0.0

    def update(self, value: float) -> float:
        """Take a value in and return the average that includes it."""
        self._sum = self._momentum * self._sum + (1 - self._momentum) * value
        self._weight = self._momentum * self._weight + (1 - self._momentum)
        return self._sum / self._weight


class Reinforce(SearchStrategy):
    """A softmax per choice, moved by the policy gradient."""

    name = "reinforce"
    citation = "Williams (1992), Simple Statistical Gradient-Following Algorithms, Machine Learning 8"
    Hyperparameters = ReinforceHyperparameters
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        # Dong and Yang (2020); AutoDL-Projects, exps/NATS-algos/run-all.sh and reinforce.py
        "nasbench201": {"learning_rate": 0.01, "momentum": 0.9, "batch": 1, "init_scale": 1e-3},
        # AutoDL-Projects, first scripts-search/algos/REINFORCE.sh
        "nasbench201-early": {"learning_rate": 0.001, "momentum": 0.9, "batch": 1, "init_scale": 1e-3},
    }

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        setting = self.hyperparameters
        shape = (space.length, max(space.arity))
        self._logits = padded(space.arity, setting.init_scale * rng.standard_normal(shape))
        self._baseline = MovingAverage(setting.momentum)
        self._adam = Adam(shape, setting.learning_rate)

    def probabilities(self) -> Matrix:
        """Return float64[d, largest arity]: the policy, 0 past a choice's arity."""
        return softmax(self._logits)

    def propose(self) -> Ask:
        choices = vectors(self.probabilities(), self.space.arity)
        return Ask(self.space.sample_product(self.rng, choices, self.hyperparameters.batch))

    def observe(self, batch: Batch, scores: Scores) -> None:
        if not len(scores):
            return
        probabilities = self.probabilities()
        loss_gradient = np.zeros_like(probabilities)
        for architecture, reward in zip(batch, scores.tolist(), strict=True):
            advantage = reward - self._baseline.update(reward)
            loss_gradient -= advantage * log_probability_gradient(probabilities, architecture)
        self._logits += self._adam.step(loss_gradient / len(scores))
