"""What a door is: valid inputs, a way to damage them, and the code of the product that reads them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

__all__ = ["Door"]


class Door(ABC):
    """One kind of input.

    Attributes
    ----------
    name : name in the printed table.
    share : weight of the door among all inputs.
    """

    name: str
    share: float = 1.0

    @abstractmethod
    def prepare(self, folder: Path) -> None:
        """Write the valid inputs that are damaged later into an empty folder; runs once, in a child."""

    @abstractmethod
    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        """Write one damaged input into an empty folder.

        Parameters
        ----------
        seeds : folder that `prepare` filled.
        folder : empty folder; it is the working directory while the input is read.
        rng : source of all randomness, made from the campaign's seed and the input's number.
        """

    @abstractmethod
    def read(self, folder: Path) -> None:
        """Read the input with the product's code, as a user would; `InputError` is a correct refusal."""

    @abstractmethod
    def past_header(self, folder: Path) -> bool:
        """Return whether the input gets past the header of its format.

        Judged by general libraries and not by the product: a container that unpacks, a text that parses, a
        first record whose checksum is right. Any exception counts as no.
        """
