"""Builds the supernet of a space, and the network of a row."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import torch
from torch import nn

from benchkit.base.errors import InputError
from benchkit.base.limits import check_number
from benchkit.spaces import record_of
from benchkit.spaces.base import Space
from benchkit.spaces.engine.batchnorm import BatchNormPolicy
from benchkit.spaces.engine.gated import GatedNetwork
from benchkit.spaces.engine.initialise import allocate, build
from benchkit.spaces.engine.network import CandidateNetwork, Network, Recipe, Supernet, single_row
from benchkit.spaces.engine.networks import Networks
from benchkit.spaces.restricted import whole_space
from benchkit.spaces.sizes import network_size

SHARED = BatchNormPolicy(affine=False, running=False)
"""The usual policy of supernets: batch statistics, no scale and shift (Dong and Yang, 2020)."""


def build_supernet(
    space: Space,
    classes: int,
    image_channels: int = 3,
    *,
    generator: torch.Generator,
    policy: BatchNormPolicy = SHARED,
    **size: Any,
) -> Supernet:
    """Return the network that holds the shared weights of a whole space, on the CPU.

    Parameters
    ----------
    space : Space of the architectures; of a restricted space, the one that it restricts counts.
    classes : Number of outputs of the classifier.
    image_channels : Number of channels: 3 for colour, 1 for grey.
    generator : CPU generator; every parameter is drawn from it.
    policy : Policy of batch normalisation.
    size : Width and depth; the published ones by default (see `benchkit.spaces.sizes`).

    Raises
    ------
    InputError : the space has no network, or a number or an option is out of range.
    """
    recipe = _recipe(space, classes, image_channels, policy, size)
    supernet: Supernet = build(lambda: _networks(recipe).supernet(recipe), generator)
    return supernet


def describe_supernet(
    space: Space, classes: int, image_channels: int = 3, *, policy: BatchNormPolicy = SHARED, **size: Any
) -> Supernet:
    """Return the network of `build_supernet` on the meta device: names and shapes of its weights, no memory.

    Raises
    ------
    InputError : see `build_supernet`.
    """
    recipe = _recipe(space, classes, image_channels, policy, size)
    with torch.device("meta"):
        described: Supernet = _networks(recipe).supernet(recipe)
    return described


def build_network(
    space: Space,
    architecture: npt.ArrayLike,
    classes: int,
    image_channels: int = 3,
    *,
    generator: torch.Generator,
    policy: BatchNormPolicy | None = None,
    **size: Any,
) -> Network:
    """Return the stand-alone network of one row, on the CPU; calling it with images gives logits.

    Parameters
    ----------
    architecture : int8[d], a member of `space`.
    policy : None is trainable scale and shift, and running averages, as the benchmarks trained.

    The others, and what raises, are those of `build_supernet`.
    """
    recipe = _recipe(space, classes, image_channels, policy or BatchNormPolicy(), size)
    row = single_row(space, architecture)
    alone: Network = build(lambda: _networks(recipe).alone(recipe, row), generator)
    return alone


@torch.no_grad()
def inherit(supernet: Supernet, architecture: npt.ArrayLike) -> Network:
    """Return the stand-alone network of one row with a copy of the supernet's weights, on its device.

    Running averages are copied too. Its outputs are those of ``supernet.path(images, architecture)``.

    Raises
    ------
    ArchitectureError : it is not one valid row.
    """
    recipe = supernet.recipe
    row = single_row(recipe.space, architecture)
    networks = _networks(recipe)
    alone: Network = allocate(lambda: networks.alone(recipe, row))
    networks.copy(supernet, alone)
    alone.train(supernet.training)
    return alone.to(next(supernet.parameters()).device)


def gated(supernet: Supernet) -> GatedNetwork:
    """Return the gates of a supernet.

    Raises
    ------
    InputError : its parts cannot be left out one by one.
    """
    return _networks(supernet.recipe).gates(supernet)


def compile_cells(network: nn.Module, **options: Any) -> int:
    """Compile every cell and choice layer of `network`, and return how many there are.

    Passes through all candidates then run compiled: mixtures, and stand-alone networks. A compiled block is
    specialised to what its gates choose, so passes that choose among the candidates (paths, sampled
    mixtures, scoring) run as before: every new path would be compiled anew. Blocks of equal shape share their
    code; the first pass still takes from some seconds to a minute. Parameters and their names stay.

    Parameters
    ----------
    options : Options of ``torch.compile``.

    Raises
    ------
    InputError : the network has no blocks to compile.
    """
    count = 0
    if isinstance(network, CandidateNetwork):
        count = network.compile_blocks(**{"dynamic": False, **options})
    if not count:
        raise InputError("only networks of cells and chains have blocks to compile")
    return count


def _recipe(
    space: Space, classes: int, image_channels: int, policy: BatchNormPolicy, size: dict[str, Any]
) -> Recipe:
    check_number("classes", classes)
    check_number("image_channels", image_channels)
    return Recipe(whole_space(space), classes, image_channels, policy, network_size(space, **size))


def _networks(recipe: Recipe) -> Networks:
    networks: Networks = record_of(recipe.space.name).networks()
    return networks
