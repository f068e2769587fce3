"""Opens the images of a final training: all training images, or those of the search; test images apart.

The search is over, so by default (`all`) nothing is set aside: the network is trained on every training image
of the data set, those that the search trained on and those that it validated on, as papers do for the figure
that they report. `train` keeps the search's division and scores its validation images after every epoch.

Test images are opened by `open_test` alone, which is called once, after the last epoch.

Deviations and choices
----------------------
- With `all`, the test images are the data set's own. With `train` they are those of the split: of CIFAR-100
  and NAS-Bench-201's halves, half of them were validation images.
- Pictures on disk are cropped at random sizes and mirrored ("inception augmentation", see
  `benchkit.data.images.stream_loader`); padding, flips and cutout are for images in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from benchkit.base.errors import InputError, shown
from benchkit.data.images.device_set import DeviceImages, TrainingBatches
from benchkit.data.images.folder import FileList
from benchkit.data.images.image_set import LabelledImages
from benchkit.data.images.splits import Normalisation, normalisation
from benchkit.data.images.stream_loader import IMAGENET_NORMALISATION, StreamBatches
from benchkit.data.images.streamed import USUAL_SIZE, StreamedSet
from benchkit.training.batches import Batches
from benchkit.training.data import opened, searched_images, test_images
from benchkit.training.final_settings import FinalSettings
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.standalone import SCORING_BATCH

IMAGES = ("all", "train")
"""Choices of images: every training image, or the search's own."""

Scoring = Iterable[tuple[Tensor, Tensor]]
Part = LabelledImages | FileList


@dataclass(frozen=True, eq=False)
class SeenImages:
    """The images that a final training is handed; none is a test image.

    Attributes
    ----------
    train : Images to train on.
    valid : Images to score after every epoch; None where all images are trained on.
    classes : Number of classes.
    size : Height, width and channels of an image of a batch.
    identity : Entry of a manifest.
    """

    train: Part
    valid: Part | None
    classes: int
    size: tuple[int, int, int]
    identity: dict[str, Any]

    @cached_property
    def normalisation(self) -> Normalisation:
        """Normalisation by the images trained on; of pictures on disk, ImageNet's usual one."""
        if isinstance(self.train, FileList):
            return IMAGENET_NORMALISATION
        return normalisation(self.train)


def seen_images(settings: FinalSettings) -> SeenImages:
    """Return what a final training may see; test images are let go of here.

    Raises
    ------
    InputError : There is no such data set or choice of images, nothing is divided by the split, or a size or
        limit does not apply.
    """
    if settings.images not in IMAGES:
        raise InputError(f"a training takes the images {' or '.join(IMAGES)}; got {shown(settings.images)}")
    if settings.images == "train":
        found = searched_images(settings)
        identity = {**found.identity, "images": "train"}
        return SeenImages(found.train, found.valid, found.classes, found.size, identity)
    if settings.split is not None:
        raise InputError("a split divides the images of --images train; with all of them leave it out")
    whole = opened(settings)
    identity = {**whole.identity(), "images": "all"}
    if isinstance(whole, StreamedSet):
        side = whole.changes.get("image_size", USUAL_SIZE)
        return SeenImages(whole.train, None, len(whole.class_names), (side, side, 3), identity)
    return SeenImages(whole.train, None, whole.classes, whole.size, identity)


class FinalData:
    """The images of a final training, on their device or read from disk.

    Parameters
    ----------
    seen : Images from `seen_images`.
    recipe : Recipe decided for these images, see `TrainingRecipe.for_images`.
    generator : Source of order and augmentation, on the CPU.
    device : Device of the batches.
    workers : Processes that read pictures on disk; no batch depends on their number.

    Attributes
    ----------
    train : Augmented batches.

    Raises
    ------
    InputError : A batch is larger than the data, cutout leaves nothing of an image, or an augmentation does
        not apply to pictures on disk.
    """

    def __init__(
        self,
        seen: SeenImages,
        recipe: TrainingRecipe,
        generator: torch.Generator,
        device: torch.device,
        workers: int = 0,
    ) -> None:
        self.seen = seen
        self._device, self._workers = device, workers
        self.train: Batches
        _check_cutout(recipe.cutout, seen)
        if isinstance(seen.train, FileList):
            self.train = self._streamed(seen.train, recipe.batch_size, generator)
        else:
            images = DeviceImages(seen.train, seen.normalisation, device)
            self.train = TrainingBatches(images, recipe.batch_size, recipe.augmentation, generator)
        self._valid = None if seen.valid is None else self.placed(seen.valid)

    @property
    def valid(self) -> Scoring | None:
        """The validation images, in order; None where there are none."""
        return None if self._valid is None else self._valid()

    def placed(self, part: Part) -> Callable[[], Scoring]:
        """Return what yields other images in order, as they are, whenever it is called."""
        if isinstance(part, FileList):
            unused = torch.Generator()  # pictures in order need no draw
            return self._streamed(part, min(SCORING_BATCH, len(part)), unused).evaluation
        images = DeviceImages(part, self.seen.normalisation, self._device)
        return partial(images.batches, SCORING_BATCH)

    def _streamed(self, files: FileList, batch_size: int, generator: torch.Generator) -> StreamBatches:
        return StreamBatches(
            files, self.seen.size[0], batch_size, generator, workers=self._workers, device=self._device
        )


def _check_cutout(cutout: int, seen: SeenImages) -> None:
    height, width, _ = seen.size
    if isinstance(seen.train, FileList):
        if cutout:
            raise InputError(f"cutout {cutout} does not apply to pictures on disk; give --cutout 0")
    elif cutout >= min(height, width):
        raise InputError(
            f"cutout {cutout} leaves little of images of {height} x {width} pixels: give --cutout "
            f"{min(height, width) // 2}, or 0 for none"
        )


def open_test(settings: FinalSettings, data: FinalData) -> tuple[Scoring, int] | None:
    """Open the test images: their batches in order, and how many images; None where there are none.

    Called once, by the reporter, when nothing is trained any more.
    """
    test = test_images(settings) if settings.images == "train" else opened(settings).test
    return (data.placed(test)(), len(test)) if len(test) else None
