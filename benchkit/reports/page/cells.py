"""Writes cells so small that a page holds a thousand: each layout once, each architecture as a few numbers.

The page draws a cell when its point is looked at. What differs between two architectures of a space is mostly
the operations, seldom the graph; so every label of a space has the same room, layouts (`lay_out`) are shared
by all cells of one graph, and an architecture is the number of its layout with the numbers of its labels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from benchkit.analysis.figures.cell_layout import Layout, Route, lay_out
from benchkit.base.errors import InputError
from benchkit.reports.page.charts import plain
from benchkit.spaces import get_space
from benchkit.spaces.base import CellDiagram

_LETTER = 6.4  # pixels a character of a label, wide enough for the usual sans-serif fonts at 11 px
_NODE, _LABEL = 20.0, 14.0  # pixels high
_PADDING, _AIR = 12.0, 6.0
_GAP = (16.0, 8.0)
_ARROW = (6.0, 3.0)
_LAYOUTS = 400  # of one figure: a space of large cells has a graph of its own for each architecture


def cells_of(space: str, architectures: Sequence[str]) -> dict[str, Any] | None:
    """Return the drawings of architectures; None where the space has no cells.

    Parameters
    ----------
    space : Name of the space.
    architectures : Texts in the space's notation, those that matter most first: after 400 different graphs
        the others are not drawn.

    Returns
    -------
    ``words`` (all labels), ``layouts``, and ``cells``: for each architecture None, or for each of its cells
    [title, layout, words of its nodes, words of its edges], -1 for no label.
    """
    try:
        whole = get_space(space)
    except InputError:  # of a table that is not here
        return None
    words: dict[str, int] = {}
    shapes: dict[tuple[Any, ...], int] = {}
    layouts: list[dict[str, Any]] = []
    found: list[list[CellDiagram] | None] = []
    try:
        for text in architectures:
            found.append(list(whole.diagrams(whole.parse(text))))
    except InputError:
        return None
    every = [diagram for diagrams in found for diagram in diagrams or ()]
    node = max((len(_word(label)) for diagram in every for label in diagram.nodes), default=0)
    label = max((len(_word(text)) for diagram in every for *_, text in diagram.edges), default=0)
    cells: list[list[list[Any]] | None] = []
    for diagrams in found:
        drawn: list[list[Any]] | None = []
        for diagram in diagrams or ():
            shape = (
                diagram.inputs,
                len(diagram.nodes),
                tuple((source, target, bool(text)) for source, target, text in diagram.edges),
            )
            if shape not in shapes:
                if len(layouts) == _LAYOUTS:
                    drawn = None
                    break
                shapes[shape] = len(layouts)
                layouts.append(_drawn(diagram, node, label))
            numbers = [
                [words.setdefault(_word(text), len(words)) if text else -1 for text in texts]
                for texts in (diagram.nodes, [text for *_, text in diagram.edges])
            ]
            drawn = [*(drawn or []), [diagram.title, shapes[shape], *numbers]]
        cells.append(drawn or None)
    return {"words": list(words), "layouts": layouts, "cells": cells}


def _word(label: str) -> str:
    """Return a label as text: what TeX sets below the line follows as it is."""
    if "$" not in label:
        return label.replace("_", " ")
    return re.sub(r"_\{(.+)\}", r"\1", plain(label)).replace("-", "−")


def _drawn(diagram: CellDiagram, node: int, label: int) -> dict[str, Any]:
    """Return a layout in whole pixels, y downwards: size, boxes of nodes, paths of edges, labels' places."""
    size = (max(_NODE, _LETTER * node + _PADDING), _NODE)
    room = (_LETTER * label + _AIR, _LABEL)
    layout = lay_out(
        [size] * len(diagram.nodes),
        [(source, target) for source, target, _ in diagram.edges],
        [room if text else None for *_, text in diagram.edges],
        diagram.inputs,
        _GAP,
    )
    places = [None if route.label is None else route.points[route.label] for route in layout.routes]
    return {
        "size": [round(layout.width) + 2, round(layout.height) + 2],
        "nodes": [
            [
                round(box.x - box.width / 2) + 1,
                _down(layout, box.y + box.height / 2),
                round(box.width),
                round(_NODE),
            ]
            for box in layout.vertices
        ],
        "edges": [_path(layout, route) for route in layout.routes],
        "labels": [None if box is None else [round(box.x) + 1, _down(layout, box.y)] for box in places],
    }


def _down(layout: Layout, y: float) -> int:
    return round(layout.height - y) + 1


def _path(layout: Layout, route: Route) -> str:
    """Return an edge as an SVG path: straight through layers, curved between them, an arrow at its end."""
    parts: list[str] = []
    target = route.points[-1]
    for box, following, leaves, enters in route.bends():
        y, below = _down(layout, box.y), _down(layout, following.y)
        right, left = leaves + 1, enters + 1
        if box.height:  # else the line goes on
            parts.append(f"M{box.x + box.width / 2 + 1:.0f},{y}")
        middle = (right + left) / 2
        parts.append(f"H{right:.0f}C{middle:.0f},{y},{middle:.0f},{below},{left:.0f},{below}")
        if following.height:
            parts.append(f"H{following.x - following.width / 2 + 1:.0f}")
    x, y = target.x - target.width / 2 + 1, _down(layout, target.y)
    parts.append(
        f"M{x - _ARROW[0]:.0f},{y - _ARROW[1]:.0f}L{x:.0f},{y}L{x - _ARROW[0]:.0f},{y + _ARROW[1]:.0f}"
    )
    return "".join(parts)
