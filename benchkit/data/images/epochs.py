"""Counts batches of training images, so that they go on exactly after an interruption."""

from __future__ import annotations

from typing import Any

import torch

from benchkit.base.errors import InputError


class EpochBatches:
    """Epoch after epoch of batches, which `begin` and `hand_out` keep count of.

    All random numbers of an epoch are drawn at its start, so the generator's state at that moment and the
    number of batches since are the whole state, in the middle of an epoch too. Nobody else may draw from it.

    Parameters
    ----------
    images : Number of images.
    batch_size : Number of images a batch, over all processes.
    generator : Source of all randomness.
    shard : Rank of this process and number of processes; it takes every image of a batch whose place, divided
        by the number of processes, leaves its rank.
    drop_last : Whether the last batch is left out where it is smaller.

    Raises
    ------
    InputError : a batch is larger than the data, or does not give each process an equal share.
    """

    def __init__(
        self,
        images: int,
        batch_size: int,
        generator: torch.Generator,
        shard: tuple[int, int],
        drop_last: bool = True,
    ) -> None:
        if batch_size < 1 or (drop_last and batch_size > images):
            raise InputError(f"batch size {batch_size} must be in 1..{images}, the images there are")
        if batch_size % shard[1] or not 0 <= shard[0] < shard[1]:
            raise InputError(f"batch size {batch_size} does not divide among {shard[1]} processes")
        whole, rest = divmod(images, batch_size)
        self._batches = whole + (1 if rest and not drop_last else 0)
        self.batch_size = batch_size
        self.shard = shard
        self.generator = generator
        self._position = 0  # batches of this epoch that were handed out
        self._start = generator.get_state()

    def __len__(self) -> int:
        """Return the number of batches an epoch."""
        return self._batches

    def begin(self) -> int:
        """Set the generator to where this epoch's numbers start; return the number of batches to skip."""
        if self._position:
            self.generator.set_state(self._start)
        else:
            self._start = self.generator.get_state()
        return self._position

    def hand_out(self, batch: int) -> None:
        """Note that a batch, counted from 0, goes to the training; after the last, the next epoch is due."""
        self._position = (batch + 1) % len(self)

    def place(self, batch: int) -> slice:
        """Return the places of this process's images of a batch in the order of the epoch."""
        rank, processes = self.shard
        return slice(batch * self.batch_size + rank, (batch + 1) * self.batch_size, processes)

    def state_dict(self) -> dict[str, Any]:
        """Return ``generator`` (uint8 tensor) and ``position`` (batches of the epoch handed out)."""
        state = self._start if self._position else self.generator.get_state()
        return {"generator": state.clone(), "position": self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a state that `state_dict` returned, on a generator of the same kind of device.

        Raises
        ------
        ValueError : a position that an epoch does not have.
        """
        position = int(state["position"])
        if not 0 <= position < len(self):
            raise ValueError(f"position {position} does not lie in an epoch of {len(self)} batches")
        self._start = state["generator"].clone()
        self.generator.set_state(self._start)
        self._position = position
