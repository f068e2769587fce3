"""The weights of a network with their optimizer: what a training moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from benchkit.strategies.weight_sharing import Unrolled, optimizer_tensors, restore_optimizer
from benchkit.training.recipe import TrainingRecipe


class SgdWeights:
    """The parameters of a network under SGD.

    Parameters
    ----------
    network : Network on its device.
    recipe : Recipe with the optimizer's numbers.
    images, validation_images : Number of each, for strategies that need them.
    """

    def __init__(
        self, network: nn.Module, recipe: TrainingRecipe, images: int = 0, validation_images: int = 0
    ) -> None:
        self.images, self.validation_images = images, validation_images
        self._named: dict[str, Tensor] = dict(network.named_parameters())
        self._recipe = recipe
        self._optimizer = torch.optim.SGD(
            network.parameters(),
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
        )

    @property
    def parameters(self) -> Sequence[Tensor]:
        return list(self._named.values())

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next step."""
        return float(self._optimizer.param_groups[0]["lr"])

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._optimizer.param_groups[0]["lr"] = value

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        """Clip the gradients and take one step of SGD; weights without a gradient stay."""
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        if self._recipe.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self._recipe.clip)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)

    @torch.no_grad()
    def unroll(self, gradients: Sequence[Tensor | None]) -> Unrolled:
        """Return where a step without clipping would lead, and what a unit of gradient moves."""
        rate, momentum = self.learning_rate, self._recipe.momentum
        ahead = 1 + momentum if self._recipe.nesterov else 1.0
        unrolled = []
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            if gradient is None:
                unrolled.append(parameter.detach().clone())
                continue
            direction = gradient.add(parameter, alpha=self._recipe.weight_decay)
            past = self._optimizer.state.get(parameter, {}).get("momentum_buffer")
            # SGD moves by the buffer m b + g, Nesterov by g + m (m b + g)
            move = direction * ahead
            if past is not None:
                move.add_(past, alpha=momentum * (momentum if self._recipe.nesterov else 1.0))
            unrolled.append(parameter.detach() - rate * move)
        return Unrolled(unrolled, rate * ahead)

    def state_tensors(self) -> dict[str, Tensor]:
        """Return the momentum of every weight that has one."""
        return optimizer_tensors(self._optimizer, self._named)

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state_tensors` returned."""
        restore_optimizer(self._optimizer, self._named, tensors)
