"""Draws under a constraint: rows that break it are dumped before they are scored, and drawn again.

Rejection keeps the law of the draws, conditioned on being feasible. Several limits are one constraint
(`AllOf`), which a feasible row keeps all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.spaces.base import Batch, Space
from benchkit.strategies.constraint import Constraint

_ROUND = 256  # draws at once, at most, where none was feasible
_DRAWS = 20_000  # draws in a row, before nothing counts as feasible


class AllOf:
    """Several constraints as one: its value is the largest share of a limit that is used, its limit 1.

    Attributes
    ----------
    parts : Constraints, at least one; their limits are positive.
    """

    unit = "of the limit"
    limit = 1.0

    def __init__(self, parts: Sequence[Constraint]) -> None:
        if not parts:
            raise ValueError("at least one constraint is needed")
        self.parts = tuple(parts)

    @property
    def cost(self) -> str:
        return " and ".join(part.cost for part in self.parts)

    def values(self, batch: Batch) -> npt.NDArray[np.float64]:
        """Return float64[n], the largest share of a limit that each row uses."""
        shares = np.array([part.values(batch) / part.limit for part in self.parts])
        return np.asarray(shares.max(axis=0))

    def feasible(self, batch: Batch) -> npt.NDArray[np.bool_]:
        """Return bool[n], which rows keep all limits."""
        kept = np.arange(len(batch))
        for part in self.parts:
            if len(kept):
                kept = kept[part.feasible(batch[kept])]
        keeps = np.zeros(len(batch), dtype=np.bool_)
        keeps[kept] = True
        return keeps


def parts_of(constraint: Constraint) -> tuple[Constraint, ...]:
    """Return the single limits of a constraint."""
    return constraint.parts if isinstance(constraint, AllOf) else (constraint,)


def infeasible(
    constraint: Constraint, smallest: Sequence[float], where: str, seen: str = "the smallest"
) -> InputError:
    """Return the error where nothing is feasible; it names every limit and the smallest value seen.

    Parameters
    ----------
    smallest : Smallest value of each of `parts_of`.
    where : Description of the rows, such as ``shufflenet among 20,000 drawn``.
    seen : Description of the smallest values.
    """
    limits = " and ".join(
        f"{part.cost}={part.limit:g} ({part.unit}; {seen} has {value:.4g})"
        for part, value in zip(parts_of(constraint), smallest, strict=True)
    )
    return InputError(f"no architecture of {where} keeps {limits}")


def sample_feasible(
    constraint: Constraint, n: int, draw: Callable[[int], Batch], space: str, *, at_once: int = 1
) -> Batch:
    """Return int8[n, d], rows of `draw`, those that break the constraint drawn again.

    Parameters
    ----------
    draw : Function from a number to so many rows, int8[number, d]; 0 gives none.
    space : Name of the space, for the error.
    at_once : Number of draws at a time, at least; it doubles, up to 256, where none was feasible.

    Raises
    ------
    InputError : 20,000 draws in a row were not feasible.
    """
    found = draw(0)
    smallest = [np.inf] * len(parts_of(constraint))
    barren = 0
    while len(found) < n:
        rows = draw(max(n - len(found), at_once))
        kept = rows[constraint.feasible(rows)]
        found = np.concatenate([found, kept])
        if len(kept):
            barren = 0
            continue
        barren += len(rows)
        at_once = max(at_once, min(2 * at_once, _ROUND))
        lowest = (float(part.values(rows).min()) for part in parts_of(constraint))
        smallest = [min(pair) for pair in zip(smallest, lowest, strict=True)]
        if barren >= _DRAWS:
            raise infeasible(constraint, smallest, f"{space} among {barren:,} drawn", "the smallest drawn")
    return found[:n]


def draw_feasible(space: Space, rng: np.random.Generator, n: int, constraint: Constraint | None) -> Batch:
    """Return int8[n, d], draws by the space's own law, conditioned on being feasible.

    Raises
    ------
    InputError : As in `sample_feasible`.
    """
    if constraint is None:
        return space.sample(rng, n)
    return sample_feasible(constraint, n, lambda wanted: space.sample(rng, wanted), space.name)
