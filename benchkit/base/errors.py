"""What every room raises when a user's input cannot be used.

The command line shows ``str(error)`` as its one line and exits with code 2, so the text says what
was given, what is allowed, and what to do next.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["MOST_SHOWN", "ArchitectureError", "InputError", "clipped", "shown", "unknown"]

MOST_SHOWN = 200
"""Number of characters that an error quotes of what it was given."""


class InputError(ValueError):
    """A user's input cannot be used; ``str(error)`` is the line to show."""


class ArchitectureError(InputError):
    """An architecture is malformed, or not a member of the space."""


def shown(given: object) -> str:
    """Return what an error quotes of a value: its `repr`, on one line and cut at `MOST_SHOWN` characters."""
    if isinstance(given, str | bytes):
        given = given[: MOST_SHOWN + 1]  # a repr of megabytes is not made in order to be cut
    return clipped(repr(given))


def clipped(text: str) -> str:
    """Return a text, cut at `MOST_SHOWN` characters."""
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def unknown(kind: str, given: object, known: Iterable[object], where: str = "") -> InputError:
    """Return the error for a name that is not among `known`, with the nearest one suggested.

    Parameters
    ----------
    kind : what was named, such as ``"dataset"``.
    given : the name as the user wrote it.
    known : the allowed names, in the order to print them.
    where : the thing that has those names, such as ``"table nasbench201"``.
    """
    from difflib import get_close_matches

    names = [str(name) for name in known]
    text = str(given)
    near = [] if isinstance(given, int) or len(text) > MOST_SHOWN else get_close_matches(text, names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    place = f" for {where}; it has " if where else "; there are "
    return InputError(f"unknown {kind} {shown(text)}{place}{', '.join(names) or 'none'}{hint}")
