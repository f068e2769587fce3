"""Holds the ranges of the numbers that a user can give: one name, one range, in options, files and settings.

An upper limit is far above what anybody has needed, and below what a machine cannot do: a number that was
mistyped ends with one line that names the limit, and not after a night or in the kernel's hands.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any

from benchkit.base.errors import InputError, shown

MOST_SEEDS = 1_000_000
"""Largest number of seeds: the standard error of a mean is then a thousandth of the spread."""

MOST_TRIALS = 1_000_000
"""Largest number of trials of a study: its manifest names them all, in some 100 MB."""

MOST_SEARCHES = 100_000
"""Largest number of supernets that one study trains."""

MOST_QUERIES = 1_000_000
"""Largest budget in queries: more than twice the entries of the largest table, NAS-Bench-101."""

MOST_EVALUATIONS = 3_000_000
"""Largest number of evaluations of one trial, where many at a low fidelity make one query."""

MOST_JOBS = 1_024
"""Largest number of processes or threads that is asked for."""

LONGEST_NAME = 500
"""Largest number of characters of a name or label."""

_MOST = 1_000_000_000  # images, steps and other things that are only counted
_LARGEST_SEED = 2**63 - 1  # files keep seeds in 64 bits


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers that one option or key takes.

    Attributes
    ----------
    least, most : Smallest and largest number.
    whole : Whether it is a whole number.
    above : Whether `least` itself is left out.
    below : Whether `most` itself is left out.
    other : Number outside of the range that is taken as well; None for none.
    """

    least: float
    most: float
    whole: bool = True
    above: bool = False
    below: bool = False
    other: int | None = None

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, Integral if self.whole else Real):
            return False
        number: Any = value
        if self.other is not None and number == self.other:
            return True
        low = number > self.least if self.above else number >= self.least
        return bool(low and (number < self.most if self.below else number <= self.most))

    def __str__(self) -> str:
        text = "a whole number" if self.whole else "a number"
        if self.above or self.below:
            text += f" {'above' if self.above else 'of at least'} {_plain(self.least)}"
            text += f" and {'below' if self.below else 'at most'} {_plain(self.most)}"
        else:
            text += f" from {_plain(self.least)} to {_plain(self.most)}"
        return text if self.other is None else f"{self.other}, or {text}"


def _plain(number: float) -> str:
    if number == _LARGEST_SEED:
        return "2^63 - 1"
    return f"{int(number):,}" if number == int(number) else f"{number:g}"


_MILLION = 1_000_000
_NOT_NEGATIVE = Range(0.0, 1e6, whole=False)
_POSITIVE = Range(0.0, 1e12, whole=False, above=True)
_SHARE = Range(0.0, 1.0, whole=False, below=True)


def _ranges() -> dict[str, Range]:
    """Return the ranges; names that share one stand in one line."""
    shared = {
        # studies
        "seed": Range(0, _LARGEST_SEED),
        "seeds": Range(1, MOST_SEEDS),
        "queries": Range(0.0, float(MOST_QUERIES), whole=False, above=True),
        "simulated_seconds budgets max": _POSITIVE,
        "score run": Range(0, _MILLION),
        "jobs": Range(1, MOST_JOBS, other=-1),
        "threads": Range(1, MOST_JOBS),
        "workers": Range(0, MOST_JOBS),
        "sample k": Range(1, _MOST),
        # statistics
        "n first models": Range(1, 10_000_000),
        "resamples": Range(1, 100_000),
        "fraction": Range(0.0, 1.0, whole=False, above=True),
        "rope": Range(0.0, 1e12, whole=False),
        "target": Range(-1e12, 1e12, whole=False),
        "subspaces": Range(2, 10_000),
        # trainings
        "epochs supernet_epochs every": Range(1, _MILLION),
        "fine_tune warmup_epochs recalibrate": Range(0, _MILLION),
        "batch_size valid_batch_size scoring_batch accumulate": Range(1, _MILLION),
        "learning_rate": Range(0.0, 1e30, whole=False, above=True),  # it diverges, and says so
        "last_learning_rate weight_decay mixup auxiliary": _NOT_NEGATIVE,
        "momentum label_smoothing drop_path dropout": _SHARE,
        "clip": _POSITIVE,
        # images and networks
        "images final_images limit": Range(1, _MOST),
        "image_size": Range(1, 4_096),
        "image_channels": Range(1, 64),
        "cutout padding": Range(0, 4_096),
        "channels": Range(1, 16_384),
        "cells": Range(1, 1_000),
        "stacks": Range(1, 10),
        "classes features": Range(1, _MILLION),
        # latencies
        "batch repeats": Range(1, _MILLION),
        "warmup": Range(0, _MILLION),
        "check": Range(0, 100_000),
    }
    return {name: found for names, found in shared.items() for name in names.split()}


RANGES: Mapping[str, Range] = MappingProxyType(_ranges())
"""The range of every number, by the name of its option, key or field."""


def check_number(name: str, value: object, said: str = "") -> None:
    """Raise an InputError that says the range `name` of `RANGES`, where a value is no number of it.

    `said` is the name that the user knows it by, such as ``"--seeds"``; `name` where it is empty.
    """
    if value not in RANGES[name]:
        raise InputError(f"{said or name} must be {RANGES[name]}; got {shown(value)}")


def check_fields(settings: Any, where: str = "", but: Collection[str] = ()) -> None:
    """Check every field of a dataclass that has a range; None is what nobody gave. Raises as `check_number`.

    `where` names the thing that has these fields in errors, such as ``"training"``; fields in `but` bear the
    name of a range, and are something else.
    """
    for each in fields(settings):
        value = getattr(settings, each.name)
        if each.name in RANGES and each.name not in but and value is not None:
            check_number(each.name, value, f"{where} {each.name}".strip())
