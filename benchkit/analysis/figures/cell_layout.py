"""Lays out a small directed graph: layers from left to right, with room for every label.

The method is that of Sugiyama, Tagawa and Toda (IEEE Transactions on Systems, Man, and Cybernetics, 1981) as
Gansner, Koutsofios, North and Vo use it (IEEE Transactions on Software Engineering, 1993): layers by the
longest path, an edge's label as a vertex in a layer of its own, points of no size where an edge passes a
layer, an order within each layer with few crossings, and last heights that make edges straight.

=====================================================  ============================
step                                                   here
=====================================================  ============================
layer of a vertex: the longest path that leads to it   `longest_paths`
labels and passing points as vertices                  `_subdivided`
order: barycentres, then exchanges of neighbours       `_ordered`
heights: least squares under the order                 `_heights`
=====================================================  ============================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import lsq_linear

_SWEEPS = 12
_STARTS = 10  # orders to begin with: the given one, then random ones, until nothing crosses
_STRAIGHT = 4.0  # of a slope between two points of one edge, over one that ends at a vertex
_TOGETHER = 0.02  # of a distance from the middle, for what nothing else holds


class Box(NamedTuple):
    """A rectangle, in the unit of the sizes that were given.

    Attributes
    ----------
    x, y : Centre.
    width, height : Size.
    room : Width of its layer, in the middle of which it stands. An edge crosses a layer straight, and bends
        between layers only: then it runs through no label.
    """

    x: float
    y: float
    width: float
    height: float
    room: float


class Route(NamedTuple):
    """How an edge runs.

    Attributes
    ----------
    points : Boxes from its source to its target, both included; those between have a size where they are its
        label, and no height where the edge passes a layer.
    label : Place of its label among them; None without one.
    """

    points: tuple[Box, ...]
    label: int | None

    def bends(self) -> Iterator[tuple[Box, Box, float, float]]:
        """Yield each pair of neighbouring boxes, and the x where the edge leaves one layer for the next."""
        for box, following in pairwise(self.points):
            yield box, following, box.x + box.room / 2, following.x - following.room / 2


class Layout(NamedTuple):
    """A drawn graph: a box for each vertex, a route for each edge, and the size of it all from (0, 0)."""

    vertices: tuple[Box, ...]
    routes: tuple[Route, ...]
    width: float
    height: float


@dataclass
class _Graph:
    """Vertices with layers, and segments between neighbouring layers.

    Attributes
    ----------
    layer, width, height : Place and size of each vertex, in and beyond the given ones.
    segments : Pairs (left vertex, right vertex).
    chains : Vertices of each edge, from its source to its target, and the place of its label.
    """

    layer: list[int]
    width: list[float]
    height: list[float]
    segments: list[tuple[int, int]] = field(default_factory=list)
    chains: list[tuple[list[int], int | None]] = field(default_factory=list)


def longest_paths(vertices: int, edges: Sequence[tuple[int, int]], inputs: int) -> list[int]:
    """Return the layer of each vertex: the longest path that leads to it, at least 1 beyond the inputs.

    The last vertex, the output, stands beyond all others.

    Parameters
    ----------
    edges : Pairs (source, target), sources before targets.
    inputs : Number of first vertices, which stand in layer 0.
    """
    layers = [0 if vertex < inputs else 1 for vertex in range(vertices)]
    for source, target in sorted(edges, key=lambda edge: edge[1]):
        layers[target] = max(layers[target], layers[source] + 1)
    layers[-1] = max(layers[-1], 1 + max(layers[:-1], default=-1))
    return layers


def crossings(left: Sequence[int], right: Sequence[int], segments: Sequence[tuple[int, int]]) -> int:
    """Return how many pairs of segments between two ordered layers cross."""
    place = {vertex: index for order in (left, right) for index, vertex in enumerate(order)}
    ends = [(place[a], place[b]) for a, b in segments if a in place and b in place]
    return sum((a - c) * (b - d) < 0 for number, (a, b) in enumerate(ends) for c, d in ends[number + 1 :])


def lay_out(
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[tuple[int, int]],
    labels: Sequence[tuple[float, float] | None],
    inputs: int,
    gap: tuple[float, float],
) -> Layout:
    """Return where everything stands.

    Parameters
    ----------
    sizes : Sizes (width, height) of each vertex; the last one is the output.
    edges : Pairs (source, target), sources before targets.
    labels : Sizes (width, height) of each edge's label, None without one.
    inputs : Number of first vertices that are inputs.
    gap : Least distances between layers, and between neighbours in a layer.
    """
    graph = _subdivided(sizes, edges, labels, longest_paths(len(sizes), edges, inputs))
    order = _ordered(graph)
    y = _heights(graph, order, gap[1])
    x: dict[int, float] = {}
    room: dict[int, float] = {}
    at = 0.0
    for layer in order:
        widest = max((graph.width[vertex] for vertex in layer), default=0.0)
        x |= dict.fromkeys(layer, at + widest / 2)
        room |= dict.fromkeys(layer, widest)
        at += widest + gap[0]
    boxes = [Box(x[v], y[v], graph.width[v], graph.height[v], room[v]) for v in range(len(graph.layer))]
    lowest = min(box.y - box.height / 2 for box in boxes)
    highest = max(box.y + box.height / 2 for box in boxes)
    boxes = [box._replace(y=box.y - lowest) for box in boxes]
    routes = tuple(Route(tuple(boxes[v] for v in chain), label) for chain, label in graph.chains)
    return Layout(tuple(boxes[: len(sizes)]), routes, at - gap[0], highest - lowest)


def _subdivided(
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[tuple[int, int]],
    labels: Sequence[tuple[float, float] | None],
    layers: Sequence[int],
) -> _Graph:
    """Return the graph with a vertex wherever an edge has its label or passes a layer.

    Where edges have labels, there is a layer for these between any two of vertices; a label takes the one of
    its edge's that holds the fewest so far, the nearest to the target among equals.
    """
    step = 2 if any(label is not None for label in labels) else 1
    graph = _Graph([step * layer for layer in layers], [w for w, _ in sizes], [h for _, h in sizes])
    crowd = [0] * (step * max(layers) + 1)
    spans = [graph.layer[target] - graph.layer[source] for source, target in edges]
    chains: dict[int, tuple[list[int], int | None]] = {}
    for number in sorted(range(len(edges)), key=lambda edge: spans[edge]):  # the short ones have no choice
        (source, target), label = edges[number], labels[number]
        between = list(range(graph.layer[source] + 1, graph.layer[target]))
        chosen = None
        if label is not None:
            chosen = min(reversed([layer for layer in between if layer % 2]), key=crowd.__getitem__)
            crowd[chosen] += 1
        chain = [source]
        for layer in between:
            chain.append(len(graph.layer))
            width, height = label if label is not None and layer == chosen else (0.0, 0.0)
            graph.layer.append(layer)
            graph.width.append(width)
            graph.height.append(height)
        chain.append(target)
        graph.segments += pairwise(chain)
        chains[number] = chain, None if chosen is None else 1 + between.index(chosen)
    graph.chains = [chains[number] for number in range(len(edges))]
    return graph


def _ordered(graph: _Graph) -> list[list[int]]:
    """Return the vertices of each layer from the bottom up, in the best order that was met."""
    layers: list[list[int]] = [[] for _ in range(max(graph.layer) + 1)]
    for vertex in reversed(range(len(graph.layer))):  # the first input on top
        layers[graph.layer[vertex]].append(vertex)
    near: list[list[list[int]]] = [[[], []] for _ in graph.layer]
    for left, right in graph.segments:
        near[left][1].append(right)
        near[right][0].append(left)
    between = [
        [segment for segment in graph.segments if graph.layer[segment[0]] == number]
        for number in range(len(layers) - 1)
    ]

    def crossed(order: list[list[int]]) -> int:
        return sum(
            crossings(order[number], order[number + 1], segments) for number, segments in enumerate(between)
        )

    best, least = [list(layer) for layer in layers], crossed(layers)
    rng = np.random.default_rng(0)  # the same graph is always drawn alike
    for start in range(_STARTS):
        if not least:
            break
        if start:
            layers = [[layer[place] for place in rng.permutation(len(layer))] for layer in layers]
        for sweep in range(_SWEEPS):
            forward = sweep % 2 == 0
            for number in range(1, len(layers)) if forward else range(len(layers) - 2, -1, -1):
                beside = layers[number - 1 if forward else number + 1]
                place = {vertex: index for index, vertex in enumerate(beside)}
                layers[number] = _by_middles(layers[number], near, place, 0 if forward else 1)
            _exchange(layers, between)
            count = crossed(layers)
            if count < least:
                best, least = [list(layer) for layer in layers], count
    return best


def _by_middles(layer: list[int], near: list[list[list[int]]], place: dict[int, int], side: int) -> list[int]:
    """Return a layer in the order of its vertices' mean neighbours; one without keeps its own place."""
    middle = {
        vertex: float(np.mean([place[other] for other in near[vertex][side]] or [now]))
        for now, vertex in enumerate(layer)
    }
    return sorted(layer, key=middle.__getitem__)


def _exchange(layers: list[list[int]], between: list[list[tuple[int, int]]]) -> None:
    """Exchange neighbours wherever that takes crossings away, until none does; in place."""

    def around(number: int) -> int:
        sides = [side for side in (number - 1, number) if 0 <= side < len(between)]
        return sum(crossings(layers[side], layers[side + 1], between[side]) for side in sides)

    improved = True
    while improved:
        improved = False
        for number, layer in enumerate(layers):
            now = around(number)
            for index in range(len(layer) - 1):
                layer[index], layer[index + 1] = layer[index + 1], layer[index]
                after = around(number)
                if after < now:
                    now, improved = after, True
                else:
                    layer[index], layer[index + 1] = layer[index + 1], layer[index]


def _heights(graph: _Graph, order: list[list[int]], gap: float) -> npt.NDArray[np.float64]:
    """Return float64[vertices]: heights with the least sum of squared slopes, under the order and the gaps.

    Every layer has the height of its lowest vertex, which is free, and a slack of at least 0 over the gap
    between neighbours; all heights are sums of these, so this is a least-squares problem with bounds.
    """
    vertices = len(graph.layer)
    given = {end for chain, _ in graph.chains for end in (chain[0], chain[-1])}
    sums, least = np.zeros((vertices, vertices)), np.zeros(vertices)
    bounds = np.zeros(vertices)
    for layer in order:
        for place, vertex in enumerate(layer):
            sums[vertex, layer[: place + 1]] = 1.0
            if place == 0:
                bounds[vertex] = -np.inf
            else:
                below = layer[place - 1]
                least[vertex] = least[below] + gap + (graph.height[vertex] + graph.height[below]) / 2
    slopes = np.zeros((len(graph.segments) + vertices, vertices))
    for number, (left, right) in enumerate(graph.segments):
        straight = left not in given and right not in given
        slopes[number, [left, right]] = np.array([1.0, -1.0]) * (_STRAIGHT if straight else 1.0)
    slopes[len(graph.segments) :] = _TOGETHER * np.eye(vertices)
    found = lsq_linear(slopes @ sums, -slopes @ least, bounds=(bounds, np.inf), method="bvls")
    return np.asarray(least + sums @ found.x)
