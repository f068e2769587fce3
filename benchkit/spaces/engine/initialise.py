"""Draws every parameter from the generator handed in.

torch's own constructors draw from its global generator. Networks are therefore described on the meta
device, where nothing is drawn, and filled here in the order of ``named_modules``: equal seeds give equal
weights, whatever ran before.

Deviations and choices
----------------------
- The law is torch's default (uniform within 1 / sqrt(fan_in), for a classifier's bias too; scale 1 and
  shift 0 in batch normalisation), as the published code of NAS-Bench-201 leaves it. The other
  benchmarks' code draws normal weights of comparable size; one law serves all networks here.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TypeVar

import torch
from torch import nn

from benchkit.base.errors import InputError

Network = TypeVar("Network", bound=nn.Module)


def build(describe: Callable[[], Network], generator: torch.Generator) -> Network:
    """Return ``describe()`` with real, initialised, channels-last weights on the CPU.

    Parameters
    ----------
    describe : Function that makes the modules; it runs where the default device is meta.
    generator : A CPU generator, so that the weights do not depend on the device they move to.

    Raises
    ------
    InputError : the generator is not on the CPU.
    """
    if generator.device.type != "cpu":
        raise InputError(
            f"networks are drawn from a CPU generator and moved afterwards; got one on {generator.device}"
        )
    network = allocate(describe)
    initialise(network, generator)
    return network


def allocate(describe: Callable[[], Network]) -> Network:
    """Return ``describe()`` with room for channels-last weights on the CPU, whose values are arbitrary."""
    with torch.device("meta"):
        network = describe()
    network = network.to_empty(device="cpu")
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


@torch.no_grad()
def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Fill every parameter and running average of `network`, in place.

    Raises
    ------
    TypeError : a module has parameters of its own and is of a kind that is not known here.
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = prod(module.weight.shape[1:]) ** -0.5
            module.weight.uniform_(-bound, bound, generator=generator)
            if module.bias is not None:
                module.bias.uniform_(-bound, bound, generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            if module.affine:
                module.weight.fill_(1)
                module.bias.zero_()
            module.reset_running_stats()
        elif next(module.parameters(recurse=False), None) is not None:
            raise TypeError(f"no law to initialise {name} ({type(module).__name__})")
