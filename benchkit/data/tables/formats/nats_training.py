"""Reads one training of one network, as NATS-Bench and NAS-Bench-201 store it.

Its dictionary holds ``epochs``, ``train_acc1es`` {epoch: %}, ``eval_names``, ``eval_acc1es`` {set@epoch: %},
``train_times`` {epoch: seconds}, ``latency`` [seconds], and ``params`` and ``flop`` in millions; epochs count
from 0. Layout: D-X-Y/NATS-Bench, ``nats_bench/api_utils.py`` (ResultsCount); NAS-Bench-201's is the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError, shown
from benchkit.spaces.base import Batch
from benchkit.spaces.nasbench201.encoding import OPERATIONS

_MOST_EPOCHS = 1000
_LARGEST_NUMBER = 1e15
_LONGEST_NAME = 100
_NUMBERS = {int, float, np.float64, np.float32}
_TRAIN = "train"

CLASSES = {"cifar10": 10, "cifar100": 100, "imagenet16-120": 120}
"""Data set -> number of its classes."""

TRAININGS = {
    "cifar10-valid": ("cifar10", "", "25,000 training images"),
    "cifar10": ("cifar10", "trained-on-all", "all 50,000 training images"),
    "cifar100": ("cifar100", "", "the 50,000 training images"),
    "ImageNet16-120": ("imagenet16-120", "", "the 151,700 training images"),
}
"""Official training set -> data set, variant of what was measured in training, images trained on."""

_EVALUATIONS = {
    ("cifar10-valid", "x-valid"): ("valid", "", "the other 25,000 training images"),
    ("cifar10-valid", "ori-test"): ("test", "trained-on-half", "the 10,000 test images"),
    ("cifar10", "ori-test"): ("test", "", "the 10,000 test images"),
}
for _name in ("cifar100", "ImageNet16-120"):
    _EVALUATIONS |= {
        (_name, "x-valid"): ("valid", "", "official test images, one half of them"),
        (_name, "x-test"): ("test", "", "official test images, the half that is not validation"),
        (_name, "ori-test"): (
            "test",
            "both-halves",
            "all official test images, those of validation included",
        ),
    }
"""(official training set, official evaluation set) -> split, variant, what it was measured on."""

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figure:
    """An official pair of training and evaluation sets, as it stands in a table."""

    dataset: str
    split: str
    variant: str
    note: str


@dataclass(frozen=True, slots=True)
class Training:
    """One training, checked.

    Attributes
    ----------
    epochs : Length of the training.
    accuracies : Evaluation set (``train`` among them) -> float64[epochs], percent; NaN where not evaluated.
    seconds : Seconds of all its epochs, without evaluation; None where not recorded.
    latency : Seconds a batch of 256; None where not recorded.
    parameters, flops : Counts.
    """

    epochs: int
    accuracies: Mapping[str, Points]
    seconds: float | None
    latency: float | None
    parameters: float
    flops: float


@lru_cache(maxsize=64)
def figure_of(training_set: str, evaluation_set: str) -> Figure:
    """Return what the accuracy of networks trained on one official set and evaluated on another is.

    Raises InputError for a training or evaluation set that the benchmark does not have.
    """
    dataset, variant, images = TRAININGS[training_set]
    if evaluation_set == _TRAIN:
        return Figure(dataset, "train", variant, f"on {images} while training on them")
    if (training_set, evaluation_set) not in _EVALUATIONS:
        raise InputError(f"unknown evaluation set {shown(evaluation_set)} of {training_set}")
    split, variant, evaluated = _EVALUATIONS[training_set, evaluation_set]
    return Figure(dataset, split, variant, f"on {evaluated}; trained on {images}")


def cell_parameters(batch: Batch, classes: int) -> npt.NDArray[np.int64]:
    """Return int64[n]: the parameters of NAS-Bench-201 networks with these cells, int8[n, 6].

    Three stages of five cells with 16, 32 and 64 channels: with its normalisation, a 3x3 convolution of the
    cell adds 5 (9 s + 2 t) = 243,040 parameters and a 1x1 adds 5 (s + 2 t) = 28,000, where s is the sum of
    the squared channels and t their sum; the rest of the network has 72,656, and 65 for each class (Dong
    and Yang 2020, section 2.1).
    """
    ones = (batch == OPERATIONS.index("nor_conv_1x1")).sum(axis=1)
    threes = (batch == OPERATIONS.index("nor_conv_3x3")).sum(axis=1)
    counts: npt.NDArray[np.int64] = 72_656 + 65 * classes + 28_000 * ones + 243_040 * threes
    return counts


def part(record: Any, key: str) -> Any:
    """Return a part of a record; raise InputError where it has no such part."""
    if not isinstance(record, dict) or key not in record:
        raise InputError(f"there is no {key!r}")
    return record[key]


def is_number(value: Any) -> bool:
    """Return whether a value of a pickle is a finite number, or NaN, of a size that a float has."""
    if type(value) is int:
        return abs(value) < _LARGEST_NUMBER
    return isinstance(value, float | np.floating | np.integer) and not abs(float(value)) >= _LARGEST_NUMBER


def _mapping(given: Any, name: str) -> dict[Any, Any]:
    if not isinstance(given, dict):
        raise InputError(f"{name!r} is no dictionary")
    return given


def _number(result: Any, key: str, scale: float = 1) -> float:
    value = part(result, key)
    if not is_number(value) or not scale * value >= 0:
        raise InputError(f"{key!r} is {shown(value)}, which is no figure")
    return float(scale * value)


def read_training(result: Any) -> Training:
    """Return the training of an official dictionary; raise InputError where a part is missing or wrong."""
    epochs = part(result, "epochs")
    if type(epochs) is not int or not 0 < epochs <= _MOST_EPOCHS:
        raise InputError(f"'epochs' is {shown(epochs)}")
    evaluated = _mapping(part(result, "eval_acc1es"), "eval_acc1es")
    accuracies = {_TRAIN: _points(part(result, "train_acc1es"), range(epochs), _TRAIN)}
    known = 0  # accuracies that belong to a set and an epoch
    names = part(result, "eval_names")
    if not isinstance(names, list | tuple) or not all(type(name) is str for name in names):
        raise InputError("'eval_names' is no list of names")
    for name in names:
        if len(name) > _LONGEST_NAME:
            raise InputError(f"'eval_names' has {shown(name)}")
        accuracies[name] = _points(evaluated, _keys(name, epochs), name)
        known += epochs - int(np.isnan(accuracies[name]).sum())
    if known != len(evaluated):
        raise InputError("'eval_acc1es' has accuracies of sets or epochs that there should not be")
    times = _mapping(result.get("train_times") or {}, "train_times")
    if times and len(times) != epochs:
        raise InputError(f"'train_times' has {len(times)} epochs, not {epochs}")
    recorded = result.get("latency") or ()
    seconds = list(times.values())
    if not isinstance(recorded, list | tuple) or not all(map(is_number, [*recorded, *seconds])):
        raise InputError("'train_times' or 'latency' has values that are no seconds")
    latencies = [value for value in recorded if value > 0]  # -1 is "not measured"
    return Training(
        epochs=epochs,
        accuracies=accuracies,
        seconds=math.fsum(seconds) if seconds else None,
        latency=math.fsum(latencies) / len(latencies) if latencies else None,
        parameters=float(round(_number(result, "params", 1e6))),
        flops=float(round(_number(result, "flop", 1e6))),
    )


@lru_cache(maxsize=64)
def _keys(name: str, epochs: int) -> tuple[str, ...]:
    return tuple(f"{name}@{epoch}" for epoch in range(epochs))


def _points(values: Any, keys: Iterable[Any], name: str) -> Points:
    """Return float64[epochs], percent; every set is evaluated at the last epoch at least."""
    known = _mapping(values, name)
    found = [known.get(key, np.nan) for key in keys]
    if not set(map(type, found)) <= _NUMBERS:
        raise InputError(f"{name!r} has values that are no numbers")
    points = np.array(found, dtype=np.float64)
    if np.isnan(points[-1]):
        raise InputError(f"the accuracy {name!r} of the last epoch is missing")
    if np.nanmin(points) < 0 or np.nanmax(points) > 100.0001:
        raise InputError(f"{name!r} has values that are no percentages")
    return points
