"""Checks the columns of a table's file, and what they say of themselves, before any is used.

`benchkit.base.columnar.read_arrow` has looked at types and lengths; here is what a table means by them.
Values are looked at when they are used for the first time: choices must lie within their space, keys must
rise, measurements must be finite. Every check raises an InputError that says what is damaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchkit.base.columnar import is_number
from benchkit.base.errors import InputError, shown
from benchkit.base.json_text import parse_json
from benchkit.base.shapes import Each, Maybe, Number, check_shape
from benchkit.spaces.base import Batch, Keys, Space

_KEY = b"benchkit"
_EMBEDDED = Path(__file__).resolve().parent / "embedded"
_CURVE = Number(0, 2**31 - 1, whole=True)
_TABLE = {
    "name": str,
    "space": object,
    "title": str,
    "source": str,
    "licence": str,
    "source_sha256": Each(str),
    "warnings": [str],
    "cost?": str,
}
_METRIC = {
    "dataset": str,
    "split": Maybe(str),
    "epochs": Maybe(_CURVE),
    "run?": Maybe(_CURVE),
    "quantity?": str,
    "variant?": str,
    "schedule?": Maybe(_CURVE),
}
_COLUMN = {"metric": _METRIC, "unit?": str, "note?": str, "better?": str, "epochs?": [_CURVE]}


def metadata_of(data: pa.Table, path: Path) -> dict[str, Any]:
    """Return what a table's file says of itself, an object; refuse what is no table, or an empty one."""
    found = (data.schema.metadata or {}).get(_KEY)
    if found is None:
        raise InputError(f"{path} is an Arrow file, but not a benchkit table")
    if not data.num_rows:
        raise InputError(f"table {path} is damaged: it has no entries")
    metadata: dict[str, Any] = check_shape(parse_json(found, f"table {path}"), dict, f"table {path}")
    return metadata


def check_metadata(metadata: Mapping[str, Any], path: Path) -> None:
    """Check the facts of a table whose format version is known."""
    origin = f"table {path}"
    check_shape(metadata, _TABLE, origin)
    space = metadata["space"]
    if not isinstance(space, str):
        check_shape(space, {"name": str, "choices": object}, origin, "space")
        choices = space["choices"]
        if isinstance(choices, list):  # pairs, so that their order is kept
            for index, pair in enumerate(choices):
                check_shape(pair, [object], origin, f"space.choices[{index}]")
                if len(pair) != 2:
                    raise InputError(f"{origin} is damaged: space.choices[{index}] is no pair")
            choices = {str(name): options for name, options in choices}
        check_shape(choices, Each([object]), origin, "space.choices")


def check_width(data: pa.Table, space: Space, path: Path) -> None:
    """Check that rows have a choice for every position of the space, and keys a type that keys have."""
    names = data.schema.names
    kind = data.schema.field("architecture").type if "architecture" in names else None
    if kind is None or not pa.types.is_fixed_size_binary(kind) or kind.byte_width != space.length:
        raise InputError(
            f"table {path} is damaged: its architectures are {kind or 'missing'}, rows of space {space.name} "
            f"have {space.length} choices"
        )
    if "key" in names:
        kind = data.schema.field("key").type
        if not (pa.types.is_fixed_size_binary(kind) or pa.types.is_integer(kind)):
            raise InputError(f"table {path} is damaged: its keys are of type {kind}")
    for name in ("architecture", "key"):
        if name in names and data.column(name).null_count:
            raise InputError(f"table {path} is damaged: column {name} has missing entries")


def column_facts(data: pa.Table, path: Path) -> dict[str, dict[str, Any]]:
    """Return what each measured column says of itself, by its name, in the order of the columns."""
    facts: dict[str, dict[str, Any]] = {}
    for field in data.schema:
        said = (field.metadata or {}).get(_KEY)
        kind = field.type
        origin = f"column {shown(field.name)} of table {path}"
        curve = pa.types.is_fixed_size_list(kind)
        if said is None:
            if curve or (pa.types.is_fixed_size_binary(kind) and field.name not in ("architecture", "key")):
                raise InputError(f"{origin} is damaged: it is of type {kind}, and does not say what it is")
            continue
        about: dict[str, Any] = check_shape(parse_json(said, origin), _COLUMN, origin)
        other = set(about["metric"]) - {name.removesuffix("?") for name in _METRIC}
        if other:
            raise InputError(f"{origin} is damaged: a metric has no {shown(min(other))}")
        better = about.get("better", "higher")
        if better not in ("higher", "lower") or ("better" in about and "unit" not in about):
            raise InputError(f"{origin} is damaged: better is higher or lower, beside a unit")
        points = about.get("epochs")
        if curve != (points is not None) or (curve and len(points or ()) != kind.list_size):
            width = kind.list_size if curve else 0
            raise InputError(f"{origin} is damaged: it names {len(points or ())} epochs for {width} points")
        if not (curve or is_number(kind)) or (curve and data.column(field.name).null_count):
            raise InputError(f"{origin} is damaged: it is of type {kind}, or has gaps in a curve")
        facts[field.name] = about
    return facts


def check_rows(rows: Batch, space: Space, path: Path) -> Batch:
    """Return int8[n, d] whose choices the space has."""
    high = rows.max(axis=0)
    if rows.min() < 0 or (high >= np.asarray(space.arity)).any():
        raise InputError(f"table {path} is damaged: it has choices that space {space.name} does not have")
    return rows


def check_order(rows: Batch, space: Space, path: Path) -> None:
    """Check that entry i of a table of a whole space is its architecture i; the package's own are known."""
    if path.parent == _EMBEDDED:
        return
    if not space.is_valid(rows).all() or not np.array_equal(space.index(rows), np.arange(len(rows))):
        raise InputError(f"table {path} is damaged: its architectures are not in the order of {space.name}")


def check_keys(keys: Keys, rows: Batch, space: Space, path: Path) -> Keys:
    """Return keys that are of the space's type, rise, and are different."""
    first = space.key(space.validate(rows[:1]))
    if keys.dtype.kind != first.dtype.kind or (keys.dtype.kind == "S" and keys.dtype != first.dtype):
        raise InputError(f"table {path} is damaged: its keys are not those of space {space.name}")
    if keys[0] != first[0] or not (keys[1:] > keys[:-1]).all():
        raise InputError(f"table {path} is damaged: its keys do not rise, or are of other architectures")
    return keys


def check_finite(values: npt.NDArray[np.float64], name: object, path: Path) -> None:
    """Check that a column has numbers, or NaN where an entry is missing."""
    if np.isinf(values).any():
        raise InputError(f"table {path} is damaged: column {name} has infinite values")
