"""From a space and a row to a network: which description serves which space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchkit.spaces.base import Architecture, Space
from benchkit.spaces.errors import InputError
from benchkit.spaces.nasbench101 import NASBench101
from benchkit.spaces.networks import nasbench201, nasbench_macro
from benchkit.spaces.networks.batchnorm import BatchNormPolicy
from benchkit.spaces.networks.initialise import allocate, build
from benchkit.spaces.networks.nasbench101 import NASBench101Network, NASBench101Supernet
from benchkit.spaces.networks.network import CandidateNetwork, Fixed, Mask, Recipe, single_row
from benchkit.spaces.sizes import check_count, network_size, whole_space

__all__ = ["SHARED", "Supernet", "build_network", "build_supernet", "compile_cells", "inherit"]

SHARED = BatchNormPolicy(affine=False, running=False)
"""The usual policy of supernets: batch statistics, no scale and shift (Dong and Yang, 2020)."""


@dataclass(frozen=True)
class Family:
    """How the networks of a space of candidates are described.

    Attributes
    ----------
    describe : from a recipe and the candidates that exist to their network.
    mask_of : from a valid row to the candidates that it selects.
    """

    describe: Callable[[Recipe, Mask], CandidateNetwork]
    mask_of: Callable[[Architecture], Mask]


_DENSE_CELLS = Family(nasbench201.describe, nasbench201.mask_of)
_FAMILIES = {
    "nasbench201": _DENSE_CELLS,
    "nasbench201-3": _DENSE_CELLS,
    "nasbench-macro": Family(nasbench_macro.describe, nasbench_macro.mask_of),
}


class Supernet(Protocol):
    """What every supernet can do; those of candidates (`CandidateNetwork`) can do more."""

    recipe: Recipe

    def path(self, images: Tensor, architecture: npt.ArrayLike) -> Tensor:
        """Return float[batch, classes]: the logits of one architecture."""


def build_supernet(
    space: Space,
    classes: int,
    image_channels: int = 3,
    *,
    generator: torch.Generator,
    policy: BatchNormPolicy = SHARED,
    **size: Any,
) -> CandidateNetwork | NASBench101Supernet:
    """Return the network that holds the shared weights of a whole space, on the CPU.

    Parameters
    ----------
    space : of a restricted space, the one it restricts counts.
    classes : outputs of the classifier.
    image_channels : 3 for colour, 1 for grey.
    generator : a CPU generator; every parameter is drawn from it.
    policy : of batch normalisation.
    size : width and depth; the published ones by default (see `benchkit.spaces.sizes`).

    Raises
    ------
    InputError : the space has no network, or a number or an option is out of range.
    """
    recipe = _recipe(space, classes, image_channels, policy, size)
    if isinstance(recipe.space, NASBench101):
        return build(lambda: NASBench101Supernet(recipe), generator)
    family = _family(recipe.space)
    everything = np.ones_like(family.mask_of(np.zeros(space.length, dtype=np.int8)))
    return build(lambda: family.describe(recipe, everything), generator)


def build_network(
    space: Space,
    architecture: npt.ArrayLike,
    classes: int,
    image_channels: int = 3,
    *,
    generator: torch.Generator,
    policy: BatchNormPolicy | None = None,
    **size: Any,
) -> CandidateNetwork | NASBench101Network:
    """Return the stand-alone network of one row, on the CPU; calling it with images gives logits.

    Parameters
    ----------
    architecture : int8[d], a member of `space`.
    policy : None is trainable scale and shift, and running averages, as the benchmarks trained.

    The others, and what raises, are those of `build_supernet`.
    """
    recipe = _recipe(space, classes, image_channels, policy or BatchNormPolicy(), size)
    row = single_row(space, architecture)
    return build(lambda: _alone(recipe, row), generator)


@torch.no_grad()
def inherit(
    supernet: CandidateNetwork | NASBench101Supernet, architecture: npt.ArrayLike
) -> CandidateNetwork | NASBench101Network:
    """Return the stand-alone network of one row with a copy of the supernet's weights, on its device.

    Running averages are copied too. Its outputs are those of ``supernet.path(images, architecture)``.

    Raises
    ------
    ArchitectureError : it is not one valid row.
    """
    recipe = supernet.recipe
    row = single_row(recipe.space, architecture)
    alone = allocate(lambda: _alone(recipe, row))
    if isinstance(supernet, NASBench101Supernet) and isinstance(alone, NASBench101Network):
        supernet.copy_into(alone)
    else:
        shared = supernet.state_dict()
        alone.load_state_dict({name: shared[name] for name in alone.state_dict()})
    alone.train(supernet.training)
    return alone.to(next(supernet.parameters()).device)


def compile_cells(network: nn.Module, **options: Any) -> int:
    """Compile every cell and choice layer of `network` in place, and return how many there are.

    A compiled block is specialised to what its gates choose: worthwhile for long trainings of mixtures,
    where that never changes, and not for paths, where every new path would be compiled. Blocks of equal
    shape share their code; the first pass still takes from some seconds to a minute.

    Parameters
    ----------
    options : of ``torch.compile``.

    Raises
    ------
    InputError : the network has no blocks to compile.
    """
    body = network.body.children() if isinstance(network, CandidateNetwork) else ()
    blocks = [block for block in body if not isinstance(block, Fixed)]
    if not blocks:
        raise InputError("only networks of cells and chains have blocks to compile")
    for block in blocks:
        block.compile(**{"dynamic": False, **options})
    return len(blocks)


def _recipe(
    space: Space, classes: int, image_channels: int, policy: BatchNormPolicy, size: dict[str, Any]
) -> Recipe:
    check_count("classes", classes)
    check_count("image_channels", image_channels)
    return Recipe(whole_space(space), classes, image_channels, policy, network_size(space, **size))


def _alone(recipe: Recipe, row: Architecture) -> CandidateNetwork | NASBench101Network:
    if isinstance(recipe.space, NASBench101):
        return NASBench101Network(recipe, row)
    family = _family(recipe.space)
    return family.describe(recipe, family.mask_of(row))


def _family(space: Space) -> Family:
    if space.name not in _FAMILIES:
        raise InputError(f"space {space.name} has no network of candidates; {', '.join(_FAMILIES)} have")
    return _FAMILIES[space.name]
