"""The Pareto front of two quantities: what nothing else beats in one without losing in the other.

An entry dominates another if it is no worse in both quantities and better in at least one (Deb 2001,
Multi-Objective Optimization Using Evolutionary Algorithms). The front is what no entry dominates. One sort
finds it, O(n log n) (Kung, Luccio and Preparata 1975, for two quantities).

Deviations and choices
----------------------
- Entries that are equal in both quantities dominate neither each other nor what is as good as they: all or
  none of them are in the front.
- An entry without one of the two values is compared with nothing, and is not in the front.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def pareto_front(
    cost: npt.ArrayLike, value: npt.ArrayLike, *, lower_cost: bool = True, higher_value: bool = True
) -> npt.NDArray[np.int64]:
    """Return int64[m]: the entries that no other dominates, from the best cost to the best value.

    Parameters
    ----------
    cost, value : float[n]; NaN where unknown.
    lower_cost, higher_value : Better direction of each.

    Returns
    -------
    Indices; of entries with equal cost and value all, in their order. Empty where nothing is known.

    Raises
    ------
    ValueError : arrays of different or more than one dimension.
    """
    first, second = np.asarray(cost, dtype=np.float64), np.asarray(value, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"a front needs a cost and a value each, got shapes {first.shape}, {second.shape}")
    known = np.flatnonzero(~np.isnan(first) & ~np.isnan(second))
    cost_rank = first[known] if lower_cost else -first[known]
    value_rank = -second[known] if higher_value else second[known]
    order = np.lexsort((value_rank, cost_rank))  # lower is better in both; equals keep their order
    cost_rank, value_rank = cost_rank[order], value_rank[order]
    group = np.searchsorted(cost_rank, cost_rank)  # where the entries of this cost begin, their best first
    best_before = np.concatenate([[np.inf], np.minimum.accumulate(value_rank)])[group]
    kept = (value_rank == value_rank[group]) & ((value_rank < best_before) | (group == 0))
    front: npt.NDArray[np.int64] = known[order[kept]]
    return front
