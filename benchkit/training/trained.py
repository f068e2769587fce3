"""Finds trainings that left checkpoints, checks that they are of one kind, and makes networks of them again.

A path may be a checkpoint, a folder of checkpoints, or the folder of a ``benchkit search``, finished or not.
What a training was (space, strategy, network, data) stands in its checkpoints; the seed of a search in its
``search.json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchkit.base.errors import InputError
from benchkit.base.json_text import read_json
from benchkit.base.shapes import LARGEST
from benchkit.spaces import get_space
from benchkit.training import checkpoint as checkpoints
from benchkit.training.checkpoint_check import check_size, check_tensors


@dataclass(frozen=True)
class Saved:
    """One checkpoint.

    Attributes
    ----------
    epochs : Epochs of training behind it.
    path : Path of its JSON.
    sha256 : Hash of its tensors.
    """

    epochs: int
    path: Path
    sha256: str


@dataclass(frozen=True)
class Trained:
    """One training.

    Attributes
    ----------
    name : Name of its folder, told apart by a number where two are alike.
    seed : Seed of its search; None where no ``search.json`` says it.
    saved : Checkpoints by rising epochs.
    facts : Facts of the last of them (strategy, network, data, training), see ``Checkpoint``.
    """

    name: str
    seed: int | None
    saved: tuple[Saved, ...]
    facts: dict[str, Any]


def find_trainings(paths: Sequence[Path], every: int = 1) -> list[Trained]:
    """Return the trainings at `paths`, in that order; a folder that is named twice counts once.

    Parameters
    ----------
    every : Number n of which every n-th epoch is kept, and always the last.

    Raises
    ------
    InputError : a path without a checkpoint, a checkpoint that cannot be read, or trainings of different
        strategies, networks or data.
    """
    if every < 1:
        raise InputError(f"every must be at least 1, got {every}")
    chosen: dict[Path, dict[int, Path]] = {}
    for path in paths:
        for epochs, file in _checkpoints_at(path).items():
            chosen.setdefault(file.parent.resolve(), {})[epochs] = file
    if not chosen:
        raise InputError("no checkpoint was given: name at least one")
    found: list[Trained] = []
    for folder, files in chosen.items():
        last = max(files)
        kept = [epochs for epochs in sorted(files) if epochs % every == 0 or epochs == last]
        facts = {epochs: checkpoints.read_facts(files[epochs]) for epochs in kept}
        first = found[0].facts if found else facts[kept[0]]
        for epochs in kept:
            _check_kind(facts[epochs], first, files[epochs])
        saved = tuple(Saved(epochs, files[epochs], str(facts[epochs].get("sha256"))) for epochs in kept)
        home = folder.parent if folder.name == "checkpoints" else folder
        found.append(Trained(home.name, _seed_of(home), saved, facts[last]))
    return _named_apart(found)


def _checkpoints_at(path: Path) -> dict[int, Path]:
    """Return the JSON of every checkpoint that a path means, by its epochs."""
    if path.is_dir():
        inner = path / "checkpoints"
        files = checkpoints.in_folder(inner if inner.is_dir() else path)
        if not files:
            raise InputError(f"no checkpoint in {path}: it takes a finished epoch of training to make one")
        return files
    epochs = checkpoints.read_facts(path).get("epoch")
    if not isinstance(epochs, int):
        raise InputError(f"checkpoint {path} does not say its epoch")
    return {epochs: path.with_suffix(".json")}


def _check_kind(facts: dict[str, Any], first: dict[str, Any], path: Path) -> None:
    for key in ("strategy", "network", "data"):
        if key not in facts:
            raise InputError(f"checkpoint {path} does not say its {key}")
        if facts[key] != first[key]:
            raise InputError(
                f"checkpoint {path} is of another {key} than the first: it has {_brief(facts[key])}, the "
                f"first {_brief(first[key])}; correlate them one by one"
            )


def _brief(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _seed_of(home: Path) -> int | None:
    try:
        found = read_json(home / "search.json", "settings of a search")
    except InputError:
        return None
    seed = found.get("seed") if isinstance(found, dict) else None
    return seed if isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed <= LARGEST else None


def _named_apart(trainings: Iterable[Trained]) -> list[Trained]:
    taken: set[str] = set()
    apart = []
    for training in trainings:
        name, number = training.name, 1
        while name in taken:
            number += 1
            name = f"{training.name}-{number}"
        taken.add(name)
        apart.append(replace(training, name=name))
    return apart


def load_supernet(saved: Saved, device: torch.device) -> Any:
    """Return the supernet of a checkpoint, with its weights, built from the checkpoint's own description.

    Raises
    ------
    InputError : the checkpoint is cut short or changed, or describes no network that there is.
    """
    from benchkit.spaces.engine.batchnorm import BatchNormPolicy
    from benchkit.spaces.engine.build import build_supernet, describe_supernet

    checkpoint = checkpoints.read(saved.path)
    network = checkpoint.facts.get("network")
    if network is None:
        raise InputError(f"checkpoint {saved.path} does not say its network")
    check_size(network, checkpoint.group("network"), saved.path)
    try:
        whole = (get_space(network["space"]), network["classes"], network["image_channels"])
        options = {"policy": BatchNormPolicy(**network["batch_norm"]), **network["size"]}
        described = describe_supernet(*whole, **options)  # takes no memory
        check_tensors(checkpoint.group("network"), described.state_dict(), saved.path)
        # every weight is replaced
        supernet = build_supernet(*whole, generator=torch.Generator().manual_seed(0), **options)
        checkpoints.load_weights(checkpoint, supernet)
    except InputError:
        raise
    except (KeyError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"checkpoint {saved.path} does not fit the network that it describes: {reason}"
        ) from error
    return supernet.to(device)
