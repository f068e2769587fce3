"""Crops, flips and cuts out parts of a batch at random, on the device that the batch is on.

The usual augmentation of CIFAR (He et al., 2016, section 4.2; also NAS-Bench-201, Dong and Yang, 2020,
section 2.2): pad with black, crop at a random place, flip horizontally with probability 1/2. Cutout: DeVries
and Taylor (2017), arXiv 1708.04552: a square around a random pixel is set to the mean, clipped at the border.

Deviations and choices
----------------------
- Padding is black (0) before normalisation; what cutout removes is 0 after it, that is the mean.
- The square of an odd `cutout` is centred; that of an even one reaches one pixel further up and left.
- All numbers of an epoch are drawn at once, in a fixed order and whether or not they are used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from benchkit.base.errors import InputError


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training images.

    Attributes
    ----------
    padding : Number of pixels added on each side before the crop. NAS-Bench-201: 4, and 2 at 16 x 16.
    flip : Whether half of the images are mirrored.
    cutout : Side of the square that is removed; 0 for none. DARTS: 16 at 32 x 32.
    """

    padding: int = 4
    flip: bool = True
    cutout: int = 0

    def __post_init__(self) -> None:
        if self.padding < 0 or self.cutout < 0:
            raise InputError(f"padding {self.padding} and cutout {self.cutout} must not be negative")

    @classmethod
    def standard(cls, size: int, cutout: int = 0) -> Augmentation:
        """Return the usual augmentation for images of `size` pixels: padding of an eighth, and flips."""
        return cls(padding=size // 8, flip=True, cutout=cutout)


NO_AUGMENTATION = Augmentation(padding=0, flip=False, cutout=0)


class Plan(NamedTuple):
    """The random numbers of one epoch over n images of height h and width w.

    Attributes
    ----------
    order : int64[n], a permutation of 0..n-1.
    shift : int64[n, 2], row and column at which the crop starts in the padded image, 0..2 * padding.
    flip : bool[n], whether an image is mirrored.
    centre : int64[n, 2], row and column of the cutout's centre, in 0..h-1 and 0..w-1.
    """

    order: Tensor
    shift: Tensor
    flip: Tensor
    centre: Tensor

    def to(self, device: torch.device) -> Plan:
        """Return the plan on another device."""
        return Plan(*(each.to(device, non_blocking=True) for each in self))


def draw_plan(n: int, size: tuple[int, int], augmentation: Augmentation, generator: torch.Generator) -> Plan:
    """Return the plan of an epoch of `n` images of `size` (height, width), on the generator's device."""
    device = generator.device
    order = torch.randperm(n, generator=generator, device=device)
    shift = torch.randint(2 * augmentation.padding + 1, (n, 2), generator=generator, device=device)
    flip = torch.rand(n, generator=generator, device=device) < 0.5
    rows = torch.randint(size[0], (n,), generator=generator, device=device)
    columns = torch.randint(size[1], (n,), generator=generator, device=device)
    if not augmentation.flip:
        flip = torch.zeros_like(flip)
    return Plan(order, shift, flip, torch.stack([rows, columns], dim=1))


def crop_and_flip(x: Tensor, shift: Tensor, flip: Tensor, padding: int) -> Tensor:
    """Return uint8[b, h, w, c]: each image padded with black, cropped at its shift, then mirrored or not.

    Parameters
    ----------
    x : Images, uint8[b, h, w, c].
    shift : Rows and columns, int64[b, 2], in 0..2 * padding.
    flip : Whether each image is mirrored, bool[b].
    """
    batch, height, width = x.shape[:3]
    if padding:
        x = torch.nn.functional.pad(x, (0, 0, padding, padding, padding, padding))
    column = torch.arange(width, device=x.device)
    rows = shift[:, :1] + torch.arange(height, device=x.device)
    columns = shift[:, 1:] + torch.where(flip[:, None], width - 1 - column, column)
    first = torch.arange(batch, device=x.device)
    # one flat index a pixel: a single gather, in which the channels stay together
    pixel = (first[:, None] * x.shape[1] + rows)[:, :, None] * x.shape[2] + columns[:, None, :]
    flat = x.reshape(-1, x.shape[3]).index_select(0, pixel.reshape(-1))
    return flat.reshape(batch, height, width, -1)


def cutout_mask(centre: Tensor, length: int, size: tuple[int, int]) -> Tensor:
    """Return bool[b, h, w]: the square of side `length` around each centre, as far as it is in the image."""

    def inside(at: Tensor, extent: int) -> Tensor:
        start = at[:, None] - length // 2
        pixel = torch.arange(extent, device=at.device)
        return (pixel >= start) & (pixel < start + length)

    return inside(centre[:, 0], size[0])[:, :, None] & inside(centre[:, 1], size[1])[:, None, :]
