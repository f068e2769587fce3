"""The table format: what is written can be queried, and what cannot be answered says so."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from benchkit.base.errors import InputError
from benchkit.data.tables import Metric, Table, open_table
from benchkit.data.tables.info import table_info
from benchkit.data.tables.write import Column, TableSource, write_table
from benchkit.spaces.categorical import CategoricalSpace

CHOICES = CategoricalSpace("toy", {"a": ["x", "y"], "b": ["p", "q", "r"]})
VALID, TEST = Metric("d", "valid", 10), Metric("d", "test", 10)
SECONDS = Metric("d", None, 10, quantity="train_seconds")


def source(**changes: object) -> TableSource:
    facts = {
        "name": "toy", "space": CHOICES, "title": "a toy", "source": "made here", "licence": "CC0",
        "source_sha256": {"in.csv": "0" * 64},
    }  # fmt: skip
    return TableSource(**{**facts, **changes})  # type: ignore[arg-type]


@pytest.fixture
def table(tmp_path: Path) -> Table:
    batch = CHOICES.at(np.arange(6))[::-1]  # written out of order on purpose
    write_table(
        tmp_path / "toy.arrow",
        source(),
        batch,
        {
            VALID: Column(np.array([50.0, 10, 20, 90, 90, np.nan])),
            TEST: Column(np.array([51.0, 11, 21, 88, 87, 1])),
            SECONDS: Column(np.array([6.0, 5, 4, 3, 2, 1])),
        },
        {"rank": np.arange(6)[::-1]},
    )
    return Table(tmp_path / "toy.arrow")


def test_rows_are_kept_with_their_values(table: Table) -> None:
    assert table.query("a=y|b=r", VALID) == 50.0
    assert table.query(np.array([[1, 2], [0, 1]], np.int8), TEST).tolist() == [51.0, 87.0]
    assert np.array_equal(table.static_values("rank"), np.arange(6))
    assert np.array_equal(table.space.at(np.arange(6)), table.rows)


def test_validation_and_test_are_different_columns(table: Table) -> None:
    rows = table.rows[1:]
    assert (table.query(rows, VALID) != table.query(rows, TEST)).all()


def test_the_optimum_knows_the_direction_and_the_ties(table: Table) -> None:
    best = table.optimum(VALID)
    assert (best.value, best.ties, best.n) == (90.0, 2, 5)
    assert table.optimum(SECONDS).value == 1.0  # lower is better


def test_a_missing_entry_is_an_error_that_says_what_there_is(table: Table) -> None:
    with pytest.raises(InputError, match=r"no d\.valid\.10ep\.mean\.accuracy for a=x\|b=p \(5 of 6"):
        table.query("a=x|b=p", VALID)


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        (Metric("e", "valid", 10), "unknown dataset 'e' for table toy.*it has d"),
        (Metric("d", "train", 10), "unknown split 'train'.*it has valid, test"),
        (Metric("d", "valid", 12), "unknown epochs '12'.*it has 10"),
        (Metric("d", "valid", 10, 3), "unknown run '3'.*it has mean"),
        (Metric("d", None, None, quantity="flops"), "unknown quantity 'flops'"),
    ],
)
def test_an_unknown_part_of_a_metric_is_named(table: Table, metric: Metric, says: str) -> None:
    with pytest.raises(InputError, match=says):
        table.query("a=x|b=q", metric)


def test_a_metric_must_be_explicit() -> None:
    with pytest.raises(InputError, match="split"):
        Metric("d", None, 10)
    with pytest.raises(InputError, match="epochs"):
        Metric("d", "valid", None)
    with pytest.raises(InputError, match="needs a quantity"):
        Metric("d", "valid", 10, quantity="")


def test_values_cannot_be_written_to(table: Table) -> None:
    for array in (table.values(TEST), table.rows):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_a_table_pickles_as_its_path(table: Table) -> None:
    twin = pickle.loads(pickle.dumps(table))
    assert twin.sha256 == table.sha256
    assert len(pickle.dumps(table)) < 500


def test_a_partial_table_restricts_its_space(tmp_path: Path) -> None:
    rows = CHOICES.at([4, 1])
    write_table(tmp_path / "part.arrow", source(name="part"), rows, {VALID: Column(np.array([4.0, 1.0]))})
    part = Table(tmp_path / "part.arrow")
    assert not part.complete
    assert not part.space.complete
    assert part.space.size == 2
    assert part.query(rows, VALID).tolist() == [4.0, 1.0]
    with pytest.raises(InputError, match="row 0"):
        part.query(CHOICES.at([2]), VALID)


@pytest.mark.parametrize("keep", [0, 8, 100, -1, -200])
def test_a_truncated_file_is_refused_in_one_line(table: Table, tmp_path: Path, keep: int) -> None:
    content = table.path.read_bytes()
    broken = tmp_path / "broken.arrow"
    broken.write_bytes(content[:keep])
    with pytest.raises(InputError, match="truncated") as caught:
        Table(broken)
    assert "\n" not in str(caught.value)


def test_another_format_version_is_refused(table: Table, tmp_path: Path) -> None:
    with pa.memory_map(str(table.path)) as file:
        data = pa.ipc.open_file(file).read_all()
    metadata = data.schema.metadata[b"benchkit"].replace(b'"format_version": 2', b'"format_version": 99')
    assert metadata != data.schema.metadata[b"benchkit"]
    newer = data.replace_schema_metadata({b"benchkit": metadata})
    with (
        pa.OSFile(str(tmp_path / "newer.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, newer.schema) as writer,
    ):
        writer.write_table(newer)
    with pytest.raises(InputError, match="format version 99"):
        Table(tmp_path / "newer.arrow")


def test_an_arrow_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    other = pa.table({"a": [1, 2]})
    with (
        pa.OSFile(str(tmp_path / "other.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, other.schema) as writer,
    ):
        writer.write_table(other)
    with pytest.raises(InputError, match="not a benchkit table"):
        Table(tmp_path / "other.arrow")


def test_an_architecture_written_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="repeated architecture"):
        write_table(tmp_path / "t.arrow", source(), CHOICES.at([1, 1]), {VALID: Column(np.zeros(2))})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    before = table.path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_table(table.path, source(), CHOICES.at([0]), {VALID: Column(np.zeros(1))})
    assert table.path.read_bytes() == before
    assert [path.name for path in table.path.parent.iterdir()] == [table.path.name]


def test_unknown_table_lists_those_there_are() -> None:
    with pytest.raises(InputError, match=r"unknown table 'nasbench-201'.*nasbench201"):
        open_table("nasbench-201")


def test_info_states_provenance_and_gaps(table: Table) -> None:
    facts = table_info(table)
    assert facts["licence"] == "CC0"
    assert facts["sha256"] == table.sha256
    column = facts["columns"][0]
    assert (column["n"], column["missing"], column["unit"]) == (5, 1, "%")
    assert column["optimum_architecture"] in ("a=x|b=q", "a=x|b=r")
