"""Makes numpy arrays of the buffers of an Arrow file, without a copy and without pandas.

The arrays are those of `benchkit.base.columnar.read_arrow`, whose buffers are as long as they say.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Values = npt.NDArray[np.float64]

_NAMES = {"halffloat": "float16", "float": "float32", "double": "float64"}
"""Types that numpy calls otherwise than Arrow does."""


def to_percent(stored: npt.NDArray[np.floating[Any]]) -> Values:
    """Return stored values as float64; those kept as float32 are rounded to five decimals."""
    values: Values = np.asarray(stored, dtype=np.float64)  # no copy of what is float64 already
    if stored.dtype != np.float64:
        values = np.round(values, 5)
        values.setflags(write=False)
    return values


def to_numpy(array: pa.Array) -> npt.NDArray[Any]:
    """Return an array of numbers or booleans without a copy; with NaN, in a copy, where entries are missing.

    Arrow's own conversion loads pandas, which would take longer than everything else that a query does.
    """
    present, data = array.buffers()
    span = slice(array.offset, array.offset + len(array))
    if pa.types.is_boolean(array.type):
        return np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[span].astype(bool)
    kind = str(array.type)  # `to_pandas_dtype` loads pandas in older releases of Arrow
    values: npt.NDArray[Any] = np.frombuffer(data, dtype=_NAMES.get(kind, kind))[span]
    if array.null_count:
        bits = np.unpackbits(np.frombuffer(present, np.uint8), bitorder="little")[span]
        values = np.where(bits == 1, values, np.nan)
        values.setflags(write=False)
    return values


def fixed_bytes(column: pa.Array) -> npt.NDArray[np.uint8]:
    """Return uint8[n, width]: a column of fixed-size binary, without a copy."""
    width = column.type.byte_width
    raw = np.frombuffer(column.buffers()[1], dtype=np.uint8)
    return raw[column.offset * width : (column.offset + len(column)) * width].reshape(-1, width)


def filled(column: pa.Array, point: int = 0) -> npt.NDArray[np.bool_]:
    """Return bool[n]: which entries of a column have a value; of a column of lists, at one point of them."""
    if pa.types.is_fixed_size_list(column.type):
        return np.asarray(~np.isnan(to_numpy(column.flatten()).reshape(len(column), -1)[:, point]))
    return np.asarray(~to_numpy(column.is_null(nan_is_null=True)))


def to_keys(column: pa.Array) -> npt.NDArray[Any]:
    """Return int64[n], or bytes[n] of a column of fixed-size binary, without a copy."""
    if pa.types.is_integer(column.type):
        return to_numpy(column)
    raw = fixed_bytes(column)
    return raw.view(f"S{raw.shape[1]}")[:, 0]
