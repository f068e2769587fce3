"""Answers what a study of fading asks of networks: owners of parameters, gradients by image, predictions.

Deviations and choices
----------------------
- Networks are normalised by the statistics of each batch, without scale and shift, as supernets are here:
  an architecture and its share of the supernet are then one function of the same parameters.
- The loss of one image has no gradient of its own where statistics are those of a batch. For the Fisher
  matrix they are estimated on all training images at the end of a training, and held.
- Images are not augmented for the Fisher matrix: D is the data set as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchkit.base.errors import InputError
from benchkit.data.images.device_set import DeviceImages
from benchkit.spaces import Space
from benchkit.spaces.base import Architecture, Batch, ProductSpace
from benchkit.spaces.engine import SHARED, CandidateNetwork, build_network, inherit, recalibrate

_AT_ONCE = 128  # images whose gradients are held together
_BATCH = 512


def owners(supernet: Any) -> dict[str, tuple[int, int] | None]:
    """Return whose each parameter is: (layer, operator) of theta_{l,o}, or None of what all models have.

    Raises
    ------
    InputError : a space whose rows do not name one operation a position.
    """
    space = supernet.recipe.space
    if not isinstance(supernet, CandidateNetwork) or not isinstance(space, ProductSpace):
        raise _other_rows(space)
    found: dict[str, tuple[int, int] | None] = {}
    base = np.zeros(space.length, dtype=np.int8)
    common = {name for name, _ in supernet.named_parameters()}
    for layer, choices in enumerate(space.arity):
        names = []
        for operator in range(choices):
            row = base.copy()
            row[layer] = operator
            names.append({name for name, _ in inherit(supernet, row).named_parameters()})
        everywhere = set.intersection(*names)
        common &= everywhere
        for operator, own in enumerate(names):
            found |= dict.fromkeys(own - everywhere, (layer, operator))
    owned: dict[str, tuple[int, int] | None] = {
        name: found.get(name) for name, _ in supernet.named_parameters()
    }
    if any((owner is None) != (name in common) for name, owner in owned.items()):
        raise _other_rows(space)  # a parameter that no single choice, or more than one, brings in
    return owned


def _other_rows(space: Space) -> InputError:
    return InputError(
        f"posterior fading needs a space whose rows choose one operation a layer, such as nasbench201-3 or "
        f"nasbench-macro; {space.name} has other rows"
    )


class SubspacePaths(nn.Module):
    """A supernet under training: every batch runs one of K architectures, drawn uniformly (Eq. 4).

    Parameters
    ----------
    supernet : Supernet whose weights are trained, in place.
    rows : Architectures, int8[K, d].
    rng : Generator of the paths.
    """

    def __init__(self, supernet: Any, rows: Batch, rng: np.random.Generator) -> None:
        super().__init__()
        self.supernet = supernet
        self._rows, self._rng = rows, rng

    def forward(self, images: Tensor) -> Tensor:
        """Return float[b, classes]: the logits of the next path."""
        logits: Tensor = self.supernet.path(images, self._rows[self._rng.integers(len(self._rows))])
        return logits


@torch.no_grad()
def log_predictions(forward: Callable[[Tensor], Tensor], images: DeviceImages) -> npt.NDArray[np.float32]:
    """Return float32[images, classes]: log probabilities; batches of up to 512 images."""
    parts = [F.log_softmax(forward(x).float(), dim=1) for x, _ in images.batches(_BATCH)]
    return torch.cat(parts).cpu().numpy()


def fisher_diagonal(alone: Any, row: Architecture, train: DeviceImages) -> dict[str, npt.NDArray[np.float32]]:
    """Return the mean over all training images of the squared gradient of one image's loss, by parameter.

    Parameters
    ----------
    alone : Trained network of `row`.
    """
    recipe = alone.recipe
    held = build_network(
        recipe.space,
        row,
        recipe.classes,
        recipe.image_channels,
        generator=torch.Generator().manual_seed(0),  # every weight is replaced
        policy=replace(SHARED, running=True),
        **recipe.size.options(),
    ).to(train.device)
    held.load_state_dict(dict(alone.named_parameters()), strict=False)  # all but the averages
    recalibrate(held, held, (x for x, _ in train.batches(_BATCH)))
    held.eval()
    weights = {name: value.detach() for name, value in held.named_parameters()}
    averages = dict(held.named_buffers())

    def loss(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        logits = torch.func.functional_call(held, (parameters, averages), (x[None],))
        return F.cross_entropy(logits.float(), y[None])

    gradients = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))
    total = {name: torch.zeros_like(value) for name, value in weights.items()}
    for x, y in train.batches(_AT_ONCE):
        for name, each in gradients(weights, x, y).items():
            total[name] += each.square().sum(dim=0)
    return {name: (value / len(train)).cpu().numpy() for name, value in total.items()}
