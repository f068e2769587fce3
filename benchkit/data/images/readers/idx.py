"""Reads IDX files: MNIST, Fashion-MNIST and others, compressed by gzip or not.

Layout: http://yann.lecun.com/exdb/mnist: two zero bytes, a type byte (8 for unsigned bytes), the number of
dimensions, each dimension as a big-endian 32-bit integer, then the data in C order.
"""

from __future__ import annotations

import math
import re
import struct

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.data.images.image_set import LabelledImages, Loaded
from benchkit.data.images.published import FASHION_CLASSES
from benchkit.data.images.readers.source import Source

_UNSIGNED_BYTES = 8
_MOST_DIMENSIONS = 3
_FILE = re.compile(r"(train|t10k)-(images|labels)[-.]idx([13])-ubyte(\.gz)?")
# the first training labels tell apart what the file names do not
_KNOWN: dict[tuple[int, ...], str] = {
    (5, 0, 4, 1, 9, 2, 1, 3, 1, 4): "mnist",
    (9, 0, 0, 3, 0, 2, 7, 2, 5, 5): "fashion-mnist",
}


def read_idx(content: bytes, where: str) -> npt.NDArray[np.uint8]:
    """Return the array of an (uncompressed) IDX file of unsigned bytes.

    Raises InputError for another file, or one that is too short or too long for the shape that it states.
    """
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _UNSIGNED_BYTES or not content[3]:
        raise InputError(f"{where} is not an IDX file of unsigned bytes")
    if content[3] > _MOST_DIMENSIONS:
        raise InputError(f"{where} has {content[3]} dimensions, where images have {_MOST_DIMENSIONS}")
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise InputError(f"{where} is truncated: it ends inside its header")
    shape = struct.unpack(f">{content[3]}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise InputError(
            f"{where} is truncated or damaged: its header says {math.prod(shape):,} bytes, it holds "
            f"{len(content) - start:,}"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


class IdxFiles:
    """Four files: images and labels, for training and (``t10k``) for testing."""

    title = "IDX files (MNIST, Fashion-MNIST)"

    def recognise(self, source: Source) -> bool:
        return any(_FILE.fullmatch(name) for name in source.names)

    def read(self, source: Source) -> tuple[str, Loaded]:
        files = {}
        for name in sorted(source.names, reverse=True):  # the unpacked file wins over its .gz
            if match := _FILE.fullmatch(name):
                files[match[1], match[2]] = name
        wanted = [(part, kind) for part in ("train", "t10k") for kind in ("images", "labels")]
        for part, kind in wanted:
            if (part, kind) not in files:
                number = 3 if kind == "images" else 1
                raise InputError(f"{source.path} lacks {part}-{kind}-idx{number}-ubyte(.gz)")
        content = source.read(files.values())
        arrays = {key: read_idx(content[name], f"{name} in {source.path}") for key, name in files.items()}
        for (part, kind), array in arrays.items():
            if array.ndim != (3 if kind == "images" else 1):
                raise InputError(
                    f"{files[part, kind]} in {source.path} has {array.ndim} dimensions: not {kind}"
                )
        labels = arrays["train", "labels"]
        name = _KNOWN.get(tuple(int(label) for label in labels[:10]), "")
        numbered = tuple(str(label) for label in range(int(labels.max(initial=0)) + 1))
        parts = [
            LabelledImages(arrays[part, "images"][..., None].copy(), arrays[part, "labels"].astype(np.int64))
            for part in ("train", "t10k")
        ]
        classes = FASHION_CLASSES if name == "fashion-mnist" else numbered
        return name, Loaded(parts[0], parts[1], classes, self.title)
