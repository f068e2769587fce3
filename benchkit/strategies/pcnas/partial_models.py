"""Extends, completes and ranks the partial models of PC-NAS, the first l choices of an architecture.

Li et al., "Improving One-Shot NAS by Suppressing the Posterior Fading" (arXiv:1910.02543), section 3.3. A
pool is an array int8[p, l]: in each row the choices made so far, in the order in which the mixed operators
are decided. PC-NAS uses these functions on a supernet and on a table.

==========================================================  ================================================
paper                                                       here
==========================================================  ================================================
Extend(m, O_1), ..., Extend(m, O_N) (Algorithm 2)           `extend`, `candidate_counts`
expand(m') (Algorithm 1)                                    `complete`, `all_completions`
Latency(m*) > Lat: continue (Algorithm 1)                   `complete_feasible`
Average(Scores) (Algorithm 1), Eq. 11                       `potentials`
Top(ExtendedPartialModels, P) (Algorithm 2)                 `best_partial_models`
models left in the shrunk space (section 3.3)               `architectures_left`
==========================================================  ================================================

Deviations and choices
----------------------
- Eq. 11 has ``i < l``, which would leave the new operator out of its own potential: here ``i <= l``.
- The order of the mixed operators is that of the row, unless given: layers from first to last, the edges of
  NAS-Bench-201 and the operations of `nasnet` as they are stored. On NAS-Bench-101 the 21 edges are decided
  one by one (the upper triangle of the adjacency matrix, row by row, each absent or present) and then the
  operations of the five inner vertices: 26 decisions.
- A completion is uniform among the members of the space with these choices. Where every combination is a
  member, the missing choices are drawn independently. Where choices depend on one another, up to 4,096
  combinations are listed and one of the members is drawn; beyond that, and in a restricted space, the space
  draws (``Space.sample_product``: by rejection, 12,800 draws before a partial model counts as one without
  completions; among its entries in a restricted space). A partial model without completions is no candidate.
- Algorithm 1 counts completions that break the constraint among its S, and averages over the others; the text
  samples valid models. `complete_feasible` follows Algorithm 1. Only a candidate whose S draws are all dumped
  is drawn again, about 5,000 times at most: 900 draws are seldom all dumped, ten often are. One that still
  has none is no candidate. Where no candidate is left, an error names the limit and the smallest value seen.
- Among equal potentials the earlier candidate is kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.spaces.base import Batch, ProductSpace, Space
from benchkit.spaces.restricted import RestrictedSpace
from benchkit.strategies.constraint import Constraint
from benchkit.strategies.evolution import top_k
from benchkit.strategies.protocol import Scores
from benchkit.strategies.rejection import infeasible, parts_of

Partial = npt.NDArray[np.int8]
"""One partial model, int8[l]: the choices made so far, in the order of decision."""

_LISTED = 4096  # combinations of missing choices that are listed at most
_MORE = 5_000  # draws for a candidate whose completions all break the constraint


class Drawn(NamedTuple):
    """Completions of several partial models.

    Attributes
    ----------
    rows : int8[m, d], members of the space, by ascending `whose`.
    whose : int64[m], the partial model that each completes.
    dumped : Number of others that broke the constraint.
    costs : float64[m], values of the constraint; None without one.
    smallest : Smallest value seen of each of `parts_of` the constraint, dumped completions included.
    """

    rows: Batch
    whose: npt.NDArray[np.int64]
    dumped: int = 0
    costs: npt.NDArray[np.float64] | None = None
    smallest: tuple[float, ...] = ()


# -- deciding ---------------------------------------------------------------------------------------


def decision_order(space: Space, given: Sequence[int] | None) -> tuple[int, ...]:
    """Return the positions of a row in the order in which they are decided; None is the row's own.

    Raises
    ------
    InputError : The given order does not name every position once.
    """
    order = tuple(range(space.length)) if given is None else tuple(given)
    if sorted(order) != list(range(space.length)):
        raise InputError(
            f"order must name each of the positions 0..{space.length - 1} of {space.name} once; "
            f"got {list(order)}"
        )
    return order


def candidate_counts(operators: Sequence[int], pool: int) -> list[int]:
    """Return the number of extended partial models of each decision, P x N at most.

    `operators` holds N of each mixed operator in the order of decision, and `pool` is P.
    """
    counts, kept = [], 1  # the empty model
    for choices in operators:
        counts.append(kept * choices)
        kept = min(pool, counts[-1])
    return counts


def extend(pool: Batch, operators: int) -> Batch:
    """Return int8[p * N, l + 1]: each of int8[p, l] with each of the N next operators."""
    last = np.tile(np.arange(operators, dtype=np.int8), len(pool))
    return np.column_stack([np.repeat(pool, operators, axis=0), last])


def completing(rows: Batch, order: Sequence[int], partial: Partial) -> npt.NDArray[np.bool_]:
    """Return bool[n], which rows of int8[n, d] complete a partial model."""
    return np.asarray((rows[:, list(order[: len(partial)])] == partial).all(axis=1))


def whole_rows(order: Sequence[int], pool: Batch) -> Batch:
    """Return int8[p, d], rows of the space, of int8[p, d] in the order of decision."""
    rows = np.empty_like(pool)
    rows[:, list(order)] = pool
    return rows


# -- completions ------------------------------------------------------------------------------------


def all_completions(space: Space, order: Sequence[int], partial: Partial) -> Batch | None:
    """Return int8[n, d], all members that complete a partial model; None where they are too many to list."""
    missing = list(order[len(partial) :])
    choices = [space.arity[position] for position in missing]
    combinations = math.prod(choices)
    if combinations > _LISTED:
        return None
    rows = np.empty((combinations, space.length), dtype=np.int8)
    rows[:, list(order[: len(partial)])] = partial
    if missing:
        rows[:, missing] = np.stack(np.unravel_index(np.arange(combinations), choices), axis=1)
    # every combination of a product space is a member
    return rows if isinstance(space, ProductSpace) else rows[space.is_valid(rows)]


def complete(space: Space, rng: np.random.Generator, order: Sequence[int], pool: Batch, n: int) -> Drawn:
    """Return n completions of each of int8[p, l], none where no member completes it.

    They are independent draws, uniform among the members with these choices.
    """
    if isinstance(space, ProductSpace):
        rows = rng.integers(0, np.array(space.arity), size=(len(pool) * n, space.length), dtype=np.int8)
        rows[:, list(order[: pool.shape[1]])] = np.repeat(pool, n, axis=0)
        return Drawn(rows, np.repeat(np.arange(len(pool)), n))
    found = [_members(space, rng, order, partial, n) for partial in pool]
    whose = np.repeat(np.arange(len(pool)), [len(rows) for rows in found])
    return Drawn(np.concatenate([np.empty((0, space.length), np.int8), *found]), whose)


def _members(space: Space, rng: np.random.Generator, order: Sequence[int], partial: Partial, n: int) -> Batch:
    listed = None if isinstance(space, RestrictedSpace) else all_completions(space, order, partial)
    if listed is not None:
        return listed[rng.integers(len(listed), size=n)] if len(listed) else listed
    law = [np.ones(choices) for choices in space.arity]
    for position, choice in zip(order, partial.tolist(), strict=False):
        law[position] = np.eye(space.arity[position])[choice]
    rows = space.sample_product(rng, law, 1)  # before many are looked for where there is none
    if n > 1 and completing(rows, order, partial).all():
        rows = np.concatenate([rows, space.sample_product(rng, law, n - 1)])
    # where the space found none, it drew others
    return rows[completing(rows, order, partial)]


def complete_feasible(
    space: Space,
    rng: np.random.Generator,
    order: Sequence[int],
    pool: Batch,
    n: int,
    constraint: Constraint | None,
) -> Drawn:
    """Return n random completions of each of int8[p, l], less those that break the constraint.

    Where no completion of a partial model is left, more are drawn, and n of them kept at most.
    """
    drawn = complete(space, rng, order, pool, n)
    if constraint is None:
        return drawn
    parts = parts_of(constraint)
    rows, whose, dumped = [drawn.rows[:0]], [drawn.whose[:0]], 0
    smallest = [math.inf] * len(parts)
    at_once = min(max(n, 256), _MORE)
    tried = np.full(len(pool), n)
    while len(drawn.rows):
        kept = constraint.feasible(drawn.rows)
        lowest = (float(part.values(drawn.rows).min()) for part in parts)
        smallest = [min(pair) for pair in zip(smallest, lowest, strict=True)]
        rows.append(drawn.rows[kept])
        whose.append(drawn.whose[kept])
        dumped += int((~kept).sum())
        barren = np.setdiff1d(drawn.whose, drawn.whose[kept])
        # all draws of a whole model are the same
        barren = barren[(tried[barren] < _MORE) & (pool.shape[1] < space.length)]
        tried[barren] += at_once
        more = complete(space, rng, order, pool[barren], at_once)
        drawn = Drawn(more.rows, barren[more.whose])
    numbers = np.concatenate(whose)
    by_model = np.argsort(numbers, kind="stable")
    found, numbers = np.concatenate(rows)[by_model], numbers[by_model]
    wanted = np.arange(len(numbers)) - np.searchsorted(numbers, numbers) < n  # drawn again, there may be more
    found, numbers = found[wanted], numbers[wanted]
    costs = constraint.values(found) if len(found) else np.empty(0)
    return Drawn(found, numbers, dumped, costs, tuple(smallest))


def none_left(space: Space, constraint: Constraint | None, drawn: Drawn) -> InputError:
    """Return the error where no candidate has a completion that may be scored."""
    if constraint is None:
        return InputError(f"no architecture of {space.name} was found that completes a partial model")
    where = f"{space.name} among {drawn.dumped:,} completions drawn"
    return infeasible(constraint, drawn.smallest, where, "the smallest drawn")


# -- choosing ---------------------------------------------------------------------------------------


def potentials(scores: Scores, whose: npt.NDArray[np.int64], candidates: int) -> Scores:
    """Return float64[candidates], percent: the mean score of each one's completions (Eq. 11), else -inf.

    `scores`, float64[m], are in percent, and `whose`, int64[m], is the candidate that each completes.
    """
    number = np.bincount(whose, minlength=candidates)
    total = np.bincount(whose, weights=scores, minlength=candidates)
    return np.where(number > 0, total / np.maximum(number, 1), -np.inf)


def best_partial_models(candidates: Batch, of_each: Scores, pool: int) -> tuple[Batch, Scores]:
    """Return the P candidates of the highest potentials and these, best first; none without completions."""
    some = np.isfinite(of_each)
    return top_k(candidates[some], of_each[some], pool)


def architectures_left(space: Space, order: Sequence[int], pool: Batch) -> tuple[int, bool]:
    """Return how many rows complete some model of int8[p, l], and whether that is exact.

    It is exact where every combination of choices is a member, in a restricted space (its entries), and where
    the combinations left are few enough to be listed; else it is the number for independent choices, an upper
    bound. Isomorphic rows count one by one.
    """
    if isinstance(space, RestrictedSpace):
        entries = space.at(np.arange(space.size))
        return sum(int(completing(entries, order, model).sum()) for model in pool), True
    each = math.prod(space.arity[position] for position in order[pool.shape[1] :])
    if isinstance(space, ProductSpace):
        return len(pool) * each, True
    listed = [rows for model in pool if (rows := all_completions(space, order, model)) is not None]
    if len(listed) < len(pool):
        return len(pool) * each, False
    return sum(map(len, listed)), True
