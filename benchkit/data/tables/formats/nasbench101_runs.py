"""Gathers, record by record, the measurements of the repeats of one length of training, and makes columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.data.tables.arrow_file import to_percent
from benchkit.data.tables.formats.nasbench101_record import MEASURED
from benchkit.data.tables.metric import Metric
from benchkit.data.tables.run_means import mean_of_runs
from benchkit.data.tables.write import Column

REPEATS = 3
"""Trainings of each cell at each length."""

_DATASET = "cifar10"
_SPLITS = ("train", "valid", "test")
_HALFWAY, _END = 0, 1  # positions in the arrays of `Runs`
_FAILED, _TRAINED = 15.0, 50.0  # % validation accuracy of a failed repeat, and of one that trained
_MEAN = "mean over the repeats there are"
_RUN = "repeat {} in the order of the file, which gives no seeds"

Percent = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]


class OnDemand(Mapping[Metric, Column]):
    """Columns that are made when they are asked for: at no time do all the means take memory."""

    def __init__(self, makers: Mapping[Metric, Callable[[], Column]]) -> None:
        self._makers = makers

    def __getitem__(self, metric: Metric) -> Column:
        return self._makers[metric]()

    def __iter__(self) -> Iterator[Metric]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


class Runs:
    """All that was measured in trainings of one length.

    Attributes
    ----------
    epochs : Length of the trainings.
    percent : float32[capacity, run, halfway or end, split], rounded to five decimals.
    seconds : float64[capacity, run, halfway or end].
    repeats : Number of runs of each cell so far.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.percent: Percent = np.empty((0, REPEATS, 2, len(_SPLITS)), dtype=np.float32)
        self.seconds: Values = np.empty((0, REPEATS, 2))
        self.repeats = bytearray()
        self._filled = 0
        self._places: list[int] = []  # where the records since the last `flush` belong
        self._numbers: list[int] = []
        self._figures: list[float] = []

    def add(self, cell: int, number: int, figures: list[float]) -> None:
        """Take the figures of a record (`Record.figures`); `flush` puts them in place.

        Raises InputError where the cell has all its repeats already.
        """
        if cell >= len(self.repeats):
            self.repeats.extend(bytes(cell + 1 - len(self.repeats)))
        run = self.repeats[cell]
        if run == REPEATS:
            raise InputError(
                f"it is repeat {run + 1} of its cell at {self.epochs} epochs; official files have {REPEATS}: "
                f"were two files joined?"
            )
        self.repeats[cell] = run + 1
        self._places.append(cell * REPEATS + run)
        self._numbers.append(number)
        self._figures.extend(figures)

    def flush(self, entries: int) -> None:
        """Put the pending figures in place, in arrays with room for so many entries.

        Raises InputError for an accuracy that is no fraction, or a time that is none.
        """
        self.repeats.extend(bytes(entries - len(self.repeats)))
        if entries > len(self.seconds):
            capacity = max(entries, 2 * len(self.seconds))
            self.percent = _grown(self.percent, capacity, self._filled)
            self.seconds = _grown(self.seconds, capacity, self._filled)
        self.percent[self._filled : entries] = np.nan
        self.seconds[self._filled : entries] = np.nan
        self._filled = entries
        figures = np.array(self._figures).reshape(-1, 2, len(MEASURED))
        usable = np.isfinite(figures) & (figures >= 0)
        usable[:, :, 1:] &= figures[:, :, 1:] <= 1
        if not usable.all():
            record, point, which = np.argwhere(~usable)[0]
            raise InputError(
                f"record {self._numbers[record]}: {MEASURED[which]} is {figures[record, point, which]:g}, "
                f"not {'a fraction in 0..1' if which else 'a time in seconds'}"
            )
        places = np.array(self._places, dtype=np.int64)
        self.percent.reshape(-1, 2, len(_SPLITS))[places] = np.round(100 * figures[:, :, 1:], 5)
        self.seconds.reshape(-1, 2)[places] = figures[:, :, 0]
        self._places, self._numbers, self._figures = [], [], []

    def columns(self) -> Iterator[tuple[Metric, Callable[[], Column]]]:
        """Yield each column's metric and what makes it: at the end of training, then halfway."""
        present = max(self.repeats)
        for point, at in ((_END, self.epochs), (_HALFWAY, self.epochs // 2)):
            for split in (*_SPLITS, None):
                quantity = "accuracy" if split else "train_seconds"
                for run in range(present):
                    metric = Metric(_DATASET, split, at, run, quantity, schedule=self.epochs)
                    yield metric, partial(self._run, run, point, split)
                mean = Metric(_DATASET, split, at, None, quantity, schedule=self.epochs)
                yield mean, partial(self._mean, present, point, split)

    def _run(self, run: int, point: int, split: str | None) -> Column:
        note = _RUN.format(run + 1)
        if split is None:
            return Column(self.seconds[: self._filled, run, point], note)
        return Column(self.percent[: self._filled, run, point, _SPLITS.index(split)], note)

    def _mean(self, present: int, point: int, split: str | None) -> Column:
        """Return the mean, in float64, of the runs as the table gives them."""
        runs = [to_percent(self._run(run, point, split).values) for run in range(present)]
        return Column(mean_of_runs(runs), _MEAN)

    def warnings(self) -> Iterator[str]:
        """Yield sentences that a user must know of these figures."""
        n, at = self._filled, f"{self.epochs} epochs:"
        repeats = np.frombuffer(self.repeats, dtype=np.uint8)
        fewer, none = int((repeats < REPEATS).sum()), int((repeats == 0).sum())
        if fewer:
            yield (
                f"{at} {fewer:,} cells have fewer than {REPEATS} repeats ({none:,} of them none); means are "
                f"over those there are"
            )
        valid = self.percent[:n, :, _END, _SPLITS.index("valid")]
        failed = int(((valid < _FAILED) & (valid > _TRAINED).any(axis=1, keepdims=True)).sum())
        if failed:
            yield (
                f"{at} {failed:,} failed repeats (validation accuracy below {_FAILED:g} % where another "
                f"repeat of the cell is above {_TRAINED:g} %) are kept, in the means too"
            )
        twins = sum(self._twins(i, j) for i in range(REPEATS) for j in range(i))
        if twins:
            yield f"{at} {twins:,} pairs of repeats of one cell are equal to the last digit: copies?"
        early = int((self.seconds[:n, :, _HALFWAY] > self.seconds[:n, :, _END]).sum())
        if early:
            yield f"{at} {early:,} trainings took longer to halfway than to the end"

    def _twins(self, i: int, j: int) -> int:
        """Return how many cells have runs i and j that agree in every figure."""
        percent, seconds = self.percent[: self._filled], self.seconds[: self._filled]
        same = (percent[:, i] == percent[:, j]).all(axis=(1, 2))
        return int((same & (seconds[:, i] == seconds[:, j]).all(axis=1)).sum())


def _grown(values: npt.NDArray[Any], capacity: int, filled: int) -> npt.NDArray[Any]:
    """Return the first `filled` entries in an array with more room; untouched room takes no memory."""
    grown = np.empty((capacity, *values.shape[1:]), dtype=values.dtype)
    grown[:filled] = values[:filled]
    return grown
