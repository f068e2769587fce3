"""A cell as a labelled graph, which is all that a drawing of it needs."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CellDiagram"]


class CellDiagram(NamedTuple):
    """One cell, acyclic.

    Attributes
    ----------
    title : which cell it is, where a network has several; else empty.
    inputs : how many of the first nodes are inputs.
    nodes : a label each, the output last; math stands between dollar signs.
    edges : (source, target, label) by the nodes' places, sources before targets; a label may be empty.
    """

    title: str
    inputs: int
    nodes: tuple[str, ...]
    edges: tuple[tuple[int, int, str], ...]
