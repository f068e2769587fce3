"""Runs the trainings of a study: every architecture alone, and supernets of random sets of them.

All are trained by one recipe in one loop (`benchkit.training.standalone.StandaloneTrainer.fit`): a supernet
of one model is that model trained alone, for as long as supernets are.

What a part holds
-----------------
alone      ``end/NAME`` parameters at the end, ``fisher/NAME`` (first seed only), ``predictions`` (log
           probabilities of the validation images), ``accuracy`` in percent
supernet   for its K models in the order of the draw: ``accuracy``, ``agreement/START`` (KL of the
           predictions, nats) and ``distance/START`` float64[K, groups] (NaN where a model has it not)
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import torch

from benchkit.analysis.statistics.fading import prediction_divergence, relative_distance
from benchkit.base.devices import explain_memory, intra_op_threads, parse_device
from benchkit.base.errors import InputError
from benchkit.base.parts import ArrayParts, Arrays
from benchkit.data.images.device_set import DeviceImages
from benchkit.spaces import get_space
from benchkit.spaces.engine import SHARED, build_network, build_supernet, inherit
from benchkit.studies.fading.networks import SubspacePaths, fisher_diagonal, log_predictions, owners
from benchkit.studies.fading.settings import FadingSettings
from benchkit.training.standalone import StandaloneTrainer, seeds_of


class Alone(NamedTuple):
    """A stand-alone training: the number of its architecture, which seed, and where it starts."""

    number: int
    seed: int
    start: str

    @property
    def name(self) -> str:
        return f"alone-{self.start}-{self.seed}-{self.number:04d}"


class Shared(NamedTuple):
    """A supernet: of how many models, and of which draw."""

    models: int
    draw: int

    @property
    def name(self) -> str:
        return f"supernet-{self.models:04d}-{self.draw:02d}"


Task = Alone | Shared


class Group(NamedTuple):
    """Parameters that stand or fall together.

    Attributes
    ----------
    layer : Position in a row; None for what all models have.
    operator : Operator at that position.
    names : Names of the parameters.
    """

    layer: int | None
    operator: int | None
    names: tuple[str, ...]


def tasks_of(settings: FadingSettings) -> tuple[list[Task], list[Task]]:
    """Return all stand-alone trainings, and the supernets, which look at them."""
    alone: list[Task] = [
        Alone(number, seed, start)
        for start in settings.starts
        for seed in range(settings.seeds)
        for number in range(len(settings.rows))
    ]
    shared: list[Task] = [
        Shared(models, draw) for models in settings.models for draw in range(settings.subspaces)
    ]
    return alone, shared


class Laboratory:
    """Images, trainer and first weights: what all trainings of a study have in common.

    Attributes
    ----------
    groups : Parameters by layer and operator.
    identity : Identity of the images.
    sha256 : Hash of the data set.
    """

    def __init__(self, settings: FadingSettings) -> None:
        build = settings.build
        whole, images, _ = build.images()
        self.settings, self.identity, self.sha256 = settings, dict(images.identity), whole.sha256
        self.space = get_space(build.space)
        self.size: dict[str, Any] = build.network()
        self.device = parse_device(build.device)
        self.trainer = StandaloneTrainer(self.space, images, build.recipe, size=self.size, device=self.device)
        self.train, self.valid = (
            DeviceImages(part, images.normalisation, self.device) for part in (images.train, images.valid)
        )
        self.shape = (images.classes, images.size[2])
        self.groups = groups_of(self.supernet())

    def supernet(self) -> Any:
        """Return the supernet with its first weights."""
        generator = self.settings.first_weights()
        network = build_supernet(self.space, *self.shape, generator=generator, **self.size)
        return network.to(self.device)

    def alone(self, task: Alone) -> Arrays:
        """Train one architecture alone."""
        row = self.settings.rows[task.number]
        weights, order = seeds_of(row, task.seed)
        if task.start == "shared":
            network = inherit(self.supernet(), row)
        else:
            network = build_network(
                self.space, row, *self.shape, generator=weights, policy=SHARED, **self.size
            ).to(self.device)
        self._fit(network, order, self.trainer.epochs, f"architecture {self.space.format(row)}")
        network.eval()
        arrays: Arrays = {
            f"end/{name}": value.detach().cpu().numpy() for name, value in network.named_parameters()
        }
        if task.seed == 0:
            fisher = fisher_diagonal(network, row, self.train)
            arrays |= {f"fisher/{name}": value for name, value in fisher.items()}
        arrays["predictions"] = log_predictions(network, self.valid)
        arrays["accuracy"] = np.array(self._accuracy(arrays["predictions"]))
        return arrays

    def shared(self, task: Shared, store: ArrayParts) -> Arrays:
        """Train one supernet, and hold its models against those that were trained alone."""
        settings = self.settings
        chosen = settings.draws[task.draw][: task.models]
        paths, order = settings.supernet_streams(task.models, task.draw)
        supernet = self.supernet()
        subspace = SubspacePaths(supernet, settings.rows[chosen], paths)
        self._fit(subspace, order, settings.epochs_of(task.models), f"a supernet of {task.models} models")
        supernet.eval()
        accuracy = np.empty(len(chosen))
        agreement = {start: np.empty(len(chosen)) for start in settings.starts}
        distance = {start: np.full((len(chosen), len(self.groups)), np.nan) for start in settings.starts}
        ends = {name: value.detach().cpu().numpy() for name, value in supernet.named_parameters()}
        for number, index in enumerate(chosen):
            row = settings.rows[index]
            predictions = log_predictions(partial(supernet.path, architecture=row), self.valid)
            accuracy[number] = self._accuracy(predictions)
            for start in settings.starts:
                alone = store.get(Alone(int(index), 0, start).name)
                agreement[start][number] = prediction_divergence(alone["predictions"], predictions)
                distance[start][number] = self.distances(ends, alone)
        return {
            "accuracy": accuracy,
            **{f"agreement/{start}": value for start, value in agreement.items()},
            **{f"distance/{start}": value for start, value in distance.items()},
        }

    def distances(self, ends: Arrays, alone: Arrays) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Return float64[groups]: the relative distance of each group; NaN where the model has it not.

        Parameters
        ----------
        ends : Parameters by name.
        alone : Part of a stand-alone training with its first seed.
        """
        return np.array(
            [
                relative_distance(
                    np.concatenate([np.ravel(ends[name]) for name in group.names]),
                    np.concatenate([np.ravel(alone[f"end/{name}"]) for name in group.names]),
                )
                if holds(alone, group)
                else np.nan
                for group in self.groups
            ]
        )

    def _fit(self, network: torch.nn.Module, order: torch.Generator, epochs: int, what: str) -> None:
        batches = self.trainer.batches(order)
        network.train()
        for number, (loss, _) in enumerate(self.trainer.fit(network, batches, epochs), start=1):
            if not np.isfinite(loss):
                rate = self.trainer.recipe.learning_rate
                raise InputError(
                    f"the loss of {what} became {loss} in epoch {number} of {epochs}: try a lower "
                    f"--learning-rate than {rate}"
                )

    def _accuracy(self, predictions: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> float:
        right = predictions.argmax(axis=1) == self.valid.y.cpu().numpy()
        return 100 * float(right.mean())


def groups_of(supernet: Any) -> list[Group]:
    """Return the parameters of a supernet by layer and operator; last, what all models have, one by one.

    Some models reach only the last of these: where no path leads on from the stem, it is never trained.
    """
    names: dict[tuple[int, int] | None, list[str]] = {}
    for name, owner in owners(supernet).items():
        names.setdefault(owner, []).append(name)
    searched = sorted(owner for owner in names if owner is not None)
    groups = [Group(layer, operator, tuple(names[layer, operator])) for layer, operator in searched]
    return [*groups, *(Group(None, None, (name,)) for name in names.get(None, []))]


def holds(alone: Arrays, group: Group) -> bool:
    """Return whether a model has a group: it is there, and some image moves it.

    An operator that leads nowhere, or to which nothing leads, is part of no function: its posterior is flat.
    """
    return all(f"end/{name}" in alone for name in group.names) and any(
        np.any(alone[f"fisher/{name}"]) for name in group.names
    )


@lru_cache(maxsize=1)
def opened(settings: FadingSettings) -> Laboratory:
    """Return the laboratory of a study: a process opens it once."""
    return Laboratory(settings)


def run_task(settings: FadingSettings, sha256: str, parts: ArrayParts, task: Task) -> Task:
    """Train what a task says, keep its part, and return the task.

    Raises
    ------
    InputError : the data set is not the one that the other trainings saw, or a loss is not finite.
    """
    with intra_op_threads(1), explain_memory(settings.build.recipe.batch_size):
        laboratory = opened(settings)
        if laboratory.sha256 != sha256:
            raise InputError(f"{settings.build.data} is another data set by now: start the study again")
        arrays = laboratory.alone(task) if isinstance(task, Alone) else laboratory.shared(task, parts)
        parts.keep(task.name, arrays)
    return task
