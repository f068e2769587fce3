"""Reads our own tables kept as CSV, with checks of their columns, and writes their rows as JSON has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchkit.base.errors import InputError, clipped, shown
from benchkit.base.files import MEGABYTE, check_regular

if TYPE_CHECKING:
    import pandas as pd

_MOST_BYTES = 256 * MEGABYTE
_MOST_COLUMNS = 1_000
_LONGEST_HEADER = 1 << 20


def read_frame(path: Path, columns: Mapping[str, type], what: str = "table") -> pd.DataFrame:
    """Return a table of ours: only an empty cell is missing, and a label such as ``NA`` or ``1`` is text.

    Parameters
    ----------
    path : CSV file, which `what` names in errors.
    columns : Kind of each column that has to be there, by its name: ``str`` (text), ``object`` (text, some
        may be missing), ``float`` (numbers, some may be missing) or ``int`` (whole numbers). Other columns
        come as they are. A name that ends in ``?`` need not be there.

    Raises
    ------
    InputError : no regular file, too long, no CSV, or a column that is missing or holds something else.
    """
    import pandas as pd

    check_regular(path, what, _MOST_BYTES)
    origin = f"{what} {path}"
    _check_header(path, origin)
    kinds = {name.removesuffix("?"): kind for name, kind in columns.items()}
    text = {name: str for name, kind in kinds.items() if kind in (str, object)}
    try:
        frame = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""], low_memory=False)
    except OSError as error:
        raise InputError(f"cannot read {origin}: {error.strerror or error}") from error
    except (ValueError, OverflowError, MemoryError) as error:
        raise InputError(f"{origin} is damaged: {clipped(' '.join(str(error).split()))}") from error
    if not isinstance(frame.index, pd.RangeIndex):
        raise InputError(f"{origin} is damaged: its rows have more cells than its header")
    missing = [name for name in columns if not name.endswith("?") and name not in frame]
    if missing:
        raise InputError(f"{origin} is damaged: it has no column {missing[0]}")
    for name, kind in kinds.items():
        if name not in frame or kind is object:
            continue
        column = frame[name]
        if kind is str:
            if column.isna().any():
                raise InputError(f"{origin} is damaged: column {name} has an empty cell")
        elif not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
            if column.notna().any():
                raise InputError(f"{origin} is damaged: column {name} holds more than numbers")
            frame[name] = column.astype("float64")
        elif kind is int and not pd.api.types.is_integer_dtype(column):
            raise InputError(f"{origin} is damaged: column {name} holds more than whole numbers")
    return frame


def as_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON has them: what is undefined is null."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in plain.to_dict("records")]


def _check_header(path: Path, origin: str) -> None:
    """Refuse a first line of so many columns that a frame of them would fill the memory."""
    with path.open("rb") as file:
        line = file.readline(_LONGEST_HEADER)
    if len(line) == _LONGEST_HEADER or line.count(b",") >= _MOST_COLUMNS:
        raise InputError(f"{origin} is damaged: its header {shown(line)} has too many columns")
