"""The door for Arrow and Parquet files: what no file of ours holds is one line, whatever Arrow does."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchkit.base.columnar import BYTES, NUMBER, TEXT, WHOLE, read_arrow, read_parquet, row_count
from benchkit.base.errors import InputError
from benchkit.base.parquet_pages import check_pages
from benchkit.base.thrift_compact import read_structure

ROWS = 40


def columns() -> dict[str, pa.Array]:
    return {
        "key": pa.array(np.arange(ROWS)),
        "row": pa.array([bytes([i, 1]) for i in range(ROWS)], pa.binary(2)),
        "value": pa.array([None, *np.linspace(0, 1, ROWS - 1)], pa.float64()),
        "curve": pa.FixedSizeListArray.from_arrays(pa.array(np.arange(2.0 * ROWS)), 2),
        "known": pa.array([True] * ROWS),
    }


def arrow(path: Path, table: pa.Table | None = None, batches: int = 1, **options: Any) -> Path:
    table = pa.table(columns()) if table is None else table
    with pa.ipc.new_file(path, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=max(1, table.num_rows // batches))
    return path


def with_column(column: pa.Array) -> pa.Table:
    return pa.table({**columns(), "other": column})


def test_what_is_written_is_mapped_as_it_is(tmp_path: Path) -> None:
    table = read_arrow(arrow(tmp_path / "t.arrow"), "table")
    assert table.equals(pa.table(columns()))


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (pa.array(["x"] * ROWS), "is of type string"),
        (pa.array(["x"] * ROWS).dictionary_encode(), "is of type dictionary"),
        (pa.array([[1]] * ROWS), "is of type list"),
        (pa.array([None] * ROWS), "is of type null"),
        (pa.array([{"a": 1}] * ROWS), "is of type struct"),
        (pa.array([b"xy"] * ROWS), "is of type binary"),
        (pa.FixedSizeListArray.from_arrays(pa.array(["x"] * ROWS), 1), "is of type fixed_size_list"),
    ],
    ids=lambda each: str(each.type) if isinstance(each, pa.Array) else "",
)
def test_columns_of_other_types_are_refused(tmp_path: Path, column: pa.Array, says: str) -> None:
    with pytest.raises(InputError, match=f"'other' {says}"):
        read_arrow(arrow(tmp_path / "t.arrow", with_column(column)), "table")


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    table = with_column(pa.array(np.arange(ROWS))).rename_columns(["key", *list(columns())[1:], "key"])
    with pytest.raises(InputError, match="two of its columns have one name"):
        read_arrow(arrow(tmp_path / "t.arrow", table), "table")


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_compressed_buffers_are_refused_before_room_is_made_for_them(tmp_path: Path, codec: str) -> None:
    with pytest.raises(InputError, match="its batch is compressed"):
        read_arrow(arrow(tmp_path / "t.arrow", compression=codec), "table")


def test_several_batches_and_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="several record batches"):
        read_arrow(arrow(tmp_path / "t.arrow", batches=2), "table")
    with pytest.raises(InputError, match="no record batch"):
        read_arrow(arrow(tmp_path / "t.arrow", pa.table(columns()).slice(0, 0)), "table")


def declared(path: Path, old: int, new: int) -> Path:
    """Change a length that the batch states, wherever its header states it."""
    content = bytearray(path.read_bytes())
    body = content.index(np.arange(ROWS).tobytes())  # the first column: headers end there
    place = content.find(struct.pack("<q", old), 8)
    assert 0 <= place < body
    while 0 <= place < body:
        content[place : place + 8] = struct.pack("<q", new)
        place = content.find(struct.pack("<q", old), place + 8)
    path.write_bytes(bytes(content))
    return path


@pytest.mark.parametrize("rows", [ROWS + 1, 10**6, 2**40, 2**62, -1])
def test_buffers_that_are_shorter_than_their_columns_are_refused(tmp_path: Path, rows: int) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_arrow(declared(arrow(tmp_path / "t.arrow"), ROWS, rows), "table")


def test_a_message_that_is_no_schema_is_not_read_as_one(tmp_path: Path) -> None:
    """Arrow ends the process with a segmentation fault."""
    path = arrow(tmp_path / "t.arrow")
    content = bytearray(path.read_bytes())
    root = 16 + struct.unpack_from("<I", content, 16)[0]
    layout = root - struct.unpack_from("<i", content, root)[0]
    kind = root + struct.unpack_from("<H", content, layout + 4 + 2 * 1)[0]
    assert content[kind] == 1  # a schema
    content[kind] = 3  # a record batch
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match="does not start with a schema"):
        read_arrow(path, "table")


@pytest.mark.parametrize("left", [0, 7, 30, 400, 1500, -1, -8])
def test_truncated_files_and_what_is_no_file_are_one_line(tmp_path: Path, left: int) -> None:
    path = arrow(tmp_path / "t.arrow")
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(InputError) as refused:
        read_arrow(path, "table")
    assert "\n" not in str(refused.value)
    for other in (tmp_path, tmp_path / "none", Path("/dev/zero")):
        with pytest.raises(InputError, match=f"cannot read table {other}"):
            read_arrow(other, "table")


# -- Parquet ----------------------------------------------------------------------------------

KINDS = {"name": TEXT, "step": WHOLE, "row": BYTES, "value": NUMBER}


def traces() -> pa.Table:
    return pa.table(
        {
            "name": pa.array(["a", "b"] * (ROWS // 2)).dictionary_encode(),
            "step": pa.array(np.arange(ROWS, dtype=np.int32)),
            "row": pa.array([bytes([i]) for i in range(ROWS)], pa.binary(1)),
            "value": pa.array(np.random.default_rng(0).random(ROWS)),
        }
    )


def parquet(path: Path, table: pa.Table, **options: Any) -> Path:
    pq.write_table(table, path, **options)
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", traces(), compression="zstd")
    table = read_parquet(path, KINDS, "traces")
    assert table.column("name").to_pylist() == traces().column("name").to_pylist()
    assert table.drop_columns(["name"]).equals(traces().drop_columns(["name"]))
    assert row_count(path, "traces") == ROWS


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.drop_columns(["step"]), "no columns 'step'"),
        (lambda t: t.set_column(1, "step", pa.array(["x"] * ROWS)), "step is of type string, not whole"),
        (lambda t: t.set_column(0, "name", pa.array([[1]] * ROWS)), "its columns are nested"),
        (lambda t: t.set_column(3, "value", pa.array([None] * ROWS, pa.float64())), "value has missing"),
        (lambda t: t.set_column(2, "row", pa.array([b"x" * 5000] * ROWS, pa.binary(5000))), "5,000 bytes"),
        (lambda t: t.append_column("step", t.column("step")), "2 columns 'step'"),
    ],
)
def test_other_columns_are_refused(tmp_path: Path, change: Callable[[pa.Table], pa.Table], says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_parquet(parquet(tmp_path / "t.parquet", change(traces())), KINDS, "traces")


def test_rows_that_a_few_bytes_repeat_are_not_made(tmp_path: Path) -> None:
    """A run-length code holds 30 million equal values in some bytes."""
    many = pa.table({"step": pa.array(np.zeros(3_000_000, np.int32))})
    path = parquet(tmp_path / "t.parquet", many, compression="zstd")
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match="rows; a file of its size has"):
        read_parquet(path, {"step": WHOLE}, "traces")


def test_a_page_that_is_unpacked_to_gigabytes_is_refused(tmp_path: Path) -> None:
    text = "x" * 70_000_000  # 70 MB, in some kilobytes
    path = parquet(tmp_path / "t.parquet", pa.table({"name": [text]}), compression="zstd")
    assert path.stat().st_size < 1_000_000
    with pytest.raises(InputError, match="a page is unpacked to 70 MB"):
        read_parquet(path, {"name": TEXT}, "traces")


def test_a_long_text_in_every_row_is_refused(tmp_path: Path) -> None:
    table = pa.table({"name": pa.array(["x" * 100_000] * 9_000).dictionary_encode()})
    with pytest.raises(InputError, match="texts of 100,000 bytes"):
        read_parquet(parquet(tmp_path / "t.parquet", table), {"name": TEXT}, "traces")


@pytest.mark.parametrize("left", [0, 3, 11, 500, -1, -4])
def test_truncated_parquet_is_one_line(tmp_path: Path, left: int) -> None:
    path = parquet(tmp_path / "t.parquet", traces())
    path.write_bytes(path.read_bytes()[:left])
    for read in (lambda: read_parquet(path, KINDS, "traces"), lambda: row_count(path, "traces")):
        with pytest.raises(InputError) as refused:
            read()
        assert "\n" not in str(refused.value)


def test_the_pages_of_our_files_are_walked_to_their_end(tmp_path: Path) -> None:
    for version in ("1.0", "2.0"):
        path = parquet(
            tmp_path / "t.parquet", traces(), data_page_version=version, data_page_size=64, row_group_size=15
        )
        assert check_pages(path, set(KINDS)) == ROWS


def test_statistics_that_end_the_process_in_arrow_are_refused(tmp_path: Path) -> None:
    """A column that may have gaps is made one that may not: its histogram has a level too many."""
    path = parquet(tmp_path / "t.parquet", pa.table({"step": pa.array([1, 2], pa.int64())}))
    content = path.read_bytes()
    length = struct.unpack("<I", content[-8:-4])[0]
    footer = content[-8 - length : -8]
    said = read_structure(footer)[0]
    assert said[2][1][3] == 1  # optional
    if not said[4][0][1][0][3].get(16, {}).get(3):
        pytest.skip("this release of Arrow writes no statistics of sizes")
    place = footer.index(b"\x25\x02\x18\x04step")  # repetition: optional, then the name
    changed = footer[: place + 1] + b"\x00" + footer[place + 2 :]
    path.write_bytes(content[: -8 - length] + changed + content[-8:])
    assert read_structure(changed)[0][2][1][3] == 0
    with pytest.raises(InputError, match="the statistics of a column are damaged"):
        read_parquet(path, {"step": WHOLE}, "traces")
