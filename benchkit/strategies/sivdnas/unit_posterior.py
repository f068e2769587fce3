"""Holds the posterior of a supernet's units in SI-VDNAS: its parameters, its draws, and the units it keeps.

Wang et al., "SI-VDNAS", IJCAI 2020, sections 3.1 to 3.3. `benchkit.strategies.sivdnas.supernet` describes the
draws, their gradients and the choices, `benchkit.strategies.sivdnas.variational_dropout` the formulas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchkit.spaces.base import Space
from benchkit.spaces.nasbench201.encoding import DenseCells
from benchkit.strategies.relaxed_sampling import logistic_noise, relaxed_bernoulli, straight_through
from benchkit.strategies.sivdnas.variational_dropout import (
    annealed_kl,
    keep_probability,
    kept,
    log_delta_score,
    mixture_weights,
    noisy_weights,
)

if TYPE_CHECKING:
    from torch import Tensor

_TRIES = 100  # draws until something reaches the output


class Units(NamedTuple):
    """A figure for each operation, [positions, operations], and for each edge, [positions]."""

    operations: Tensor
    edges: Tensor


class Draw(NamedTuple):
    """A draw: hard gates, and the noise from which relaxed gates and normal weights are made."""

    gates: Units
    logistic: Units
    normal: Units


class UnitPosterior:
    """Weights and dropout rates of operations and edges.

    Parameters
    ----------
    space : Space without restriction; its ``none``, where it has one, is no operation and makes edges
        droppable.
    present : bool[positions, operations] of the supernet.
    setting : Hyperparameters of `SIVDNAS`.
    rng : Generator of every draw.
    device : Device of the parameters.

    Attributes
    ----------
    operation_weights, log_delta : float[positions, operations], w and log delta.
    edge_weights, log_sigma : float[positions], phi and log sigma.
    drops_edges : Whether an edge may be left out.
    none : Number of the operation that is none, or None.
    """

    def __init__(
        self,
        space: Space,
        present: npt.NDArray[np.bool_],
        setting: Any,
        rng: np.random.Generator,
        device: Any,
    ) -> None:
        import torch

        self._space, self._setting, self._rng = space, setting, rng
        self.semi_implicit: bool = setting.variant == "si"
        self._hierarchical: bool = setting.variant != "v"
        held = present.copy()
        self.none: int | None = getattr(space, "none", None)
        if self.none is not None:
            held[:, self.none] = False
        self.drops_edges = self._hierarchical and self.none is not None
        self.held = held
        self._units = torch.from_numpy(held).to(device)
        start = float(np.log(setting.initial_drop) - np.log1p(-setting.initial_drop))

        def made(value: npt.NDArray[np.floating[Any]]) -> Tensor:
            return torch.tensor(value, dtype=torch.float32, device=device, requires_grad=True)

        self.operation_weights = made(held / held.sum(axis=1, keepdims=True))
        self.log_delta = made(np.full(held.shape, start))
        self.edge_weights, self.log_sigma = made(np.ones(len(held))), made(np.full(len(held), start))

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """Learned tensors by name: weights without a hierarchy have no edges, chains no edges to drop."""
        found = {"operation_weights": self.operation_weights, "log_delta": self.log_delta}
        if self._hierarchical:
            found["edge_weights"] = self.edge_weights
        if self.drops_edges:
            found["log_sigma"] = self.log_sigma
        return found

    # -- draws --------------------------------------------------------------------------------

    def draw(self) -> Draw:
        """Draw gates and noise; gates that let nothing through are drawn again."""
        logistic = self._logistic()
        gates = self._hard(logistic)
        for _ in range(_TRIES):
            again = self._blocked(gates)
            if not bool(again.any()):
                break
            fresh = self._logistic()
            logistic = Units(
                fresh.operations.where(again[:, None], logistic.operations),
                fresh.edges.where(again, logistic.edges),
            )
            gates = self._hard(logistic)
        if self.none is None:
            gates = self._opened(gates)
        return Draw(gates, logistic, Units(self._normal(self.log_delta), self._normal(self.log_sigma)))

    def _logistic(self) -> Units:
        return Units(logistic_noise(self._rng, self.log_delta), logistic_noise(self._rng, self.log_sigma))

    def _normal(self, like: Tensor) -> Tensor:
        return like.detach().new_tensor(self._rng.standard_normal(tuple(like.shape)))

    def _hard(self, logistic: Units) -> Units:
        """Return gates, 0.0 or 1.0; all are open where nothing is semi-implicit."""
        operations = self._units.to(self.log_delta.dtype)
        edges = self.log_sigma.detach().new_ones(len(self.held))
        if self.semi_implicit:
            operations = operations * kept(self.log_delta, logistic.operations)
            if self.drops_edges:
                edges = kept(self.log_sigma, logistic.edges)
        return Units(operations, edges)

    def _blocked(self, gates: Units) -> Tensor:
        """Return bool[positions], those to draw again."""
        through = (gates.edges > 0) & (gates.operations > 0).any(dim=1)
        if self.none is None:
            return ~through
        reached = {0}
        if isinstance(self._space, DenseCells):
            for (source, target), passed in zip(self._space.edges, through.tolist(), strict=True):
                if passed and source in reached:
                    reached.add(target)
            if self._space.nodes - 1 not in reached:
                return through.new_ones(len(through))
        return through.new_zeros(len(through))

    def _opened(self, gates: Units) -> Units:
        """Return the gates with the most probable operation of every position that is still closed."""
        closed = ~(gates.operations > 0).any(dim=1)
        best = self.log_delta.detach().masked_fill(~self._units, float("inf")).argmin(dim=1)
        operations = gates.operations.clone()
        operations[closed, best[closed]] = 1.0
        return Units(operations, gates.edges)

    @property
    def passes_gradient(self) -> bool:
        """Whether gates are relaxed, so that dropped units have a gradient, too."""
        return self._setting.estimator in ("straight-through", "concrete")

    def gates(self, drawn: Draw) -> Units:
        """Return the gates of a draw, hard or with the gradient that the estimator gives them."""
        if not self.passes_gradient:
            return drawn.gates

        def relaxed(log_delta: Tensor, noise: Tensor, hard: Tensor) -> Tensor:
            soft = relaxed_bernoulli(-log_delta, self._setting.temperature, noise)
            return soft if self._setting.estimator == "concrete" else straight_through(hard, soft)

        operations = relaxed(self.log_delta, drawn.logistic.operations, drawn.gates.operations) * self._units
        if not self.drops_edges:
            return Units(operations, drawn.gates.edges)
        return Units(operations, relaxed(self.log_sigma, drawn.logistic.edges, drawn.gates.edges))

    def mask(self, drawn: Draw) -> npt.NDArray[np.bool_] | None:
        """Return bool[positions, operations], those that must be computed; None is everything."""
        if not self.semi_implicit or self.passes_gradient:
            return None
        opened = drawn.gates.operations * drawn.gates.edges[:, None] > 0
        return np.asarray(opened.cpu().numpy())

    def mixture(self, drawn: Draw) -> Tensor:
        """Return float[positions, operations], the multiplier of every operation (Eq. 13)."""
        gates, additive = self.gates(drawn), self._setting.additive
        weights = noisy_weights(
            self.operation_weights, gates.operations, self.log_delta, drawn.normal.operations, additive
        )
        if not self._hierarchical:
            return weights
        edges = self.edge_weights
        if self.drops_edges:
            edges = noisy_weights(edges, gates.edges, self.log_sigma, drawn.normal.edges, additive)
        return mixture_weights(weights, edges)

    def divergence(self, drawn: Draw, gap: float) -> Tensor:
        """Return the KL of all units that are kept, in nats (Eq. 14, 17, 18); `gap` is (1 - lambda)^2."""
        gates = self.gates(drawn)
        total = (gates.operations * annealed_kl(self.log_delta.exp(), gap))[self._units].sum()
        if self.drops_edges:
            total = total + (gates.edges * annealed_kl(self.log_sigma.exp(), gap)).sum()
        return total

    def scores(self, drawn: Draw) -> dict[str, Tensor]:
        """Return the gradient of log P(psi) by log delta and log sigma, by name."""
        found = {"log_delta": log_delta_score(drawn.gates.operations, self.log_delta.detach()) * self._units}
        if self.drops_edges:
            found["log_sigma"] = log_delta_score(drawn.gates.edges, self.log_sigma.detach())
        return found

    # -- the units that are kept ---------------------------------------------------------------
    def keep(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return float64[positions, operations] and float64[positions]: chances of being kept.

        0 where there is no such operation, 1 for an edge that cannot be dropped.
        """
        operations = keep_probability(self.log_delta.detach().double().exp()).cpu().numpy() * self.held
        edges = np.ones(len(self.held))
        if self.drops_edges:
            edges = keep_probability(self.log_sigma.detach().double().exp()).cpu().numpy()
        return operations, edges

    def draw_structure(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Draw which operations and which edges stay (Algorithm 1, line 11)."""
        operations, edges = self.keep()
        return self._rng.random(operations.shape) < operations, self._rng.random(edges.shape) < edges
