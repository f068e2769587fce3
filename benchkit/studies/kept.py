"""The shapes of the files of a finished study, and the rows that they pack.

A folder of results may come from anybody. Each of its files goes through the door of its format, with the
columns or keys that are named here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchkit.analysis.tables.leaderboard import BOARD
from benchkit.base.columnar import BYTES, NUMBER, NUMBER_OR_MISSING, TEXT, WHOLE, Kind, is_number, read_arrow
from benchkit.base.errors import InputError
from benchkit.base.json_text import parse_json
from benchkit.base.shapes import COUNT, SHA256, Each, Maybe, Number, check_shape
from benchkit.searching.trace import unpack
from benchkit.spaces import Space
from benchkit.spaces.base import Batch

META = b"benchkit"

TRACES: dict[str, Kind] = {
    "strategy": TEXT,
    "dataset": TEXT,
    "seed": WHOLE,
    "step": WHOLE,
    "architecture": BYTES,
    "score": NUMBER,
    "fidelity": NUMBER,
    "queries": NUMBER,
    "seconds": NUMBER_OR_MISSING,
    "regret": NUMBER_OR_MISSING,
}
"""Columns of ``traces.parquet``."""

TRIALS: dict[str, type] = {
    **{"strategy": str, "dataset": str, "seed": int, "valid": float, "test": float, "regret": float},
    **{"queries": float, "seconds": float, "distinct": float, "distinct_isomorphic": float},
    **{"recommended": str, "trace_sha256": str, "searched_on?": object},
}
"""Columns of ``trials.csv``."""

_NEEDED: dict[str, type] = {"text": str, "count": int}
LEADERBOARD: dict[str, type] = {
    name if column.kind in _NEEDED else f"{name}?": _NEEDED.get(column.kind, float)
    for column in BOARD
    for name in column.in_files
}
"""Columns of ``leaderboard.csv``."""

_BEST = ("valid", "test", "gain", "fair_gain")
BEST_OF_K: dict[str, type] = {
    **{"dataset": str, "row": str, "column": str, "n": int, "p_value": float, "fair_p_value": float},
    **{f"{name}{end}": float for name in _BEST for end in ("", "_low", "_high")},
}
"""Columns of ``best_of_k.csv``."""

_MANIFEST = {
    "table": {
        **{"name": str, "sha256": str, "entries": COUNT},
        **{"licence?": str, "warnings?": [str], "source_sha256?": Each(str)},
    },
    "traces": Each(str),
    "study_sha256?": str,
    "benchkit?": str,
}
_TABLE_MANIFEST = {
    **_MANIFEST,
    "not_applicable": Each(str),
    "remarks?": Each(str),
    "constraint?": Each({"cost": str, "max": Number(), "unit": str, "feasible": COUNT, "entries": COUNT}),
}
MANIFESTS = {"table": _TABLE_MANIFEST, "supernet": {**_MANIFEST, "device": str}}
"""Keys of ``manifest.json``, by what judges the architectures of a study."""

_ABOUT_PART = {
    "digest": SHA256,
    "recommended": [Number(0, 127, whole=True)],
    "distinct": COUNT,
    "distinct_isomorphic": COUNT,
    "reports": [{"dataset": str, "valid": Maybe(float), "test": Maybe(float), "regret": Maybe(float)}],
}


def read_part(path: Path, real_seconds: str) -> tuple[pa.Table, dict[str, Any]]:
    """Return the trace of one finished trial, and what is known of it besides.

    Parameters
    ----------
    path : File of the trial.
    real_seconds : Name of the column of seconds by the clock, which earlier releases do not have.

    Raises
    ------
    InputError : it is damaged; removing it has the trial run again.
    """
    try:
        part = read_arrow(path, "trial")
        columns = {field.name: field.type for field in part.schema}
        said = (part.schema.metadata or {}).get(META, b"null")
        about: dict[str, Any] = check_shape(parse_json(said, f"trial {path}"), _ABOUT_PART, f"trial {path}")
        for name, kind in TRACES.items():
            if name in ("strategy", "dataset", "seed"):
                continue
            if name not in columns or not kind.fits(columns[name]):
                raise InputError(f"trial {path} is damaged: its column {name} is not one of {kind.name}")
            if not kind.gaps and part.column(name).null_count:
                raise InputError(f"trial {path} is damaged: column {name} has missing entries")
        if real_seconds in columns and not is_number(columns[real_seconds]):
            raise InputError(f"trial {path} is damaged: {real_seconds} are no numbers")
    except InputError as error:
        raise InputError(f"{error}; remove it to run this trial again") from error
    names = [name for name in (*list(TRACES)[3:], real_seconds) if name in columns]
    return part.select(names), about


def unpacked(column: pa.ChunkedArray, space: Space, origin: Path) -> Batch:
    """Return int8[n, d]: the architectures that a column of packed rows holds.

    Parameters
    ----------
    column : Rows of a fixed number of bytes, see `benchkit.searching.trace.pack`.
    space : Space of the architectures.
    origin : File that they are in, for the error.

    Raises
    ------
    InputError : rows of another length, or choices that the space does not have.
    """
    array = column.combine_chunks()
    if not isinstance(array, pa.DictionaryArray):  # Parquet gives rows of fixed length back in full
        array = array.dictionary_encode()
    codes = array.indices.to_numpy(zero_copy_only=False)
    values = array.dictionary.to_pylist()
    width = max(1, (max(space.arity) - 1).bit_length())
    length = -(-space.length * width // 8)
    if any(len(value) != length for value in values):
        raise InputError(f"{origin} is damaged: its architectures are not of space {space.name}")
    packed: npt.NDArray[np.uint8] = np.frombuffer(b"".join(values), dtype=np.uint8).reshape(-1, length)
    rows = unpack(packed, space.arity)
    if (rows >= np.asarray(space.arity)).any():
        raise InputError(f"{origin} is damaged: it has choices that space {space.name} does not have")
    batch: Batch = rows[codes]
    return batch
