"""Keeps a data set on the device as uint8, and makes batches there.

CIFAR-10 takes 154 MB as uint8. Nothing is read, decoded or copied to the device while a network trains.

Deviations and choices
----------------------
- The generator may be on the CPU whatever the device: then the batches are the same on every device (but
  for the last bits of the normalisation). One on the device itself saves a copy of the plan an epoch.
- The last, smaller batch of a training epoch is left out unless asked for: batch statistics of a few images
  would be noise. In evaluation none is left out.
- In distributed training every process draws the same plan and takes its own share of each batch.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from benchkit.data.images.augment import Augmentation, crop_and_flip, cutout_mask, draw_plan
from benchkit.data.images.epochs import EpochBatches
from benchkit.data.images.image_set import LabelledImages
from benchkit.data.images.splits import Normalisation


class DeviceImages:
    """Labelled images on a device.

    Parameters
    ----------
    images : uint8 images and labels.
    normalisation : Means and standard deviations of the training images.
    device : Device to keep them on; there `x` is uint8[n, h, w, c] and `y` int64[n].
    dtype : Type of the batches, ``torch.float32`` or ``torch.bfloat16``.
    channels_last : Memory format of the batches; their shape is [b, c, h, w] in either.
    """

    def __init__(
        self,
        images: LabelledImages,
        normalisation: Normalisation,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        channels_last: bool = True,
    ) -> None:
        self.device = torch.device(device)
        self.dtype = dtype
        self.channels_last = channels_last
        self.x = torch.tensor(images.x, device=self.device)  # a copy: what lives here is nobody else's
        self.y = torch.tensor(images.y.astype("int64"), device=self.device)
        mean, std = (torch.tensor(each, dtype=torch.float64) for each in normalisation)
        self._scale = (1 / (255 * std)).to(torch.float32).to(self.device)[:, None, None]
        self._offset = (-mean / std).to(torch.float32).to(self.device)[:, None, None]

    def __len__(self) -> int:
        return len(self.x)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.x.shape[1], self.x.shape[2]

    def normalise(self, x: Tensor, erased: Tensor | None = None) -> Tensor:
        """Return dtype[b, c, h, w] of uint8[b, h, w, c], normalised; `erased`, bool[b, h, w], is the mean."""
        planes = x.permute(0, 3, 1, 2).to(torch.float32)  # a channels-last tensor, as NHWC is
        normal = torch.addcmul(self._offset, planes, self._scale)
        if erased is not None:
            normal = normal.masked_fill(erased[:, None], 0.0)
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return normal.to(self.dtype).contiguous(memory_format=layout)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images at int64[b] as they are, normalised, and their labels int64[b]."""
        return self.normalise(self.x[index]), self.y[index]

    def batches(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield all images in order, not augmented; the last batch may be smaller."""
        for start in range(0, len(self), batch_size):
            stop = start + batch_size
            yield self.normalise(self.x[start:stop]), self.y[start:stop]


class TrainingBatches(EpochBatches):
    """Augmented batches of `images`, each epoch in a new order; see `EpochBatches`.

    The generator is on the CPU or on the images' device.
    """

    def __init__(
        self,
        images: DeviceImages,
        batch_size: int,
        augmentation: Augmentation,
        generator: torch.Generator,
        drop_last: bool = True,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        super().__init__(len(images), batch_size, generator, shard, drop_last)
        self.images = images
        self.augmentation = augmentation

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of the next epoch, or what is left of one that was interrupted.

        Each is dtype[b, c, h, w] and int64[b].
        """
        skip = self.begin()
        size, chosen = self.images.size, self.augmentation
        plan = draw_plan(len(self.images), size, chosen, self.generator).to(self.images.device)
        for number in range(skip, len(self)):
            part = self.place(number)
            index = plan.order[part]
            x = self.images.x[index]
            if chosen.padding or chosen.flip:
                x = crop_and_flip(x, plan.shift[part], plan.flip[part], chosen.padding)
            erased = cutout_mask(plan.centre[part], chosen.cutout, size) if chosen.cutout else None
            self.hand_out(number)
            yield self.images.normalise(x, erased), self.images.y[index]
