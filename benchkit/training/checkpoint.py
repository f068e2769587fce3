"""Checkpoints: tensors as safetensors, the rest as JSON, both written whole or not at all.

``epoch-0007.safetensors`` holds the state after 7 epochs, in three groups of names: ``network.`` (the
supernet's parameters and running averages), ``momentum.`` (the optimizer's) and ``strategy.`` (architecture
parameters with their optimizer). ``epoch-0007.json`` holds what is no tensor: the recipe of network and
training, the state of every random generator, the history of losses, and the SHA-256 of the tensors. It is
written last, so a checkpoint exists exactly when its JSON does.

A checkpoint contains no code: reading one, from anybody, runs nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from benchkit.base.errors import InputError, clipped, shown
from benchkit.base.files import MEGABYTE, replacing, write_text
from benchkit.base.json_text import read_json
from benchkit.training.checkpoint_check import check_facts, check_tensors, read_hashed

__all__ = [
    "FORMAT_VERSION",
    "Checkpoint",
    "check_same_network",
    "in_folder",
    "keep_last",
    "latest",
    "load_weights",
    "read",
    "read_facts",
    "write",
]

FORMAT_VERSION = 1
_MOST_FACTS = 32 * MEGABYTE
_NAME = re.compile(r"epoch-(\d+)\.json")


@dataclass(frozen=True)
class Checkpoint:
    """The state after some epochs.

    Attributes
    ----------
    tensors : by name, with the prefixes ``network.``, ``momentum.`` and ``strategy.``; on the CPU.
    facts : JSON-ready; ``epoch``, ``network`` (see ``Recipe.describe``) and what the trainer adds.
    """

    tensors: dict[str, Tensor]
    facts: dict[str, Any]

    def group(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors of one group under their own names."""
        head = f"{prefix}."
        return {
            name.removeprefix(head): tensor for name, tensor in self.tensors.items() if name.startswith(head)
        }


def write(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint and return the path of its JSON."""
    stem = folder / f"epoch-{checkpoint.facts['epoch']:04d}"
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()})
    with replacing(stem.with_suffix(".safetensors")) as temporary:
        temporary.write_bytes(content)
    facts = {
        "format_version": FORMAT_VERSION,
        **checkpoint.facts,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    write_text(stem.with_suffix(".json"), json.dumps(facts, indent=1) + "\n")
    return stem.with_suffix(".json")


def in_folder(folder: Path) -> dict[int, Path]:
    """Return the JSON of every checkpoint in a folder by its epochs, ascending."""
    found = {
        int(match[1]): path for path in folder.glob("epoch-*.json") if (match := _NAME.fullmatch(path.name))
    }
    return dict(sorted(found.items()))


def keep_last(folder: Path, count: int) -> None:
    """Remove all but the last `count` checkpoints of a folder; each loses its JSON first."""
    for path in list(in_folder(folder).values())[:-count]:
        path.unlink(missing_ok=True)
        path.with_suffix(".safetensors").unlink(missing_ok=True)


def latest(folder: Path) -> Path | None:
    """Return the JSON of the checkpoint with the most epochs in a folder; None where there is none."""
    found = in_folder(folder)
    return found[max(found)] if found else None


def read_facts(path: Path) -> dict[str, Any]:
    """Read what is no tensor, from the path of a checkpoint's JSON or of its tensors.

    Raises
    ------
    InputError : the file is missing, cut short, or of another format version.
    """
    about = path.with_suffix(".json")
    facts = read_json(about, "checkpoint", _MOST_FACTS)
    version = facts.get("format_version") if isinstance(facts, dict) else None
    if version != FORMAT_VERSION:
        raise InputError(
            f"checkpoint {about} has format version {shown(version)}; this benchkit reads {FORMAT_VERSION}"
        )
    return check_facts(facts, about)


def read(path: Path) -> Checkpoint:
    """Read a checkpoint, from the path of its JSON or of its tensors.

    Raises
    ------
    InputError : a file is missing, cut short, changed, or of another format version.
    """
    facts, tensors = read_facts(path), path.with_suffix(".safetensors")
    advice = "delete this epoch's two files to go on from the one before"
    content = read_hashed(tensors, facts.get("sha256"), "checkpoint", advice)
    try:
        return Checkpoint(load(content), facts)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError, MemoryError) as error:
        reason = clipped(" ".join(str(error).split()))
        raise InputError(f"checkpoint {tensors} cannot be read: {reason}") from error


def check_same_network(facts: dict[str, Any], network: dict[str, Any], path: Path) -> None:
    """Raise InputError unless a checkpoint is of the network that is at hand.

    Parameters
    ----------
    facts : of the checkpoint.
    network : ``Recipe.describe()`` of the network at hand.
    path : of the checkpoint, for the error.
    """
    saved: dict[str, Any] = facts.get("network", {})
    for key, what in (
        ("space", "space"),
        ("classes", "number of classes"),
        ("image_channels", "number of image channels"),
        ("size", "network size"),
        ("batch_norm", "batch normalisation"),
    ):
        if saved.get(key) != network[key]:
            raise InputError(
                f"checkpoint {path} is of another {what}: it has {saved.get(key)}, this search {network[key]}"
            )


def check_same_images(facts: dict[str, Any], size: Sequence[int], path: Path) -> None:
    """Raise InputError unless a checkpoint was trained on images of this size.

    Parameters
    ----------
    facts : of the checkpoint.
    size : height and width of the images at hand.
    path : of the checkpoint, for the error.
    """
    saved = facts.get("image_size", list(size))
    if list(saved) != list(size):
        raise InputError(
            f"checkpoint {path} was trained on images of {_by(saved)} pixels; this data has {_by(size)}: "
            f"give the same --data and --image-size"
        )


def _by(size: Sequence[int]) -> str:
    return " x ".join(map(str, size))


def check_same(facts: dict[str, Any], key: str, mine: Any, path: Path) -> None:
    """Raise InputError unless a checkpoint says `mine` of `key`; of mappings, it names what differs.

    Parameters
    ----------
    facts : of the checkpoint.
    mine : what this training says.
    path : of the checkpoint, for the error.
    """
    saved = facts.get(key)
    if saved == mine:
        return
    if isinstance(saved, dict) and isinstance(mine, dict):
        names = sorted(name for name in saved.keys() | mine.keys() if saved.get(name) != mine.get(name))
        saved = {name: saved.get(name) for name in names}
        mine = {name: mine.get(name) for name in names}
    raise InputError(f"checkpoint {path} is of another {key}: {saved}, not {mine}")


def load_weights(checkpoint: Checkpoint, supernet: nn.Module) -> None:
    """Give a supernet the weights of a checkpoint of the same network (see `check_same_network`).

    Raises
    ------
    InputError : the tensors are not those of this network.
    """
    tensors = checkpoint.group("network")
    check_tensors(tensors, supernet.state_dict(), f"of epoch {checkpoint.facts.get('epoch')}")
    supernet.load_state_dict(tensors)
