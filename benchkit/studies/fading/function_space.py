"""Compares predictions, distances and ranks of inherited weights, for which no Gaussian is needed.

A supernet of K architectures is held against the same architectures trained alone; so is, as the level that
training itself leaves, a second stand-alone training (``floor``).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchkit.analysis.statistics.fading import prediction_divergence
from benchkit.analysis.statistics.fast_tau import PairedRanks
from benchkit.analysis.statistics.rank_correlation import measure_samples
from benchkit.analysis.statistics.resolution import POSITIVE, student_interval
from benchkit.base.parts import ArrayParts
from benchkit.spaces import get_space
from benchkit.studies.fading.posterior import group_labels
from benchkit.studies.fading.settings import FadingSettings
from benchkit.studies.fading.trainings import Alone, Laboratory, Shared

FEWEST = 8
"""Architectures that a rank correlation is given for, at least."""

MEASURES = ("kendall_tau", "pearson")


def function_frame(settings: FadingSettings, store: ArrayParts) -> pd.DataFrame:
    """Return a row for each supernet, start and architecture.

    Columns: models, draw, start, architecture, supernet_accuracy and standalone_accuracy (percent, on the
    validation images; the latter the mean over seeds), prediction_kl (nats, stand-alone to inherited).
    """
    space = get_space(settings.build.space)
    names = [space.format(row) for row in settings.rows]
    truth = {start: _accuracies(settings, store, start).mean(axis=0) for start in settings.starts}
    pieces = [
        pd.DataFrame(
            {
                **{"models": models, "draw": draw, "start": start},
                "architecture": [names[index] for index in chosen],
                "supernet_accuracy": part["accuracy"],
                "standalone_accuracy": truth[start][chosen],
                "prediction_kl": part[f"agreement/{start}"],
            }
        )
        for models, draw, chosen, part in _supernets(settings, store)
        for start in settings.starts
    ]
    return pd.concat(pieces, ignore_index=True)


def distance_frame(settings: FadingSettings, laboratory: Laboratory, store: ArrayParts) -> pd.DataFrame:
    """Return the mean relative distance of inherited from stand-alone parameters, by layer and operator.

    Columns: models, draw, start, layer, operator, containing (models that have them), value.
    """
    labels = group_labels(settings, laboratory.groups)
    rows = []
    for models, draw, _, part in _supernets(settings, store):
        for start in settings.starts:
            for label, values in zip(labels, part[f"distance/{start}"].T, strict=True):
                known = values[~np.isnan(values)]
                if len(known):
                    rows.append((models, draw, start, *label, len(known), float(known.mean())))
    return pd.DataFrame(rows, columns=["models", "draw", "start", "layer", "operator", "containing", "value"])


def correlation_frame(settings: FadingSettings, store: ArrayParts, functions: pd.DataFrame) -> pd.DataFrame:
    """Return tau-b and Pearson's r within every set of at least `FEWEST` architectures.

    Columns: models, draw, start, of (``supernet``: with the mean of the stand-alone trainings; ``ceiling``:
    one stand-alone training with another, the mean over pairs of seeds), measure, n, value (NaN: undefined).

    Parameters
    ----------
    functions : Frame that `function_frame` returns.
    """
    rows: list[tuple[Any, ...]] = []
    runs = {start: _accuracies(settings, store, start) for start in settings.starts}
    keys: Any
    for keys, group in functions.groupby(["models", "draw", "start"], sort=False):
        models, draw, start = int(keys[0]), int(keys[1]), str(keys[2])
        if len(group) < FEWEST:
            continue
        pairs = {"supernet": [(group["supernet_accuracy"], group["standalone_accuracy"])]}
        chosen = settings.draws[draw][:models]
        if draw == 0 or models < len(settings.rows):  # there is one set of all
            mine = runs[start][:, chosen]
            pairs["ceiling"] = [(mine[a], mine[b]) for a, b in combinations(range(settings.seeds), 2)]
        for of, columns in pairs.items():
            if columns:
                found = np.stack([_correlations(np.asarray(x), np.asarray(y)) for x, y in columns])
                values = found.mean(axis=0)
                rows += [
                    (models, draw, start, of, measure, len(group), value)
                    for measure, value in zip(MEASURES, values.tolist(), strict=True)
                ]
    return pd.DataFrame(rows, columns=["models", "draw", "start", "of", "measure", "n", "value"])


def floor_frame(settings: FadingSettings, laboratory: Laboratory, store: ArrayParts) -> pd.DataFrame:
    """Return how far two stand-alone trainings of one architecture lie apart: the first two seeds.

    Columns: start, measure (``prediction_kl`` or ``distance``), layer, operator, n, mean, low, high: the mean
    over architectures with its 95 % interval (`benchkit.analysis.statistics.resolution`). No rows with a
    single seed.
    """
    columns = ["start", "measure", "layer", "operator", "n", "mean", "low", "high"]
    if settings.seeds < 2:
        return pd.DataFrame(columns=columns)
    labels = group_labels(settings, laboratory.groups)
    rows = []
    for start in settings.starts:
        divergences, distances = [], []
        for index in range(len(settings.rows)):
            first, second = (store.get(Alone(index, seed, start).name) for seed in range(2))
            divergences.append(prediction_divergence(first["predictions"], second["predictions"]))
            ends = {key.removeprefix("end/"): value for key, value in second.items() if key[:4] == "end/"}
            distances.append(laboratory.distances(ends, first))
        rows.append((start, "prediction_kl", "", "", *_interval(np.array(divergences))))
        for label, values in zip(labels, np.stack(distances).T, strict=True):
            if not np.isnan(values).all():
                rows.append((start, "distance", *label, *_interval(values[~np.isnan(values)])))
    return pd.DataFrame(rows, columns=columns)


def _supernets(settings: FadingSettings, store: ArrayParts) -> Iterator[tuple[int, int, Any, Any]]:
    """Yield the number of models, the draw, the architectures and the part of every supernet."""
    for models in settings.models:
        for draw in range(settings.subspaces):
            yield models, draw, settings.draws[draw][:models], store.get(Shared(models, draw).name)


def _accuracies(settings: FadingSettings, store: ArrayParts, start: str) -> npt.NDArray[np.float64]:
    """Return float64[seeds, n]: what the stand-alone trainings reach on the validation images, in percent."""
    numbers = range(len(settings.rows))
    runs = [[Alone(number, seed, start).name for number in numbers] for seed in range(settings.seeds)]
    return np.array([[float(store.get(name)["accuracy"]) for name in run] for run in runs])


def _correlations(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    found = measure_samples(PairedRanks(x, y), x, y, np.ones((1, len(x))), MEASURES)
    return np.asarray(found[0], dtype=np.float64)


def _interval(values: npt.NDArray[np.float64]) -> tuple[int, float, float, float]:
    """Return n, mean and interval of divergences or distances, which are never negative."""
    return len(values), float(values.mean()), *student_interval(values, POSITIVE)
