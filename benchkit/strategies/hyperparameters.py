"""Checks the values of hyperparameters, for the frozen dataclasses of the strategies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchkit.base.errors import shown

_RULES: Mapping[str, Callable[[Any], bool]] = {
    "be at least 1": lambda value: value >= 1,
    "be positive": lambda value: value > 0,
    "not be negative": lambda value: value >= 0,
    "be in (0, 1)": lambda value: 0 < value < 1,
    "be in (0, 1]": lambda value: 0 < value <= 1,
    "be in [0, 1)": lambda value: 0 <= value < 1,
    "be in [0, 1]": lambda value: 0 <= value <= 1,
}


def require(setting: Any, rule: str, *names: str) -> None:
    """Raise ValueError where one of the named values breaks a rule of `_RULES`; None breaks none."""
    for name in names:
        value = getattr(setting, name)
        if value is not None and not _RULES[rule](value):
            raise ValueError(f"{name} must {rule}, got {value}")


def require_known(setting: Any, name: str, known: Sequence[str]) -> None:
    """Raise ValueError where the named value is none of those that are known."""
    value = getattr(setting, name)
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}; got {shown(value)}")
