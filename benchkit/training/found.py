"""Keeps the network that a search found, with its inherited weights, and measures it on test images.

The only place of the training side that reads test images, and then for one architecture at a time.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from benchkit.base.devices import explain_memory
from benchkit.base.files import replacing, write_text
from benchkit.base.json_text import to_json
from benchkit.data.images.device_set import DeviceImages
from benchkit.data.images.folder import FileList
from benchkit.data.images.image_set import LabelledImages
from benchkit.data.images.splits import SearchImages
from benchkit.data.images.stream_images import StreamImages
from benchkit.data.images.streamed import SearchStream
from benchkit.searching.supernet_evaluator import ScoringImages, SupernetEvaluator
from benchkit.spaces.base import Architecture
from benchkit.training.data import test_images
from benchkit.training.settings import ResolvedSearch
from benchkit.training.trainer import Trainer

__all__ = ["Reporter", "save_found", "save_network"]


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


class Reporter:
    """Measures single architectures of a trained supernet on test images.

    Parameters
    ----------
    plan : Search with everything decided.
    trainer : Trainer with the weights to measure, on its device.
    seen : Images that the search saw; test images are normalised as its training images are.
    """

    def __init__(self, plan: ResolvedSearch, trainer: Trainer, seen: SearchImages | SearchStream) -> None:
        self._settings, self._trainer, self._batch = plan.settings, trainer, plan.scoring_batch
        self._images = self._placed(test_images(plan.settings), seen)

    def _placed(
        self, test: LabelledImages | FileList, seen: SearchImages | SearchStream
    ) -> ScoringImages | None:
        """Return the test images as the validation images are, on the device or streamed; None if none."""
        device, last = self._trainer.valid_images.device, self._trainer.recipe.channels_last
        if not len(test):
            return None
        if isinstance(test, FileList) or isinstance(seen, SearchStream):
            if not (isinstance(test, FileList) and isinstance(seen, SearchStream)):
                raise TypeError("test images are streamed exactly where the search's are")
            return StreamImages(test, seen.image_size, device=device, channels_last=last)
        return DeviceImages(test, seen.normalisation, device, channels_last=last)

    def test(self, architecture: Architecture) -> dict[str, Any] | None:
        """Return ``accuracy`` in percent and the number of ``images``, all test images; None without any.

        Batch normalisation is as in scoring: by the batch, or recalibrated on training images.
        """
        trainer = self._trainer
        if self._images is None:
            return None
        running = trainer.supernet.recipe.policy.running
        with explain_memory(self._batch, "--scoring-batch"):
            evaluator = SupernetEvaluator(
                trainer.supernet,
                self._images,
                np.random.default_rng(self._settings.seed),
                batch_size=self._batch,
                calibration=trainer.train_images if running else None,
                calibration_batches=self._settings.recalibrate,
                bfloat16=trainer.recipe.bfloat16,
            )
            scores = evaluator.evaluate(np.asarray(architecture, dtype=np.int8)[None]).scores
        return {"accuracy": float(scores[0]), "images": len(self._images)}
