"""Says in a table's file which space the table is of.

A built-in space is named, and its choices come from code (format version 1). The choices of a user's own
space stand in the file, as a list of pairs (format version 2): their order is the order of every row, and a
mapping whose keys are sorted loses it, as version 1 did.
"""

from __future__ import annotations

from typing import Any

from benchkit.base.errors import InputError, shown
from benchkit.spaces import Space, get_space
from benchkit.spaces.categorical import CategoricalSpace

FORMAT_VERSIONS = (1, 2)
"""Format versions that are read: 1 of built-in spaces, 2 of a user's own choices."""


def space_to_json(space: str | CategoricalSpace) -> tuple[int, Any]:
    """Return the format version that a built-in (named) or a user's own space needs, and its JSON."""
    if isinstance(space, str):
        return 1, space
    return 2, {"name": space.name, "choices": [[key, list(words)] for key, words in space.choices.items()]}


def space_from_json(description: Any, origin: str = "the table") -> Space:
    """Return the space that a table's metadata describes: a name, or a mapping with ``name`` and ``choices``.

    Raises InputError for an unknown space, choices that are none, and choices of version 1, in which the
    order of more than one choice is lost.
    """
    if isinstance(description, str):
        return get_space(description)
    name = description.get("name") if isinstance(description, dict) else None
    choices = description.get("choices") if isinstance(description, dict) else None
    if not isinstance(name, str):
        raise InputError(f"{origin} names no space: {shown(description)}")
    if isinstance(choices, dict):
        if len(choices) > 1:
            raise InputError(
                f"{origin} was imported by an older benchkit, which did not keep the order of its choices "
                f"({', '.join(map(str, choices))}), so its values may belong to other architectures: import "
                f"it again from its CSV file, with --replace"
            )
        choices = list(choices.items())
    if not isinstance(choices, list) or not all(map(_is_choice, choices)):
        raise InputError(
            f"{origin} does not say the choices of space {shown(name)} as pairs of name and options"
        )
    pairs = dict(choices)
    if len(pairs) < len(choices):
        raise InputError(f"{origin} names a choice of space {shown(name)} twice")
    return CategoricalSpace(name, pairs)


def _is_choice(pair: Any) -> bool:
    """Return whether this is the name of a choice and its options."""
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        return False
    key, options = pair
    return isinstance(key, str) and isinstance(options, list) and all(isinstance(o, str) for o in options)
