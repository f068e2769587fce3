"""Hard limits of a search: no architecture with more parameters or multiply-adds is drawn, ranked or bred.

Counts are those of the supernet's own network (`benchkit.spaces.counts`): its classes, its width and depth,
and the size of the images that it is trained on. A limit meant for a larger network than the supernet is to
be scaled to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.spaces.base import Batch
from benchkit.spaces.counts import count
from benchkit.spaces.errors import InputError

__all__ = ["SizeLimits"]

_ROUND = 256  # draws at once, at least
_DRAWS = 20_000  # for a row, before nothing counts as feasible


class SizeLimits:
    """The constraint ``feasible(batch)`` of one supernet.

    Parameters
    ----------
    supernet : whose recipe says classes, image channels and size.
    max_parameters, max_flops : largest figures allowed, in millions; None does not limit.

    Attributes
    ----------
    image_size : side of the images, in pixels; to be set before multiply-adds are asked for.
    """

    def __init__(self, supernet: Any, max_parameters: float | None, max_flops: float | None) -> None:
        self._recipe = supernet.recipe
        given = {"max_parameters": max_parameters, "max_flops": max_flops}
        self._limits = {name: limit for name, limit in given.items() if limit is not None}
        self.image_size: int | None = None

    @property
    def needs_images(self) -> bool:
        """Whether the size of the images must be known first."""
        return "max_flops" in self._limits and self.image_size is None

    def millions(self, batch: Batch) -> dict[str, npt.NDArray[np.float64]]:
        """Return float64[n] for each limit that was given: what it limits, of int8[n, d], in millions.

        Raises
        ------
        InputError : multiply-adds before the size of the images is known.
        """
        if self.needs_images:
            raise InputError("max_flops depends on the size of the images: train the supernet first")
        recipe = self._recipe
        side = 1 if self.image_size is None else self.image_size  # parameters do not depend on it
        counted = count(
            recipe.space, batch, recipe.classes, side, recipe.image_channels, **recipe.size.options()
        )
        found = {"max_parameters": counted.parameters, "max_flops": counted.flops}
        return {name: np.asarray(found[name]) / 1e6 for name in self._limits}

    def feasible(self, batch: Batch) -> npt.NDArray[np.bool_]:
        """Return bool[n]: which rows keep all limits."""
        keeps = np.ones(len(batch), dtype=np.bool_)
        if len(batch):
            for name, figures in self.millions(batch).items():
                keeps &= figures <= self._limits[name]
        return keeps

    def sample(self, n: int, draw: Callable[[int], Batch]) -> Batch:
        """Return int8[n, d]: rows of `draw`, those that break a limit drawn again.

        Raises
        ------
        InputError : 20,000 draws in a row were too large.
        """
        found = draw(0)
        smallest = dict.fromkeys(self._limits, np.inf)
        barren = 0
        while len(found) < n:
            rows = draw(max(n - len(found), _ROUND))
            kept = rows[self.feasible(rows)]
            barren = 0 if len(kept) else barren + len(rows)
            found = np.concatenate([found, kept])
            if not len(kept):
                for name, figures in self.millions(rows).items():
                    smallest[name] = min(smallest[name], float(figures.min()))
            if barren >= _DRAWS:
                raise InputError(
                    f"no architecture of {self._recipe.space.name} among {barren:,} drawn keeps "
                    + " and ".join(
                        f"{name}={limit:g} (millions; the smallest drawn has {smallest[name]:.4g})"
                        for name, limit in self._limits.items()
                    )
                )
        return found[:n]
