"""What a checkpoint has to hold before a network or a generator takes anything from it.

Its tensors are tied to its JSON by a hash; whoever made the one could make the other. So shapes and types are
held against those of the network, and a size that its own tensors cannot have is refused before a network of
that size takes memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from benchkit.base.errors import InputError, blamed_on, clipped, shown
from benchkit.base.files import MEGABYTE, read_bytes
from benchkit.base.shapes import COUNT, SHA256, Each, Maybe, Number, check_shape

__all__ = [
    "check_facts",
    "check_group",
    "check_size",
    "check_tensors",
    "history_of",
    "loading",
    "read_hashed",
]

_MOST_BYTES = 20_000 * MEGABYTE
_LEAST_BOUND = 1024
_POSITIVE = Number(1, 2**31 - 1, whole=True)
_NETWORK = {
    "space": str,
    "classes": _POSITIVE,
    "image_channels": _POSITIVE,
    "size": Each(Number(0, 2**31 - 1, whole=True)),
    "batch_norm": {
        **{"running?": bool, "affine?": bool},
        **{"momentum?": Maybe(Number(0, 1)), "epsilon?": Number(0, 1)},
    },
}
_BATCHES = {"generator": str, "position?": COUNT}
_FACTS = {
    "format_version": object,
    "epoch?": COUNT,
    "strategy?": str,
    "network?": _NETWORK,
    "training?": dict,
    "data?": {
        "name": str,
        "sha256?": str,
        "split?": str,
        "valid?": COUNT,
        "split_seed?": COUNT,
        "limit?": Maybe(COUNT),
        "limit_seed?": COUNT,
        "image_size?": Maybe(_POSITIVE),
    },
    "image_size?": [_POSITIVE],
    "processes?": COUNT,
    "history?": [Each(Maybe(float))],
    "random?": {
        "strategy?": dict,
        "train?": _BATCHES,
        "valid?": _BATCHES,
        "batches?": _BATCHES,
        "dropout?": _BATCHES,
        "mixup?": dict,
    },
    "sha256?": SHA256,
}


def check_facts(facts: Any, path: Path) -> dict[str, Any]:
    """Return what a checkpoint's JSON says, once it has the types that are used.

    Raises
    ------
    InputError : one of them is another.
    """
    found: dict[str, Any] = check_shape(facts, _FACTS, f"checkpoint {path}")
    return found


def history_of(facts: Mapping[str, Any]) -> list[dict[str, float]]:
    """Return a row for each epoch that a checkpoint has behind it.

    Raises
    ------
    ValueError : there are more or fewer, or one that does not say how long it took.
    """
    history: list[dict[str, float]] = list(facts["history"])
    if len(history) != facts["epoch"] or any(row.get("seconds") is None for row in history):
        raise ValueError(f"its history has {len(history)} epochs, not {facts['epoch']} with their seconds")
    return history


def read_hashed(path: Path, sha256: object, what: str, advice: str) -> bytes:
    """Return the content of a file whose hash is known.

    Parameters
    ----------
    path : file to read.
    sha256 : hash that it should have.
    what : name of what it should be, for the error.
    advice : Remedy where it has another.

    Raises
    ------
    InputError : it cannot be read, or has another hash.
    """
    content = read_bytes(path, what, _MOST_BYTES)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(f"{what} {path} is cut short or changed ({len(content):,} bytes): {advice}")
    return content


def check_size(network: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuse a network that is wider or deeper than the tensors that it is to be given.

    Raises
    ------
    InputError : a number that no tensor has.
    """
    largest = max((max(tensor.shape, default=1) for tensor in tensors.values()), default=1)
    bound = max(_LEAST_BOUND, largest, len(tensors))
    numbers = {"classes": network["classes"], "image_channels": network["image_channels"], **network["size"]}
    for name, value in numbers.items():
        if value > bound:
            raise InputError(f"checkpoint {path} does not fit its network: {clipped(name)} is {shown(value)}")


def check_tensors(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path | str) -> None:
    """Check that tensors have the names, shapes and types that a network's have.

    Parameters
    ----------
    given : tensors of a file.
    wanted : the network's own, on any device.
    path : path of the file, or what else tells the checkpoint, for the error.

    Raises
    ------
    InputError : they do not.
    """
    if given.keys() != wanted.keys():
        other = sorted(given.keys() ^ wanted.keys())
        raise InputError(
            f"checkpoint {path} does not fit the network that it describes: {len(other)} tensors are missing "
            f"or unknown, such as {shown(other[0])}"
        )
    check_group(given, wanted, path)


def check_group(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path | str) -> None:
    """Check that those tensors that both have are of the same shape and type; see `check_tensors`."""
    for name in given.keys() & wanted.keys():
        mine, theirs = wanted[name], given[name]
        if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
            raise InputError(
                f"checkpoint {path} does not fit the network that it describes: {clipped(name)} is "
                f"{tuple(theirs.shape)} {theirs.dtype}, not {tuple(mine.shape)} {mine.dtype}"
            )


@contextmanager
def loading(path: Path) -> Iterator[None]:
    """Say in one line that a checkpoint's state cannot be taken, whatever torch or numpy say of it.

    Raises
    ------
    InputError : in place of what a wrong state makes them raise.
    """
    try:
        with blamed_on(f"checkpoint {path}"):
            yield
    except RuntimeError as error:
        reason = clipped(" ".join(str(error).split()))
        raise InputError(f"checkpoint {path} cannot be gone on from: {reason}") from error
