"""The networks of NAS-Bench-101: one supernet for all cells, and the stand-alone network of a cell.

Ying et al., "NAS-Bench-101", ICML 2019 (the network), and VAENAS, appendix A.5 and figure 7 (the supernet).
A 3 x 3 stem; stacks of cells with 2 x 2 max pooling between them, each doubling the channels; global
average and a linear classifier. A cell's vertices add their inputs, apply their operation, and those that
feed the output are concatenated; edges from the cell's input pass a 1 x 1 projection.

How wide a vertex is depends on how many feed the output. In the supernet every vertex therefore holds, for
each operation and for its projection, one kernel of the cell's full width, and a narrower cell uses its
first ``O' x C'`` filters (`SlicedConvBN`): the published way to share one tensor among all widths.

Deviations and choices
----------------------
- A.5 leaves open whether vertices share a kernel; here each vertex of each cell has its own, by its index
  in the row. The row is pruned but not packed, so isomorphic rows may use different weights.
- Batch normalisation is sliced like the kernel.
- A cell has at most nine edges (A.5), counted after pruning as the space does.
- A draw of gates names a cell by its open edges (the nine most open of them, where more are:
  a cell has no more) and the most open operation of each vertex; it is drawn again until input and output
  are connected. What the cell does not use has no gradient from the images; what it uses is multiplied
  by one, with the gradient of the relaxed gate (straight-through).
- The stand-alone network is that of the package ``nasbench-pytorch``, without the empty parameters that it
  keeps as placeholders: they are no weights, and the benchmark does not count them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchkit.base.errors import InputError
from benchkit.spaces.base import Architecture, Batch
from benchkit.spaces.engine.batchnorm import BatchNormPolicy
from benchkit.spaces.engine.gated import Draw, Figures, GatedNetwork, odds_of, square_norms
from benchkit.spaces.engine.layers import conv_bn, normalise
from benchkit.spaces.engine.network import Network, Recipe, Supernet, check_images, single_row
from benchkit.spaces.engine.networks import Networks
from benchkit.spaces.nasbench101.counts import NASBench101Size, vertex_channels
from benchkit.spaces.nasbench101.encoding import NASBench101
from benchkit.spaces.nasbench101.hash import SOURCES, TARGETS, VERTICES, prune

_CONV3X3, _CONV1X1, _MAXPOOL = range(3)
_KERNEL = {_CONV3X3: 3, _CONV1X1: 1}
_EDGES = len(TARGETS)
_DRAWS = 500  # until gates make a legal cell
_MOST_EDGES = 9
_EDGE_INDEX = {pair: index for index, pair in enumerate(zip(SOURCES.tolist(), TARGETS.tolist(), strict=True))}


class SlicedConvBN(nn.Module):
    """Convolution-BN-ReLU whose kernel serves every width up to its own (VAENAS, figure 7)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, policy: BatchNormPolicy) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.bn = policy.layer(outputs)

    def forward(self, value: Tensor, width: int) -> Tensor:
        """Return float[batch, width, height, width], by the first filters and their first channels."""
        kernel = self.conv.weight[:width, : value.shape[1]]
        return F.relu(normalise(self.bn, F.conv2d(value, kernel, padding=self.conv.padding)))


class Scales:
    """Factors of a cell's edges and operations; without them every value passes as it is.

    Parameters
    ----------
    factors : float[36], edges first, then operations vertex by vertex; None is 1 throughout.
    """

    def __init__(self, factors: Tensor | None) -> None:
        self._factors = None if factors is None else factors.unbind()

    def edge(self, value: Tensor, source: int, target: int) -> Tensor:
        """Return what passes the edge."""
        if self._factors is None:
            return value
        return value * self._factors[_EDGE_INDEX[source, target]]

    def operation(self, value: Tensor, vertex: int, operation: int) -> Tensor:
        """Return what leaves the vertex."""
        if self._factors is None:
            return value
        return value * self._factors[_EDGES + (vertex - 1) * (len(_KERNEL) + 1) + operation]


class SharedCell(nn.Module):
    """The shared weights of all cells at one place of the network.

    Parameters
    ----------
    inputs, outputs : Channels of the cell.
    """

    def __init__(self, inputs: int, outputs: int, policy: BatchNormPolicy) -> None:
        super().__init__()
        self.outputs = outputs
        self.projections = nn.ModuleDict(
            {str(v): SlicedConvBN(inputs, outputs, 1, policy) for v in range(1, VERTICES)}
        )
        self.operations = nn.ModuleDict(
            {
                f"{v}_{operation}": SlicedConvBN(outputs, outputs, kernel, policy)
                for v in range(1, VERTICES - 1)
                for operation, kernel in _KERNEL.items()
            }
        )

    def forward(
        self,
        value: Tensor,
        matrix: npt.NDArray[np.bool_],
        operations: Architecture,
        widths: list[int],
        scales: Scales | None = None,
    ) -> Tensor:
        """Return float[batch, outputs, height, width].

        Parameters
        ----------
        matrix : bool[7, 7], the pruned cell.
        operations : int8[5], of vertices 1 to 5.
        widths : Channels of each vertex.
        scales : Factors of what passes each edge and leaves each operation; None is 1 throughout.
        """
        scales = scales or Scales(None)
        last = VERTICES - 1
        values: dict[int, Tensor] = {}
        for v in range(1, last):
            if not matrix[:, v].any():
                continue
            terms = [scales.edge(values[u][:, : widths[v]], u, v) for u in range(1, v) if matrix[u, v]]
            if matrix[0, v]:
                terms.append(scales.edge(self.projections[str(v)](value, widths[v]), 0, v))
            total = terms[0]
            for term in terms[1:]:
                total = total + term
            operation = int(operations[v - 1])
            if operation == _MAXPOOL:
                values[v] = F.max_pool2d(total, 3, stride=1, padding=1)
            else:
                values[v] = self.operations[f"{v}_{operation}"](total, widths[v])
            values[v] = scales.operation(values[v], v, operation)
        parts = [scales.edge(values[v], v, last) for v in range(1, last) if matrix[v, last]]
        output = torch.cat(parts, dim=1) if parts else None
        if matrix[0, last]:
            projected = scales.edge(self.projections[str(last)](value, self.outputs), 0, last)
            output = projected if output is None else output + projected
        if output is None:
            raise InputError("no path joins the input and the output of this nasbench101 cell")
        return output


class NASBench101Supernet(Supernet):
    """One network whose weights serve every cell; a path is one cell."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        _, size = recipe.of(NASBench101, NASBench101Size)
        self.stem = conv_bn(recipe.image_channels, size.channels, 3, recipe.policy, relu=True)
        self.stacks = nn.ModuleList()
        inputs = outputs = size.channels
        for stack in range(size.stacks):
            outputs = size.channels * 2**stack
            cells = nn.ModuleList()
            for _ in range(size.cells):
                cells.append(SharedCell(inputs, outputs, recipe.policy))
                inputs = outputs
            self.stacks.append(cells)
        self.classifier = nn.Linear(outputs, recipe.classes)

    def forward(self, images: Tensor, architecture: npt.ArrayLike, scales: Tensor | None = None) -> Tensor:
        """Return float[batch, classes]: the logits of one cell.

        Parameters
        ----------
        images : float[batch, image_channels, height, width].
        architecture : int8[26].
        scales : float[36], a factor for each of the 21 edges and for each operation of the five inner
            vertices, vertex by vertex; of those that the cell uses. None is 1 throughout.

        Raises
        ------
        InputError : images of another shape, or not one valid row.
        """
        check_images(images, self.recipe.image_channels)
        row = single_row(self.recipe.space, architecture)
        matrix = prune(row[None])[0][0].astype(bool)
        factors = Scales(scales)
        value: Tensor = self.stem(images.contiguous(memory_format=torch.channels_last))
        for stack, cells in enumerate(self.stacks):
            if stack:
                value = F.max_pool2d(value, 2, stride=2)
            for cell in _modules(cells):
                widths = vertex_channels(row[None], cell.outputs)[0].tolist()
                value = cell(value, matrix, row[_EDGES:], widths, factors)
        logits: Tensor = self.classifier(value.mean(dim=(2, 3)))
        return logits

    def path(self, images: Tensor, architecture: npt.ArrayLike) -> Tensor:
        logits: Tensor = self(images, architecture)
        return logits

    @torch.no_grad()
    def copy_into(self, alone: NASBench101Network) -> None:
        """Give a stand-alone network this supernet's weights for its cell, running averages included."""
        row = alone.architecture
        kept = np.flatnonzero(prune(row[None])[1][0]).tolist()
        layers = list(alone.network.layers)
        _copy(self.stem, layers[0].conv_bn_relu)
        theirs = iter(layer for layer in layers[1:] if hasattr(layer, "vertex_op"))
        for cells in self.stacks:
            for shared, cell in zip(_modules(cells), theirs, strict=False):
                for place, vertex in enumerate(kept[1:], start=1):
                    if hasattr(cell.input_op[place], "conv_bn_relu"):
                        _copy(shared.projections[str(vertex)], cell.input_op[place].conv_bn_relu)
                    if vertex == VERTICES - 1:
                        continue
                    operation = int(row[_EDGES + vertex - 1])
                    if operation != _MAXPOOL:
                        (layer,) = cell.vertex_op[place].children()
                        _copy(shared.operations[f"{vertex}_{operation}"], layer.conv_bn_relu)
        alone.network.classifier.load_state_dict(self.classifier.state_dict())


class NASBench101Network(Network):
    """The stand-alone network of one cell, as the package ``nasbench-pytorch`` builds it.

    Raises
    ------
    InputError : the package is not installed.
    """

    def __init__(self, recipe: Recipe, architecture: Architecture) -> None:
        super().__init__(recipe)
        space, size = recipe.of(NASBench101, NASBench101Size)
        self.architecture = architecture
        self.network = _nasbench_pytorch(space, architecture, recipe, size)

    def forward(self, images: Tensor) -> Tensor:
        """Return float[batch, classes]: the logits."""
        check_images(images, self.recipe.image_channels)
        logits: Tensor = self.network(images.contiguous(memory_format=torch.channels_last))
        return logits


class _GatedGraph(GatedNetwork):
    """NAS-Bench-101: a gate for each of the 21 edges, and for each operation of the five vertices."""

    def __init__(self, network: NASBench101Supernet) -> None:
        self._network, self._space = network, network.recipe.space
        self._operations = self._space.arity[-1]
        edges = list(zip(SOURCES.tolist(), TARGETS.tolist(), strict=True))
        choices = [(v, o) for v in range(1, VERTICES - 1) for o in range(self._operations)]
        self.names = (*(f"{s}-{t}" for s, t in edges), *(f"{v}/{o}" for v, o in choices))
        self.groups = np.arange(len(self.names), dtype=np.int64)
        cells = [cell for cell in network.modules() if isinstance(cell, SharedCell)]
        layers = [[cell.projections[str(t)] for cell in cells if s == 0] for s, t in edges]
        for name in (f"{v}_{o}" for v, o in choices):
            layers.append([cell.operations[name] for cell in cells if name in cell.operations])
        self._behind = [[weight for layer in each for weight in layer.parameters()] for each in layers]

    def cells(self, values: Figures) -> Batch:
        """Return int8[n, 26] for float64[n, 36]: how open every gate is, above 0 where it is open."""
        edges = values[:, :_EDGES]
        ninth = np.partition(edges, -_MOST_EDGES, axis=1)[:, [-_MOST_EDGES]]
        opened = (edges > 0) & (edges >= ninth)
        operations = values[:, _EDGES:].reshape(len(values), -1, self._operations).argmax(axis=2)
        return np.concatenate([opened, operations], axis=1).astype(np.int8)

    def row(self, gates: Tensor) -> Batch:
        """Return int8[1, 26] for relaxed gates, float[1, 36]."""
        return self.cells(gates.detach().cpu().double().numpy() - 0.5)

    def legal(self, draw: Draw) -> Tensor:
        for _ in range(_DRAWS):
            gates = draw()
            if self._space.is_valid(self.row(gates)).all():
                return gates
        raise self._closed()

    def forward(self, images: Tensor, gates: Tensor) -> Tensor:
        row = self.row(gates)[0]
        logits: Tensor = self._network(images, row, 1 + gates[0] - gates[0].detach())
        return logits

    def norms(self) -> Tensor:
        return square_norms(self._behind, self._network)

    def rows(self, keep: Figures, rng: np.random.Generator, n: int) -> Batch:
        found = np.empty((0, self._space.length), dtype=np.int8)
        for _ in range(_DRAWS):
            noise = rng.logistic(size=(max(n, 64), len(keep)))
            trial = self.cells(np.log(odds_of(keep)) + noise)
            found = np.concatenate([found, trial[self._space.is_valid(trial)]])[:n]
            if len(found) == n:
                return found
        raise self._closed()

    def _closed(self) -> InputError:
        return InputError(
            f"{_DRAWS} draws of the gates made no cell of {self._space.name}: too few edges stay open"
        )


NETWORKS = Networks(NASBench101Supernet, NASBench101Network, NASBench101Supernet.copy_into, _GatedGraph)


def _nasbench_pytorch(
    space: NASBench101, architecture: Architecture, recipe: Recipe, size: NASBench101Size
) -> Any:
    try:
        from nasbench_pytorch.model import ModelSpec, Network
    except ImportError as error:
        raise InputError(
            "stand-alone networks of nasbench101 need the package nasbench-pytorch: "
            "pip install nasbench-pytorch"
        ) from error
    with torch.device("cpu"):  # the package computes with the matrix while it builds
        spec = ModelSpec(*space.decode(architecture))
    network = Network(
        spec,
        num_labels=recipe.classes,
        in_channels=recipe.image_channels,
        stem_out_channels=size.channels,
        num_stacks=size.stacks,
        num_modules_per_stack=size.cells,
    )
    for module in list(network.modules()):
        if hasattr(module, "conv_bn_relu"):
            module.conv_bn_relu[1] = recipe.policy.layer(module.conv_bn_relu[0].out_channels)
        if hasattr(module, "dev_param"):
            del module.dev_param
            module.register_buffer("dev_param", torch.empty(0), persistent=False)
        if type(module).__name__ == "Placeholder":
            del module.a
    return network


def _modules(cells: nn.Module) -> list[SharedCell]:
    return [cell for cell in cells.children() if isinstance(cell, SharedCell)]


def _copy(shared: nn.Module, alone: nn.Module) -> None:
    """Copy the first filters and channels of every tensor of `shared` into the narrower `alone`."""
    for ours, theirs in zip(shared.state_dict().values(), alone.state_dict().values(), strict=True):
        theirs.copy_(ours[tuple(slice(length) for length in theirs.shape)])
