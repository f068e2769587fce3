"""The text of two cells: ``Genotype(normal=[...], normal_concat=range(2, 6), reduce=[...], ...)``.

The form is that of the published code of DARTS (Liu et al., ICLR 2019), which lists for each cell pairs of an
operation and the node that it reads. A text is read as Python literals and never run.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from benchkit.spaces.errors import ArchitectureError
from benchkit.spaces.nasnet import EDGES, INPUTS, NODES

__all__ = ["TITLES", "check_concatenation", "read_genotype", "read_pair", "write_genotype"]

TITLES = ("normal", "reduce")
"""Of the cells of a genotype, in the order of a row."""


def read_genotype(text: str, space: str, example: str = "('sep_conv_3x3', 0), ...") -> dict[str, Any]:
    """Return the four parts of a genotype: what it lists for each of `TITLES`, and what each concatenates.

    Parameters
    ----------
    space : its name, for messages.
    example : of what a list holds, for messages.

    Raises
    ------
    ArchitectureError : the text is no genotype.
    """
    parts = _parts(text)
    if parts is None:
        raise ArchitectureError(
            f"a {space} architecture reads Genotype(normal=[{example}], "
            f"normal_concat=range({INPUTS}, {NODES}), reduce=[...], reduce_concat=range({INPUTS}, {NODES})); "
            f"got {text!r}"
        )
    return parts


def check_concatenation(parts: Mapping[str, Any], space: str) -> None:
    """Raise ArchitectureError unless both cells of a genotype concatenate all of their nodes."""
    for title in TITLES:
        if parts[f"{title}_concat"] != list(range(INPUTS, NODES)):
            raise ArchitectureError(
                f"{title}_concat of a {space} architecture is range({INPUTS}, {NODES}): all nodes"
            )


def _parts(text: str) -> dict[str, Any] | None:
    """Return the four parts of a genotype; None where the text is none."""
    wanted = [part for title in TITLES for part in (title, f"{title}_concat")]
    try:
        call = ast.parse(text.strip(), mode="eval").body
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and not call.args:
            parts = {part.arg: _literal(part.value) for part in call.keywords}
            if call.func.id == "Genotype" and sorted(map(str, parts)) == sorted(wanted):
                return {str(name): part for name, part in parts.items()}
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        pass
    return None


def _literal(node: ast.expr) -> Any:
    """Return the value of a literal, or the list that ``range(2, 6)`` stands for."""
    match node:
        case ast.Call(func=ast.Name(id="range"), args=[ast.Constant(int(first)), ast.Constant(int(last))]):
            if not 0 <= first <= last <= NODES:
                raise ValueError(f"range({first}, {last}) is beyond a cell's nodes")
            return list(range(first, last))
    return ast.literal_eval(node)


def read_pair(
    pair: object, target: int, title: str, space: str, operations: Sequence[str]
) -> tuple[int, int]:
    """Return the edge, 0 to 13, and the operation's number that a pair names.

    Parameters
    ----------
    pair : such as ``("skip_connect", 0)``.
    target : the node that the edge leads to.
    title, space : for messages.
    operations : of the space; the first is ``none``, which no pair names.

    Raises
    ------
    ArchitectureError : no such pair, source or operation.
    """
    match pair:
        case (str(operation), int(source)) if (source, target) in EDGES:
            edge = EDGES.index((source, target))
        case _:
            raise ArchitectureError(
                f"an edge into node {target} of {title} reads ('skip_connect', SOURCE), "
                f"SOURCE from 0 to {target - 1}; got {pair!r}"
            )
    if operation not in operations[1:]:
        raise ArchitectureError(
            f"unknown operation {operation!r} in {space}; it has {', '.join(operations[1:])}"
        )
    return edge, operations.index(operation)


def write_genotype(listed: Sequence[Sequence[Any]]) -> str:
    """Return the text for what each cell lists, in the order of `TITLES`."""
    parts = []
    for title, cell in zip(TITLES, listed, strict=True):
        parts += [f"{title}={list(cell)}", f"{title}_concat=range({INPUTS}, {NODES})"]
    return f"Genotype({', '.join(parts)})"
