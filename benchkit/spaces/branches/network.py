"""Multi-branch networks whose kernel slices have gates: the supernet of a ``branches`` space, and one row's.

Zhou et al., "One-Shot Neural Architecture Search Through A Posteriori Distribution Guided Sampling", sections
2.1 and 2.2. What the networks consist of, and what was decided about them, stands in
`benchkit.spaces.branches.designs`; ReLU, global average and a linear classifier follow the last node.

=====================  ==============================================================================
equation               here
=====================  ==============================================================================
12, 13, m * epsilon    `BranchNetwork.gated`
15, epsilon_i          its gates of each image
16, norm of m          `BranchNetwork.gate_norms`
7, one pair            `BranchNetwork.path`; `BranchSubnet` holds that architecture alone
=====================  ==============================================================================

Deviations and choices
----------------------
- The paper inserts dropout behind every convolution; its slices are those of input channels (section 2.1).
  The gates therefore act on the input of the convolution that they belong to. Where several branches read
  one value, each has gates of its own.
- The gates precede batch normalisation, as dropout behind the last convolution would. A factor that all
  slices of a convolution share is thus cancelled, but for the epsilon; which are open is not.
- `BranchSubnet` does not hold closed slices at all: its parameters are those that the counter gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchkit.base.errors import InputError
from benchkit.spaces.base import Architecture, Batch
from benchkit.spaces.branches.encoding import Branches
from benchkit.spaces.branches.layers import ConvolutionLayer, Gating, Masked, Scaled, kept, layer_of, whole
from benchkit.spaces.branches.layout import Convolution, Layout, Node
from benchkit.spaces.engine.gated import Figures, GatedNetwork
from benchkit.spaces.engine.layers import Source
from benchkit.spaces.engine.network import Network, Recipe, Supernet, check_images, single_row
from benchkit.spaces.engine.networks import Networks
from benchkit.spaces.sizes import NetworkSize


class _LayoutNetwork(Network):
    """The layers of a layout, and its classifier.

    Parameters
    ----------
    recipe : Recipe for a ``branches`` space.
    row : int8[d], the slices that exist; None is all.
    """

    def __init__(self, recipe: Recipe, row: Architecture | None) -> None:
        super().__init__(recipe)
        self._layout = layout = recipe.of(Branches, NetworkSize)[0].layout
        self.layers = nn.ModuleDict()
        for node in layout.nodes:
            self.layers[node.name] = layer_of(
                _with_inputs(node, recipe.image_channels), recipe.policy, _chosen(node, row)
            )
        self.classifier = nn.Linear(layout.features, recipe.classes)
        self._spent = _spent(layout)

    def _compute(self, images: Tensor, gating: Gating) -> Tensor:
        check_images(images, self.recipe.image_channels)
        values = {-1: Source(images.contiguous(memory_format=torch.channels_last))}
        last = len(self._layout.nodes) - 1
        for index, (node, layer) in enumerate(zip(self._layout.nodes, self.layers.values(), strict=True)):
            values[index] = Source(layer([values[source] for source in node.sources], gating))
            for source in self._spent[index]:
                del values[source]
        logits: Tensor = self.classifier(F.relu(values[last].value).mean(dim=(2, 3)))
        return logits

    def _gated_layers(self) -> list[ConvolutionLayer]:
        return [
            layer
            for layer in self.layers.values()
            if isinstance(layer, ConvolutionLayer) and layer.node.first is not None
        ]


class BranchNetwork(_LayoutNetwork, Supernet):
    """The network with all kernel slices; a path is the mask of those in use.

    Parameters
    ----------
    recipe : Recipe for a ``branches`` space.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe, None)
        gated = recipe.of(Branches, NetworkSize)[0].layout.gated
        self._slice_weights = np.repeat(
            [layer.slice_weights for layer in gated], [layer.inputs for layer in gated]
        )

    def forward(
        self, images: Tensor, gates: Tensor | None = None, architecture: npt.ArrayLike | None = None
    ) -> Tensor:
        """Return float[batch, classes]: the logits of the full network, or with gates, or of a row.

        Parameters
        ----------
        images : float[batch, image_channels, height, width], of any size.
        gates : float[batch, d] or float[1, d]; see `gated`.
        architecture : int8[d]; see `path`.

        Raises
        ------
        InputError : images or gates of another shape, both gates and a row, or not one valid row.
        """
        if gates is not None and architecture is not None:
            raise InputError("a branches network runs with gates or with an architecture, not with both")
        if gates is not None:
            self._check_gates(gates, len(images))
            return self._compute(images, Scaled(self._gated_layers(), gates))
        if architecture is not None:
            row = single_row(self.recipe.space, architecture)
            return self._compute(images, Masked(row, self.classifier.weight.device))
        return self._compute(images, whole)

    def gated(self, images: Tensor, gates: Tensor) -> Tensor:
        """Return float[batch, classes]: the logits with every kernel slice times its gate (Eq. 13).

        Parameters
        ----------
        images : float[batch, image_channels, height, width].
        gates : float[batch, d], one draw for each image (epsilon_i of Eq. 15), or float[1, d], one draw for
            all; any values, differentiable in them.

        Raises
        ------
        InputError : images or gates of another shape.
        """
        logits: Tensor = self(images, gates)
        return logits

    def path(self, images: Tensor, architecture: npt.ArrayLike) -> Tensor:
        """Return float[batch, classes]: the logits of one architecture, closed slices left out."""
        logits: Tensor = self(images, None, architecture)
        return logits

    def gate_norms(self) -> Tensor:
        """Return float[d]: the squared norm of each kernel slice (Eq. 16), differentiable in the weights."""
        return torch.cat([layer.slice_norms() for layer in self._gated_layers()])

    def parameters_of(self, architecture: npt.ArrayLike) -> int:
        """Return how many parameters of this network one architecture uses."""
        row = single_row(self.recipe.space, architecture)
        everything = sum(parameter.numel() for parameter in self.parameters())
        return everything - int(self._slice_weights[row == 0].sum())

    def copy_into(self, alone: BranchSubnet) -> None:
        """Give a network of one architecture this one's weights, running averages included."""
        for shared, own in zip(self.layers.values(), alone.layers.values(), strict=True):
            if isinstance(shared, ConvolutionLayer) and isinstance(own, ConvolutionLayer):
                own.copy_from(shared)
            else:
                own.load_state_dict(shared.state_dict())
        alone.classifier.load_state_dict(self.classifier.state_dict())

    def _check_gates(self, gates: Tensor, images: int) -> None:
        length = self.recipe.space.length
        if gates.ndim != 2 or len(gates) not in (1, images) or gates.shape[1] != length:
            raise InputError(
                f"gates must have shape [{images}, {length}] or [1, {length}]; got {list(gates.shape)}"
            )


class BranchSubnet(_LayoutNetwork):
    """One architecture alone: closed kernel slices do not exist.

    Parameters
    ----------
    recipe : Recipe for a ``branches`` space.
    architecture : int8[d], a valid row.
    """

    def __init__(self, recipe: Recipe, architecture: Architecture) -> None:
        super().__init__(recipe, architecture)
        self.architecture = architecture

    def forward(self, images: Tensor) -> Tensor:
        """Return float[batch, classes]: the logits."""
        return self._compute(images, kept)


class _GatedSlices(GatedNetwork):
    """Kernel slices: the network has gates of its own."""

    each_image = True

    def __init__(self, network: BranchNetwork) -> None:
        self._network = network
        space, _ = network.recipe.of(Branches, NetworkSize)
        self.groups, self.names = space.groups.astype(np.int64), space.group_names

    def forward(self, images: Tensor, gates: Tensor) -> Tensor:
        return self._network.gated(images, gates)

    def norms(self) -> Tensor:
        return self._network.gate_norms()

    def rows(self, keep: Figures, rng: np.random.Generator, n: int) -> Batch:
        return (rng.random((n, len(self.groups))) < keep[self.groups]).astype(np.int8)


NETWORKS = Networks(BranchNetwork, BranchSubnet, BranchNetwork.copy_into, _GatedSlices)


def _with_inputs(node: Node, image_channels: int) -> Node:
    """Return a node whose inputs are known: a stem's are the channels of the images."""
    if isinstance(node, Convolution) and node.sources == (-1,):
        return replace(node, inputs=image_channels)
    return node


def _chosen(node: Node, row: Architecture | None) -> Sequence[int] | None:
    if row is None or not isinstance(node, Convolution) or node.first is None:
        return None
    chosen: list[int] = np.flatnonzero(row[node.first : node.first + node.inputs]).tolist()
    return chosen


def _spent(layout: Layout) -> list[list[int]]:
    """Return, for each node, the values that no later node reads, so that memory is given back."""
    last_use: dict[int, int] = {}
    for index, node in enumerate(layout.nodes):
        last_use.update(dict.fromkeys(node.sources, index))
    spent: list[list[int]] = [[] for _ in layout.nodes]
    for source, index in last_use.items():
        spent[index].append(source)
    return spent
