"""Defines what every room raises when a user's input cannot be used.

The command line shows ``str(error)`` as its one line and exits with code 2, so the text says what was given,
what is allowed, and what to do next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

MOST_SHOWN = 200
"""Largest number of characters that an error quotes of what it was given."""

# what a wrong value makes numpy, pandas or Python raise
_FAILED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, NotImplementedError)
_DEEPEST_SHOWN = 8  # lists in each other
_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    dict: ("{", "}"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}


class InputError(ValueError):
    """A user's input cannot be used; ``str(error)`` is the line to show."""


class ArchitectureError(InputError):
    """An architecture is malformed, or not a member of the space."""


def shown(given: object) -> str:
    """Return what an error quotes of a value: its `repr`, on one line and cut at `MOST_SHOWN` characters."""
    return clipped(_repr(given, MOST_SHOWN + 1, _DEEPEST_SHOWN))


def _repr(given: object, room: int, depth: int) -> str:
    """Return the `repr` of a value as far as about `room` characters; no more of it is made.

    A list of two of a list of two of ... is a few bytes in a file, and a text without an end.
    """
    if isinstance(given, str | bytes):
        return repr(given[: max(room, 1)])
    if type(given) is int and given.bit_length() > 4 * MOST_SHOWN:
        return f"an integer of {given.bit_length():,} bits"
    brackets = _BRACKETS.get(type(given))
    if brackets is None or not given:
        return repr(given)
    parts: list[str] = []
    for part in given if depth else ():  # type: ignore[attr-defined]
        if room <= 0:
            break
        text = _repr(part, room, depth - 1)
        if isinstance(given, dict):
            text += f": {_repr(given[part], room - len(text), depth - 1)}"
        parts.append(text)
        room -= len(text) + 2
    inside = ", ".join(parts) if depth else "..."
    only = "," if type(given) is tuple and len(given) == 1 else ""
    return f"{brackets[0]}{inside}{only}{brackets[1]}"


@contextmanager
def blamed_on(what: str) -> Iterator[None]:
    """Raise an InputError about kept files where a computation from their values fails.

    The doors look at types and ranges, each file by itself. Files that do not fit each other, or figures that
    no run has, are met where something is made of them. `what` names the files, such as ``"the study in
    out"``.
    """
    try:
        yield
    except InputError:
        raise
    except _FAILED as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{what} cannot be read, a file of it is damaged: {clipped(reason)}") from error


def clipped(text: str) -> str:
    """Return a text as one printable line, cut at `MOST_SHOWN` characters; what cannot be seen is escaped."""
    line = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text[: MOST_SHOWN + 1])
    return line if len(line) <= MOST_SHOWN else f"{line[:MOST_SHOWN]}..."


def unknown(kind: str, given: object, known: Iterable[object], where: str = "") -> InputError:
    """Return the error for a name that is not among `known`, with the nearest one suggested.

    `kind` is the kind of thing that was named, such as ``"dataset"``; `where` is the thing that has those
    names, such as ``"table nasbench201"``.
    """
    from difflib import get_close_matches

    names = [str(name) for name in known]
    text = str(given)
    near = [] if isinstance(given, int) or len(text) > MOST_SHOWN else get_close_matches(text, names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    place = f" for {where}; it has " if where else "; there are "
    return InputError(f"unknown {kind} {shown(text)}{place}{', '.join(names) or 'none'}{hint}")
