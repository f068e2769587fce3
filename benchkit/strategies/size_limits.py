"""Limits the parameters and multiply-adds of networks.

Counts are those of `benchkit.spaces.counts` for one network: its classes, its width and depth, and the size
of its images. In a supernet they are those of the supernet's own network and training images; a limit meant
for a larger network must be scaled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.spaces.base import Batch, Space
from benchkit.spaces.counts import count
from benchkit.strategies.constraint import Constraint
from benchkit.strategies.rejection import AllOf, sample_feasible


@dataclass(frozen=True)
class CountConstraint:
    """A limit of parameters, or of multiply-adds for one image.

    Attributes
    ----------
    cost : Name for the user.
    figure : ``parameters`` or ``flops``, see `benchkit.spaces.counts`.
    limit : Largest value allowed, in millions.
    space, classes, image_size, image_channels, size : Description of the network; `size` holds its options by
        name. Parameters do not depend on the size of the images.
    """

    cost: str
    figure: Literal["parameters", "flops"]
    limit: float
    space: Space
    classes: int
    image_size: int = 1
    image_channels: int = 3
    size: Mapping[str, Any] = field(default_factory=dict)

    unit = "millions"

    def values(self, batch: Batch) -> npt.NDArray[np.float64]:
        """Return float64[n], the counts of int8[n, d], in millions."""
        counted = count(
            self.space, batch, self.classes, self.image_size, self.image_channels, **dict(self.size)
        )
        return np.asarray(getattr(counted, self.figure) / 1e6, dtype=np.float64)

    def feasible(self, batch: Batch) -> npt.NDArray[np.bool_]:
        """Return bool[n], which rows keep the limit."""
        return np.asarray(self.values(batch) <= self.limit)


class SizeLimits:
    """The constraint ``feasible(batch)`` of one supernet, from limits among a method's hyperparameters.

    Parameters
    ----------
    supernet : Supernet whose recipe gives classes, image channels and size.
    max_parameters, max_flops : Largest figures allowed, in millions; None does not limit. One is given.

    Attributes
    ----------
    image_size : Side of the images, in pixels; it must be set before multiply-adds are asked for.
    """

    def __init__(self, supernet: Any, max_parameters: float | None, max_flops: float | None) -> None:
        self._recipe = supernet.recipe
        self._max_parameters, self._max_flops = max_parameters, max_flops
        self.image_size: int | None = None

    @property
    def needs_images(self) -> bool:
        """Whether the size of the images must be known first."""
        return self._max_flops is not None and self.image_size is None

    def constraint(self) -> Constraint:
        """Return the limits as one constraint.

        Raises
        ------
        InputError : Multiply-adds are limited and the size of the images is not known.
        """
        if self.needs_images:
            raise InputError("max_flops depends on the size of the images: train the supernet first")
        recipe, parts = self._recipe, []
        network = (recipe.classes, self.image_size or 1, recipe.image_channels, recipe.size.options())
        if self._max_parameters is not None:
            limit = self._max_parameters
            parts.append(CountConstraint("max_parameters", "parameters", limit, recipe.space, *network))
        if self._max_flops is not None:
            parts.append(CountConstraint("max_flops", "flops", self._max_flops, recipe.space, *network))
        return AllOf(parts)

    def feasible(self, batch: Batch) -> npt.NDArray[np.bool_]:
        """Return bool[n], which rows keep all limits."""
        return self.constraint().feasible(batch) if len(batch) else np.ones(0, dtype=np.bool_)

    def sample(self, n: int, draw: Callable[[int], Batch]) -> Batch:
        """Return int8[n, d], rows of `draw`, those that break a limit drawn again; see `sample_feasible`."""
        return sample_feasible(self.constraint(), n, draw, self._recipe.space.name, at_once=256)
