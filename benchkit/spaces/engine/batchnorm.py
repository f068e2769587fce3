"""Batch normalisation in a network that many architectures share.

Running averages collected while paths change describe no path. So the policy is explicit, and part of
a network's recipe: either every batch is normalised by its own statistics, in evaluation too, or
running averages are kept and `recalibrate` estimates them anew for each architecture before it is scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchkit.base.errors import InputError


@dataclass(frozen=True)
class BatchNormPolicy:
    """How every batch normalisation of a network behaves.

    Attributes
    ----------
    affine : Whether it has a trainable scale and shift.
    running : Whether it keeps running averages, which evaluation then uses (call `recalibrate` before
        a subnet of a supernet is scored). Without them, evaluation normalises by the batch at hand.
    momentum : Weight of the newest batch in the running averages.
    epsilon : Number added to the variance.

    Raises
    ------
    InputError : `momentum` is not in (0, 1], or `epsilon` is not positive.
    """

    affine: bool = True
    running: bool = True
    momentum: float = 0.1
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        if not 0 < self.momentum <= 1:
            raise InputError(f"the momentum of batch normalisation lies in (0, 1]; got {self.momentum}")
        if not self.epsilon > 0:
            raise InputError(f"the epsilon of batch normalisation is positive; got {self.epsilon}")

    def layer(self, channels: int) -> nn.BatchNorm2d:
        """Return a layer of that many channels that follows the policy."""
        return nn.BatchNorm2d(
            channels, self.epsilon, self.momentum, affine=self.affine, track_running_stats=self.running
        )


@torch.no_grad()
def recalibrate(network: nn.Module, forward: Callable[[Tensor], object], batches: Iterable[Tensor]) -> int:
    """Estimate the running averages anew, as plain means over `batches`, for one architecture.

    Only batch normalisation is put into training mode meanwhile; every mode is restored afterwards, and
    no parameter changes. The averages of layers that `forward` does not use are back at their start.

    Parameters
    ----------
    network : Network whose running averages are estimated.
    forward : Function that runs the architecture, such as ``lambda images: network.path(images, row)``.
    batches : float[batch, channels, height, width] each; at least one.

    Returns
    -------
    Number of batches used.

    Raises
    ------
    InputError : the network keeps no running averages, or there are no batches.
    """
    layers = [
        layer
        for layer in network.modules()
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.track_running_stats
    ]
    if not layers:
        raise InputError(
            "this network normalises by batch statistics and has nothing to recalibrate; "
            "build it with BatchNormPolicy(running=True)"
        )
    modes = [(module, module.training) for module in network.modules()]
    momenta = [layer.momentum for layer in layers]
    used = 0
    try:
        network.eval()
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # a cumulative average
            layer.train()
        for images in batches:
            forward(images)
            used += 1
    finally:
        for module, mode in modes:
            module.training = mode
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
    if not used:
        raise InputError("recalibration of batch normalisation needs at least one batch")
    return used
