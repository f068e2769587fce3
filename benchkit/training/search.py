"""A whole weight-sharing search: train the supernet, search it, report what was found.

The folder of a search
----------------------
``search.json``     what is searched and how; claims the folder
``checkpoints/``    one an epoch (`benchkit.training.checkpoint`)
``training.csv``    loss, learning rate and seconds of every epoch
``trace.parquet``   every architecture that the search scored, in order
``manifest.json``   what a reader needs to run it again: versions, data, device, trace hash
``result.json``     the recommended architecture and its table entry; written last

A search that was interrupted goes on when it is started again with the same settings: the training from its
last finished epoch, the scoring from its start. A finished one is not run again.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from benchkit.files import replacing, write_text
from benchkit.images.catalogue import open_image_set
from benchkit.images.image_set import ImageSet
from benchkit.images.splits import SearchImages, SeededSplit, Split, divide, parse_split
from benchkit.searching.budget import Budget
from benchkit.searching.loop import search
from benchkit.searching.trace import Trace
from benchkit.spaces import InputError, Space, get_space
from benchkit.strategies import get_weight_sharing
from benchkit.training import checkpoint as checkpoints
from benchkit.training.devices import explain_memory, parse_device
from benchkit.training.presets import Preset, get_preset
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.table_entry import table_entry
from benchkit.training.trainer import Progress, Streams, Trainer

__all__ = ["SearchSettings", "run_search"]

_HALVES = ("cifar10", "cifar100")


@dataclass(frozen=True)
class SearchSettings:
    """What a search is; None leaves it to the preset.

    Attributes
    ----------
    strategy, space, data, preset : names.
    seed : of everything that is random, but for the split of the data.
    epochs, batch_size : of the training.
    queries : architectures to score.
    images : validation images on which each is scored.
    scoring_batch : images a batch of scoring.
    split : ``nasbench201`` or a number of validation images; None is the benchmark's own halves where the
        data has them, else a quarter of the training images.
    image_size, limit : make the data set smaller, see ``open_image_set``.
    bfloat16 : run networks in bfloat16.
    options : hyperparameters of the strategy.
    """

    strategy: str
    space: str
    data: str
    preset: str = "small"
    seed: int = 0
    epochs: int | None = None
    batch_size: int | None = None
    queries: int | None = None
    images: int | None = None
    scoring_batch: int | None = None
    split: str | None = None
    image_size: int | None = None
    limit: int | None = None
    bfloat16: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def recipe(self, preset: Preset) -> TrainingRecipe:
        """Return the preset's recipe with what was given over it."""
        given = {"epochs": self.epochs, "batch_size": self.batch_size}
        known = {name: value for name, value in given.items() if value is not None}
        return replace(preset.recipe_for(self.strategy), bfloat16=self.bfloat16, **known)  # type: ignore[arg-type]


def run_search(
    settings: SearchSettings,
    folder: Path,
    device: str = "auto",
    on_progress: Callable[[Progress], None] | None = None,
) -> dict[str, Any]:
    """Run a search, or go on with it, and return its result.

    Parameters
    ----------
    folder : new, empty, or of the same search.
    device : ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    on_progress : called now and then while the supernet trains.

    Returns
    -------
    What ``result.json`` holds.

    Raises
    ------
    InputError : a name or number that cannot be used, a folder of something else, no such device, no
        memory left, a loss that is not finite, or a damaged checkpoint.
    """
    preset = get_preset(settings.preset)
    recipe = settings.recipe(preset)
    kind = get_weight_sharing(settings.strategy)
    space = get_space(settings.space)
    where = parse_device(device)
    if settings.seed < 0:
        raise InputError(f"a seed is a whole number of at least 0; got {settings.seed}")
    images = _images(settings)
    streams = Streams.of(settings.seed)
    strategy = kind(space, streams.strategy, **settings.options)
    budget = Budget(queries=_queries(settings, preset, strategy.default_queries))
    trainer = Trainer(
        strategy,
        _supernet(space, images, preset, streams),
        images,
        recipe,
        where,
        streams,
        folder=folder / "checkpoints",
        scoring={
            "images": _scored(settings, preset, len(images.valid)),
            "batch_size": settings.scoring_batch or preset.scoring_batch,
        },
        on_progress=on_progress,
    )
    _claim(folder, settings)
    finished = folder / "result.json"
    if finished.is_file():
        result: dict[str, Any] = json.loads(finished.read_text(encoding="utf-8"))
        return result
    last = checkpoints.latest(folder / "checkpoints")
    if last is not None:
        trainer.resume(last)
    trainer.fit()
    began = time.monotonic()
    with explain_memory(settings.scoring_batch or preset.scoring_batch, "--scoring-batch"):
        trace = search(strategy, trainer.evaluator, budget)
    result = _result(settings, space, trace, strategy.recommend())
    result["seconds"] = {
        "training": round(sum(epoch["seconds"] for epoch in trainer.history), 3),
        "search": round(time.monotonic() - began, 3),
    }
    _write_history(folder / "training.csv", trainer.history)
    _write_trace(folder / "trace.parquet", trace, space)
    write_text(folder / "manifest.json", _as_json(_manifest(settings, trainer, images, str(where), trace)))
    write_text(finished, _as_json(result))
    return result


def _images(settings: SearchSettings) -> SearchImages:
    """Return the images that the search may see; its test images are let go of here."""
    images = open_image_set(settings.data, settings.image_size, settings.limit)
    seen, _ = divide(images, _split(settings, images))
    return seen


def _split(settings: SearchSettings, images: ImageSet) -> Split:
    if settings.split is not None:
        return parse_split(settings.split)
    if settings.data in _HALVES:
        return parse_split("nasbench201")
    return SeededSplit(max(1, len(images.x_train) // 4))


def _supernet(space: Space, images: SearchImages, preset: Preset, streams: Streams) -> Any:
    from benchkit.spaces.networks import build_supernet

    size: dict[str, Any] = dict(preset.size.get(space.name, {}))
    return build_supernet(space, images.classes, images.size[2], generator=streams.network, **size)


def _queries(settings: SearchSettings, preset: Preset, published: int) -> int:
    if settings.queries is not None:
        return settings.queries
    return published if preset.queries is None else min(preset.queries, published)


def _scored(settings: SearchSettings, preset: Preset, available: int) -> int:
    if settings.images is not None:
        return settings.images
    return available if preset.images is None else min(preset.images, available)


def _claim(folder: Path, settings: SearchSettings) -> None:
    """Make the folder this search's.

    Raises
    ------
    InputError : it is a file, holds something else, or another search.
    """
    claim, mine = folder / "search.json", _as_json(asdict(settings))
    if claim.is_file():
        if claim.read_text(encoding="utf-8") != mine:
            raise InputError(f"{folder} holds another search (see {claim}); choose another --out")
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty and holds no search; choose another --out")
    else:
        write_text(claim, mine)


def _result(settings: SearchSettings, space: Space, trace: Trace, recommended: Any) -> dict[str, Any]:
    asked = np.flatnonzero((trace.batch == recommended).all(axis=1))
    scored = int(asked[0]) if len(asked) else None
    return {
        "strategy": settings.strategy,
        "space": space.name,
        "data": settings.data,
        "seed": settings.seed,
        "architecture": space.format(recommended),
        "row": recommended.tolist(),
        "supernet_accuracy": None if scored is None else float(trace.scores[scored]),
        "images": None if scored is None else int(trace.fidelity[scored]),
        "queries": len(trace),
        "distinct": trace.distinct(),
        "table": table_entry(space, recommended),
    }


def _manifest(
    settings: SearchSettings, trainer: Trainer, images: SearchImages, device: str, trace: Trace
) -> dict[str, Any]:
    return {
        "benchkit": metadata.version("benchkit"),
        "search": asdict(settings),
        "data": dict(images.identity),
        "network": trainer.supernet.recipe.describe(),
        "training": trainer.recipe.describe(),
        "scored_images": trainer.evaluator.full_fidelity,
        "device": device,
        "python": platform.python_version(),
        "platform": {"system": platform.system(), "machine": platform.machine()},
        "dependencies": {name: metadata.version(name) for name in ("numpy", "safetensors", "torch")},
        "trace": trace.digest(),
    }


def _write_history(path: Path, history: list[dict[str, float]]) -> None:
    lines = ["epoch,loss,learning_rate,seconds"]
    lines += [
        f"{row['epoch']},{row['loss']!r},{row['learning_rate']!r},{row['seconds']!r}" for row in history
    ]
    write_text(path, "\n".join(lines) + "\n")


def _write_trace(path: Path, trace: Trace, space: Space) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = pa.array([space.format(row) for row in trace.batch], pa.string())
    columns = {
        "step": pa.array(np.arange(len(trace), dtype=np.int32)),
        "architecture": names.dictionary_encode(),
        "score": pa.array(trace.scores),
        "fidelity": pa.array(trace.fidelity),
        "queries": pa.array(trace.queries),
    }
    with replacing(path) as temporary:
        pq.write_table(pa.table(columns), temporary)


def _as_json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1) + "\n"
