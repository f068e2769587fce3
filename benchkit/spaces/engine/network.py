"""The network around cells and chains: a stem, a body of blocks in sequence, a head.

One class is both the supernet and the stand-alone network. It holds the candidates that are `present`:
all of them in a supernet, one a position in a stand-alone network. Parameters keep their names, so the
weights of an architecture are those of the supernet that carry the same names.

Deviations and choices
----------------------
- Several selected candidates of one position are added up, not averaged; a mean is a mixture with weights.
- GDAS (`CandidateNetwork.sampled`): the published code adds the weights of the operations that were not
  drawn as numbers, zero in value, and so gives them a gradient that no operation produced. Here only the
  drawn one's weight has a gradient, as in the paper; the softmax before it carries it to all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchkit.base.errors import ArchitectureError, InputError
from benchkit.spaces.base import Architecture, Space
from benchkit.spaces.engine.batchnorm import BatchNormPolicy
from benchkit.spaces.engine.blocks import Block, Fixed, Gates, Mask
from benchkit.spaces.engine.prefixes import run_with_prefixes
from benchkit.spaces.sizes import NetworkSize

SpaceT = TypeVar("SpaceT", bound=Space)
SizeT = TypeVar("SizeT", bound=NetworkSize)


@dataclass(frozen=True)
class Recipe:
    """What a network was built from, all that a checkpoint needs beside its weights.

    Attributes
    ----------
    space : Space whose architectures the network computes.
    classes : Number of outputs of the classifier.
    image_channels : Number of channels: 3 for colour, 1 for grey.
    policy : Policy of batch normalisation.
    size : Width and depth.
    """

    space: Space
    classes: int
    image_channels: int
    policy: BatchNormPolicy
    size: NetworkSize

    def of(self, space: type[SpaceT], size: type[SizeT]) -> tuple[SpaceT, SizeT]:
        """Return the space and the size, which are of these kinds.

        Raises
        ------
        TypeError : the recipe is for other networks.
        """
        if not isinstance(self.space, space) or not isinstance(self.size, size):
            raise TypeError(f"no network of {space.__name__} for {self.space.name}")
        return self.space, self.size

    def describe(self) -> dict[str, Any]:
        """Return the recipe, JSON-ready."""
        return {
            "space": self.space.name,
            "classes": self.classes,
            "image_channels": self.image_channels,
            "batch_norm": vars(self.policy).copy(),
            "size": self.size.options(),
        }


def check_images(images: Tensor, channels: int) -> None:
    """Raise InputError unless `images` is a batch of images of that many channels."""
    if images.ndim != 4 or images.shape[1] != channels:
        raise InputError(
            f"this network takes images of {channels} channels, [batch, channels, height, width]; "
            f"got shape {list(images.shape)}"
        )


class Network(nn.Module):
    """A network that knows what it was built from.

    Parameters
    ----------
    recipe : Recipe from which the network is built.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe


class Supernet(Network, ABC):
    """The shared weights of a whole space; those of candidates (`CandidateNetwork`) can do more."""

    @abstractmethod
    def path(self, images: Tensor, architecture: npt.ArrayLike) -> Tensor:
        """Return float[batch, classes]: the logits of one architecture (uniform single path, SPOS)."""


class CandidateNetwork(Supernet):
    """A supernet of candidate operations, or one of its architectures alone.

    Parameters
    ----------
    recipe : Recipe from which the network is built.
    stem, body, head : Its parts; the body's candidates are those of `present`.
    present : bool[positions, operations], the candidates that exist.
    """

    def __init__(
        self, recipe: Recipe, stem: nn.Module, body: Sequence[Block], head: nn.Module, present: Mask
    ) -> None:
        super().__init__(recipe)
        self.present = present
        self.stem, self.body, self.head = stem, nn.ModuleList(body), head
        self._compiled: list[Any] = []  # in a list, so that no parameter is listed twice

    def forward(self, images: Tensor, mask: Mask | None = None, weights: Tensor | None = None) -> Tensor:
        """Return float[batch, classes]: the logits.

        Parameters
        ----------
        images : float[batch, image_channels, height, width].
        mask : bool[positions, operations], the candidates that run; each position sums those that do.
            None is every candidate that is present.
        weights : float[positions, operations], a factor for each; None is 1 throughout.

        Raises
        ------
        InputError : images or weights of another shape, or a mask with candidates that are absent.
        """
        check_images(images, self.recipe.image_channels)
        running = self.present if mask is None else np.asarray(mask, dtype=np.bool_)
        if running.shape != self.present.shape or (running & ~self.present).any():
            raise InputError(
                f"the mask must select among the candidates that this network holds, {self.present.sum()} "
                f"of {self.present.shape[0]} positions x {self.present.shape[1]} operations"
            )
        if weights is not None and tuple(weights.shape) != self.present.shape:
            raise InputError(f"weights must have shape {list(self.present.shape)}; got {list(weights.shape)}")
        gates = Gates.of(running, weights)
        previous = current = self.stem(images.contiguous(memory_format=torch.channels_last))
        body = self._compiled if mask is None and self._compiled else self.body
        for block in body:
            previous, current = current, block(previous, current, gates)
        logits: Tensor = self.head(current)
        return logits

    def compile_blocks(self, **options: Any) -> int:
        """Compile every block that has a choice; see `benchkit.spaces.engine.compile_cells`."""
        self._compiled = [
            block if isinstance(block, Fixed) else torch.compile(block, **options) for block in self.body
        ]
        return sum(not isinstance(block, Fixed) for block in self.body)

    def mask_of(self, architecture: npt.ArrayLike) -> Mask:
        """Return bool[positions, operations]: the candidates that a row selects.

        Raises
        ------
        ArchitectureError : it is not one valid row.
        """
        return self.recipe.space.holds(single_row(self.recipe.space, architecture))

    def path(self, images: Tensor, architecture: npt.ArrayLike) -> Tensor:
        return self._run(images, self.mask_of(architecture))

    def paths(self, images: Tensor, architectures: npt.ArrayLike) -> Iterator[tuple[list[int], Tensor]]:
        """Yield the logits of many architectures, with the work of common prefixes done once.

        Yields
        ------
        numbers : Rows that give these logits; every row of the batch comes once, in no order.
        logits : float[batch, classes], bit for bit those of `path` for each of them.

        Raises
        ------
        ArchitectureError : a row is not a member.
        InputError : images of another shape.
        """
        check_images(images, self.recipe.image_channels)
        rows = self.recipe.space.validate(architectures)
        gates = [Gates.of(mask) for mask in self.recipe.space.holds(rows)]
        entered = self.stem(images.contiguous(memory_format=torch.channels_last))
        for numbers, current in run_with_prefixes(list(self.body), entered, gates):  # type: ignore[arg-type]
            yield numbers, self.head(current)

    def multipath(self, images: Tensor, mask: Mask) -> Tensor:
        """Return the logits where each position sums its selected candidates."""
        return self._run(images, mask)

    def mixture(self, images: Tensor, weights: Tensor) -> Tensor:
        """Return the logits of the weighted sum of all candidates (DARTS); differentiable in `weights`."""
        return self._run(images, None, weights)

    def sampled(self, images: Tensor, architecture: npt.ArrayLike, weights: Tensor) -> Tensor:
        """Return the logits of one candidate a position, differentiable in its weights (GDAS).

        Only the selected candidates are computed. With straight-through weights,
        ``hard - soft.detach() + soft``, their value is 1 and their gradient that of `soft`; the weights
        of the others get no gradient.

        Parameters
        ----------
        architecture : int8[d]; it need not be a member where a space's architectures use some positions only
            (``darts``): what is sampled in training is then an operation on every edge.

        Raises
        ------
        ArchitectureError : it is not one row, or a choice that there is not.
        """
        rows = self.recipe.space.shaped(architecture)
        if len(rows) != 1 or not ((rows >= 0) & (rows < self.recipe.space.arity)).all():
            return self.path(images, architecture)  # which says what is wrong
        return self._run(images, self.recipe.space.holds(rows[0]), weights)

    def _run(self, images: Tensor, mask: Mask | None, weights: Tensor | None = None) -> Tensor:
        # through __call__, so that hooks, compilation and wrappers see every pass
        logits: Tensor = self(images, mask, weights)
        return logits


def single_row(space: Space, architecture: npt.ArrayLike) -> Architecture:
    """Return the one row given, validated.

    Raises
    ------
    ArchitectureError : not a member, or not one row.
    """
    rows = space.validate(architecture)
    if len(rows) != 1:
        raise ArchitectureError(f"a path is one architecture of {space.name}; got {len(rows)} rows")
    return np.asarray(rows[0])
