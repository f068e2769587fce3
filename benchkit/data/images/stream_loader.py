"""Makes batches of a data set that stays on disk: workers read, decode, crop and flip; the device normalises.

The usual augmentation of ImageNet (Szegedy et al., 2015, section 6): a random crop of 8 % to 100 % of the
area with an aspect ratio in 3/4..4/3, resized, and mirrored half of the time. In evaluation: the middle 7/8
(224/256) of the shorter side.

Deviations and choices
----------------------
- Each picture has a seed of its own, drawn with the epoch's order from one generator: the batches do not
  depend on the number of workers, nor on which of them is faster.
- Where ten draws of a crop do not fit into the picture, the largest middle part of an allowed ratio is taken.
- Resizing is bilinear with antialiasing (Pillow's).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchkit.base.errors import InputError
from benchkit.data.images.epochs import EpochBatches
from benchkit.data.images.folder import FileList, picture_bytes
from benchkit.data.images.readers.picture import open_picture
from benchkit.data.images.splits import Normalisation

IMAGENET_NORMALISATION = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Means and standard deviations of ImageNet's training images, as used throughout the literature."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

_AREA = (0.08, 1.0)
_RATIO = (3 / 4, 4 / 3)
_TRIES = 10
_MIDDLE = 224 / 256


def random_box(rng: np.random.Generator, width: int, height: int) -> Box:
    """Return a random part of a picture: share of the area and logarithm of the ratio are uniform."""
    for _ in range(_TRIES):
        area = width * height * rng.uniform(*_AREA)
        ratio = math.exp(rng.uniform(math.log(_RATIO[0]), math.log(_RATIO[1])))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            return left, top, left + w, top + h
    w, h = min(width, round(height * _RATIO[1])), min(height, round(width / _RATIO[0]))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def middle_box(width: int, height: int) -> Box:
    """Return the middle square that evaluation looks at."""
    side = min(width, height) * _MIDDLE
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


class Pictures(Dataset[Tensor | str]):
    """Item (index, seed) -> uint8[size, size, 3], or the line of its error; seed -1 does not augment."""

    def __init__(self, files: FileList, size: int) -> None:
        self.files = files
        self.size = size

    def __getitem__(self, item: tuple[int, int]) -> Tensor | str:
        from PIL import Image

        index, seed = item
        path = self.files.root / self.files.files[index]
        try:
            picture = open_picture(picture_bytes(self.files, index), str(path)).convert("RGB")
        except InputError as error:
            return str(error)
        rng = np.random.default_rng(seed) if seed >= 0 else None
        box = random_box(rng, *picture.size) if rng else middle_box(*picture.size)
        part = picture.resize((self.size, self.size), Image.Resampling.BILINEAR, box=box)
        pixels = np.array(part, dtype=np.uint8)
        if rng is not None and rng.random() < 0.5:
            pixels = np.ascontiguousarray(pixels[:, ::-1])
        return torch.from_numpy(pixels)


def _stack(items: list[Tensor | str]) -> Tensor | str:
    # a worker's exception would bring its traceback along: a line travels as a line
    tensors = [item for item in items if isinstance(item, Tensor)]
    return next((item for item in items if isinstance(item, str)), "") or torch.stack(tensors)


def normalise(
    pixels: Tensor, normalisation: Normalisation, dtype: torch.dtype, channels_last: bool
) -> Tensor:
    """Return dtype[b, c, h, w] of uint8[b, h, w, c], on its device."""
    planes = pixels.permute(0, 3, 1, 2).to(torch.float32) / 255
    mean, std = (torch.tensor(each, device=pixels.device)[:, None, None] for each in normalisation)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return ((planes - mean) / std).to(dtype).contiguous(memory_format=layout)


class StreamBatches(EpochBatches):
    """Batches of pictures on disk; see `EpochBatches`.

    Parameters
    ----------
    files : Pictures with their labels.
    size : Height and width of the batches' images.
    generator : Source of all randomness of `epoch`, on the CPU.
    workers : Number of processes that read; 0 reads in this one.
    device, dtype, channels_last, normalisation : Place and form of the batches; see `DeviceImages`.
    """

    def __init__(
        self,
        files: FileList,
        size: int,
        batch_size: int,
        generator: torch.Generator,
        workers: int = 0,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        channels_last: bool = True,
        normalisation: Normalisation = IMAGENET_NORMALISATION,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        super().__init__(len(files), batch_size, generator, shard)
        self.files = files
        self.workers = workers
        self.device = torch.device(device)
        self.dtype = dtype
        self.channels_last = channels_last
        self.normalisation = normalisation
        self._pictures = Pictures(files, size)
        self._labels = torch.tensor(files.labels)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the augmented batches of the next epoch, or what is left of one that was interrupted.

        An InputError says which picture cannot be read.
        """
        skip = self.begin()
        order = torch.randperm(len(self.files), generator=self.generator).tolist()
        seeds = torch.randint(2**62, (len(self.files),), generator=self.generator).tolist()
        items = list(zip(order, seeds, strict=True))
        plan = [items[self.place(number)] for number in range(skip, len(self))]
        for number, batch in enumerate(self._load(plan), start=skip):
            self.hand_out(number)
            yield batch

    def evaluation(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the middle of every picture, in order; the last batch may be smaller. Raises as `epoch`."""
        items = [(index, -1) for index in range(len(self.files))]
        yield from self._load([items[i : i + self.batch_size] for i in range(0, len(items), self.batch_size)])

    def _load(self, plan: Sequence[list[tuple[int, int]]]) -> Iterator[tuple[Tensor, Tensor]]:
        loader: DataLoader[Tensor | str] = DataLoader(
            self._pictures,
            batch_sampler=plan,
            num_workers=self.workers,
            collate_fn=_stack,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator().manual_seed(0),  # else it draws from the global one
        )
        for items, pixels in zip(plan, loader, strict=True):
            if isinstance(pixels, str):
                raise InputError(pixels)
            y = self._labels[[index for index, _ in items]].to(self.device)
            there = pixels.to(self.device, non_blocking=True)
            yield normalise(there, self.normalisation, self.dtype, self.channels_last), y
