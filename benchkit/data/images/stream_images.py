"""Gives out pictures on disk by index, for evaluation, which asks for the same ones again and again.

A search scores architecture after architecture on the same validation pictures. Each is read and decoded
once, and kept as uint8 as long as there is room (`KEPT_BYTES`); the others are read whenever they are asked
for.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from benchkit.base.errors import InputError
from benchkit.data.images.folder import FileList
from benchkit.data.images.splits import Normalisation
from benchkit.data.images.stream_loader import IMAGENET_NORMALISATION, Pictures, normalise

KEPT_BYTES = 2**31
"""Number of bytes of decoded pictures kept in memory (2 GiB: about 14,000 of 224 x 224 pixels)."""


class StreamImages:
    """Labelled pictures on disk.

    Parameters
    ----------
    files : Pictures with their labels.
    size : Height and width that their middle is brought to (see `benchkit.data.images.stream_loader`).
    workers : Number of threads that read and decode; 0 is this one.
    device, dtype, channels_last, normalisation : Place and form of the batches; see `DeviceImages`.
    """

    def __init__(
        self,
        files: FileList,
        size: int,
        workers: int = 0,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        channels_last: bool = True,
        normalisation: Normalisation = IMAGENET_NORMALISATION,
    ) -> None:
        self.device = torch.device(device)
        self.dtype, self.channels_last, self.normalisation = dtype, channels_last, normalisation
        self._workers = workers
        self._pictures = Pictures(files, size)
        self._labels = torch.tensor(files.labels)
        self._kept: dict[int, Tensor] = {}
        self._room = KEPT_BYTES // (size * size * 3)

    def __len__(self) -> int:
        return len(self._labels)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return the middles of the pictures at int64[b], normalised, and their labels int64[b].

        An InputError says which picture cannot be read.
        """
        asked = index.tolist()
        found = {i: self._kept[i] for i in asked if i in self._kept}
        missing = [i for i in dict.fromkeys(asked) if i not in found]
        for i, picture in zip(missing, self._read(missing), strict=True):
            if isinstance(picture, str):
                raise InputError(picture)
            found[i] = picture
            if len(self._kept) < self._room:
                self._kept[i] = picture
        pixels = torch.stack([found[i] for i in asked]).to(self.device)
        labels = self._labels[index.cpu()].to(self.device)
        return normalise(pixels, self.normalisation, self.dtype, self.channels_last), labels

    def _read(self, indices: list[int]) -> list[Tensor | str]:
        items = [(i, -1) for i in indices]
        if not self._workers:
            return [self._pictures[item] for item in items]
        with ThreadPoolExecutor(self._workers) as pool:
            return list(pool.map(self._pictures.__getitem__, items))
