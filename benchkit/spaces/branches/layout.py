"""The description of a multi-branch network that the space, the counter and the network read; needs no torch.

A `Layout` is a list of nodes in the order they are computed. The space reads its gates from it, the counter
its parameters, and `benchkit.spaces.branches.network` builds and runs it. The designs are in
`benchkit.spaces.branches.designs`; they describe themselves with a `Draft`.

A gate belongs to one kernel slice: layer l, kernel size s, input channel k (Zhou et al., NASAS, section
2.1). A gated `Convolution` owns a run of gates, one for each input channel. Gates of one layer and one kernel
size form a `Group` (Eq. 13), over all branches of the layer that have this kernel size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Node:
    """One value of the network, ``float[batch, channels, height, width]``.

    Attributes
    ----------
    name : Name without dots, unique within the layout.
    sources : Nodes that it is computed from; -1 is the images.
    channels : Channels of the value.
    stride : Ratio of the sides of its sources to its own, rounded up.
    """

    name: str
    sources: tuple[int, ...]
    channels: int
    stride: int = 1


@dataclass(frozen=True)
class Convolution(Node):
    """ReLU where asked for, convolution without bias, batch normalisation where asked for.

    Attributes
    ----------
    inputs : Channels of its source; 0 is the channels of the images.
    kernel : Side of the kernel; odd, padded so that stride 1 keeps the shape.
    relu, norm : Whether a ReLU precedes it, and batch normalisation follows.
    separable : Whether it is depthwise (with `kernel` and `stride`), then pointwise.
    first : Its first gate; gate ``first + k`` is that of input channel k. None is no gates.
    group : Group of its gates.
    """

    inputs: int = 0
    kernel: int = 1
    relu: bool = True
    norm: bool = True
    separable: bool = False
    first: int | None = None
    group: int | None = None

    @property
    def slice_weights(self) -> int:
        """Weights of one kernel slice: all that multiplies one input channel."""
        area = self.kernel**2
        return area + self.channels if self.separable else area * self.channels


@dataclass(frozen=True)
class TwoPath(Node):
    """Two 1 x 1 convolutions of one source, the second a pixel off; concatenated, batch normalisation.

    The first gives half the channels, rounded down.

    Attributes
    ----------
    inputs : Channels of its source.
    relu : Whether a ReLU precedes it.
    """

    inputs: int = 0
    relu: bool = True


@dataclass(frozen=True)
class Normalisation(Node):
    """Batch normalisation."""


@dataclass(frozen=True)
class Rectifier(Node):
    """ReLU."""


@dataclass(frozen=True)
class Pool(Node):
    """The average or the maximum of each window, over the pixels that exist.

    Attributes
    ----------
    kernel : Side of the window: 3, centred; or 2, from the pixel on.
    maximum : Whether it takes the maximum.
    """

    kernel: int = 3
    maximum: bool = False


@dataclass(frozen=True)
class Sum(Node):
    """The sum of its sources."""


@dataclass(frozen=True)
class Concatenation(Node):
    """Its sources, one after the other along channels."""


@dataclass(frozen=True)
class Group:
    """The gates of one layer and one kernel size, (l, s).

    Attributes
    ----------
    name : ``layer/SxS``.
    stage : Part of the network that the layer is in, from 0.
    kernel : Kernel size s.
    size : k_l^s, its number of gates.
    """

    name: str
    stage: int
    kernel: int
    size: int


@dataclass(frozen=True)
class Layout:
    """A whole network but for its classifier: ReLU, global average and linear layer follow the last node.

    Attributes
    ----------
    nodes : Nodes in the order in which they are computed.
    groups : Groups of the gates.
    """

    nodes: tuple[Node, ...]
    groups: tuple[Group, ...]

    @property
    def gated(self) -> tuple[Convolution, ...]:
        """The convolutions with gates, by ascending gates."""
        return tuple(n for n in self.nodes if isinstance(n, Convolution) and n.first is not None)

    @property
    def gates(self) -> int:
        """Number of gates, d."""
        return sum(group.size for group in self.groups)

    @property
    def features(self) -> int:
        """Inputs of the classifier."""
        return self.nodes[-1].channels


@dataclass
class Draft:
    """A layout while it is written down: each method adds a node and returns its index.

    Attributes
    ----------
    stage : Stage of the layers that are added.
    """

    stage: int = 0
    _nodes: list[Node] = field(default_factory=list)
    _groups: dict[str, Group] = field(default_factory=dict)
    _gates: int = 0

    def layout(self) -> Layout:
        """Return what was added."""
        return Layout(tuple(self._nodes), tuple(self._groups.values()))

    def channels(self, node: int) -> int:
        """Return the channels of a node."""
        return self._nodes[node].channels

    def convolution(
        self,
        source: int,
        channels: int,
        kernel: int,
        name: str,
        *,
        stride: int = 1,
        relu: bool = True,
        norm: bool = True,
        separable: bool = False,
        layer: str | None = None,
    ) -> int:
        """Add a `Convolution`; with the name of a `layer` it has gates, in that layer's group."""
        inputs = 0 if source < 0 else self.channels(source)
        first: int | None = None
        group: int | None = None
        if layer is not None:
            key = f"{layer}/{kernel}x{kernel}"
            known = self._groups.get(key, Group(key, self.stage, kernel, 0))
            self._groups[key] = Group(key, self.stage, kernel, known.size + inputs)
            first, group = self._gates, list(self._groups).index(key)
            self._gates += inputs
        return self._add(
            Convolution(
                name, (source,), channels, stride, inputs, kernel, relu, norm, separable, first, group
            )
        )

    def branches(
        self,
        sources: Sequence[int],
        channels: int,
        kernels: Sequence[int],
        layer: str,
        *,
        stride: int = 1,
        separable: bool = False,
    ) -> list[int]:
        """Add a `Convolution` with gates for each source and kernel, all in one layer."""
        added = []
        for b, (source, kernel) in enumerate(zip(sources, kernels, strict=True), 1):
            at = source, channels, kernel, f"{layer}-branch{b}"
            added.append(self.convolution(*at, stride=stride, separable=separable, layer=layer))
        return added

    def two_path(self, source: int, channels: int, name: str, *, stride: int = 2, relu: bool = True) -> int:
        """Add a `TwoPath`."""
        return self._add(TwoPath(name, (source,), channels, stride, self.channels(source), relu))

    def normalisation(self, source: int, name: str) -> int:
        """Add a `Normalisation`."""
        return self._add(Normalisation(name, (source,), self.channels(source)))

    def rectifier(self, source: int, name: str) -> int:
        """Add a `Rectifier`."""
        return self._add(Rectifier(name, (source,), self.channels(source)))

    def pool(self, source: int, name: str, *, kernel: int = 3, stride: int = 1, maximum: bool = False) -> int:
        """Add a `Pool`."""
        return self._add(Pool(name, (source,), self.channels(source), stride, kernel, maximum))

    def total(self, sources: list[int], name: str) -> int:
        """Add the `Sum` of one source or more; that of one is the source itself."""
        if len(sources) == 1:
            return sources[0]
        return self._add(Sum(name, tuple(sources), self.channels(sources[0])))

    def concatenation(self, sources: list[int], name: str) -> int:
        """Add the `Concatenation` of one source or more; that of one is the source itself."""
        if len(sources) == 1:
            return sources[0]
        return self._add(Concatenation(name, tuple(sources), sum(map(self.channels, sources))))

    def _add(self, node: Node) -> int:
        self._nodes.append(node)
        return len(self._nodes) - 1
