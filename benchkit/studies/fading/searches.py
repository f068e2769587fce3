"""Reads finished PC-NAS searches, with and without shrinking, for the interval study.

All that is known here of the strategy's findings stands in `_intervals`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchkit.base.errors import InputError, shown
from benchkit.base.shapes import COUNT, Number, check_shape
from benchkit.spaces import Space, get_space
from benchkit.spaces.base import Batch
from benchkit.training.kept_search import read_result, settings_of

_CHOICES = [Number(0, 127, whole=True)]
_INTERVAL = {"epoch": COUNT, "pool": [_CHOICES], "potentials": [float], "left": float}
_FINDINGS = {"intervals": [_INTERVAL], "order?": [Number(0, 10_000, whole=True)]}

PCNAS, ONE_SHOT = "pcnas", "one-shot"
"""The same search with and without shrinking the space that is trained."""


@dataclass(frozen=True)
class Interval:
    """Findings of a search when it looked at the weights after some epochs.

    Attributes
    ----------
    epoch : Number of epochs of training behind it.
    pool : Partial models that were kept, best first, each the choices made so far.
    potentials : Potentials of these, in percent.
    candidates : Partial models that they were chosen from.
    left : Number of architectures that complete some member of the pool.
    """

    epoch: int
    pool: tuple[tuple[int, ...], ...]
    potentials: tuple[float, ...]
    candidates: tuple[tuple[int, ...], ...]
    left: int


@dataclass(frozen=True)
class PCNASSearch:
    """One finished search.

    Attributes
    ----------
    path : Folder of the search.
    training : `PCNAS` where the space was shrunk in training, else `ONE_SHOT`.
    seed : Seed of the search.
    intervals : Intervals, one for each mixed operator.
    order : Positions of a row in the order in which they are decided.
    """

    path: Path
    training: str
    seed: int
    intervals: tuple[Interval, ...]
    order: tuple[int, ...]

    def final_candidates(self, space: Space) -> Batch:
        """Return int8[n, d]: the complete models that the last pool was chosen from (at most P x N)."""
        chosen = np.array(self.intervals[-1].candidates, dtype=np.int8).reshape(-1, len(self.order))
        rows = np.empty_like(chosen)
        rows[:, list(self.order)] = chosen
        return np.unique(space.validate(rows), axis=0)


def read_searches(folders: Sequence[Path]) -> list[PCNASSearch]:
    """Return the searches in these folders.

    Raises
    ------
    InputError : a folder without a finished PC-NAS search, two of one kind and seed, searches that looked
        after different epochs, or a search without shrinking whose seed no other has.
    """
    found = [_read(folder) for folder in dict.fromkeys(folders)]
    if not found:
        raise InputError("no search was given: name at least one folder")
    kinds: dict[tuple[str, int], Path] = {}
    for search in found:
        key = search.training, search.seed
        if key in kinds:
            raise InputError(
                f"{search.path} and {kinds[key]} are both {key[0]} searches with seed {key[1]}: give one"
            )
        kinds[key] = search.path
    for search in found:
        if (PCNAS, search.seed) not in kinds:
            raise InputError(
                f"{search.path} trained without shrinking, and no PC-NAS search with seed {search.seed} is "
                f"given: its final candidates are what both are compared on"
            )
        if _epochs(search) != _epochs(found[0]):
            raise InputError(
                f"{search.path} looked at its weights after {_epochs(search)} epochs, {found[0].path} after "
                f"{_epochs(found[0])}: they cannot be compared"
            )
    return sorted(found, key=lambda search: (search.seed, search.training != PCNAS))


def _epochs(search: PCNASSearch) -> list[int]:
    return [interval.epoch for interval in search.intervals]


def _read(folder: Path) -> PCNASSearch:
    settings = settings_of(folder)
    if settings.strategy != "pcnas":
        raise InputError(f"{folder} is a search by {settings.strategy}; the interval study is of pcnas")
    space = get_space(settings.space)
    findings = read_result(folder, "findings").get("findings") or {}
    try:
        check_shape(findings, _FINDINGS, f"result of {folder}")
        order = tuple(int(position) for position in findings.get("order", range(space.length)))
        intervals = _intervals(findings, space, order)
        last = np.array(intervals[-1].candidates)
    except (ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
        raise InputError(
            f"{folder} has no intervals that can be read in result.json: {shown(error)}"
        ) from error
    if last.shape[1:] != (space.length,):
        raise InputError(
            f"{folder} was stopped before its last interval: its candidates are not whole models"
        )
    shrunk = bool(settings.options.get("shrink", True))
    return PCNASSearch(folder, PCNAS if shrunk else ONE_SHOT, settings.seed, intervals, order)


def _intervals(findings: dict[str, Any], space: Space, order: tuple[int, ...]) -> tuple[Interval, ...]:
    """Return the intervals of a search's findings."""
    intervals = []
    before: tuple[tuple[int, ...], ...] = ((),)
    for number, about in enumerate(findings["intervals"]):
        pool = tuple(tuple(int(choice) for choice in model) for model in about["pool"])
        operators = range(space.arity[order[number]])
        candidates = tuple((*model, operator) for model in before for operator in operators)
        intervals.append(
            Interval(
                int(about["epoch"]),
                pool,
                tuple(map(float, about["potentials"])),
                candidates,
                int(about["left"]),
            )
        )
        before = pool
    return tuple(intervals)
