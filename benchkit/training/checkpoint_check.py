"""Checks a checkpoint before a network or a generator takes anything from it.

Its tensors are tied to its JSON by a hash; whoever made the one could make the other. So shapes and types are
held against those of the network, and a size that its own tensors cannot have is refused before a network of
that size takes memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from benchkit.base.errors import InputError, blamed_on, clipped, shown
from benchkit.base.shapes import COUNT, SHA256, Each, Maybe, Number

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
FACTS = {
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
"""Shape of a checkpoint's JSON: the types that are used."""


def history_of(facts: Mapping[str, Any]) -> list[dict[str, float]]:
    """Return a row for each epoch that a checkpoint has behind it.

    Raises
    ------
    ValueError : There are more or fewer, or one does not say how long it took.
    """
    history: list[dict[str, float]] = list(facts["history"])
    if len(history) != facts["epoch"] or any(row.get("seconds") is None for row in history):
        raise ValueError(f"its history has {len(history)} epochs, not {facts['epoch']} with their seconds")
    return history


def check_size(network: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuse a network that is wider or deeper than the tensors that it is to be given.

    Raises
    ------
    InputError : It has a number that no tensor has.
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
    given : Tensors of a file.
    wanted : Tensors of the network, on any device.
    path : Path of the file, or what else tells the checkpoint, for the error.

    Raises
    ------
    InputError : They do not.
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
    """Raise an InputError of one line in place of what a wrong state makes torch or numpy raise."""
    try:
        with blamed_on(f"checkpoint {path}"):
            yield
    except RuntimeError as error:
        reason = clipped(" ".join(str(error).split()))
        raise InputError(f"checkpoint {path} cannot be gone on from: {reason}") from error
