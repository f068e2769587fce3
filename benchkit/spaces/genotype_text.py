"""The text of two cells as people publish it: ``DARTS_V2 = Genotype(normal=[...], ...)``.

The form is that of the published code of DARTS (Liu et al., ICLR 2019). A text is read as Python's syntax and
never run: numbers, names of operations, sequences of these, and the few calls that published texts hold.

Read are

- ``Genotype(...)`` with a module before it (``genotypes.Genotype``), with a name that it is assigned to, with
  its four fields by name in any order or by place, and the same four as a mapping (``{'normal': ...}``);
- pairs in a row, two a node, or a sequence of pairs for each node;
- any sequence or set for a concatenation: ``range(2, 6)``, ``[2, 3, 4, 5]``, ``list(range(2, 6))``,
  ``np.arange(2, 6)``, ``{2, 3, 4, 5}``;
- numbers as numpy 2 prints them, ``np.int64(1)``; comments, line breaks and commas wherever Python has them.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

from benchkit.base.errors import shown

TITLES = ("normal", "reduce")
"""Cells of a genotype, in the order of a row."""
FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
"""Fields of a genotype, in their published order."""

Pair = tuple[str, int]
"""An operation and the node that it reads."""

_LONGEST = 20_000  # characters; with all 196 operations of a pair of cells a genotype has 5,000
_MOST_NODES = 64  # that a range may name
_INTEGERS = ("int", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "intp", "int_")
_TEXTS = ("str", "str_")
_RANGES = ("range", "arange")
_SEQUENCES = ("list", "tuple", "sorted", "array", "asarray")
_SETS = ("set", "frozenset")


class Genotype(NamedTuple):
    """What a text says of two cells.

    Attributes
    ----------
    cells : Pairs of each node, for each of `TITLES`.
    in_pairs : Whether the pairs stood in a row, two a node, for each of `TITLES`.
    concatenated : Nodes that the cell's output is made of, ascending, for each of `TITLES`.
    """

    cells: tuple[list[list[Pair]], ...]
    in_pairs: tuple[bool, ...]
    concatenated: tuple[list[int], ...]


def read_text(text: str) -> Genotype:
    """Return what a text says, whatever a space makes of it.

    Raises
    ------
    ValueError : the text is no genotype; the message, which may be empty, says why.
    """
    if len(text) > _LONGEST:
        raise ValueError(
            f"it has {len(text):,} characters, more than the {_LONGEST:,} of the longest genotype"
        )
    try:
        with warnings.catch_warnings():  # of escapes in a text that is not ours
            warnings.simplefilter("ignore")
            statements = ast.parse(text.strip().removeprefix("\ufeff").strip()).body
        fields = _fields(statements)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError("") from error
    cells, rows = zip(*(_cell(fields[title], title) for title in TITLES), strict=True)
    joined = tuple(_nodes(fields[f"{title}_concat"], f"{title}_concat") for title in TITLES)
    return Genotype(cells, rows, joined)


def _fields(statements: list[ast.stmt]) -> dict[str, Any]:
    """Return the four fields of the one genotype among the statements."""
    found = [node for node in (_genotype(statement) for statement in statements) if node is not None]
    if len(found) > 1:
        raise ValueError(f"it has {len(found)} genotypes: give one")
    if len(statements) != 1 or not found:
        raise ValueError("")
    given: list[tuple[str, ast.expr]] = []
    match found[0]:
        case ast.Call(args=places, keywords=keywords):
            if len(places) > len(FIELDS):
                raise ValueError(f"it has {len(places)} fields, not {len(FIELDS)}")
            given += zip(FIELDS, places, strict=False)
            given += [(str(keyword.arg), keyword.value) for keyword in keywords]
        case ast.Dict(keys=keys, values=values):
            given += [
                (str(_value(key)) if key else "**", each) for key, each in zip(keys, values, strict=True)
            ]
    names = [name for name, _ in given]
    missing = [name for name in FIELDS if name not in names]
    if missing:
        raise ValueError(f"it lacks {', '.join(missing)}")
    if sorted(names) != sorted(FIELDS):
        raise ValueError(f"its fields are {', '.join(FIELDS)}, each once")
    return {name: _value(node) for name, node in given}


def _genotype(statement: ast.stmt) -> ast.expr | None:
    """Return the genotype that a statement is or assigns; None where it is something else."""
    match statement:
        case ast.Expr(value=value) | ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
            if isinstance(value, ast.Dict) or (
                isinstance(value, ast.Call) and _last_name(value.func) == "Genotype"
            ):
                return value
    return None


def _last_name(node: ast.expr) -> str | None:
    """Return the last part of a name with dots, such as ``int64`` of ``np.int64``; None for anything else."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name() | ast.Attribute() as value, attr=name) if _last_name(value):
            return name
    return None


def _value(node: ast.expr) -> Any:
    """Return a number, a text, a tuple or a frozen set of such."""
    match node:
        case ast.Constant(value=bool() as value):
            raise ValueError(f"{value} is neither a number nor a name")
        case ast.Constant(value=str() | int() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as value)):
            return -value
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return tuple(_values(parts))
        case ast.Set(elts=parts):
            return frozenset(_values(parts))
        case ast.Call(func=func, args=parts, keywords=[]):
            return _called(_last_name(func), list(_values(parts)))
    raise ValueError("it has more than names of operations, numbers and sequences")


def _values(nodes: list[ast.expr]) -> Iterator[Any]:
    for node in nodes:
        if isinstance(node, ast.Starred):
            inside = _value(node.value)
            if not isinstance(inside, tuple | frozenset):
                raise ValueError("'*' stands before something that is no sequence")
            yield from inside
        else:
            yield _value(node)


def _called(name: str | None, given: list[Any]) -> Any:
    """Return what one of the few known calls makes of values."""
    match given:
        case [int() as value] if name in _INTEGERS:
            return value
        case [str() as value] if name in _TEXTS:
            return value
        case [tuple() | frozenset() as value] if name in _SEQUENCES:
            return tuple(value)
        case [tuple() | frozenset() as value] if name in _SETS:
            return frozenset(value)
        case [*ends] if name in _RANGES and 1 <= len(ends) <= 3 and all(isinstance(end, int) for end in ends):
            nodes = range(*ends)  # a step of 0 is a ValueError
            if len(nodes) > _MOST_NODES or any(abs(end) > _MOST_NODES for end in ends):
                raise ValueError(f"{name} goes beyond any cell's nodes")
            return tuple(nodes)
    raise ValueError("it has more than names of operations, numbers and sequences")


def _cell(listed: Any, title: str) -> tuple[list[list[Pair]], bool]:
    """Return the pairs of each node, and whether they stood in a row, two a node."""
    if not isinstance(listed, tuple):
        raise ValueError(f"{title} is no sequence of pairs such as ('skip_connect', 0)")
    if listed and all(_is_pair(each) for each in listed):
        if len(listed) % 2:
            raise ValueError(f"{title} lists {len(listed)} pairs, and a node has two")
        return [list(listed[place : place + 2]) for place in range(0, len(listed), 2)], True
    for each in listed:
        if not isinstance(each, tuple) or not all(_is_pair(pair) for pair in each):
            raise ValueError(f"{title} lists {shown(each)}, which is no pair such as ('skip_connect', 0)")
    return [list(pairs) for pairs in listed], False


def _is_pair(each: object) -> bool:
    match each:
        case (str(), int()):
            return True
    return False


def _nodes(listed: Any, name: str) -> list[int]:
    if not isinstance(listed, tuple | frozenset) or not all(isinstance(node, int) for node in listed):
        raise ValueError(f"{name} is no sequence of nodes such as range(2, 6)")
    return sorted(listed)
