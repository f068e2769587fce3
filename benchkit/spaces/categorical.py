"""A space that a user defines: independent named choices.

``choices: {op0: [a, b], op1: [a, b, c]}`` in a YAML file is such a space, without any Python.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchkit.base.errors import ArchitectureError, InputError, clipped, shown
from benchkit.spaces.base import Architecture, ProductSpace

_FORBIDDEN = set("|=")


class CategoricalSpace(ProductSpace):
    """Independent named choices; an architecture reads ``op0=a|op1=c``.

    Parameters
    ----------
    name : Name of the space.
    choices : Option names for each choice, in the order of the row; 1 to 127 options each.

    Raises
    ------
    InputError : no choices, an empty or repeated option, or a name with ``|``, ``=`` or spaces around it.
    """

    def __init__(self, name: str, choices: Mapping[str, Sequence[Any]]) -> None:
        if not choices:
            raise InputError(f"space {shown(name)} needs at least one choice, as in choices: {{op0: [a, b]}}")
        self.choices: dict[str, tuple[str, ...]] = {}
        for given, words in choices.items():
            if str(given) in self.choices:
                raise InputError(f"space {shown(name)} names the choice {shown(str(given))} twice")
            self.choices[str(given)] = tuple(str(word) for word in words)
        for key, options in self.choices.items():
            if not 1 <= len(options) <= 127:
                raise InputError(
                    f"choice {shown(key)} of space {shown(name)} needs 1 to 127 options, has {len(options)}"
                )
            if len(set(options)) < len(options):
                raise InputError(
                    f"choice {shown(key)} of {shown(name)} names an option twice: {shown(list(options))}"
                )
            for word in (key, *options):
                if not word or _FORBIDDEN & set(word):
                    raise InputError(
                        f"name {shown(word)} in space {shown(name)} is empty or contains '|' or '='"
                    )
                if word != word.strip() or not word.isprintable():
                    raise InputError(
                        f"name {shown(word)} in space {shown(name)} has spaces around it, or is not printable"
                    )
        super().__init__(name, [len(options) for options in self.choices.values()])

    def parse(self, text: str) -> Architecture:
        given: dict[str, str] = {}
        for part in text.strip().split("|"):
            key, separator, option = part.partition("=")
            if not separator or key in given:
                raise ArchitectureError(
                    f"{self.name} architectures read {self._example()}; got {shown(text)}"
                )
            given[key] = option
        if set(given) != set(self.choices):
            raise ArchitectureError(
                f"{self.name} has the choices {', '.join(self.choices)}; got {clipped(', '.join(given))}"
            )
        row = []
        for key, options in self.choices.items():
            if given[key] not in options:
                alike = [each for each in options if each.lower() == given[key].lower()]
                hint = f" (did you mean {alike[0]!r}?)" if alike else ""
                raise ArchitectureError(
                    f"unknown option {shown(given[key])} for choice {shown(key)} of {self.name}; "
                    f"it has {clipped(', '.join(options))}{hint}"
                )
            row.append(options.index(given[key]))
        return np.array(row, dtype=np.int8)

    def format(self, architecture: Architecture) -> str:
        pairs = zip(self.choices.items(), architecture, strict=True)
        return "|".join(f"{key}={options[choice]}" for (key, options), choice in pairs)

    def _example(self) -> str:
        return "|".join(f"{key}={options[0]}" for key, options in self.choices.items())

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "choices": {k: list(v) for k, v in self.choices.items()}}
