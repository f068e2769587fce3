"""Makes columns of the results of one architecture after another, as NATS-Bench and NAS-Bench-201 store them.

An entry maps a schedule (``12``, ``200``; ``less``, ``full``) to a dictionary of ``arch_index``, ``arch_str``
and ``all_results``, whose keys are (training set, seed) and whose values are trainings (`nats_training`).
Layout: D-X-Y/NATS-Bench, ``nats_bench/api_utils.py`` (ArchResults).

Deviations and choices
----------------------
- Seeds 777, 888, 999 are runs 0, 1, 2 and 111 is run 3, wherever they occur; any other follows.
- ``cifar10`` is what the field reports under this name: validation of networks trained on 25,000 images (the
  official ``cifar10-valid``), test of networks trained on all 50,000 (the official ``cifar10``). The test
  accuracy of the former is the variant ``trained-on-half``; accuracy and seconds of training are those of the
  half, and ``trained-on-all`` for the others. ``ori-test`` of CIFAR-100 and ImageNet16-120 has the
  validation images in it: variant ``both-halves``, never ``valid``, and no test accuracy by default.
- An accuracy that is known before its last epoch is a curve; its metrics name the whole schedule.
- Accuracies are rounded to five decimals: it undoes the official averaging in floating point, as a share of
  50,000 images is a multiple of 0.002 %. A mean is that of the runs as they are in the file, then rounded.
- Seconds are those of the whole schedule, the sum over its epochs (officially one estimate an epoch, the
  same for every seed). Seconds of evaluation, losses and top-5 accuracies are left out.
- Latency, parameters and FLOPs are those of the longest schedule. Where runs disagree on the parameters (a
  known defect of 204 topologies), the run whose count fits the cell's operations is believed, or else, as the
  official API does, seed 888.

Memory is that of the columns, once, as far as architectures have come: `finish` sorts them one at a time into
the table's own order, so that writing copies nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError, clipped, shown
from benchkit.data.tables.formats.nats_training import (
    CLASSES,
    TRAININGS,
    Points,
    Training,
    cell_parameters,
    figure_of,
    part,
    read_training,
)
from benchkit.data.tables.metric import SPLITS, Metric
from benchkit.data.tables.run_means import mean_of_runs
from benchkit.data.tables.write import Column
from benchkit.spaces import ProductSpace
from benchkit.spaces.base import Batch

SEEDS = (777, 888, 999, 111)
"""Official seeds of runs 0, 1, 2 and 3."""
LONGEST_NAME = 300
"""Largest number of characters of an architecture; officially 88."""

_MOST_TRAININGS = 100  # of an architecture; officially 25
_MOST_SEEDS = 16  # each of them is a run, with columns of its own; officially 4
_MOST_ARCHITECTURES = 2**31
_MEAN = "mean over the runs there are"


def cost_note(epochs: int, images: str) -> str:
    """Return what the seconds of a schedule are made of."""
    return f"seconds of all {epochs} training epochs on {images}, evaluation not included"


class _Accuracies:
    """A column in the making: the last epoch of each entry, until an entry has more; then a curve."""

    def __init__(self, size: int, note: str) -> None:
        self.note = note
        # rows take memory as they are written, which they are one after another
        self.values: npt.NDArray[np.float32] = np.empty(size, dtype=np.float32)
        self.seen = np.zeros(size, dtype=bool)

    def put(self, row: int, points: Points) -> None:
        if self.values.ndim == 1 and not np.isnan(points[:-1]).all():
            ends = self.values
            self.values = np.empty((len(ends), len(points)), dtype=np.float32)
            self.values[self.seen] = np.nan
            self.values[self.seen, -1] = ends[self.seen]
        self.values[row] = np.round(points if self.values.ndim == 2 else points[-1], 5)
        self.seen[row] = True

    def column(self, order: npt.NDArray[np.int64]) -> Column:
        """Return the column in this order of entries, and forget it."""
        filled = self.values[: len(order)]
        filled[~self.seen[: len(order)]] = np.nan
        values = filled[order]
        self.values = values[:0]
        return Column(values, self.note, tuple(range(1, values.shape[1] + 1)) if values.ndim > 1 else ())


class ResultColumns:
    """Collects the entries of architectures of a space, in any order; `finish` makes columns of them."""

    def __init__(self, space: ProductSpace) -> None:
        self.space = space
        self._came: dict[int, int] = {}  # index of an architecture in the space -> its official index
        self._runs = {seed: run for run, seed in enumerate(SEEDS)}
        self._accuracies: dict[Metric, _Accuracies] = {}
        self._numbers: dict[Metric, Column] = {}
        self._disagree: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._came)

    def add(self, entry: Any, index: int | None = None, name: str | None = None) -> None:
        """Take the results of one architecture; `index` and `name` as another part of the file gives them.

        Raises InputError where a part is missing or not what it should be, or the architecture came before.
        """
        try:
            self._add(entry, index, name)
        except InputError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # a part of another type than the layout's
            text = f"these are no results of the official layout ({clipped(str(error))})"
            raise InputError(text) from error

    def _add(self, entry: Any, index: int | None, name: str | None) -> None:
        if not isinstance(entry, dict) or not entry:
            raise InputError("there are no results")
        named = {_name(record) for record in entry.values()}
        own_index, own_name = named.pop()
        if named or index not in (None, own_index) or name not in (None, own_name):
            raise InputError(
                f"these are results of architecture {own_index} {shown(own_name)} (or of several)"
            )
        choices = self.space.parse(own_name)
        place, row = int(self.space.index(choices[None])[0]), len(self._came)
        if place in self._came:
            raise InputError(f"architecture {shown(own_name)} is there twice")
        self._came[place] = own_index
        for official, schedules in _trainings(entry).items():
            dataset, variant, images = TRAININGS[official]
            for epochs, runs in schedules.items():
                self._add_accuracies(row, official, epochs, runs)
                metric = Metric(dataset, None, epochs, None, "train_seconds", variant)
                seconds = {seed: run.seconds for seed, run in runs.items()}
                self._add_numbers(row, metric, seconds, cost_note(epochs, images))
            if official != "cifar10":  # its networks are those of cifar10-valid
                self._add_network(row, dataset, choices, schedules[max(schedules)])

    def _add_accuracies(self, row: int, official: str, epochs: int, runs: Mapping[int, Training]) -> None:
        for name in dict.fromkeys(name for run in runs.values() for name in run.accuracies):
            figure = figure_of(official, name)
            mean = Metric(figure.dataset, figure.split, epochs, variant=figure.variant)
            points = {seed: run.accuracies[name] for seed, run in runs.items() if name in run.accuracies}
            for seed, values in points.items():
                self._put_points(row, self._run(mean, seed), values, f"seed {seed}; {figure.note}")
            self._put_points(row, mean, mean_of_runs(list(points.values())), f"{_MEAN}; {figure.note}")

    def _run(self, mean: Metric, seed: int) -> Metric:
        run = self._runs.setdefault(seed, len(self._runs))
        if run >= _MOST_SEEDS:
            raise InputError(f"seed {seed} is one of more than {_MOST_SEEDS}")
        return replace(mean, run=run)

    def _put_points(self, row: int, metric: Metric, points: Points, note: str) -> None:
        if metric not in self._accuracies:
            self._accuracies[metric] = _Accuracies(self.space.size, note)
        self._accuracies[metric].put(row, points)

    def _add_numbers(self, row: int, mean: Metric, runs: Mapping[int, float | None], note: str) -> None:
        known = {seed: value for seed, value in runs.items() if value is not None}
        for seed, value in known.items():
            self._put_number(row, self._run(mean, seed), value, f"seed {seed}; {note}")
        if known:
            self._put_number(row, mean, math.fsum(known.values()) / len(known), f"{_MEAN}; {note}")

    def _put_number(self, row: int, metric: Metric, value: float, note: str) -> None:
        if metric not in self._numbers:
            self._numbers[metric] = Column(np.full(self.space.size, np.nan), note)
        self._numbers[metric].values[row] = value

    def _add_network(self, row: int, dataset: str, choices: Any, runs: Mapping[int, Training]) -> None:
        latency = Metric(dataset, None, None, None, "latency_seconds")
        latencies = {seed: run.latency for seed, run in runs.items()}
        self._add_numbers(row, latency, latencies, "seconds a batch of 256 as the benchmark recorded it")
        believed = min(runs)
        if len({run.parameters for run in runs.values()}) > 1:
            self._disagree[dataset] += 1
            fits = None
            if self.space.name == "nasbench201":
                fits = cell_parameters(choices[None], CLASSES[dataset])[0]
            right = [seed for seed, run in sorted(runs.items()) if run.parameters == fits]
            believed = right[0] if right else 888 if 888 in runs else believed
        for quantity in ("parameters", "flops"):
            metric = Metric(dataset, None, None, None, quantity)
            self._put_number(row, metric, getattr(runs[believed], quantity), "")

    def warnings(self) -> Iterator[str]:
        """Yield sentences that a user must know of the figures; called before `finish`."""
        n = len(self)
        if n < self.space.size:
            yield f"covers {n:,} of the {self.space.size:,} architectures"
        for metric in sorted(self._accuracies, key=_order):
            if metric.run is not None or metric.split != "valid":
                continue
            runs = [each for each in self._accuracies if replace(each, run=None) == metric and each != metric]
            counts = np.sum([self._accuracies[each].seen[:n] for each in runs], axis=0)
            fewer = int((counts < len(runs)).sum())
            if fewer:
                yield (
                    f"{metric.dataset}, {metric.epochs} epochs: {fewer:,} architectures lack at least one of "
                    f"the {len(runs)} runs; means are over the runs there are"
                )
            if self._accuracies[metric].values.ndim == 1 and metric.epochs != 1:
                yield (
                    f"{metric.dataset}: inside the {metric.epochs}-epoch schedule the benchmark has no "
                    f"validation accuracy, only at its end"
                )
        for dataset, count in self._disagree.items():
            yield (
                f"{dataset}: {count:,} architectures have runs with different parameter counts; the count "
                f"kept fits the operations where the space allows to tell, and is that of seed 888 otherwise"
            )

    def finish(self) -> tuple[Batch, dict[Metric, Column], dict[str, npt.NDArray[Any]]]:
        """Return architectures, columns and static columns in the order of the space; ends the collection."""
        places = np.fromiter(self._came, dtype=np.int64, count=len(self))
        order = np.argsort(places)
        columns: dict[Metric, Column] = {}
        for metric in sorted(self._accuracies, key=_order):
            columns[metric] = self._accuracies.pop(metric).column(order)
        for metric in sorted(self._numbers, key=_order):
            columns[metric] = replace(self._numbers[metric], values=self._numbers[metric].values[order])
        index = np.fromiter(self._came.values(), dtype=np.int32, count=len(self))
        return self.space.at(places[order]), columns, {"arch_index": index[order]}


def _name(record: Any) -> tuple[int, str]:
    """Return the official index and string of an architecture, each of its type."""
    index, name = part(record, "arch_index"), part(record, "arch_str")
    known = type(index) is int and type(name) is str and len(name) <= LONGEST_NAME
    if not known or not 0 <= index < _MOST_ARCHITECTURES:
        raise InputError(f"'arch_index' is {shown(index)} and 'arch_str' {shown(name)}")
    return index, name


def _order(metric: Metric) -> tuple[Any, ...]:
    """Return the key by which columns are sorted: the plain figures first, the longest schedule first."""
    split = SPLITS.index(metric.split) if metric.split else -1
    run = -1 if metric.run is None else metric.run
    dataset = list(CLASSES).index(metric.dataset)
    return dataset, metric.variant, metric.quantity, -(metric.epochs or 0), split, run


def _trainings(entry: Mapping[str, Any]) -> dict[str, dict[int, dict[int, Training]]]:
    """Return official training set -> epochs -> seed -> training."""
    found: dict[str, dict[int, dict[int, Training]]] = {}
    for record in entry.values():
        results = part(record, "all_results")
        if not isinstance(results, dict):
            raise InputError("'all_results' is no dictionary")
        for key, result in results.items():
            if type(key) is not tuple or len(key) != 2 or type(key[1]) is not int:
                raise InputError(f"'all_results' has the key {shown(key)}, not a training set with a seed")
            official, seed = key
            if official not in TRAININGS:
                raise InputError(f"unknown training set {shown(official)}; known are {', '.join(TRAININGS)}")
            try:
                training = read_training(result)
            except InputError as error:
                raise InputError(f"{official}, seed {seed}: {error}") from error
            found.setdefault(official, {}).setdefault(training.epochs, {})[seed] = training
    trained = [run for schedules in found.values() for runs in schedules.values() for run in runs]
    if not trained or len(trained) > _MOST_TRAININGS:
        raise InputError(f"there are {len(trained):,} trainings of one architecture")
    return found
