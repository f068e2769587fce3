"""What the keys of a study may hold: printable names, numbers within their range, lists without repeats."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from benchkit.base.errors import shown
from benchkit.base.limits import LONGEST_NAME, RANGES

__all__ = ["TEXT_KEYS", "Column", "Name", "Names", "Strict", "ranged", "unique"]

TEXT_KEYS = frozenset(
    {"name", "title", "table", "datasets", "label", "note", "notes", "samplers", "random", "evolution",
     "quantity"}
)  # fmt: skip
"""Keys of a study whose values are text as it is written: a study named 1.10 is not named 1.1."""


def ranged(name: str) -> AfterValidator:
    """Return the check of a number's range in `benchkit.base.limits`."""

    def check(value: float) -> float:
        if value not in RANGES[name]:
            raise ValueError(f"must be {RANGES[name]}; got {shown(value)}")
        return value

    return AfterValidator(check)


def printable(text: str) -> str:
    """Refuse a name that nobody can see, or that no line has room for."""
    if not text.strip() or not text.isprintable() or len(text) > LONGEST_NAME:
        raise ValueError(f"must be 1 to {LONGEST_NAME} visible characters; got {shown(text)}")
    return text


Name = Annotated[str, AfterValidator(printable)]


Column = Literal["mean"] | Annotated[int, ranged("run")]


def unique(values: Any) -> Any:
    """Refuse a list that is empty or names something twice."""
    if not isinstance(values, list):
        return values  # the type of the key says what is wrong with it
    if not values:
        raise ValueError("must not be empty")
    if len({str(v) for v in values}) < len(values):
        raise ValueError("names something twice")
    return values


Names = Annotated[list[Name], BeforeValidator(unique)]


class Strict(BaseModel):
    """A part of a specification: no unknown keys, no conversions, no changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
