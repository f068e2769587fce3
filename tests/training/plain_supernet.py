"""A supernet without batch normalisation, so that a batch in parts is the same as the batch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchkit.spaces import Space, get_space
from benchkit.spaces.engine import SHARED, Recipe
from benchkit.spaces.sizes import network_size

__all__ = ["PlainSupernet"]


class PlainSupernet(nn.Module):
    """One linear layer a position and operation; digits in, ten classes out."""

    def __init__(self, generator: torch.Generator, width: int = 16) -> None:
        super().__init__()
        space: Space = get_space("nasbench201-3")
        self.recipe = Recipe(space, 10, 1, SHARED, network_size(space))
        self.stem = nn.Linear(64, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(sum(space.arity)))
        self.head = nn.Linear(width, 10)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.normal_(0, 0.3, generator=generator)

    def path(self, images: Tensor, architecture: npt.ArrayLike) -> Tensor:
        value = self.stem(images.flatten(1))
        for position, operation in enumerate(np.asarray(architecture).tolist()):
            value = value + self.layers[5 * position + operation](torch.tanh(value))
        logits: Tensor = self.head(value)
        return logits
