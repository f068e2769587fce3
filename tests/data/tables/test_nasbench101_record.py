"""One record of NAS-Bench-101's official files; every input is built, without the reader's own code."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from benchkit.base.errors import InputError
from benchkit.data.tables.formats.nasbench101_pb2 import ModelMetrics
from benchkit.data.tables.formats.nasbench101_record import FIELDS, Record, parse_record
from benchkit.spaces.nasbench101.encoding import NASBench101
from benchmarks.build_tfrecord import encode_metrics, encode_record

START = (0.0, 0.0, 0.1, 0.1, 0.1)


def fields() -> list[Any]:
    """input -> conv3x3 -> output, trained for 108 epochs."""
    half, end = (54.0, 50.0, 0.5, 0.25, 0.125), (108.0, 100.0, 1.0, 0.75, 0.625)
    metrics = encode_metrics([START, half, end], 300)
    return ["0f" * 16, 108, "010001000", "input,conv3x3-bn-relu,output", metrics]


def parsed(*record: Any) -> Record:
    return parse_record(encode_record(record)[12:-4])


def test_a_record_is_read() -> None:
    record = parsed(*fields())
    assert record.module_hash == bytes.fromhex("0f" * 16)
    assert (record.epochs, record.parameters) == (108, 300)
    assert record.figures == [50.0, 0.5, 0.25, 0.125, 100.0, 1.0, 0.75, 0.625]
    row = NASBench101().parse("010/001/000 conv3x3")
    assert record.row() == row.tobytes()


def test_base64_may_be_broken_into_lines() -> None:
    record = fields()
    record[4] = base64.encodebytes(record[4]).decode()
    assert "\n" in record[4]
    assert parsed(*record) == parsed(*fields())


def test_message_layout_agrees_with_protobuf() -> None:
    """Built: bytes put together by hand are those that the protobuf library writes."""
    points = [START, (54.0, 1.5, 0.2, 0.3, 0.4), (108.0, 3.0, 0.5, 0.6, 0.7)]
    message = ModelMetrics(trainable_parameters=8_555_530, total_time=1.2 * 3.0)
    for epoch, seconds, train, valid, test in points:
        message.evaluation_data.add(
            current_epoch=epoch,
            training_time=seconds,
            train_accuracy=train,
            validation_accuracy=valid,
            test_accuracy=test,
        )
    assert message.SerializeToString() == encode_metrics(points, 8_555_530)


def without(name: str) -> str:
    """Return a message in base64 that lacks one field."""
    message = ModelMetrics.FromString(fields()[4])
    for part in (message, message.evaluation_data[2]):
        if name in part.DESCRIPTOR.fields_by_name:
            part.ClearField(name)
    return base64.b64encode(message.SerializeToString()).decode()


@pytest.mark.parametrize("missing", FIELDS)
def test_a_missing_field_is_named(missing: str) -> None:
    record = fields()
    del record[FIELDS.index(missing)]
    with pytest.raises(InputError, match=f"field {missing} is missing"):
        parsed(*record)


def test_what_is_no_record_is_refused() -> None:
    for data in (b"\xff\xfe", b"{", b'{"module_hash": "x"}', b"3"):
        with pytest.raises(InputError, match="not a NAS-Bench-101 record"):
            parse_record(data)
    with pytest.raises(InputError, match="has 6 fields, not 5"):
        parsed(*fields()[:4], "x", fields()[4])


@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (0, "xyz", "module_hash is 'xyz', not 32 hexadecimal digits"),
        (1, 200, "epochs is 200, not one of 4, 12, 36, 108"),
        (1, None, "epochs is missing or malformed: None"),
        (2, "0100", r"raw_operations .* not 2 names"),
        (2, "01000100", "not a square"),
        (2, "011101000", "strictly upper triangular"),
        (3, "input,conv5x5,output", "unknown operation 'conv5x5'"),
        (3, "conv3x3-bn-relu,conv3x3-bn-relu,output", "from input to output"),
        (4, "@@@@", "raw_metrics is not base64"),
        (4, "CQA", "raw_metrics is not base64"),
        (4, base64.b64encode(b"\x0a\x2d\x09").decode(), "not a ModelMetrics message"),
        (4, encode_metrics([START, START], 3), "has 2 evaluations, not 3"),
        (4, without("trainable_parameters"), "no trainable_parameters"),
        (4, without("validation_accuracy"), "no validation_accuracy at the end"),
        (4, without("training_time"), "no training_time at the end"),
    ],
)
def test_malformed_fields_are_named(position: int, value: Any, message: str) -> None:
    record = fields()
    record[position] = value
    with pytest.raises(InputError, match=message):
        parsed(*record).row()
