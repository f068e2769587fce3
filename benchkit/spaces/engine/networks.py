"""Makers of the networks of a space; the space's own module ``network`` calls them ``NETWORKS``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from benchkit.spaces.base import Architecture
from benchkit.spaces.engine.blocks import Mask
from benchkit.spaces.engine.gated import GatedCandidates, GatedNetwork
from benchkit.spaces.engine.network import CandidateNetwork, Recipe


@dataclass(frozen=True)
class Networks:
    """How the networks of a space are made; modules are only described, not filled.

    Attributes
    ----------
    supernet : Function from a recipe to the shared weights of the whole space.
    alone : Function from a recipe and a valid row to its stand-alone network.
    copy : Function that gives a stand-alone network the weights of its supernet, running averages included.
    gates : Function from a supernet to its gates; InputError where its parts cannot be left out.
    """

    supernet: Callable[[Recipe], Any]
    alone: Callable[[Recipe, Architecture], Any]
    copy: Callable[[Any, Any], None]
    gates: Callable[[Any], GatedNetwork]


def candidate_networks(describe: Callable[[Recipe, Mask], CandidateNetwork]) -> Networks:
    """Return how networks of candidates are made.

    Parameters
    ----------
    describe : Function from a recipe and the candidates that exist to their network.
    """

    def supernet(recipe: Recipe) -> CandidateNetwork:
        one = recipe.space.holds(np.zeros(recipe.space.length, dtype=np.int8))
        return describe(recipe, np.ones_like(one))

    def alone(recipe: Recipe, row: Architecture) -> CandidateNetwork:
        return describe(recipe, recipe.space.holds(row))

    return Networks(supernet, alone, _copy_by_name, GatedCandidates)


def _copy_by_name(supernet: nn.Module, alone: nn.Module) -> None:
    shared = supernet.state_dict()
    alone.load_state_dict({name: shared[name] for name in alone.state_dict()})
