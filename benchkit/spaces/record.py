"""The record of a space: all that depends on which space it is, in one place.

The ``__init__`` of a space's folder makes it and calls it ``RECORD``; `benchkit.spaces` lists the folders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from benchkit.spaces.base import Space
from benchkit.spaces.counts_layers import Counts
from benchkit.spaces.genotype import CellRules
from benchkit.spaces.sizes import NetworkSize


def _uncounted(*_: object) -> Counts:
    raise TypeError("this space has no networks to count")


@dataclass(frozen=True)
class SpaceRecord:
    """What a folder gives for its spaces.

    Attributes
    ----------
    folder : Name of the package; its module ``network``, loaded when a network is built, has ``NETWORKS``.
    spaces : Makers of the spaces by name.
    families : Makers from what stands behind the colon, for each name that takes parameters.
    usual : Names, parameters included, that stand for a family in a list.
    size : Options of the networks; None where there are no networks.
    count : Counter of ``(space, rows, size, classes, image_size, image_channels)``, with valid rows.
    rules : Rules for published genotypes; None where the space reads none.
    """

    folder: str
    spaces: Mapping[str, Callable[[], Space]] = field(default_factory=dict)
    families: Mapping[str, Callable[[str], Space]] = field(default_factory=dict)
    usual: tuple[str, ...] = ()
    size: type[NetworkSize] | None = None
    count: Callable[..., Counts] = _uncounted
    rules: CellRules | None = None

    def networks(self) -> Any:
        """Return the `benchkit.spaces.engine.networks.Networks` of the spaces; loads torch."""
        return import_module(f"{self.folder}.network").NETWORKS
