"""A whole weight-sharing search: train the supernet, search it, report what was found.

The folder of a search
----------------------
``search.json``     what is searched and how; claims the folder
``checkpoints/``    one an epoch (`benchkit.training.checkpoint`)
``training.csv``    loss, learning rate, seconds and speed of every epoch
``tensorboard/``    the same for TensorBoard, where asked for
``trace.parquet``   every architecture that the search scored, in order
``network.safetensors``, ``network.json``   the recommended architecture with the weights that it inherited
``manifest.json``   what a reader needs to run it again: versions, data, device, trace hash
``result.json``     the recommended architecture, its test accuracy as it is and its table entry; what the
                    best of K samples of a learned sampler are worth in a table; written last

A search that was interrupted goes on when it is started again with the same settings: the training from its
last finished epoch, the scoring from its start. A finished one is not run again. Several processes
(`benchkit.training.distributed`) run one search; the first of them writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchkit.base.devices import explain_memory, intra_op_threads
from benchkit.base.environment import environment
from benchkit.base.errors import InputError
from benchkit.base.files import replacing
from benchkit.base.run_folder import RunFolder
from benchkit.base.version import __version__
from benchkit.data.images.splits import SearchImages
from benchkit.data.images.streamed import SearchStream
from benchkit.searching.budget import Budget
from benchkit.searching.loop import search
from benchkit.searching.trace import Trace
from benchkit.spaces import Space, get_space
from benchkit.strategies import get_weight_sharing
from benchkit.strategies.weight_sharing import WeightSharingStrategy
from benchkit.training import checkpoint as checkpoints
from benchkit.training.constrained import costs_of, described, search_constraint
from benchkit.training.data import searched_images
from benchkit.training.distributed import Processes, joined
from benchkit.training.found import Reporter, save_found
from benchkit.training.history import write_history
from benchkit.training.kept_search import read_result
from benchkit.training.presets import Preset, get_preset
from benchkit.training.sampled_entries import sampled_entries
from benchkit.training.settings import SearchSettings
from benchkit.training.table_entry import table_entry
from benchkit.training.tensorboard import Scalars
from benchkit.training.trainer import Progress, Streams, Trainer

__all__ = ["SearchSettings", "run_search"]


def run_search(
    settings: SearchSettings,
    folder: Path,
    device: str = "auto",
    on_progress: Callable[[Progress], None] | None = None,
    *,
    tensorboard: bool = False,
    workers: int = 0,
) -> dict[str, Any]:
    """Run a search, or go on with it, and return its result.

    Parameters
    ----------
    folder : new, empty, or of the same search.
    device : ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    on_progress : called now and then while the supernet trains.
    tensorboard : write scalars for TensorBoard, too.
    workers : that read a streamed data set; they change nothing but the speed.

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
    get_weight_sharing(settings.strategy)
    get_space(settings.space)
    run = RunFolder(folder, "search")
    with ExitStack() as stack:
        processes = stack.enter_context(joined(device))
        scalars = stack.enter_context(Scalars(folder / "tensorboard")) if tensorboard else None
        stack.enter_context(intra_op_threads(recipe.threads))
        trainer, images = _prepare(
            settings,
            folder,
            processes,
            on_progress=on_progress if processes.first else None,
            on_epoch=scalars.add if scalars is not None and processes.first else None,
            workers=workers,
        )
        if processes.first:
            run.claim(settings.describe())
        processes.wait()  # nobody looks into the folder before it is this search's
        if run.finished:
            return read_result(folder)
        last = checkpoints.latest(folder / "checkpoints")
        processes.wait()  # nor writes to it before all have looked
        if last is not None:
            trainer.resume(last)
        trainer.fit()
        result, trace = _search(settings, trainer)
        if processes.first:
            write_history(folder / "training.csv", trainer.history)
            _write_trace(folder / "trace.parquet", trace, trainer.strategy.space)
            manifest = _manifest(settings, trainer, images, processes, trace)
            recommended = trainer.strategy.recommend()
            save_found(folder, trainer.supernet, recommended)
            result["test"] = Reporter(settings, trainer, images).test(recommended)
            run.finish(manifest, result)
        processes.wait()
        return result


def _prepare(
    settings: SearchSettings, folder: Path, processes: Processes, **hooks: Any
) -> tuple[Trainer, SearchImages | SearchStream]:
    """Return the trainer of a search, at its start, and the images that it sees."""
    preset = get_preset(settings.preset)
    images = searched_images(settings)
    streams = Streams.of(settings.seed)
    space = get_space(settings.space)
    kind = get_weight_sharing(settings.strategy)
    options = settings.options_of(preset)
    planned = settings.planned_queries(preset)
    if kind.plans_queries and planned is not None:
        options.setdefault("queries", planned)
    strategy = kind(space, streams.strategy, **options)
    if settings.weight_decay is not None and strategy.regularises_weights:
        raise InputError(f"{settings.strategy} has a prior of the weights itself: leave the weight decay out")
    supernet = _supernet(space, images, preset, settings, streams)
    constraint = search_constraint(settings, supernet.recipe, images.size[0])
    if constraint is not None:
        strategy.constrain(constraint)
    trainer = Trainer(
        strategy,
        supernet,
        images,
        settings.recipe(preset),
        processes.device,
        streams,
        folder=folder / "checkpoints",
        scoring=settings.scoring(preset, len(images.valid)),
        processes=processes,
        **hooks,
    )
    return trainer, images


def _search(settings: SearchSettings, trainer: Trainer) -> tuple[dict[str, Any], Trace]:
    """Search the trained supernet."""
    preset = get_preset(settings.preset)
    strategy = trainer.strategy
    budget = Budget(queries=settings.queries_of(preset, strategy.default_queries))
    began = time.monotonic()
    with explain_memory(settings.scoring_batch or preset.scoring_batch, "--scoring-batch"):
        trace = search(strategy, trainer.evaluator, budget)
    result = _result(settings, strategy, trace)
    result["seconds"] = {
        "training": round(sum(epoch["seconds"] for epoch in trainer.history), 3),
        "search": round(time.monotonic() - began, 3),
    }
    return result, trace


def _supernet(
    space: Space,
    images: SearchImages | SearchStream,
    preset: Preset,
    settings: SearchSettings,
    streams: Streams,
) -> Any:
    from benchkit.spaces.engine import SHARED, build_supernet

    return build_supernet(
        space,
        images.classes,
        images.size[2],
        generator=streams.network,
        policy=replace(SHARED, running=settings.recalibrate > 0),
        **{**preset.size_of(space.name), **settings.size},
    )


def _result(settings: SearchSettings, strategy: WeightSharingStrategy, trace: Trace) -> dict[str, Any]:
    space, recommended = strategy.space, strategy.recommend()
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
        **costs_of(strategy.constraint, recommended),
        "findings": strategy.findings(),
        "table": table_entry(space, recommended),
        "samples": sampled_entries(strategy),
    }


def _manifest(
    settings: SearchSettings,
    trainer: Trainer,
    images: SearchImages | SearchStream,
    processes: Processes,
    trace: Trace,
) -> dict[str, Any]:
    return {
        "benchkit": __version__,
        **described(settings, trainer.strategy.constraint),
        "data": dict(images.identity),
        "network": trainer.supernet.recipe.describe(),
        "training": trainer.recipe.describe(),
        "scoring": trainer.evaluator.describe(),
        "device": str(processes.device),
        "processes": processes.count,
        **environment("numpy", "safetensors", "torch"),
        "trace": trace.digest(),
    }


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
