"""Where a pass over the training images stands: enough to go on after an interruption, exactly."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["Epochs"]


class Epochs:
    """The generator of a training's batches, and how many batches of the current epoch were handed out.

    All random numbers of an epoch are drawn at its start, so the generator's state at that moment and the
    number of batches since are the whole state, in the middle of an epoch too. Nobody else may draw from it.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator
        self._position = 0
        self._start = generator.get_state()

    def begin(self) -> int:
        """Set the generator to where this epoch's numbers start; return the number of batches to skip."""
        if self._position:
            self.generator.set_state(self._start)
        else:
            self._start = self.generator.get_state()
        return self._position

    def hand_out(self, batch: int, batches: int) -> None:
        """Note that `batch` of 0..batches-1 goes to the training; after the last, the next epoch is due."""
        self._position = (batch + 1) % batches

    def state_dict(self) -> dict[str, Any]:
        """Return ``generator`` (uint8 tensor) and ``position`` (batches of the epoch handed out)."""
        state = self._start if self._position else self.generator.get_state()
        return {"generator": state.clone(), "position": self._position}

    def load_state_dict(self, state: dict[str, Any], batches: int) -> None:
        """Go to a state that `state_dict` returned, on a generator of the same kind of device.

        Raises
        ------
        ValueError : a position that an epoch of so many batches does not have.
        """
        position = int(state["position"])
        if not 0 <= position < batches:
            raise ValueError(f"position {position} does not lie in an epoch of {batches} batches")
        self._start = state["generator"].clone()
        self.generator.set_state(self._start)
        self._position = position
