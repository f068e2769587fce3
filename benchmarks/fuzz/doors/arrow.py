"""The door of tables: Arrow files with faults in schema, metadata, types, lengths or bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchkit.data.tables import Metric, Table
from benchkit.data.tables.info import table_info
from benchkit.data.tables.write import Column, TableSource, write_table
from benchkit.spaces.categorical import CategoricalSpace
from benchmarks.fuzz.damage_bytes import damage_bytes
from benchmarks.fuzz.damage_tree import damage_tree
from benchmarks.fuzz.door import Door

__all__ = ["ArrowTables"]


class ArrowTables(Door):
    """A table file: opened, described, and asked."""

    name = "arrow"
    share = 2.0

    def prepare(self, folder: Path) -> None:
        space = CategoricalSpace("some", {"a": list("xyz"), "b": list("pq"), "c": list("klmn")})
        rng = np.random.default_rng(0)
        for name, n in (("whole", space.size), ("part", 9)):
            columns = {
                Metric("d", "valid", 10, 0): Column(rng.uniform(10, 90, n)),
                Metric("d", "valid", 10): Column(np.where(np.arange(n) % 5, rng.uniform(10, 90, n), np.nan)),
                Metric("d", "test", 10): Column(
                    rng.uniform(10, 90, (n, 3)).astype(np.float32), epochs=(1, 5, 10)
                ),
                Metric("d", None, 10, quantity="train_seconds"): Column(rng.uniform(1, 9, n)),
            }
            source = TableSource("some", space, "t", "s", "CC0", {"in.csv": "0" * 64})
            batch = space.at(np.arange(n))
            write_table(folder / f"{name}.arrow", source, batch, columns, {"number": np.arange(n)})

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        source = seeds / f"{rng.choice(['whole', 'part'])}.arrow"
        target = folder / "some.arrow"
        if rng.random() < 0.35:
            data = source.read_bytes()
            start = 0 if rng.random() < 0.2 else 8
            target.write_bytes(damage_bytes(data, rng, start=start))
            return
        with pa.OSFile(str(source)) as file:
            table = pa.ipc.open_file(file).read_all()
        table = _rebuilt(table, rng)
        options = None
        if rng.random() < 0.1:
            options = pa.ipc.IpcWriteOptions(compression=str(rng.choice(["lz4", "zstd"])))
        with (
            pa.OSFile(str(target), "wb") as sink,
            pa.ipc.new_file(sink, table.schema, options=options) as writer,
        ):
            writer.write_table(table, max_chunksize=4 if rng.random() < 0.05 else None)
        if rng.random() < 0.15:
            target.write_bytes(damage_bytes(target.read_bytes(), rng, start=8))

    def read(self, folder: Path) -> None:
        table = Table(folder / "some.arrow")
        table_info(table)
        rng = np.random.default_rng(0)
        for metric in list(table.metrics)[:6]:
            table.values(metric)
            table.optimum(metric)
            rows = table.space.sample(rng, 3)
            table.query(rows[:1], metric)
        for name in table.static:
            table.static_values(name)

    def past_header(self, folder: Path) -> bool:
        with pa.OSFile(str(folder / "some.arrow")) as file:
            return bool(pa.ipc.open_file(file).schema.names)


def _rebuilt(table: pa.Table, rng: np.random.Generator) -> pa.Table:
    """Return a table with one to three faults in metadata, columns, types or values."""
    for _ in range(int(rng.integers(1, 4))):
        names = table.schema.names
        if not names:
            return table
        at = int(rng.integers(len(names)))
        field, column = table.schema.field(at), table.column(at)
        match int(rng.integers(7)):
            case 0 | 1:
                known = table.schema.metadata or {}
                about = damage_tree(json.loads(known.get(b"benchkit", b"{}")), rng)
                table = table.replace_schema_metadata({"benchkit": _json(about)})
            case 2:
                known = field.metadata or {}
                about = damage_tree(json.loads(known.get(b"benchkit", b'{"metric": {}}')), rng)
                table = table.set_column(at, field.with_metadata({"benchkit": _json(about)}), column)
            case 3:
                table = table.remove_column(at)
            case 4:
                table = table.set_column(at, field.with_name(str(rng.choice(names))), column)
            case 5:
                other = _other_type(len(table), rng)
                table = table.set_column(at, pa.field(field.name, other.type, metadata=field.metadata), other)
            case _:
                table = _other_values(table, at, rng)
    return table


def _json(about: Any) -> str:
    return json.dumps(about)


def _other_type(n: int, rng: np.random.Generator) -> pa.Array:
    kinds: list[pa.Array] = [
        pa.array(["x"] * n),
        pa.array([b"x"] * n, pa.binary(1)),
        pa.array([None] * n, pa.float64()),
        pa.nulls(n),
        pa.array(range(n), pa.int8() if n < 100 else pa.int32()),
        pa.array([True] * n),
        pa.array(["a"] * n).dictionary_encode(),
        pa.array([[1.0, 2.0]] * n),
        pa.array([[1.0, 2.0]] * n, pa.list_(pa.float32(), 2)),
        pa.array([[None, 1.0, None]] * n, pa.list_(pa.float64(), 3)),
        pa.array([{"a": 1}] * n),
        pa.array(np.full(n, 1.5, np.float16)),
        pa.array([0] * n, pa.timestamp("s")),
        pa.array([2**63 - 1] * n, pa.uint64()),
        pa.array([float("inf")] * n),
        pa.array([b"\xff" * 3] * n, pa.binary(3)),
    ]
    return kinds[int(rng.integers(len(kinds)))]


def _other_values(table: pa.Table, at: int, rng: np.random.Generator) -> pa.Table:
    order = rng.permutation(len(table)) if rng.random() < 0.5 else rng.integers(0, len(table), len(table))
    if rng.random() < 0.2:
        return table.take(order) if rng.random() < 0.5 else table.slice(0, int(rng.integers(0, len(table))))
    return table.set_column(at, table.schema.field(at), table.column(at).take(pa.array(order)))
