"""Keeps the network that a search found, with its inherited weights, and measures it on test images.

The only place of the training side that reads test images, and then for one architecture at a time.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchkit.base.devices import explain_memory
from benchkit.base.files import replacing, write_text
from benchkit.base.json_text import to_json
from benchkit.data.images.device_set import DeviceImages
from benchkit.data.images.folder import FileList
from benchkit.data.images.splits import SearchImages
from benchkit.data.images.stream_images import StreamImages
from benchkit.data.images.streamed import SearchStream
from benchkit.searching.supernet_evaluator import ScoringImages, SupernetEvaluator
from benchkit.spaces.base import Architecture
from benchkit.spaces.counts import count_parameters
from benchkit.training.data import test_images
from benchkit.training.distributed import SharedScoring
from benchkit.training.settings import ResolvedSearch
from benchkit.training.trainer import Trainer


def save_found(folder: Path, supernet: Any, architecture: Architecture) -> None:
    """Write the architecture's own weights as `save_network` does, with a copy of the supernet's."""
    from benchkit.spaces.engine import inherit

    save_network(folder, inherit(supernet, architecture), architecture)


def save_network(folder: Path, alone: Any, architecture: Architecture) -> str:
    """Write ``network.safetensors``, a stand-alone network's weights, and ``network.json``, whose they are.

    Returns
    -------
    The SHA-256 of the weights' file.
    """
    from safetensors.torch import save

    content = save({name: value.cpu().contiguous().clone() for name, value in alone.state_dict().items()})
    with replacing(folder / "network.safetensors") as temporary:
        temporary.write_bytes(content)
    about = {**alone.recipe.describe(), "row": np.asarray(architecture).tolist()}
    write_text(folder / "network.json", to_json(about))
    return hashlib.sha256(content).hexdigest()


class TrainedSearch:
    """A trained supernet with its images, on which single architectures, int8[d], are measured.

    Parameters
    ----------
    plan : Search with everything decided.
    trainer : Trainer with the weights to measure, on its device.
    seen : Images that the search saw; test images are normalised as its training images are.
    """

    def __init__(self, plan: ResolvedSearch, trainer: Trainer, seen: SearchImages | SearchStream) -> None:
        self.space = plan.space
        self._plan, self._trainer, self._seen = plan, trainer, seen

    def parameters(self, architecture: Architecture) -> int:
        """Return the parameters of the architecture alone."""
        network = self._trainer.supernet.recipe
        size = network.size.options()
        counted = count_parameters(self.space, architecture, network.classes, network.image_channels, **size)
        return int(counted[0])

    def valid(self, architecture: Architecture) -> dict[str, Any]:
        """Return ``accuracy`` in percent on all validation images, and the number of ``images``."""
        return _measured(self._trainer.evaluator, architecture)

    def test(self, architecture: Architecture) -> dict[str, Any] | None:
        """Return the same for the test images; None without any.

        Batch normalisation is as in scoring: by the batch, or recalibrated on training images.
        """
        trainer, settings, batch = self._trainer, self._plan.settings, self._plan.scoring_batch
        if self._test_images is None:
            return None
        running = trainer.supernet.recipe.policy.running
        with explain_memory(batch, "--scoring-batch"):
            evaluator = SupernetEvaluator(
                trainer.supernet,
                self._test_images,
                np.random.default_rng(settings.seed),
                batch_size=batch,
                calibration=trainer.train_images if running else None,
                calibration_batches=settings.recalibrate,
                bfloat16=trainer.recipe.bfloat16,
            )
            return _measured(evaluator, architecture)

    @cached_property
    def _test_images(self) -> ScoringImages | None:
        """The test images as the validation images are, on the device or streamed; None if there are none."""
        test, seen = test_images(self._plan.settings), self._seen
        device, last = self._trainer.valid_images.device, self._trainer.recipe.channels_last
        if not len(test):
            return None
        if isinstance(test, FileList) and isinstance(seen, SearchStream):
            return StreamImages(test, seen.image_size, device=device, channels_last=last)
        if isinstance(test, FileList) or isinstance(seen, SearchStream):
            raise TypeError("test images are streamed exactly where the search's are")
        return DeviceImages(test, seen.normalisation, device, channels_last=last)


def _measured(evaluator: SupernetEvaluator | SharedScoring, architecture: Architecture) -> dict[str, Any]:
    scores = evaluator.evaluate(np.asarray(architecture, dtype=np.int8)[None]).scores
    return {"accuracy": float(scores[0]), "images": evaluator.full_fidelity}
