"""Tables from strangers: what a file says of itself is held against what it holds, in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchkit.base.errors import InputError
from benchkit.data.tables import Metric, Table
from benchkit.data.tables.info import table_info
from benchkit.data.tables.write import Column, TableSource, write_table
from benchkit.spaces.categorical import CategoricalSpace

SPACE = CategoricalSpace("toy", {"a": ["x", "y"], "b": ["p", "q", "r"]})
VALID = Metric("d", "valid", 10)
KEY = b"benchkit"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A table of five of six architectures, so that it has keys, with a curve."""
    batch = SPACE.at(np.arange(5))
    columns = {
        VALID: Column(np.arange(5.0)),
        Metric("d", "test", 2): Column(np.arange(10.0).reshape(5, 2), epochs=(1, 2)),
    }
    source = TableSource("toy", SPACE, "a toy", "made here", "CC0", {"in.csv": "0" * 64})
    write_table(tmp_path / "toy.arrow", source, batch, columns)
    return tmp_path / "toy.arrow"


def use(path: Path) -> None:
    table = Table(path)
    table_info(table)
    table.query(table.rows, VALID)


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    with pa.memory_map(str(path)) as source:
        table = change(pa.ipc.open_file(source).read_all()).combine_chunks()
    with pa.ipc.new_file(path.with_name("new"), table.schema) as writer:
        writer.write_table(table)
    path.with_name("new").replace(path)


def saying(**changes: Any) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        about = {**json.loads(table.schema.metadata[KEY]), **changes}
        return table.replace_schema_metadata({KEY: json.dumps(about)})

    return change


def column(number: int, said: Any, values: pa.Array | None = None) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        field = table.schema.field(number)
        array = table.column(number) if values is None else values
        about = field.metadata if said is None else {KEY: json.dumps(said)}
        return table.set_column(number, pa.field(field.name, array.type, metadata=about), array)

    return change


METRIC = {"dataset": "d", "split": "valid", "epochs": 10}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (saying(name=["toy"]), "name is a list, not text"),
        (saying(title=None), "title is None, not text"),
        (saying(warnings="none"), "warnings is 'none', not a list"),
        (saying(source_sha256=[]), "source_sha256 is a list, not an object"),
        (saying(space=3), "space is 3, not an object"),
        (saying(space={"name": "toy", "choices": 3}), "space.choices is 3"),
        (saying(space={"name": "toy", "choices": {"a": "xy"}}), "space.choices.a is 'xy', not a list"),
        (saying(space={"name": "toy", "choices": {"a": ["x", "y"]}}), "rows of space toy have 1 choices"),
        (saying(space="nasbench201"), "rows of space nasbench201 have 6 choices"),
        (saying(format_version=[1]), r"format version \[1\]"),
        (lambda t: t.replace_schema_metadata({KEY: b"[" * 10_000}), "nested deeper|is not JSON"),
        (lambda t: t.replace_schema_metadata({KEY: b"[]"}), "is a list, not an object"),
        (lambda t: t.replace_schema_metadata({KEY: b'{"a": 1, "a": 2}'}), "given twice"),
        (column(2, []), "it is a list, not an object"),
        (column(2, {"metric": 3}), "metric is 3, not an object"),
        (column(2, {"metric": {**METRIC, "epochs": "10"}}), "metric.epochs is '10', not a whole number"),
        (column(2, {"metric": {**METRIC, "colour": 1}}), "a metric has no 'colour'"),
        (column(2, {"metric": METRIC, "epochs": [1, 2]}), "it names 2 epochs for 0 points"),
        (column(2, {"metric": METRIC, "better": "more", "unit": "s"}), "better is higher or lower"),
        (column(3, {"metric": METRIC, "epochs": [1]}), "it names 1 epochs for 2 points"),
        (column(2, None, pa.array([float("inf")] * 5)), "infinite values"),
        (column(2, None, pa.array([None] * 5, pa.float64())), "for any architecture"),
        (column(1, None, pa.array([b"\x00\x05"] * 5, pa.binary(2))), "choices that space toy does not have"),
        (column(1, None, pa.array([b"\x00\xff"] * 5, pa.binary(2))), "choices that space toy does not have"),
        (column(1, None, pa.array([b"\x00"] * 5, pa.binary(1))), "rows of space toy have 2 choices"),
        (column(0, None, pa.array([0, 2, 1, 3, 4])), "keys do not rise"),
        (column(0, None, pa.array([0, 1, 1, 3, 4])), "keys do not rise"),
        (column(0, None, pa.array([b"12"] * 5, pa.binary(2))), "keys are not those of space toy"),
        (column(0, None, pa.array([1.0] * 5)), "its keys are of type double"),
        (column(0, None, pa.array([0, None, 2, 3, 4])), "column key has missing entries"),
        (lambda t: t.drop_columns(["key"]), "has no keys"),
        (lambda t: t.drop_columns(["architecture"]), "its architectures are missing"),
        (lambda t: t.slice(0, 0), "no record batch|no entries"),
    ],
)
def test_a_table_that_is_not_what_it_says_is_one_line(
    path: Path, change: Callable[[pa.Table], pa.Table], says: str
) -> None:
    use(path)
    rewrite(path, change)
    with pytest.raises(InputError, match=says) as refused:
        use(path)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 800


def test_a_whole_table_in_another_order_is_refused(tmp_path: Path) -> None:
    """Entry i is taken for architecture i: another order gives the values of another architecture."""
    file = tmp_path / "toy.arrow"
    source = TableSource("toy", SPACE, "a toy", "made here", "CC0", {})
    write_table(file, source, SPACE.at(np.arange(6)), {VALID: Column(np.arange(6.0))})
    use(file)
    rewrite(file, lambda table: table.take(pa.array([1, 0, 2, 3, 4, 5])))
    with pytest.raises(InputError, match="not in the order of toy"):
        use(file)
