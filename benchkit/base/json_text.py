"""Reads JSON: limits of size and depth, no key given twice, and one line for what is wrong."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchkit.base.errors import InputError, clipped, shown
from benchkit.base.files import MEGABYTE, read_text

DEEPEST = 64
"""Number of levels that a document may be nested; the deepest of ours has 8."""

MOST_BYTES = 256 * MEGABYTE
"""Largest JSON file that is read; the largest of ours, a manifest of many trials, has some 20 MB."""


def read_json(path: Path, what: str = "file", most: int = MOST_BYTES) -> Any:
    """Return what a JSON file of at most `most` bytes says; `what` names it in errors.

    Raises InputError where it cannot be read, is no regular file or too long, is not JSON, names a key twice,
    or is nested deeper than `DEEPEST`.
    """
    return parse_json(read_text(path, what, most), f"{what} {path}")


def parse_json(text: str | bytes, origin: str) -> Any:
    """Return what a JSON text (bytes are UTF-8) of a named origin says; raises as `read_json`."""
    try:
        value = json.loads(text, object_pairs_hook=_unique)
    except RecursionError as error:
        raise _too_deep(origin) from error
    except _RepeatedKeyError as error:
        raise InputError(f"{origin} is damaged: key {shown(error.args[0])} is given twice") from error
    except ValueError as error:  # not JSON, not UTF-8, or a number of thousands of digits
        raise InputError(f"{origin} is not JSON: {clipped(str(error))}") from error
    if depth_of(value, DEEPEST) > DEEPEST:
        raise _too_deep(origin)
    return value


def to_json(document: Mapping[str, Any]) -> str:
    """Return a document as the text of its file."""
    return json.dumps(document, indent=1) + "\n"


class _RepeatedKeyError(Exception):
    """An object of JSON that names a key twice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((key, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise _RepeatedKeyError(key)
    return found


def _too_deep(origin: str) -> InputError:
    return InputError(f"{origin} is nested deeper than {DEEPEST} levels")


def depth_of(value: Any, most: int) -> int:
    """Return how many lists and mappings lie inside each other; `most` + 1 where it is more than `most`."""
    level = [value]
    for depth in range(most + 1):
        level = [each for each in level if isinstance(each, dict | list)]
        if not level:
            return depth
        level = [part for each in level for part in (each.values() if isinstance(each, dict) else each)]
    return most + 1
