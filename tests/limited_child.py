"""Read files with 1 GB of memory to spare; print a JSON line for each: what became of it.

``python limited_child.py DOOR FILE...``. It runs in a process of its own, which a crash may end.
"""

from __future__ import annotations

import io
import json
import resource
import sys
from pathlib import Path
from typing import Any

from benchkit.base.errors import InputError
from benchkit.base.pickles.reader import load_pickle, stream_entries
from benchkit.data.images.importing import import_images
from benchkit.data.images.readers import read_images
from benchkit.data.images.readers.picture import decode
from benchkit.data.tables.formats import recognise

LIMIT = 1_000_000_000


def _table(path: Path) -> None:
    reader, _ = recognise(path)
    reader.read(path, "none", lambda done, total: None)


DOORS: dict[str, Any] = {
    "pickle": lambda path: load_pickle(path.read_bytes(), path.name),
    "stream": lambda path: stream_entries(io.BytesIO(path.read_bytes()), "below", lambda *_: None, path.name),
    "table": _table,
    "images": read_images,
    "folder": lambda path: import_images(path, "mine"),
    "picture": lambda path: decode(path.read_bytes(), path.name),
}


def _memory() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmSize:"):
            return int(line.split()[1]) * 1024
    return 0


def main(door: str, *names: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_memory() + LIMIT, resource.RLIM_INFINITY))
    for name in names:
        print(json.dumps({"name": Path(name).name}), flush=True)
        try:
            DOORS[door](Path(name))
            outcome = "read", ""
        except InputError as error:
            outcome = "refused", str(error)
        except BaseException as error:
            outcome = type(error).__name__, str(error)[:500]
        print(json.dumps(outcome), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
