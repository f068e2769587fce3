"""Reads YAML: numbers are decimal, text stays text, and a small file cannot become a large one.

PyYAML reads YAML 1.1, in which ``010`` is 8, ``3_0`` is 30, ``1:30`` is 90, ``on`` is true and ``2024-05-01``
is a date. Here plain scalars follow the core schema of YAML 1.2: ``null``, ``true`` and ``false``, decimal
integers, floating-point numbers such as ``1e2``, hexadecimal and octal integers as ``0x1F`` and ``0o17``, and
text for everything else. Merge keys (``<<``) are kept.

What a user names (options, labels, data sets) is text however it looks: `read_yaml` takes the keys whose
values are kept as they are written, so that the option ``0.10`` is not ``0.1``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from benchkit.base.errors import InputError, clipped, shown
from benchkit.base.files import MEGABYTE, read_text

MOST_BYTES = 4 * MEGABYTE
"""Largest YAML file that is read: a study that holds a latency look-up table, many times over."""

_DEEPEST = 32
_MOST_NODES = 1_000_000  # values of a document after each alias is replaced by what it stands for

_SURROGATE = re.compile("[\ud800-\udfff]")

_NULL, _BOOL, _INT, _FLOAT = (f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float"))
_TEXT, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
_CORE = {
    _NULL: (r"~|null|Null|NULL|", "~nN\0"),
    _BOOL: (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    _INT: (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    _FLOAT: (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    _MERGE: (r"<<", "<"),
}


class _CoreSchema(yaml.SafeLoader):
    """YAML 1.2's core schema, mappings that name no key twice, and limits of depth and size."""

    texts: Collection[str] = ()
    verbatim: Collection[str] = ()

    def compose_document(self) -> yaml.Node:
        node = super().compose_document()
        if node is None:
            raise ValueError("it is empty")  # cannot be: a document has a node, an empty one null
        _check_size(node)
        self._keep_text(node)
        return node

    def _keep_text(self, root: yaml.Node) -> None:
        """Turn the plain scalars below certain keys into text."""
        seen: set[tuple[int, bool, bool]] = set()
        waiting = [(root, False, False)]
        while waiting:
            node, text, verbatim = waiting.pop()
            if (id(node), text, verbatim) in seen:
                continue
            seen.add((id(node), text, verbatim))
            if isinstance(node, yaml.ScalarNode):
                if (node.tag in (_BOOL, _INT, _FLOAT) and text) or (
                    node.tag == _NULL and verbatim and node.value
                ):
                    node.tag = _TEXT
            elif isinstance(node, yaml.SequenceNode):
                waiting += [(child, text, verbatim) for child in node.value]
            elif isinstance(node, yaml.MappingNode):
                for key, child in node.value:
                    scalar = isinstance(key, yaml.ScalarNode)
                    exact = verbatim or (scalar and key.value in self.verbatim)
                    kept = text or exact or (scalar and key.value in self.texts)
                    if verbatim and scalar and key.tag != _MERGE:
                        key.tag = _TEXT  # a choice named 1 or null
                    waiting.append((child, kept, exact))

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {shown(key.value)} is given twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        text = str(self.construct_scalar(node))
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))

    def construct_float(self, node: yaml.ScalarNode) -> float:
        text = str(self.construct_scalar(node)).lower()
        return float(text.replace(".inf", "inf").replace(".nan", "nan"))


class _Quoting(yaml.SafeDumper):
    """Quotes text that YAML 1.1 or 1.2 would read as something else."""


_CoreSchema.yaml_implicit_resolvers = {}
for _tag, (_pattern, _first) in _CORE.items():
    for _kind in (_CoreSchema, _Quoting):
        _kind.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), [*_first.strip("\0"), ""])
_CoreSchema.add_constructor(_INT, _CoreSchema.construct_integer)
_CoreSchema.add_constructor(_FLOAT, _CoreSchema.construct_float)


def _check_size(root: yaml.Node) -> None:
    """Raise ValueError where a document holds itself, is nested too deeply, or is too large in full."""
    known: dict[int, tuple[int, int]] = {}

    def measure(node: yaml.Node, depth: int) -> tuple[int, int]:
        """Return the number of values of a node, and of its levels."""
        if isinstance(node, yaml.ScalarNode):
            if _SURROGATE.search(node.value):
                raise ValueError(f"{shown(node.value)} is half of a character, which no file can hold")
            return 1, 0
        if depth <= _DEEPEST and id(node) not in known:
            pairs = node.value if isinstance(node, yaml.SequenceNode) else chain.from_iterable(node.value)
            parts = [measure(child, depth + 1) for child in pairs]
            known[id(node)] = 1 + sum(n for n, _ in parts), 1 + max((h for _, h in parts), default=0)
        size, height = known.get(id(node), (0, _DEEPEST + 1))
        if depth + height > _DEEPEST:
            raise ValueError(f"it is nested deeper than {_DEEPEST} levels, or an alias stands inside itself")
        if size > _MOST_NODES:
            raise ValueError(f"its aliases stand for more than {_MOST_NODES:,} values")
        return size, height

    measure(root, 0)


def dump_yaml(data: Any) -> str:
    """Return plain data as YAML: keys in their order, and quotes around text that looks like a number."""
    text: str = yaml.dump(data, Dumper=_Quoting, sort_keys=False, width=100)
    return text


def read_yaml(
    path: Path, what: str = "file", texts: Collection[str] = (), verbatim: Collection[str] = ()
) -> Any:
    """Return what a YAML file says; `what` names it in errors.

    Parameters
    ----------
    texts : Keys, at any depth, below which numbers and booleans are text as it is written; null stays null.
    verbatim : Keys, at any depth, below which everything is text as it is written, null and keys included.

    Raises
    ------
    InputError : the file cannot be read, is no regular file or too long, is not YAML, names a key twice, or
        is nested too deeply; one line.
    """
    return parse_yaml(read_text(path, what, MOST_BYTES), str(path), texts, verbatim)


def parse_yaml(text: str, origin: str, texts: Collection[str] = (), verbatim: Collection[str] = ()) -> Any:
    """Return what a YAML text says; `origin` says in errors where it comes from. Raises as `read_yaml`."""
    loader = type("Loader", (_CoreSchema,), {"texts": texts, "verbatim": verbatim})
    try:
        return yaml.load(text, Loader=loader)
    except RecursionError as error:
        raise InputError(f"{origin} is nested deeper than {_DEEPEST} levels") from error
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{origin} is not YAML: {clipped(reason)}") from error
