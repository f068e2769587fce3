"""Places published genotypes in the cells of a space, by the rules of the space.

A genotype (`benchkit.spaces.genotype_text`) may be of another space: more nodes, other operations, a
concatenation of some nodes. The error then names the space and the reason, and a space that can hold it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import ArchitectureError, shown
from benchkit.spaces import records
from benchkit.spaces.genotype_text import TITLES, Genotype, Pair, read_text

INPUTS, NODES = 2, 6
"""Input nodes of a cell, and all of its nodes."""
EDGES = tuple((source, target) for target in range(INPUTS, NODES) for source in range(target))
"""(source, target) of the edge at each of the 14 positions of a cell."""
NONE = "none"
"""The operation of an edge that carries nothing."""


@dataclass(frozen=True)
class CellRules:
    """What a cell of a space can hold.

    Attributes
    ----------
    space : Its name.
    operations : Their names, ``none`` among them, which no pair names.
    inputs : Number of edges into a node; None is any.
    several : Whether an edge can carry several operations.
    """

    space: str
    operations: tuple[str, ...]
    inputs: int | None
    several: bool

    def place(self, genotype: Genotype) -> npt.NDArray[np.bool_]:
        """Return bool[28, operations]: the operations that a genotype puts on each edge of both cells.

        Raises
        ------
        ValueError : a cell of the space cannot hold it; the message says why.
        """
        held = np.zeros((len(TITLES), len(EDGES), len(self.operations)), dtype=np.bool_)
        for number, title in enumerate(TITLES):
            nodes = genotype.cells[number]
            if len(nodes) != NODES - INPUTS:
                listed = f"{2 * len(nodes)} pairs, two for each of " if genotype.in_pairs[number] else ""
                raise ValueError(
                    f"{title} lists {listed}{len(nodes)} nodes, and its cells have {NODES - INPUTS}"
                )
            for target, pairs in enumerate(nodes, start=INPUTS):
                self._place_node(held[number], pairs, target, title)
        for number, title in enumerate(TITLES):
            _check_concatenation(genotype.concatenated[number], f"{title}_concat")
        return held.reshape(len(TITLES) * len(EDGES), -1)

    def _place_node(
        self, held: npt.NDArray[np.bool_], pairs: Sequence[Pair], target: int, title: str
    ) -> None:
        """Put what arrives at one node into bool[14, operations]."""
        if self.inputs is not None and len(pairs) != self.inputs:
            raise ValueError(f"node {target} of {title} has {len(pairs)} inputs, not {self.inputs}")
        for pair in pairs:
            operation, source = pair
            if not 0 <= source < target:
                raise ValueError(
                    f"an edge into node {target} of {title} reads ('skip_connect', SOURCE), SOURCE from 0 to "
                    f"{target - 1}; got {shown(pair)}"
                )
            usable = [name for name in self.operations if name != NONE]
            if operation not in usable:
                raise ValueError(
                    f"unknown operation {shown(operation)} in {self.space}; it has {', '.join(usable)}"
                )
            edge, choice = held[EDGES.index((source, target))], self.operations.index(operation)
            if edge[choice] and self.several:
                raise ValueError(f"node {target} of {title} lists {shown(pair)} twice")
            if edge.any() and not self.several:
                raise ValueError(f"two edges into node {target} of {title} come from node {source}")
            edge[choice] = True


def is_genotype(text: str) -> bool:
    """Say whether a text means to be a genotype, however it goes on."""
    start = text[:1_000]
    return "Genotype" in start or start.lstrip().startswith("{")


def read_genotype(text: str, rules: CellRules, form: str = "normal=[('sep_conv_3x3', 0), ...]") -> Any:
    """Return bool[28, operations]: the operations that a text puts on each edge of both cells.

    Parameters
    ----------
    form : Start of a genotype of the space, for messages.

    Raises
    ------
    ArchitectureError : the text is no genotype, or one that the space cannot hold; then the message says why,
        and which space can.
    """
    try:
        genotype = read_text(text)
    except ValueError as error:
        why = f" ({error})" if str(error) else ""
        raise ArchitectureError(
            f"a {rules.space} architecture reads Genotype({form}, normal_concat=range({INPUTS}, {NODES}), "
            f"reduce=[...], reduce_concat=range({INPUTS}, {NODES})); got {shown(text)}{why}"
        ) from error
    try:
        return rules.place(genotype)
    except ValueError as error:
        others = (record.rules for name, record in records().items() if name != rules.space)
        able = [other.space for other in others if other and _holds(other, genotype)]
        raise ArchitectureError(
            f"{rules.space} cannot hold this genotype: {error}; {' and '.join(able) or 'no other space'} can"
        ) from error


def _holds(rules: CellRules, genotype: Genotype) -> bool:
    try:
        rules.place(genotype)
    except ValueError:
        return False
    return True


def _check_concatenation(nodes: Sequence[int], name: str) -> None:
    """Raise ValueError unless a cell concatenates all of its nodes, each once."""
    every = list(range(INPUTS, NODES))
    if list(nodes) == every:
        return
    beyond = sorted(set(nodes) - set(every))
    missing = sorted(set(every) - set(nodes))
    why = [f"names {_named(beyond)}, beyond its nodes {INPUTS} to {NODES - 1}"] if beyond else []
    why += [f"leaves out {_named(missing)}"] if missing else []
    why += [] if why else ["names a node twice"]
    raise ValueError(
        f"{name} {' and '.join(why)}; its cells concatenate range({INPUTS}, {NODES}), all of them, which is "
        "what to write for a benchmark that ignores the concatenation"
    )


def _named(nodes: Sequence[int]) -> str:
    return f"node{'s' if len(nodes) > 1 else ''} {shown(list(nodes))[1:-1]}"


def write_genotype(listed: Sequence[Sequence[Any]]) -> str:
    """Return the text for what each cell lists, in the order of `TITLES`."""
    parts = []
    for title, cell in zip(TITLES, listed, strict=True):
        parts += [f"{title}={list(cell)}", f"{title}_concat=range({INPUTS}, {NODES})"]
    return f"Genotype({', '.join(parts)})"
