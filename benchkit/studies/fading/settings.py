"""Settings of a study of posterior fading: all that decides its result, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from benchkit.base.errors import InputError
from benchkit.base.limits import check_fields, check_number
from benchkit.spaces import get_space
from benchkit.spaces.base import Batch
from benchkit.studies.building.table_build import BuildSettings, chosen_rows
from benchkit.training.streams import torch_generator

STARTS = ("shared", "independent")
"""Where stand-alone trainings start: from the supernet's first weights, or (the control) each by itself."""


@dataclass(frozen=True)
class FadingSettings:
    """Settings of a study.

    Attributes
    ----------
    build : Space, data, recipe of the stand-alone trainings, and size of the networks.
    models : Numbers K of models that share weights, ascending. The largest is how many architectures
        are trained alone: all of the space where it has no more, else a draw.
    subspaces : Number of random sets of each K, at least 2; a smaller set is part of its draw's larger one.
    seeds : Number of stand-alone trainings of each architecture, at least 1.
    supernet_epochs : Number of epochs of every supernet; None is five times a stand-alone training's.
    per_model : Whether a supernet gets K times as many epochs, so that updates a model are equal.
    seed : Seed of the first weights, the sets and the supernets.
    control : Whether to repeat with independent first weights.

    Raises
    ------
    InputError : a number out of its range, or more models than the space has.
    """

    build: BuildSettings
    models: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 125)
    subspaces: int = 10
    seeds: int = 3
    supernet_epochs: int | None = None
    per_model: bool = False
    seed: int = 0
    control: bool = False

    def __post_init__(self) -> None:
        for number in self.models:
            check_number("models", number, "--models")
        size = get_space(self.build.space).size
        if not self.models or list(self.models) != sorted(set(self.models)) or self.models[0] < 1:
            raise InputError(f"--models takes ascending numbers of at least 1; got {list(self.models)}")
        if self.models[-1] > size:
            raise InputError(f"--models {self.models[-1]}: {self.build.space} has {size:,} architectures")
        check_fields(self, but=("models",))

    @property
    def starts(self) -> tuple[str, ...]:
        """Where the stand-alone trainings of this study start."""
        return STARTS if self.control else STARTS[:1]

    @cached_property
    def rows(self) -> Batch:
        """The architectures that are trained alone, int8[n, d]."""
        return chosen_rows(get_space(self.build.space), self.models[-1])

    @cached_property
    def _seeds(self) -> list[np.random.SeedSequence]:
        return np.random.SeedSequence(self.seed).spawn(2)

    def first_weights(self) -> torch.Generator:
        """Return the generator of the weights from which all start."""
        return torch_generator(self._seeds[0])

    @cached_property
    def draws(self) -> list[Any]:
        """Every draw: a permutation of the architectures, whose first K are its set of K."""
        rng = np.random.default_rng(self._seeds[1])
        return [rng.permutation(len(self.rows)) for _ in range(self.subspaces)]

    def supernet_streams(self, models: int, draw: int) -> tuple[np.random.Generator, torch.Generator]:
        """Return the generators of the paths and of the batches of one supernet."""
        paths, batches = np.random.SeedSequence(self.seed, spawn_key=(models, draw, 0)).spawn(2)
        return np.random.default_rng(paths), torch_generator(batches)

    def epochs_of(self, models: int) -> int:
        """Return the epochs of a supernet of so many models."""
        own = self.build.recipe.epochs * 5 if self.supernet_epochs is None else self.supernet_epochs
        return own * models if self.per_model else own
