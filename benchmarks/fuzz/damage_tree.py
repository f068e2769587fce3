"""Damage to a document (JSON, YAML): values of another type, lost keys, doubled lists, exchanged parts."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from benchmarks.fuzz.damage_bytes import nasty

__all__ = ["damage_tree"]

_Place = tuple[Any, Any]  # container, key


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def _value(rng: np.random.Generator) -> Any:
    values: list[Any] = [
        *(
            None,
            True,
            False,
            0,
            1,
            -1,
            2**31,
            2**63,
            2**200,
            -(2**63),
            0.5,
            -1.5,
            1e308,
            float("nan"),
            float("inf"),
        ),
        *(
            [],
            {},
            [[]],
            [None],
            {"": None},
            {"a": {"b": []}},
            "",
            " ",
            "x" * 3000,
            list(range(300)),
            _deep(30),
        ),
        *(_deep(100), ["a", 1, None], "cifar10", "valid", "random-search", [0] * 7, [1e9], ["0"]),
    ]
    if rng.random() < 0.25:
        return nasty(rng)
    return copy.deepcopy(values[int(rng.integers(len(values)))])


def _places(tree: Any) -> list[_Place]:
    found: list[_Place] = []
    waiting = [tree]
    while waiting and len(found) < 20_000:
        node = waiting.pop()
        if isinstance(node, dict | list):
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            found += [(node, key) for key in keys]
            waiting += [node[key] for key in keys]
    return found


def damage_tree(tree: Any, rng: np.random.Generator) -> Any:
    """Return a copy of a document with one to three faults."""
    tree = copy.deepcopy(tree)
    for _ in range(int(rng.integers(1, 4))):
        places = _places(tree)
        if not places:
            return _value(rng)
        # documents are broad at their leaves: half of the faults go near the root
        pool = places[:12] if rng.random() < 0.5 else places
        node, key = pool[int(rng.integers(len(pool)))]
        match int(rng.integers(8)):
            case 0 | 1 | 2:
                node[key] = _value(rng)
            case 3:
                del node[key]
            case 4:
                other, place = places[int(rng.integers(len(places)))]
                node[key], other[place] = copy.deepcopy(other[place]), copy.deepcopy(node[key])
            case 5:
                if isinstance(node, list):
                    node.append(copy.deepcopy(node[key]))
                else:
                    node[nasty(rng)] = node.pop(key)
            case 6:
                value = node[key]
                if isinstance(value, bool) or not isinstance(value, int | float):
                    node[key] = [value]
                else:
                    node[key] = [value + 1, -value, value * 1e6, str(value), float(value)][
                        int(rng.integers(5))
                    ]
            case _:
                node[key] = str(node[key])[:100]
    return tree
