"""From a space and a row to a network: which description serves which space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchkit.base.errors import InputError
from benchkit.spaces.base import Architecture, Space
from benchkit.spaces.branches.network import BranchNetwork, BranchSubnet
from benchkit.spaces.darts.encoding import OPERATIONS as DARTS_OPERATIONS
from benchkit.spaces.darts_multi.encoding import held_by
from benchkit.spaces.engine.batchnorm import BatchNormPolicy
from benchkit.spaces.engine.blocks import Mask, choices_mask
from benchkit.spaces.engine.initialise import allocate, build
from benchkit.spaces.engine.network import CandidateNetwork, Recipe, single_row
from benchkit.spaces.mobile import network as mobile_network
from benchkit.spaces.mobile.encoding import LARGE, SMALL
from benchkit.spaces.nasbench101.network import NASBench101Network, NASBench101Supernet
from benchkit.spaces.nasbench201 import network as nasbench201_network
from benchkit.spaces.nasbench_macro import network as nasbench_macro_network
from benchkit.spaces.nasnet import network as nasnet_network
from benchkit.spaces.nasnet.encoding import OPERATIONS as NASNET_OPERATIONS
from benchkit.spaces.shufflenet import network as shufflenet_network
from benchkit.spaces.sizes import check_count, network_size, whole_space

__all__ = [
    "SHARED",
    "Supernet",
    "build_network",
    "build_supernet",
    "compile_cells",
    "describe_supernet",
    "inherit",
]

SHARED = BatchNormPolicy(affine=False, running=False)
"""The usual policy of supernets: batch statistics, no scale and shift (Dong and Yang, 2020)."""

SharedNetwork = CandidateNetwork | NASBench101Supernet | BranchNetwork
AloneNetwork = CandidateNetwork | NASBench101Network | BranchSubnet


@dataclass(frozen=True)
class Family:
    """How the networks of some spaces are made; modules are only described, not filled.

    Attributes
    ----------
    supernet : from a recipe to the shared weights of the whole space.
    alone : from a recipe and a valid row to its stand-alone network.
    copy : gives a stand-alone network the weights of its supernet, running averages included.
    """

    supernet: Callable[[Recipe], Any]
    alone: Callable[[Recipe, Architecture], Any]
    copy: Callable[[Any, Any], None]


def _of_candidates(
    describe: Callable[[Recipe, Mask], CandidateNetwork], mask_of: Callable[[Architecture], Mask]
) -> Family:
    """Return the family of a space of candidates.

    Parameters
    ----------
    describe : from a recipe and the candidates that exist to their network.
    mask_of : from a valid row to the candidates that it selects.
    """

    def supernet(recipe: Recipe) -> CandidateNetwork:
        everything = np.ones_like(mask_of(np.zeros(recipe.space.length, dtype=np.int8)))
        return describe(recipe, everything)

    return Family(supernet, lambda recipe, row: describe(recipe, mask_of(row)), _copy_by_name)


def _copy_by_name(supernet: nn.Module, alone: nn.Module) -> None:
    shared = supernet.state_dict()
    alone.load_state_dict({name: shared[name] for name in alone.state_dict()})


_DENSE_CELLS = _of_candidates(nasbench201_network.describe, nasbench201_network.mask_of)
# by the space's name, or what stands before the colon in it
_FAMILIES = {
    "nasbench101": Family(NASBench101Supernet, NASBench101Network, NASBench101Supernet.copy_into),
    "nasbench201": _DENSE_CELLS,
    "nasbench201-3": _DENSE_CELLS,
    "nasbench-macro": _of_candidates(nasbench_macro_network.describe, nasbench_macro_network.mask_of),
    "darts": _of_candidates(nasnet_network.describe, partial(choices_mask, operations=len(DARTS_OPERATIONS))),
    "darts-multi": _of_candidates(nasnet_network.describe, held_by),
    "nasnet": _of_candidates(
        nasnet_network.describe, partial(choices_mask, operations=len(NASNET_OPERATIONS))
    ),
    "shufflenet": _of_candidates(shufflenet_network.describe, shufflenet_network.mask_of),
    "mobile-small": _of_candidates(mobile_network.describe, partial(choices_mask, operations=len(SMALL))),
    "mobile-large": _of_candidates(mobile_network.describe, partial(choices_mask, operations=len(LARGE))),
    "branches": Family(BranchNetwork, BranchSubnet, BranchNetwork.copy_into),
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
) -> SharedNetwork:
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
    family = _family(recipe.space)
    supernet: SharedNetwork = build(lambda: family.supernet(recipe), generator)
    return supernet


def describe_supernet(
    space: Space,
    classes: int,
    image_channels: int = 3,
    *,
    policy: BatchNormPolicy = SHARED,
    **size: Any,
) -> SharedNetwork:
    """Return the network of `build_supernet` on the meta device: names and shapes of its weights, no memory.

    Raises
    ------
    InputError : see `build_supernet`.
    """
    recipe = _recipe(space, classes, image_channels, policy, size)
    with torch.device("meta"):
        described: SharedNetwork = _family(recipe.space).supernet(recipe)
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
) -> AloneNetwork:
    """Return the stand-alone network of one row, on the CPU; calling it with images gives logits.

    Parameters
    ----------
    architecture : int8[d], a member of `space`.
    policy : None is trainable scale and shift, and running averages, as the benchmarks trained.

    The others, and what raises, are those of `build_supernet`.
    """
    recipe = _recipe(space, classes, image_channels, policy or BatchNormPolicy(), size)
    row = single_row(space, architecture)
    family = _family(recipe.space)
    alone: AloneNetwork = build(lambda: family.alone(recipe, row), generator)
    return alone


@torch.no_grad()
def inherit(supernet: SharedNetwork, architecture: npt.ArrayLike) -> AloneNetwork:
    """Return the stand-alone network of one row with a copy of the supernet's weights, on its device.

    Running averages are copied too. Its outputs are those of ``supernet.path(images, architecture)``.

    Raises
    ------
    ArchitectureError : it is not one valid row.
    """
    recipe = supernet.recipe
    row = single_row(recipe.space, architecture)
    family = _family(recipe.space)
    alone: AloneNetwork = allocate(lambda: family.alone(recipe, row))
    family.copy(supernet, alone)
    alone.train(supernet.training)
    return alone.to(next(supernet.parameters()).device)


def compile_cells(network: nn.Module, **options: Any) -> int:
    """Compile every cell and choice layer of `network`, and return how many there are.

    Passes through all candidates then run compiled: mixtures, and stand-alone networks. A compiled block is
    specialised to what its gates choose, so passes that choose among the candidates (paths, sampled
    mixtures, scoring) run as before: every new path would be compiled anew. Blocks of equal shape share their
    code; the first pass still takes from some seconds to a minute. Parameters and their names stay.

    Parameters
    ----------
    options : of ``torch.compile``.

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
    check_count("classes", classes)
    check_count("image_channels", image_channels)
    return Recipe(whole_space(space), classes, image_channels, policy, network_size(space, **size))


def _family(space: Space) -> Family:
    name = space.name.partition(":")[0]
    if name not in _FAMILIES:
        raise InputError(f"space {space.name} has no network; {', '.join(_FAMILIES)} have")
    return _FAMILIES[name]
