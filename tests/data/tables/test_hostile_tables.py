"""Official files that are made to fill memory or to wait for ever; a child has 1 GB for each."""

from __future__ import annotations

import bz2
import json
import os
import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchkit.data.tables.formats.tfrecord import frame, masked_crc
from benchkit.spaces.nasbench201.encoding import NASBench201
from tests.hostile import outcomes

MANY = 12_000_000
ARCHITECTURE = NASBench201().format(NASBench201().at([0])[0])


def nested(times: int) -> Any:
    """A list of two of a list of two of ...: nothing in memory, 2**times when numpy or repr looks."""
    found: Any = [1.0]
    for _ in range(times):
        found = [found, found]
    return found


def training(**changed: Any) -> dict[str, Any]:
    plain = {
        "epochs": 2,
        "train_acc1es": {0: 10.0, 1: 20.0},
        "eval_names": ["x-valid", "ori-test"],
        "eval_acc1es": {"x-valid@1": 20.0, "ori-test@1": 20.0},
        "train_times": {0: 1.0, 1: 1.0},
        "latency": [0.1],
        "params": 1.0,
        "flop": 1.0,
    }
    return {**plain, **changed}


def entry(result: dict[str, Any], **changed: Any) -> dict[str, Any]:
    record = {"arch_index": 0, "arch_str": ARCHITECTURE, "all_results": {("cifar10-valid", 777): result}}
    return {"12": {**record, **changed}}


def folder(content: bytes | Callable[[Path], object]) -> Callable[[Path], None]:
    """A folder of NATS-Bench whose one architecture is this."""

    def write(path: Path) -> None:
        path.mkdir()
        meta = bz2.compress(pickle.dumps({"meta_archs": [ARCHITECTURE]}, 4))
        (path / "meta.pickle.pbz2").write_bytes(meta)
        place = path / "000000.pickle.pbz2"
        if callable(content):
            content(place)
        else:
            place.write_bytes(bz2.compress(content))

    return write


def of(value: Any) -> Callable[[Path], None]:
    return folder(pickle.dumps(value, 4))


def monolith(entries: bytes) -> bytes:
    """A pickle of everything, whose entries are these instructions, between MARK and SETITEMS."""
    start = pickle.dumps({"meta_archs": [ARCHITECTURE]}, 4)[:-2]  # less SETITEM and STOP
    key = pickle.SHORT_BINUNICODE + b"\x0aarch2infos"
    return start + pickle.SETITEM + pickle.MARK + key + pickle.EMPTY_DICT + pickle.MARK + entries


def in_bzip2(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(bz2.compress(content, 1))


def in_zip(method: int, directory: int = 0) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("archive/data.pkl", monolith(pickle.BININT1 + b"\0") + pickle.EMPTY_SET * MANY)
            for number in range(directory):
                archive.writestr(str(number), b"")

    return write


def long_record(path: Path) -> None:
    """A record of 3 GB, with the right checksum of its length."""
    length = (3_000_000_000).to_bytes(8, "little")
    path.write_bytes(length + masked_crc(length).to_bytes(4, "little"))
    os.truncate(path, 3_100_000_000)


def record(fields: str) -> Callable[[Path], object]:
    plain = ["0" * 32, 108, "010001000", "input,conv3x3-bn-relu,output", "AA=="]
    return lambda path: path.write_bytes(frame(json.dumps(plain).encode()) + frame(fields.encode()))


CASES: dict[str, Callable[[Path], object]] = {
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a pipe": os.mkfifo,
    "a folder with a device": folder(lambda place: place.symlink_to("/dev/zero")),
    "a folder with a pipe": folder(os.mkfifo),
    "a folder with a folder": folder(Path.mkdir),
    "an entry of 30 MB of zeros": folder(bytes(30_000_000)),
    "an entry of sets": folder(b"\x80\x04" + pickle.EMPTY_SET * 7_000_000),
    "an entry that is a list": of([1, 2]),
    "epochs that double": of(entry(training(epochs=nested(60)))),
    "accuracies that double": of(entry(training(train_acc1es={0: 1.0, 1: nested(60)}))),
    "accuracies that are a list": of(entry(training(train_acc1es=nested(60)))),
    "an index that doubles": of(entry(training(), arch_index=nested(60))),
    "an index of 4,000 digits": of(entry(training(), arch_index=10**600)),
    "a name of a megabyte": of(entry(training(), arch_str="a" * 1_000_000)),
    "seconds that double": of(entry(training(train_times={0: 1.0, 1: nested(60)}))),
    "latencies that double": of(entry(training(latency=nested(60)))),
    "parameters that double": of(entry(training(params=nested(60)))),
    "parameters without a limit": of(entry(training(params=float("inf")))),
    "results that double": of(entry(training(), all_results=nested(60))),
    "a set of a megabyte": of(entry({**training(), "eval_names": ["a" * 500_000]})),
    "no results": of(entry(training(), all_results={})),
    "one file: an entry of sets": in_bzip2(monolith(pickle.BININT1 + b"\0" + pickle.EMPTY_SET * MANY)),
    "one file: an entry of numbers": in_bzip2(
        monolith(pickle.BININT1 + b"\0" + pickle.MARK + pickle.NONE * MANY)
    ),
    "one file: a text of 2 GB": in_bzip2(
        monolith(pickle.BININT1 + b"\0" + pickle.BINUNICODE + b"\0\0\0\x7f" + bytes(20_000_000))
    ),
    "one file: names that double": in_bzip2(
        pickle.dumps({"meta_archs": nested(60), "arch2infos": {0: entry(training()), 1: {}}}, 4)
        + ARCHITECTURE.encode()
    ),
    "torch: packed zeros": in_zip(zipfile.ZIP_DEFLATED),
    "torch: many members": in_zip(zipfile.ZIP_DEFLATED, 3000),
    "TFRecord: a record of 3 GB": long_record,
    "TFRecord: lists in each other": record("[" * 30_000),
    "TFRecord: a number of 5,000 digits": record("9" * 5_000),
    "TFRecord: no text": record('["' + "é" * 30_000 + '"]'),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[str, str]]]:
    place = tmp_path_factory.mktemp("tables")
    files = {name: place / f"{number}" for number, name in enumerate(CASES)}
    for name, write in CASES.items():
        write(files[name])
    yield outcomes("table", files)
    for path in files.values():
        if path.is_file():
            path.unlink()


@pytest.mark.parametrize("name", CASES)
def test_it_is_one_line(name: str, answers: dict[str, tuple[str, str]]) -> None:
    became, line = answers[name]
    assert became == "refused", line
    assert "\n" not in line
    assert len(line) < 400


def test_a_folder_that_is_as_it_should_be_is_read(tmp_path: Path) -> None:
    """Otherwise the cases could be refused for another reason than theirs."""
    write = of(entry(training()))
    write(tmp_path / "folder")
    assert outcomes("table", {"it": tmp_path / "folder"}) == {"it": ("read", "")}
