"""Measures an architecture of a finished search's supernet on test images, fine-tuned or not.

``recommended`` is what the search found, ``full`` the whole supernet where leaving nothing out is an
architecture of its space (the supernets of kernel slices), anything else is the space's own notation.
Fine-tuning goes on from the inherited weights with the search's own recipe, on its training images only.

Deviations and choices
----------------------
- Fine-tuning runs SGD as the search did, from a tenth of its learning rate by default, and with weight decay:
  no prior of the search is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchkit.base.devices import intra_op_threads
from benchkit.base.errors import InputError
from benchkit.base.limits import check_number
from benchkit.spaces import Space, get_space
from benchkit.spaces.base import Architecture
from benchkit.strategies.protocol import Ask
from benchkit.strategies.single_path import SinglePathStrategy
from benchkit.training import checkpoint as checkpoints
from benchkit.training.data import searched_images
from benchkit.training.distributed import joined
from benchkit.training.found import TrainedSearch
from benchkit.training.kept_search import read_result, settings_of
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.streams import Streams
from benchkit.training.trained import Saved, load_supernet
from benchkit.training.trainer import Trainer


class FixedPath(SinglePathStrategy):
    """Trains one architecture's weights inside the supernet."""

    name: ClassVar[str] = "fixed-path"
    citation: ClassVar[str] = "fine-tuning"

    def draw(self) -> Architecture:
        if self.path is None:
            raise InputError("no architecture was given to fine-tune")
        return self.path

    @property
    def default_queries(self) -> int:
        return 1

    def propose(self) -> Ask:
        return Ask(self.draw()[None])


def evaluate_search(
    folder: Path,
    architecture: str = "recommended",
    device: str = "auto",
    fine_tune: int = 0,
    learning_rate: float | None = None,
) -> dict[str, Any]:
    """Return what an architecture of a finished search is worth with its weights.

    Parameters
    ----------
    folder : Folder of a finished ``benchkit search``.
    architecture : ``recommended``, ``full``, or one in the space's notation.
    fine_tune : Epochs to train it further; 0 is none.
    learning_rate : Rate of the first step of fine-tuning.

    Returns
    -------
    JSON-ready: architecture, parameters, valid and test (accuracy in percent, and images), fine_tune.

    Raises
    ------
    InputError : There is no finished search, no such architecture in its space, or a number cannot be used.
    """
    settings = settings_of(folder)
    row = _row(get_space(settings.space), architecture, folder)
    recipe = settings.resolve().recipe
    check_number("fine_tune", fine_tune)
    rate = recipe.learning_rate / 10 if learning_rate is None else learning_rate
    tuning = replace(
        recipe,
        epochs=max(1, fine_tune),
        learning_rate=rate,
        last_learning_rate=min(rate, recipe.last_learning_rate),
    )
    with open_search(folder, device, tuning, row if fine_tune else None) as search:
        return {
            "search": str(folder),
            "strategy": settings.strategy,
            "architecture": search.space.format(row),
            "parameters": search.parameters(row),
            "fine_tune": fine_tune,
            "valid": search.valid(row),
            "test": search.test(row),
        }


@contextmanager
def open_search(
    folder: Path,
    device: str,
    recipe: TrainingRecipe | None = None,
    tuned: Architecture | None = None,
) -> Iterator[TrainedSearch]:
    """Open a finished search with the weights of its last checkpoint.

    Parameters
    ----------
    recipe : Recipe to train further by; None is the search's own.
    tuned : Architecture whose weights are trained further by it; None trains nothing.

    Raises
    ------
    InputError : There is no finished search, or its checkpoints are gone.
    """
    settings = settings_of(folder)
    plan = settings.resolve()
    recipe = recipe or plan.recipe
    last = checkpoints.latest(folder / "checkpoints")
    if last is None:
        raise InputError(f"{folder} has lost its checkpoints: there are no weights to evaluate")
    with joined(device) as processes, intra_op_threads(recipe.threads):
        images = searched_images(settings)
        streams = Streams.of(settings.seed)
        strategy = FixedPath(plan.space, streams.strategy)
        trainer = Trainer(
            strategy,
            load_supernet(Saved(0, last, ""), processes.device),
            images,
            recipe,
            processes.device,
            streams,
            scoring=plan.scoring(len(images.valid)) | {"images": len(images.valid)},
            processes=processes,
        )
        if tuned is not None:
            strategy.path = tuned
            trainer.fit()
        yield TrainedSearch(plan, trainer, images)


def _row(space: Space, architecture: str, folder: Path) -> Architecture:
    if architecture == "recommended":
        return np.asarray(space.validate(np.asarray(read_result(folder, "row")["row"], dtype=np.int8))[0])
    if architecture == "full":
        if set(space.arity) != {2}:
            raise InputError(f"no architecture of {space.name} holds the whole supernet; name one")
        return np.ones(space.length, dtype=np.int8)
    return space.parse(architecture)
