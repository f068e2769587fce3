"""Hands the images of a training out in batches, from the device as a whole or streamed from disk.

The trainer asks for augmented batches epoch after epoch, and for images by index to score on; it does not
know where they come from. Both kinds draw everything random at the start of an epoch, from a generator, and
tell where they stand, so that a training goes on exactly where it was stopped.

Deviations and choices
----------------------
- Validation batches, for strategies that learn from them, are augmented like training batches (DARTS' code).
- A streamed data set is normalised by ImageNet's usual mean and deviation: its own would take a pass over
  all pictures. Cutout is for small images; streamed ones are cropped at random sizes instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from benchkit.base.errors import InputError
from benchkit.data.images.augment import Augmentation
from benchkit.data.images.device_set import DeviceImages, TrainingBatches
from benchkit.data.images.splits import SearchImages
from benchkit.data.images.stream_images import StreamImages
from benchkit.data.images.stream_loader import StreamBatches
from benchkit.data.images.streamed import SearchStream
from benchkit.searching.supernet_evaluator import ScoringImages
from benchkit.training.distributed import ALONE, Processes
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.streams import Streams

Batches = TrainingBatches | StreamBatches
"""Epoch after epoch of augmented batches."""


@dataclass(frozen=True)
class TrainingData:
    """The images of a training of shared weights.

    Attributes
    ----------
    train, valid : Augmented batches, this process's share of them.
    train_images, valid_images : The same images by index, as they are.
    images_an_epoch : Training images an epoch, over all processes.
    """

    train: Batches
    valid: Batches
    train_images: ScoringImages
    valid_images: ScoringImages
    images_an_epoch: int


def open_data(
    images: SearchImages | SearchStream,
    recipe: TrainingRecipe,
    device: torch.device,
    streams: Streams,
    processes: Processes = ALONE,
    workers: int = 0,
) -> TrainingData:
    """Return the images of a search, ready for a training.

    Parameters
    ----------
    workers : Processes or threads that read streamed images; the batches do not depend on their number.

    Raises
    ------
    InputError : a batch is larger than the data or no multiple of the processes, or cutout of streamed
        images.
    """
    shard = (processes.rank, processes.count)
    wanted = recipe.valid_batch_size or recipe.batch_size
    largest = min(wanted, len(images.valid)) // processes.count * processes.count
    if not largest:
        raise InputError(
            f"{len(images.valid)} validation images do not divide among {processes.count} processes"
        )
    if isinstance(images, SearchStream):
        return _streamed(images, recipe, device, streams, shard, largest, workers)
    train, valid = (
        DeviceImages(part, images.normalisation, device, channels_last=recipe.channels_last)
        for part in (images.train, images.valid)
    )
    augmentation = Augmentation.standard(images.size[0], recipe.cutout)
    batches = TrainingBatches(train, recipe.batch_size, augmentation, streams.train, shard=shard)
    return TrainingData(
        batches,
        TrainingBatches(valid, largest, augmentation, streams.valid, shard=shard),
        train,
        valid,
        len(batches) * recipe.batch_size,
    )


def _streamed(
    images: SearchStream,
    recipe: TrainingRecipe,
    device: torch.device,
    streams: Streams,
    shard: tuple[int, int],
    valid_batch: int,
    workers: int,
) -> TrainingData:
    if recipe.cutout:
        raise InputError(f"cutout {recipe.cutout} does not apply to streamed images; leave it at 0")
    options: dict[str, Any] = {"workers": workers, "device": device, "channels_last": recipe.channels_last}
    size = images.image_size
    train = StreamBatches(images.train, size, recipe.batch_size, streams.train, shard=shard, **options)
    valid = StreamBatches(images.valid, size, valid_batch, streams.valid, shard=shard, **options)
    return TrainingData(
        train,
        valid,
        StreamImages(images.train, size, **options),
        StreamImages(images.valid, size, **options),
        len(train) * recipe.batch_size,
    )
