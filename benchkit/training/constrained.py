"""The constraint of a weight-sharing search: made from its settings, described in its results."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchkit.searching.constraints import describe_constraint, network_constraint
from benchkit.spaces.base import Architecture
from benchkit.strategies.constraint import Constraint
from benchkit.strategies.rejection import draw_feasible, parts_of
from benchkit.training.settings import SearchSettings

__all__ = ["costs_of", "described", "search_constraint"]


def search_constraint(settings: SearchSettings, network: Any, image_size: int) -> Constraint | None:
    """Return the constraint of a search; None without limits.

    Parameters
    ----------
    network : the recipe of the supernet, whose parameters and multiply-adds count.
    image_size : side of the images that it is trained on, in pixels.

    Raises
    ------
    InputError : see `network_constraint`; or nothing that was drawn keeps the limits, before anything is
        trained.
    """
    constraint = network_constraint(
        network.space,
        settings.limits,
        settings.lookup(),
        classes=network.classes,
        image_size=image_size,
        image_channels=network.image_channels,
        size=network.size.options(),
    )
    if constraint is not None:
        draw_feasible(network.space, np.random.default_rng(0), 1, constraint)
    return constraint


def described(settings: SearchSettings, constraint: Constraint | None) -> dict[str, Any]:
    """Return what the manifest says of settings and constraint; of a look-up table, which one it is."""
    facts, lookup = settings.describe(), settings.lookup()
    if lookup is not None:
        facts["latency"] = lookup.identity()
    limits = {} if constraint is None else {"constraint": describe_constraint(constraint)}
    return {"search": facts, **limits}


def costs_of(constraint: Constraint | None, recommended: Architecture) -> dict[str, Any]:
    """Return ``costs``, what the recommended architecture takes of everything that is limited."""
    if constraint is None:
        return {}
    costs = {part.cost: float(part.values(recommended[None])[0]) for part in parts_of(constraint)}
    return {"costs": costs}
