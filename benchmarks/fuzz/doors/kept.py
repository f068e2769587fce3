"""Doors of what the program itself has written: studies, traces, documents, checkpoints, look-up tables."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchkit.data.latency.lookup import read_latency
from benchkit.spaces import get_space
from benchkit.studies.store import StudyDirectory
from benchkit.training.checkpoint import read as read_checkpoint
from benchmarks.fuzz.command import run_command
from benchmarks.fuzz.damage_bytes import damage_bytes, damage_text
from benchmarks.fuzz.damage_tree import damage_tree
from benchmarks.fuzz.door import Door
from tests.lookups import flat_lookup

__all__ = ["Checkpoints", "Documents", "KeptStudies", "LookupTables", "ParquetTraces"]

_STUDY = """
name: some
table: nasbench201-3
datasets: [digits]
search: {split: valid, epochs: 12, score: run}
report: {epochs: 12, valid: mean, test: mean}
budget: {queries: 12}
seeds: 3
strategies: [random-search, regularized-evolution]
"""


def _make_study(folder: Path) -> None:
    (folder / "study.yaml").write_text(_STUDY)
    run_command("leaderboard", "run", str(folder / "study.yaml"), "--out", str(folder / "out"), "--jobs", "1")


def _damage_json(path: Path, rng: np.random.Generator) -> None:
    text = path.read_text()
    if rng.random() < 0.85:
        path.write_text(json.dumps(damage_tree(json.loads(text), rng)))
    else:
        path.write_bytes(damage_text(text, rng).encode("utf-8", "surrogatepass"))


def _parses(path: Path) -> bool:
    json.loads(path.read_text())
    return True


class ParquetTraces(Door):
    """The traces of a study."""

    name = "parquet"

    def prepare(self, folder: Path) -> None:
        _make_study(folder)

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        shutil.copytree(seeds / "out", folder / "out")
        name = "traces.parquet" if rng.random() < 0.8 else "real_seconds.parquet"
        path = folder / "out" / name
        (folder / "name").write_text(name)
        (folder / "command").write_text(str(rng.choice(["verify", "plot", "efficiency", "read"])))
        data = path.read_bytes()
        kind = rng.random()
        if kind < 0.2:
            path.write_bytes(damage_bytes(data, rng))
        elif kind < 0.35:  # behind the magic bytes, before those at the end
            path.write_bytes(data[:4] + damage_bytes(data[4:-8], rng) + data[-8:])
        else:
            table = pq.read_table(path)
            for _ in range(int(rng.integers(1, 3))):
                table = _other_frame(table, rng)
            pq.write_table(table, path)

    def read(self, folder: Path) -> None:
        out = folder / "out"
        match (folder / "command").read_text():
            case "verify":
                run_command("leaderboard", "verify", str(out), "--sample", "2", "--jobs", "1")
            case "plot":
                words = ("plot", "efficiency", str(out), "--axis", "real-seconds")
                run_command(*words, "--out", str(folder / "figure.svg"))
            case "efficiency":
                run_command("leaderboard", "efficiency", str(out))
            case _:
                directory = StudyDirectory(out)
                directory.read_traces()
                directory.read_kept(get_space("nasbench201-3"))
                directory.read_architectures(get_space("nasbench201-3"))
                directory.read_real_seconds()

    def past_header(self, folder: Path) -> bool:
        return pq.read_metadata(folder / "out" / (folder / "name").read_text()).num_columns > 0


def _other_frame(table: pa.Table, rng: np.random.Generator) -> pa.Table:
    names = table.schema.names
    if not names:
        return table
    at = int(rng.integers(len(names)))
    n = len(table)
    match int(rng.integers(6)):
        case 0:
            return table.remove_column(at)
        case 1:
            return table.slice(0, int(rng.integers(0, n + 1)))
        case 2:
            values: list[pa.Array] = [
                *(pa.nulls(n), pa.array(["x"] * n), pa.array([-1] * n), pa.array([float("nan")] * n)),
                *(pa.array([b"\xff"] * n), pa.array([[1]] * n), pa.array([2**62] * n), pa.array([True] * n)),
            ]
            return table.set_column(at, names[at], values[int(rng.integers(len(values)))])
        case 3:
            return table.take(pa.array(rng.permutation(n)))
        case 4:
            return pa.concat_tables([table, table])
        case _:
            return table.rename_columns(
                [str(rng.choice(names)) if i == at else name for i, name in enumerate(names)]
            )


class KeptStudies(Door):
    """The folder of a study: manifest, specification, tables."""

    name = "kept studies"
    share = 1.5

    def prepare(self, folder: Path) -> None:
        _make_study(folder)

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        shutil.copytree(seeds / "out", folder / "out")
        name = str(
            rng.choice(
                ["manifest.json", "study.yaml", "trials.csv", "leaderboard.csv"], p=[0.5, 0.2, 0.2, 0.1]
            )
        )
        path = folder / "out" / name
        if name.endswith(".json"):
            _damage_json(path, rng)
        elif name.endswith(".yaml"):
            import yaml

            tree = damage_tree(yaml.safe_load(path.read_text()), rng)
            path.write_text(
                yaml.safe_dump(tree) if rng.random() < 0.8 else damage_text(path.read_text(), rng)
            )
        else:
            path.write_bytes(damage_text(path.read_text(), rng).encode("utf-8", "surrogatepass"))
        if rng.random() < 0.03:
            path.unlink()
            path.mkdir()
        (folder / "name").write_text(name)
        commands = ("show", "show", "verify", "compare", "efficiency", "report", "plot", "run")
        (folder / "command").write_text(str(rng.choice(commands)))

    def read(self, folder: Path) -> None:
        out, command = str(folder / "out"), (folder / "command").read_text()
        if command == "show":
            run_command("leaderboard", "show", out, "--format", "json")
        elif command == "verify":
            run_command("leaderboard", "verify", out, "--sample", "1", "--jobs", "1")
        elif command == "report":
            run_command("report", out, "--out", str(folder / "report.html"))
        elif command == "plot":
            run_command("plot", "efficiency", out, "--out", str(folder / "figure.svg"))
        elif command == "run":
            run_command(
                "leaderboard",
                "run",
                str(folder / "out" / "study.yaml"),
                "--out",
                out,
                "--seeds",
                "3",
                "--jobs",
                "1",
            )
        else:
            run_command("leaderboard", command, out)

    def past_header(self, folder: Path) -> bool:
        path = folder / "out" / (folder / "name").read_text()
        return _parses(path) if path.suffix == ".json" else bool(path.read_text().strip())


class Documents(Door):
    """The JSON documents of a search: its settings, its result, its manifest, its journal."""

    name = "documents"

    def prepare(self, folder: Path) -> None:
        words = ("search", "spos", "--space", "nasbench201-3", "--data", "digits", "--epochs", "1")
        sizes = ("--size", "channels=2", "--size", "cells=1", "--queries", "3")
        run_command(*words, *sizes, "--out", str(folder / "out"))

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        shutil.copytree(seeds / "out", folder / "out")
        names = sorted(path.name for path in (folder / "out").glob("*.json"))
        name = names[int(rng.integers(len(names)))]
        _damage_json(folder / "out" / name, rng)
        (folder / "name").write_text(name)
        (folder / "command").write_text(
            str(rng.choice(["evaluate", "stability", "train", "resume", "report"]))
        )

    def read(self, folder: Path) -> None:
        out, command = str(folder / "out"), (folder / "command").read_text()
        if command == "evaluate":
            run_command("evaluate", out)
        elif command == "stability":
            run_command("plot", "stability", out, "--out", str(folder / "figure.svg"))
        elif command == "report":
            run_command("report", out, "--out", str(folder / "report.html"))
        elif command == "train":
            run_command(
                "train", "--from", out, "--epochs", "1", "--out", str(folder / "final"), "--batch", "none"
            )
        else:
            words = ("search", "spos", "--space", "nasbench201-3", "--data", "digits", "--epochs", "1")
            run_command(*words, "--size", "channels=2", "--size", "cells=1", "--queries", "3", "--out", out)

    def past_header(self, folder: Path) -> bool:
        return _parses(folder / "out" / (folder / "name").read_text())


class Checkpoints(Door):
    """Checkpoints: tensors with a header of JSON, and a document beside them that has their hash."""

    name = "checkpoints"

    def prepare(self, folder: Path) -> None:
        Documents().prepare(folder)

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        shutil.copytree(seeds / "out", folder / "out")
        about = sorted((folder / "out").rglob("epoch-*.json"))[-1]
        tensors = about.with_suffix(".safetensors")
        facts, data = json.loads(about.read_text()), tensors.read_bytes()
        kind = rng.random()
        if kind < 0.4:
            facts = damage_tree(facts, rng)
        elif kind < 0.8:
            n = int.from_bytes(data[:8], "little")
            header = damage_tree(json.loads(data[8 : 8 + n]), rng)
            raw = json.dumps(header).encode()
            data = struct.pack("<Q", len(raw)) + raw + data[8 + n :]
        else:
            data = damage_bytes(data, rng)
        tensors.write_bytes(data)
        if isinstance(facts, dict) and rng.random() < 0.9:
            facts["sha256"] = hashlib.sha256(data).hexdigest()  # so that the faults behind it are met
        about.write_text(json.dumps(facts))
        (folder / "path").write_text(str(about.relative_to(folder)))
        (folder / "command").write_text(str(rng.choice(["read", "evaluate", "correlate", "resume"])))

    def read(self, folder: Path) -> None:
        path, command = folder / (folder / "path").read_text(), (folder / "command").read_text()
        out = str(folder / "out")
        if command == "read":
            read_checkpoint(path)
        elif command == "evaluate":
            run_command("evaluate", out)
        elif command == "correlate":
            run_command(
                "correlate", "--checkpoint", out, "--n", "4", "--images", "20", "--out", str(folder / "c")
            )
        else:
            words = ("search", "spos", "--space", "nasbench201-3", "--data", "digits", "--epochs", "2")
            run_command(*words, "--size", "channels=2", "--size", "cells=1", "--queries", "3", "--out", out)

    def past_header(self, folder: Path) -> bool:
        about = folder / (folder / "path").read_text()
        facts, data = json.loads(about.read_text()), about.with_suffix(".safetensors").read_bytes()
        n = int.from_bytes(data[:8], "little")
        return isinstance(facts, dict) and isinstance(json.loads(data[8 : 8 + n]), dict)


class LookupTables(Door):
    """Latency look-up tables, whose own hash is put right again."""

    name = "look-up tables"

    def prepare(self, folder: Path) -> None:
        flat_lookup("nasbench-macro").write(folder / "macro.json")

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        document: Any = json.loads((seeds / "macro.json").read_text())
        kind = rng.random()
        if kind < 0.15:
            text = damage_text((seeds / "macro.json").read_text(), rng)
            (folder / "macro.json").write_bytes(text.encode("utf-8", "surrogatepass"))
            return
        document = damage_tree(document, rng)
        if isinstance(document, dict) and rng.random() < 0.8:
            content = {key: value for key, value in document.items() if key != "sha256"}
            text = json.dumps(content, sort_keys=True, separators=(",", ":"))
            document["sha256"] = hashlib.sha256(text.encode()).hexdigest()
        (folder / "macro.json").write_text(json.dumps(document))

    def read(self, folder: Path) -> None:
        lookup = read_latency(folder / "macro.json")
        space = get_space(lookup.space)
        lookup.check_space(space)
        lookup.predict(space.sample(np.random.default_rng(0), 2))

    def past_header(self, folder: Path) -> bool:
        return isinstance(json.loads((folder / "macro.json").read_text()), dict)
