"""Holds what differentiable methods share: the parameters alpha, their optimizer, samples and derivation.

DARTS (Liu, Simonyan and Yang, 2019) gave every candidate of every position a parameter, moved by Adam, and
kept the strongest candidate of each position at the end: `DifferentiableStrategy`. GDAS and SNAS took over
all of this, numbers included, and draw from softmax(alpha) by Gumbel noise, relaxed by a temperature that
falls while the supernet trains: `GumbelStrategy`. Each computes something else with a draw.

Deviations and choices
----------------------
- Derivation is the space's own rule (``strongest``): among all operations of a position, ``none`` included,
  as NAS-Bench-201 runs these methods; on ``darts`` two inputs for each node, as in the papers' own cells.
- A position with fewer candidates than others has the logit -inf where it has none.
- Weight decay on alpha is added to the gradient (Adam, not AdamW), as the published codes do.
- One Gumbel draw serves all cells and all images of a batch, as in the published codes of GDAS and SNAS. The
  temperature is linear from the first epoch to the last, and changes between epochs only.
- `benchkit.strategies.derived` says what is recorded after every epoch, and what is scored in the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.spaces.base import Architecture, Space
from benchkit.spaces.restricted import whole_space
from benchkit.strategies.derived import DerivingStrategy, relative_entropy
from benchkit.strategies.relaxed_sampling import gumbel_noise, gumbel_softmax, linear_temperature
from benchkit.strategies.weight_sharing import Weights, optimizer_tensors, restore_optimizer

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class AlphaHyperparameters:
    """Hyperparameters of DARTS, appendix A.1; NAS-Bench-201 uses the same for all of these methods.

    Attributes
    ----------
    initial_scale : Standard deviation of the normal draw with which alpha starts.
    learning_rate, beta1, beta2, weight_decay : Settings of Adam on alpha.
    """

    initial_scale: float = 1e-3
    learning_rate: float = 3e-4
    beta1: float = 0.5
    beta2: float = 0.999
    weight_decay: float = 1e-3

    def __post_init__(self) -> None:
        if self.initial_scale < 0 or self.weight_decay < 0 or not self.learning_rate > 0:
            raise ValueError("initial_scale and weight_decay must not be negative, learning_rate positive")
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise ValueError(f"beta1 and beta2 must be in [0, 1), got {self.beta1} and {self.beta2}")


@dataclass(frozen=True)
class GumbelHyperparameters(AlphaHyperparameters):
    """The same, with temperatures whose numbers are each paper's own.

    Attributes
    ----------
    initial_temperature, final_temperature : Temperatures in the first and in the last epoch.
    """

    initial_temperature: float = 1.0
    final_temperature: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.initial_temperature > 0 and self.final_temperature > 0):
            raise ValueError("initial_temperature and final_temperature must be positive")


class DifferentiableStrategy(DerivingStrategy):
    """A method with one parameter for each candidate of each position.

    Attributes
    ----------
    alpha : float[positions, operations], made by `bind`.
    """

    Hyperparameters: ClassVar[type[Any]] = AlphaHyperparameters

    alpha: Tensor

    def bind(self, supernet: Any, weights: Weights) -> None:
        import torch

        super().bind(supernet, weights)
        if not hasattr(supernet, "mixture"):
            raise InputError(
                f"{self.name} weighs all candidates of a position, which the supernet of "
                f"{self.space.name} cannot; use spos"
            )
        shape = supernet.present.shape
        if shape != (self.space.length, max(self.space.arity)):
            raise InputError(
                f"{self.name} needs one operation a position; {self.space.name} is not so encoded"
            )
        setting = self.hyperparameters
        start = setting.initial_scale * self.rng.standard_normal(shape)
        device = next(iter(weights.parameters)).device
        self.alpha = torch.tensor(start, dtype=torch.float32, device=device, requires_grad=True)
        self._absent = torch.from_numpy(~np.asarray(supernet.present)).to(device)
        self.start_optimizer()

    def start_optimizer(self) -> None:
        """Make the optimizer of alpha, which is Adam unless a method has its own."""
        import torch

        setting = self.hyperparameters
        self._optimizer = torch.optim.Adam(
            [self.alpha],
            lr=setting.learning_rate,
            betas=(setting.beta1, setting.beta2),
            weight_decay=setting.weight_decay,
        )

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        return {"alpha": self.alpha}

    @property
    def logits(self) -> Tensor:
        """float[positions, operations]: alpha, and -inf where a position has no such candidate."""
        return self.alpha.masked_fill(self._absent, float("-inf"))

    def move_alpha(self, gradient: Tensor | None) -> None:
        """Take one step of Adam; none without a gradient, where nothing that ran depends on alpha."""
        self.alpha.grad = gradient
        self._optimizer.step()
        self.alpha.grad = None

    def shares(self) -> npt.NDArray[np.float64]:
        """Return float64[positions, operations]: softmax(alpha)."""
        return self.logits.detach().double().softmax(dim=1).cpu().numpy()

    def derive(self) -> Architecture:
        """Return int8[d], the strongest by softmax(alpha) and the space's own rule."""
        return whole_space(self.space).strongest(self.shares())

    def entropy(self) -> float:
        """Return the mean entropy of softmax(alpha), as a share of the largest possible."""
        return relative_entropy(self.shares())

    # -- interruption -------------------------------------------------------------------------

    def state_tensors(self) -> dict[str, Tensor]:
        return {"alpha": self.alpha.detach(), **self.optimizer_state(), **super().state_tensors()}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        self.alpha.data.copy_(tensors["alpha"])
        super().load_state_tensors(tensors)
        self.load_optimizer_state({name: value for name, value in tensors.items() if "/" in name})

    def optimizer_state(self) -> dict[str, Tensor]:
        """Return the state of alpha's optimizer, under names with a slash."""
        return optimizer_tensors(self._optimizer, self.parameters)

    def load_optimizer_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `optimizer_state` returned."""
        restore_optimizer(self._optimizer, self.parameters, tensors)


class GumbelStrategy(DifferentiableStrategy):
    """A method that draws from softmax(alpha), relaxed by a falling temperature.

    Attributes
    ----------
    temperature : Temperature of this epoch.
    """

    Hyperparameters = GumbelHyperparameters

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        self.temperature: float = self.hyperparameters.initial_temperature
        self._noise: Tensor | None = None

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        first, last = self.hyperparameters.initial_temperature, self.hyperparameters.final_temperature
        self.temperature = linear_temperature(first, last, epoch, epochs)

    def draw(self) -> Tensor:
        """Draw the noise of the next sample, float[positions, operations]."""
        self._noise = gumbel_noise(self.rng, self.alpha)
        return self._noise

    def relaxed_sample(self) -> Tensor:
        """Return float[positions, operations], relaxed one-hot rows of the last draw by the present alpha."""
        noise = self.draw() if self._noise is None else self._noise
        return gumbel_softmax(self.logits, self.temperature, noise)
