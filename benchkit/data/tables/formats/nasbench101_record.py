"""Reads one record of the official NAS-Bench-101 files: a training, as a JSON list of five fields.

=================  ===================================================================================
field              content
=================  ===================================================================================
module_hash        official hash of the cell, 32 hexadecimal digits
epochs             length of the training: 4, 12, 36 or 108
raw_adjacency      v * v characters 0 or 1, row by row
raw_operations     v names, joined by commas, from ``input`` to ``output``
raw_metrics        ``ModelMetrics`` (nasbench101.proto) in base64: at the start, halfway, at the end
=================  ===================================================================================
"""

from __future__ import annotations

import binascii
import json
import re
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

from benchkit.base.errors import InputError, shown
from benchkit.data.tables.formats.nasbench101_pb2 import ModelMetrics
from benchkit.spaces.nasbench101.encoding import NASBench101

BUDGETS = (4, 12, 36, 108)
"""Epochs of the trainings in the full file."""
FIELDS = ("module_hash", "epochs", "raw_adjacency", "raw_operations", "raw_metrics")
MEASURED = ("training_time", "train_accuracy", "validation_accuracy", "test_accuracy")
"""Fields that are taken of an evaluation, in the order of `Record.figures`."""

_TYPES = (str, int, str, str, str)
_LOOKS = ("[0-9a-f]{32}", None, "[01]+", "input,.*", "[A-Za-z0-9+/=\\s]+")
"""Form of the text of each field, to tell which one is missing."""
_POINTS = ("at the start", "halfway", "at the end")
_SPACE = NASBench101()
_MOST_CELLS = 7 * 7  # of a matrix
_INNER = 5  # operations at the end of a row


class Record(NamedTuple):
    """One training: the cell's hash (16 bytes), its graph as in the file, and what was measured.

    `figures` are 8 numbers, halfway and then at the end: seconds; train, validation and test accuracy as
    fractions.
    """

    module_hash: bytes
    epochs: int
    adjacency: str
    operations: str
    parameters: int
    figures: list[float]

    def row(self) -> bytes:
        """Return the 26 choices of the cell as it is written, not pruned.

        Raises InputError for a malformed graph; whether it is a member of the space is not looked at.
        """
        return _edges(self.adjacency) + _operations(self.operations, len(self.adjacency))


def parse_record(data: bytes) -> Record:
    """Return what a record says; its graph is left as text.

    Raises InputError for what is no record of NAS-Bench-101, or has a missing or malformed field.
    """
    try:
        fields = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise InputError("not a NAS-Bench-101 record: its data is not JSON") from error
    if not isinstance(fields, list) or tuple(map(type, fields)) != _TYPES:
        raise _malformed(fields)
    digits, epochs, adjacency, operations, encoded = fields
    try:
        module_hash = bytes.fromhex(digits)
    except ValueError:
        module_hash = b""
    if len(digits) != 32 or len(module_hash) != 16:
        raise InputError(f"field module_hash is {shown(digits)}, not 32 hexadecimal digits")
    if epochs not in BUDGETS:
        raise InputError(f"field epochs is {shown(epochs)}, not one of {', '.join(map(str, BUDGETS))}")
    try:
        raw = binascii.a2b_base64(encoded.replace("\n", ""), strict_mode=True)
        metrics = ModelMetrics.FromString(raw)
    except ValueError as error:  # binascii.Error, and letters that are not ASCII
        raise InputError(f"field raw_metrics is not base64: {error}") from error
    except DecodeError as error:
        raise InputError("field raw_metrics is not a ModelMetrics message in base64") from error
    evaluations = metrics.evaluation_data
    if len(evaluations) != len(_POINTS):
        raise InputError(
            f"field raw_metrics has {len(evaluations)} evaluations, not {len(_POINTS)} ({', '.join(_POINTS)})"
        )
    figures = []
    for point in (1, 2):
        evaluation = evaluations[point]
        for name in MEASURED:
            if not evaluation.HasField(name):
                raise InputError(f"field raw_metrics has no {name} {_POINTS[point]} of the training")
            figures.append(getattr(evaluation, name))
    if not metrics.HasField("trainable_parameters"):
        raise InputError("field raw_metrics has no trainable_parameters")
    return Record(module_hash, epochs, adjacency, operations, metrics.trainable_parameters, figures)


def _malformed(fields: Any) -> InputError:
    """Return the error that names the first field which is missing, or is not what it should be."""
    if not isinstance(fields, list):
        return InputError(f"not a NAS-Bench-101 record: its data is not a JSON list of {len(FIELDS)} fields")
    if len(fields) > len(FIELDS):
        return InputError(f"it has {len(fields)} fields, not {len(FIELDS)} ({', '.join(FIELDS)})")
    for name, look, field in zip(FIELDS, _LOOKS, fields, strict=False):
        fits = type(field) is int if look is None else isinstance(field, str) and re.fullmatch(look, field)
        if not fits:
            return InputError(f"field {name} is missing or malformed: {shown(field)} stands in its place")
    return InputError(f"field {FIELDS[len(fields)]} is missing: it has {len(fields)} of {len(FIELDS)} fields")


@lru_cache(maxsize=1 << 14)  # the official file has some 2,500 matrices and 364 lists of operations
def _edges(adjacency: str) -> bytes:
    v = round(len(adjacency) ** 0.5)
    if len(adjacency) > _MOST_CELLS or len(adjacency) != v * v or set(adjacency) - {"0", "1"}:
        raise InputError(f"field raw_adjacency is {shown(adjacency)}, not a square of 0 and 1")
    matrix = np.array([int(bit) for bit in adjacency]).reshape(v, v)
    return _SPACE.encode(matrix, [0] * (v - 2))[:-_INNER].tobytes()


@lru_cache(maxsize=1 << 12)
def _operations(operations: str, adjacency_length: int) -> bytes:
    names = operations.split(",")
    v = len(names)
    if v * v != adjacency_length or names[0] != "input" or names[-1] != "output":
        raise InputError(
            f"field raw_operations is {shown(operations)}, not {round(adjacency_length**0.5)} names from "
            f"input to output"
        )
    return _SPACE.encode(np.zeros((v, v), dtype=np.int8), names)[-_INNER:].tobytes()
