"""Runs a study of posterior fading: what sharing weights among more and more models does to each of them.

The folder of a study
---------------------
``fading.json``             what is studied and how; claims the folder
``parts/``                  finished trainings, while the study runs; kept only where asked for
``divergence.csv``          divergences of posteriors (`benchkit.studies.fading.posterior`)
``divergence-mean.csv``     the same over draws, with 95 % intervals, or the values of a few
``function_space.csv``      predictions and accuracies of inherited weights
``distance.csv``            distances of their parameters
``function_space-mean.csv`` predictions, accuracies and distances over draws
``correlation.csv``         tau-b and Pearson's r within each set
``correlation-mean.csv``    the same over draws
``floor.csv``               two stand-alone trainings of one architecture
``fading.pdf``, ``.png``    the figure, which `benchkit.reports` draws from the tables
``manifest.json``           what a reader needs to run it again
``result.json``             the main figures; written last

Deviations and choices
----------------------
- All stand-alone trainings start from the supernet's first weights. Trainings that start apart
  (``--control``) end in weights that have nothing to do with each other, whatever their posteriors.
- A random set of K models is the first K of a random order: the same sets serve posteriors and supernets.
- Every supernet gets the same number of updates, whatever K is, so a model of a larger set gets fewer; with
  ``--per-model`` it gets as many at every K, and a larger set costs more.
- Nothing here sees a test image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd

from benchkit.analysis.statistics.resolution import CORRELATION, PERCENT, POSITIVE, SHARE, UNBOUNDED, Bounds
from benchkit.analysis.statistics.training_mean import mean_over_trainings
from benchkit.base.environment import environment
from benchkit.base.frames import as_records
from benchkit.base.parts import ArrayParts
from benchkit.base.processes import in_processes
from benchkit.base.run_folder import RunFolder
from benchkit.base.version import __version__
from benchkit.studies.fading.function_space import (
    correlation_frame,
    distance_frame,
    floor_frame,
    function_frame,
)
from benchkit.studies.fading.kept import read_result
from benchkit.studies.fading.posterior import divergence_frame
from benchkit.studies.fading.settings import FadingSettings
from benchkit.studies.fading.trainings import Laboratory, opened, run_task, tasks_of
from benchkit.training.standalone import cpu_capability

_POSTERIOR = ("approximation", "start", "law", "measure", "layer", "operator", "models")
_BOUNDS: dict[str, Bounds] = {
    "paper": UNBOUNDED,
    **dict.fromkeys(("exact", "concentration", "displacement"), POSITIVE),
    **dict.fromkeys(("negative_terms", "negative_sums"), SHARE),
    **dict.fromkeys(("prediction_kl", "distance"), POSITIVE),
    **dict.fromkeys(("supernet_accuracy", "standalone_accuracy"), PERCENT),
    **dict.fromkeys(("kendall_tau", "pearson"), CORRELATION),
}
"""Measure -> between which values it lies."""


def run_fading(
    settings: FadingSettings,
    folder: Path,
    jobs: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
    keep_weights: bool = False,
) -> dict[str, Any]:
    """Run a study, or go on with it, and return its result.

    Parameters
    ----------
    folder : Folder of the study: new, empty, or of the same study.
    jobs : Number of processes; -1 for all cores. No figure depends on it.
    on_progress : Function that is told (done, total) after every training.
    keep_weights : Whether to leave ``parts/`` where it is.

    Returns
    -------
    The content of ``result.json``.

    Raises
    ------
    InputError : a space without one operation a layer, data or numbers that cannot be used, a loss that is
        not finite, or a folder of something else.
    KeyboardInterrupt : finished trainings are kept; the same call goes on from there.
    """
    laboratory = opened(settings)
    identity = _identity(settings, laboratory)
    run = RunFolder(folder, "fading")
    run.claim(identity)
    if run.finished:
        return read_result(folder)
    alone, shared = tasks_of(settings)
    done, total = 0, len(alone) + len(shared)
    for tasks in (alone, shared):  # a supernet is held against trainings that are finished
        waiting = [task for task in tasks if task.name not in run.parts]
        done += len(tasks) - len(waiting)
        if on_progress is not None:
            on_progress(done, total)
        calls = [(settings, laboratory.sha256, run.parts, task) for task in waiting]
        with closing(in_processes(run_task, calls, jobs, backend="loky", batch_size=1)) as results:
            for _ in results:
                done += 1
                if on_progress is not None:
                    on_progress(done, total)
    frames = _frames(settings, laboratory, run.parts)
    run.write_frames(frames)
    manifest = {
        "benchkit": __version__,
        "fading": identity,
        "device": str(laboratory.device),
        **environment("numpy", "pandas", "scipy", "torch", vectors=cpu_capability()),
    }
    result = _result(settings, frames)
    run.finish(manifest, result)
    if not keep_weights:
        run.parts.discard()
    return result


def _frames(settings: FadingSettings, laboratory: Laboratory, store: ArrayParts) -> dict[str, pd.DataFrame]:
    decay = laboratory.trainer.recipe.weight_decay
    divergence = divergence_frame(settings, laboratory.groups, store, len(laboratory.train), decay)
    functions = function_frame(settings, store)
    distance = distance_frame(settings, laboratory, store)
    correlation = correlation_frame(settings, store, functions)
    return {
        "divergence": divergence,
        "divergence-mean": _over_draws(divergence, _POSTERIOR, ("containing", "parameters")),
        "function_space": functions,
        "distance": distance,
        "function_space-mean": _function_means(functions, distance),
        "correlation": correlation,
        "correlation-mean": _over_draws(correlation, ("models", "start", "of", "measure"), ("n",)),
        "floor": floor_frame(settings, laboratory, store),
    }


def _function_means(functions: pd.DataFrame, distance: pd.DataFrame) -> pd.DataFrame:
    """Return predictions, accuracies and distances, each a mean over the models of a set, over draws."""
    keys = ["models", "draw", "start"]
    measures = ["prediction_kl", "supernet_accuracy", "standalone_accuracy"]
    sets = functions.groupby(keys, sort=False)[measures].mean().reset_index()
    long = sets.melt(keys, var_name="measure", value_name="value").assign(layer="", operator="")
    pieces = [long, distance.assign(measure="distance")]
    whole = pd.concat([piece[[*keys, "measure", "layer", "operator", "value"]] for piece in pieces])
    return _over_draws(whole, ("start", "measure", "layer", "operator", "models"), ())


def _over_draws(frame: pd.DataFrame, keys: Sequence[str], sizes: Sequence[str]) -> pd.DataFrame:
    """Return the mean over draws with its interval, and the mean of what says how much it is of."""
    means = mean_over_trainings(frame.rename(columns={"draw": "training"}), keys, bounds=_BOUNDS)
    means = means.rename(columns={"trainings": "draws"})
    if not sizes or not len(means):
        return means.reindex(columns=[*means.columns, *sizes])
    about = frame.groupby(list(keys), sort=False)[list(sizes)].mean().reset_index()
    return means.merge(about, on=list(keys), validate="one_to_one")


def _identity(settings: FadingSettings, laboratory: Laboratory) -> dict[str, Any]:
    return {
        "space": settings.build.space,
        "data": laboratory.identity,
        "images": {"train": len(laboratory.train), "valid": len(laboratory.valid)},
        "network": laboratory.size,
        "recipe": laboratory.trainer.recipe.describe_standalone(),
        "models": list(settings.models),
        "architectures": len(settings.rows),
        "subspaces": settings.subspaces,
        "seeds": list(range(settings.seeds)),
        "starts": list(settings.starts),
        "supernet_epochs": {str(models): settings.epochs_of(models) for models in settings.models},
        "seed": settings.seed,
    }


def _result(settings: FadingSettings, frames: dict[str, pd.DataFrame]) -> dict[str, Any]:
    divergence = frames["divergence-mean"]
    shown = divergence[divergence["operator"] == ""]
    return {
        "space": settings.build.space,
        "data": settings.build.data,
        "divergence": as_records(shown.drop(columns="operator")),
        "function_space": as_records(frames["function_space-mean"]),
        "correlation": as_records(frames["correlation-mean"]),
        "floor": as_records(frames["floor"]),
    }
