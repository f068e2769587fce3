"""Dropout and drop path that draw from a generator handed in, not from torch's global one.

Networks that were published with them hold these modules with a rate of 0. Whoever trains the network sets
the rates, at the start or before every epoch (DARTS raises that of drop path linearly), by `set_dropout`.
Neither has parameters, and in evaluation both pass everything on.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchkit.base.errors import InputError


class Dropout(nn.Module):
    """Sets each entry to zero with probability `rate`, and divides the others by 1 - `rate`.

    Attributes
    ----------
    rate : Probability of a drop, in [0, 1); 0 passes everything on.
    generator : Generator on the device of the values; needed where the rate is not 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rate = 0.0
        self.generator: torch.Generator | None = None

    def forward(self, value: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        if not self.training or self.rate == 0:
            return value
        kept = torch.empty(self._shape(value), dtype=value.dtype, device=value.device)
        return value * kept.bernoulli_(1 - self.rate, generator=self.generator).div_(1 - self.rate)

    def _shape(self, value: Tensor) -> list[int]:
        return list(value.shape)


class DropPath(Dropout):
    """Drops an operation's whole output, each image's on its own (Larsson et al., FractalNet, ICLR 2017)."""

    def _shape(self, value: Tensor) -> list[int]:
        return [len(value), *(1 for _ in value.shape[1:])]


def set_dropout(
    network: nn.Module, generator: torch.Generator, *, path: float = 0.0, features: float = 0.0
) -> None:
    """Set the rates of a network's drop path and of the dropout before its classifier, in place.

    Parameters
    ----------
    generator : Generator on the network's device; all that is dropped is drawn from it.
    path : Probability with which an edge of a cell is dropped, in [0, 1).
    features : Probability with which a feature is dropped before the classifier, in [0, 1).

    Raises
    ------
    InputError : a rate is out of range, or the network has nothing that could be dropped so.
    """
    for kind, what, rate in ((DropPath, "drop path", path), (Dropout, "dropout", features)):
        if not 0 <= rate < 1:
            raise InputError(f"the rate of {what} lies in [0, 1); got {rate}")
        found = [module for module in network.modules() if type(module) is kind]
        if rate and not found:
            raise InputError(f"this network has no {what}; leave its rate at 0")
        for module in found:
            module.rate, module.generator = rate, generator
