"""Runs a whole weight-sharing search: trains the supernet, searches it, reports what was found.

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
from benchkit.searching.constraints import describe_constraint, network_constraint
from benchkit.searching.loop import search
from benchkit.searching.trace import Trace
from benchkit.spaces import Space
from benchkit.spaces.base import Architecture
from benchkit.strategies.constraint import Constraint
from benchkit.strategies.rejection import draw_feasible, parts_of
from benchkit.strategies.weight_sharing import WeightSharingStrategy
from benchkit.training import checkpoint as checkpoints
from benchkit.training.data import searched_images
from benchkit.training.distributed import Processes, joined
from benchkit.training.found import TrainedSearch, save_found
from benchkit.training.history import write_history
from benchkit.training.kept_search import read_result
from benchkit.training.sampled_entries import sampled_entries
from benchkit.training.settings import ResolvedSearch, SearchSettings
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
    folder : Folder that is new, empty, or of the same search.
    device : ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    on_progress : Called now and then while the supernet trains.
    tensorboard : Whether scalars for TensorBoard are written, too.
    workers : Workers that read a streamed data set; they change nothing but the speed.

    Returns
    -------
    What ``result.json`` holds.

    Raises
    ------
    InputError : A name or number cannot be used, the folder is of something else, there is no such device or
        no memory left, the loss is not finite, or a checkpoint is damaged.
    """
    plan = settings.resolve()
    run = RunFolder(folder, "search")
    with ExitStack() as stack:
        processes = stack.enter_context(joined(device))
        scalars = stack.enter_context(Scalars(folder / "tensorboard")) if tensorboard else None
        stack.enter_context(intra_op_threads(plan.recipe.threads))
        trainer, images = _prepare(
            plan,
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
        result, trace = _search(plan, trainer)
        if processes.first:
            write_history(folder / "training.csv", trainer.history)
            _write_trace(folder / "trace.parquet", trace, trainer.strategy.space)
            manifest = _manifest(settings, trainer, images, processes, trace)
            recommended = trainer.strategy.recommend()
            save_found(folder, trainer.supernet, recommended)
            result["test"] = TrainedSearch(plan, trainer, images).test(recommended)
            run.finish(manifest, result)
        processes.wait()
        return result


def _prepare(
    plan: ResolvedSearch, folder: Path, processes: Processes, **hooks: Any
) -> tuple[Trainer, SearchImages | SearchStream]:
    """Return the trainer of a search, at its start, and the images that it sees."""
    from benchkit.spaces.engine import SHARED, build_supernet

    settings = plan.settings
    images = searched_images(settings)
    streams = Streams.of(settings.seed)
    strategy = plan.strategy(streams.strategy)
    if settings.weight_decay is not None and strategy.regularises_weights:
        raise InputError(f"{settings.strategy} has a prior of the weights itself: leave the weight decay out")
    supernet = build_supernet(
        plan.space,
        images.classes,
        images.size[2],
        generator=streams.network,
        policy=replace(SHARED, running=settings.recalibrate > 0),
        **plan.size,
    )
    constraint = _constraint(settings, supernet.recipe, images.size[0])
    if constraint is not None:
        strategy.constrain(constraint)
    trainer = Trainer(
        strategy,
        supernet,
        images,
        plan.recipe,
        processes.device,
        streams,
        folder=folder / "checkpoints",
        scoring=plan.scoring(len(images.valid)),
        processes=processes,
        **hooks,
    )
    return trainer, images


def _constraint(settings: SearchSettings, network: Any, image_size: int) -> Constraint | None:
    """Return the constraint of a search on a supernet's recipe; None without limits.

    Raises
    ------
    InputError : see `network_constraint`; or nothing that was drawn keeps the limits, before anything is
        trained.
    """
    constraint = network_constraint(
        network.space,
        settings.limits,
        settings.lookup(),
        classes=network.classes,
        image_size=image_size,
        image_channels=network.image_channels,
        size=network.size.options(),
    )
    if constraint is not None:
        draw_feasible(network.space, np.random.default_rng(0), 1, constraint)
    return constraint


def _search(plan: ResolvedSearch, trainer: Trainer) -> tuple[dict[str, Any], Trace]:
    """Search the trained supernet."""
    strategy = trainer.strategy
    budget = Budget(queries=plan.queries(strategy.default_queries))
    began = time.monotonic()
    with explain_memory(plan.scoring_batch, "--scoring-batch"):
        trace = search(strategy, trainer.evaluator, budget)
    result = _result(plan.settings, strategy, trace)
    result["seconds"] = {
        "training": round(sum(epoch["seconds"] for epoch in trainer.history), 3),
        "search": round(time.monotonic() - began, 3),
    }
    return result, trace


def _result(settings: SearchSettings, strategy: WeightSharingStrategy, trace: Trace) -> dict[str, Any]:
    space, recommended, limit = strategy.space, strategy.recommend(), strategy.constraint
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
        **({} if limit is None else {"costs": _costs(limit, recommended)}),
        "findings": strategy.findings(),
        "table": table_entry(space, recommended),
        "samples": sampled_entries(strategy),
    }


def _costs(constraint: Constraint, recommended: Architecture) -> dict[str, float]:
    """Return what the recommended architecture takes of everything that is limited."""
    return {part.cost: float(part.values(recommended[None])[0]) for part in parts_of(constraint)}


def _manifest(
    settings: SearchSettings,
    trainer: Trainer,
    images: SearchImages | SearchStream,
    processes: Processes,
    trace: Trace,
) -> dict[str, Any]:
    facts, lookup, constraint = settings.describe(), settings.lookup(), trainer.strategy.constraint
    if lookup is not None:
        facts["latency"] = lookup.identity()
    return {
        "benchkit": __version__,
        "search": facts,
        **({} if constraint is None else {"constraint": describe_constraint(constraint)}),
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
