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
from benchkit.data.images.splits import SearchImages
from benchkit.data.images.streamed import SearchStream
from benchkit.spaces import Space, get_space
from benchkit.spaces.base import Architecture
from benchkit.spaces.counts import count_parameters
from benchkit.strategies.protocol import Ask
from benchkit.strategies.single_path import SinglePathStrategy
from benchkit.training import checkpoint as checkpoints
from benchkit.training.data import searched_images
from benchkit.training.distributed import joined
from benchkit.training.found import Reporter
from benchkit.training.kept_search import read_result, read_settings
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.settings import ResolvedSearch, SearchSettings
from benchkit.training.streams import Streams
from benchkit.training.trained import Saved, load_supernet
from benchkit.training.trainer import Trainer

__all__ = ["OpenSearch", "evaluate_search", "open_search", "settings_of"]


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
    InputError : no finished search there, an architecture that the space has not, or an unusable number.
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
    with open_search(folder, device, tuning) as search:
        if fine_tune:
            search.train(row)
        return {
            "search": str(folder),
            "strategy": settings.strategy,
            "architecture": search.space.format(row),
            "parameters": search.parameters(row),
            "fine_tune": fine_tune,
            "valid": search.valid(row),
            "test": search.test(row),
        }


class OpenSearch:
    """The supernet of a finished search with its images; `open_search` makes it.

    Attributes
    ----------
    space : Space whose architectures the methods take, int8[d].
    """

    def __init__(self, plan: ResolvedSearch, trainer: Trainer, images: SearchImages | SearchStream) -> None:
        self.space = trainer.strategy.space
        self._trainer = trainer
        self._reporter = Reporter(plan, trainer, images)

    def train(self, architecture: Architecture) -> None:
        """Train the weights of one architecture further, by the recipe that the search was opened with."""
        strategy = self._trainer.strategy
        if isinstance(strategy, FixedPath):
            strategy.path = architecture
        self._trainer.fit()

    def parameters(self, architecture: Architecture) -> int:
        """Return the parameters of the architecture alone."""
        network = self._trainer.supernet.recipe
        size = network.size.options()
        counted = count_parameters(self.space, architecture, network.classes, network.image_channels, **size)
        return int(counted[0])

    def valid(self, architecture: Architecture) -> dict[str, Any]:
        """Return the accuracy in percent on all validation images, and their number."""
        evaluator = self._trainer.evaluator
        scores = evaluator.evaluate(architecture[None]).scores
        return {"accuracy": float(scores[0]), "images": evaluator.full_fidelity}

    def test(self, architecture: Architecture) -> dict[str, Any] | None:
        """Return the same for the test images; None without any."""
        return self._reporter.test(architecture)


@contextmanager
def open_search(folder: Path, device: str, recipe: TrainingRecipe | None = None) -> Iterator[OpenSearch]:
    """Open a finished search with the weights of its last checkpoint.

    Parameters
    ----------
    recipe : Recipe to train further by; None is the search's own.

    Raises
    ------
    InputError : no finished search there, or its checkpoints are gone.
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
        trainer = Trainer(
            FixedPath(get_space(settings.space), streams.strategy),
            load_supernet(Saved(0, last, ""), processes.device),
            images,
            recipe,
            processes.device,
            streams,
            scoring=plan.scoring(len(images.valid)) | {"images": len(images.valid)},
            processes=processes,
        )
        yield OpenSearch(plan, trainer, images)


def settings_of(folder: Path) -> SearchSettings:
    """Return the settings of a finished search.

    Raises
    ------
    InputError : there is none in the folder, or its settings cannot be read.
    """
    if not (folder / "result.json").is_file():
        raise InputError(f"{folder} holds no finished search; benchkit search makes one")
    return read_settings(folder)


def _row(space: Space, architecture: str, folder: Path) -> Architecture:
    if architecture == "recommended":
        return np.asarray(space.validate(np.asarray(read_result(folder, "row")["row"], dtype=np.int8))[0])
    if architecture == "full":
        if set(space.arity) != {2} or space.name == "nasbench101":
            raise InputError(f"no architecture of {space.name} holds the whole supernet; name one")
        return np.ones(space.length, dtype=np.int8)
    return space.parse(architecture)
