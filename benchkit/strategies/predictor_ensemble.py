"""Trains an ensemble of small neural predictors all at once.

This is the predictor of BANANAS (White, Neiswanger and Savani, AAAI 2021): feed-forward networks with ReLU
that differ in their initial weights and in the order of their batches. The members share every matrix
product (`baddbmm` over a leading axis of members), so five cost little more than one.

Nothing of torch outlives a call: no parameter is kept, no global generator is drawn from, and the number
of torch threads is restored.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float64]
Features = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PredictorEnsemble:
    """Settings of the networks and of their training.

    Attributes
    ----------
    members : Number of networks.
    layers, width : Numbers of hidden layers and of units in each.
    learning_rate, epochs, batch_size : Settings of Adam (betas 0.9 and 0.99) on the mean absolute error.
    """

    members: int = 5
    layers: int = 10
    width: int = 20
    learning_rate: float = 0.01
    epochs: int = 150
    batch_size: int = 32

    def fit_predict(
        self, rng: np.random.Generator, features: Features, targets: Floats, queries: Features
    ) -> Floats:
        """Train on known targets and return float64[members, m], the members' predictions.

        Parameters
        ----------
        features, targets : float32[n, f] and float64[n], n >= 1; targets are standardised for training.
        queries : float32[m, f].
        """
        import torch

        from benchkit.base.devices import intra_op_threads

        centre, scale = float(targets.mean()), float(targets.std())
        if scale < 1e-12 * max(1.0, abs(centre)):  # all equal: nothing to scale by
            scale = 1.0
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        with intra_op_threads(1):
            x = torch.from_numpy(features)
            y = torch.from_numpy(((targets - centre) / scale).astype(np.float32))
            parameters = self._train(x, y, generator)
            with torch.no_grad():
                inputs = torch.from_numpy(queries).expand(self.members, -1, -1)
                predicted = _forward(parameters, inputs).double().numpy()
        return np.asarray(predicted * scale + centre)

    def _train(
        self, x: torch.Tensor, y: torch.Tensor, generator: torch.Generator
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return the trained (weight, bias) of each layer."""
        import torch

        sizes = [x.shape[1], *[self.width] * self.layers, 1]
        shapes = [(self.members, *pair) for pair in pairwise(sizes)]
        # One flat leaf of which weights are views: Adam then updates one tensor instead of 22.
        flat = torch.cat([_glorot_uniform(shape, generator).flatten() for shape in shapes])
        weights_end = len(flat)
        flat = torch.cat([flat, torch.zeros(self.members * sum(sizes[1:]))]).requires_grad_()
        weight_counts = [a * b * c for a, b, c in shapes]
        bias_counts = [self.members * c for _, _, c in shapes]
        optimizer = torch.optim.Adam([flat], lr=self.learning_rate, betas=(0.9, 0.99), eps=1e-7)

        def layers() -> list[tuple[torch.Tensor, torch.Tensor]]:
            weights = torch.split(flat[:weights_end], weight_counts)
            biases = torch.split(flat[weights_end:], bias_counts)
            return [
                (w.view(shape), b.view(self.members, 1, shape[2]))
                for w, b, shape in zip(weights, biases, shapes, strict=True)
            ]

        for _ in range(self.epochs):
            noise = torch.rand(self.members, len(x), generator=generator)
            for rows in torch.split(noise.argsort(dim=1), self.batch_size, dim=1):
                error = (_forward(layers(), x[rows]) - y[rows]).abs()
                # the mean over a member's batch, summed over members: each has its own gradient
                torch.autograd.backward(error.sum() / rows.shape[1])
                optimizer.step()
                optimizer.zero_grad()
        return [(w.detach(), b.detach()) for w, b in layers()]


def _glorot_uniform(shape: tuple[int, int, int], generator: torch.Generator) -> torch.Tensor:
    """Return initial weights [members, inputs, outputs], uniform in +-sqrt(6 / (inputs + outputs))."""
    import torch

    _, inputs, outputs = shape
    limit = (6 / (inputs + outputs)) ** 0.5
    weights: torch.Tensor = (torch.rand(shape, generator=generator) * 2 - 1) * limit
    return weights


def _forward(layers: list[tuple[torch.Tensor, torch.Tensor]], inputs: torch.Tensor) -> torch.Tensor:
    """Return [members, n]: the outputs for inputs [members, n, f]."""
    hidden = inputs
    for weight, bias in layers[:-1]:
        hidden = bias.baddbmm(hidden, weight).relu()
    weight, bias = layers[-1]
    return bias.baddbmm(hidden, weight).squeeze(-1)
