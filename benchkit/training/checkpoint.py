"""Writes and reads checkpoints: tensors as safetensors, the rest as JSON, both whole or not at all.

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
from benchkit.base.files import MEGABYTE, read_bytes, replacing, write_text
from benchkit.base.json_text import read_json
from benchkit.base.shapes import check_shape
from benchkit.training.checkpoint_check import FACTS, check_tensors

FORMAT_VERSION = 1
_MOST_FACTS, _MOST_BYTES = 32 * MEGABYTE, 20_000 * MEGABYTE
_NAME = re.compile(r"epoch-(\d+)\.json")


@dataclass(frozen=True)
class Checkpoint:
    """The state after some epochs.

    Attributes
    ----------
    tensors : Tensors by name, with the prefixes ``network.``, ``momentum.`` and ``strategy.``.
    facts : ``epoch``, ``network`` (see ``Recipe.describe``) and what the engine adds, JSON-ready.
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
    InputError : The file is missing, cut short, or of another format version.
    """
    about = path.with_suffix(".json")
    facts = read_json(about, "checkpoint", _MOST_FACTS)
    version = facts.get("format_version") if isinstance(facts, dict) else None
    if version != FORMAT_VERSION:
        raise InputError(
            f"checkpoint {about} has format version {shown(version)}; this benchkit reads {FORMAT_VERSION}"
        )
    found: dict[str, Any] = check_shape(facts, FACTS, f"checkpoint {about}")
    return found


def read(path: Path) -> Checkpoint:
    """Read a checkpoint, from the path of its JSON or of its tensors.

    Raises
    ------
    InputError : A file is missing, cut short, changed, or of another format version.
    """
    facts, tensors = read_facts(path), path.with_suffix(".safetensors")
    content = read_bytes(tensors, "checkpoint", _MOST_BYTES)
    if hashlib.sha256(content).hexdigest() != facts.get("sha256"):
        raise InputError(
            f"checkpoint {tensors} is cut short or changed ({len(content):,} bytes): delete this epoch's two "
            f"files to go on from the one before"
        )
    try:
        return Checkpoint(load(content), facts)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError, MemoryError) as error:
        reason = clipped(" ".join(str(error).split()))
        raise InputError(f"checkpoint {tensors} cannot be read: {reason}") from error


def check_same_network(facts: dict[str, Any], network: dict[str, Any], path: Path) -> None:
    """Raise InputError unless a checkpoint is of the network that ``Recipe.describe()`` describes."""
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
    """Raise InputError unless a checkpoint was trained on images of this height and width."""
    saved = facts.get("image_size", list(size))
    if list(saved) != list(size):
        other, own = (" x ".join(map(str, each)) for each in (saved, size))
        raise InputError(
            f"checkpoint {path} was trained on images of {other} pixels; this data has {own}: give the same "
            f"--data and --image-size"
        )


def check_same(facts: dict[str, Any], key: str, mine: Any, path: Path) -> None:
    """Raise InputError unless a checkpoint says `mine` of `key`; of mappings, it names what differs."""
    saved = facts.get(key)
    if saved == mine:
        return
    if isinstance(saved, dict) and isinstance(mine, dict):
        names = sorted(name for name in saved.keys() | mine.keys() if saved.get(name) != mine.get(name))
        saved = {name: saved.get(name) for name in names}
        mine = {name: mine.get(name) for name in names}
    raise InputError(f"checkpoint {path} is of another {key}: {saved}, not {mine}")


def load_weights(checkpoint: Checkpoint, supernet: nn.Module) -> None:
    """Give a supernet the weights of a checkpoint of the same network; raise InputError for other tensors."""
    tensors = checkpoint.group("network")
    check_tensors(tensors, supernet.state_dict(), f"of epoch {checkpoint.facts.get('epoch')}")
    supernet.load_state_dict(tensors)
