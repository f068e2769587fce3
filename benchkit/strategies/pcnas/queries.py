"""PC-NAS on a table decides the choices of an architecture one after another by queried accuracies.

Li et al., "Improving One-Shot NAS by Suppressing the Posterior Fading" (arXiv:1910.02543), section 3.3. Mixed
operators are decided in turn; a pool of partial models is extended by the operators of the next one, judged
by the mean accuracy of random completions, and cut back to the best. Here only the set of queries shrinks: a
table has no weights that architectures share, and so no posterior that fades.

==========================================================  ================================================
paper                                                       here
==========================================================  ================================================
ExtendedPartialModels (Algorithm 2)                         `PCNASQueries.propose`, ``partial_models.extend``
Algorithm 1: S completions of each candidate                `PCNASQueries.propose`, `plan`
Average(Scores) (Algorithm 1), Eq. 11; Top(.., P)           `PCNASQueries.decide`
==========================================================  ================================================

Deviations and choices
----------------------
- The budget is known (`queries`), and the run is planned to stay within it (`plan`): first S, the largest up
  to `first_samples` that a pool of one affords, then P, the largest up to `pool` that this S affords. Before
  each decision S is planned anew, up to `samples`, from the queries that are left, since known completions
  make later decisions cheaper. Without `queries` P and S are `pool` and `samples`.
- P = 5 and S = 900 are the paper's; the preset ``paper`` plans S for all of the 900 first. `first_samples`
  was chosen by the validation accuracy of the best seen on NAS-Bench-201, averaged over its data sets, with
  seeds 1000 to 1039, which no study of ours uses: 70.08, 70.11, 70.11 and 69.98 % with 1, 2, 3 and 900 after
  150 queries (random search 69.40), 70.32, 70.32, 70.32 and 70.27 % after 300 (69.69).
- A query is dear and its answer does not age. No architecture is asked twice, and a potential is the mean
  over all known completions of the candidate, at least S where there are so many: a uniform completion of a
  partial model is one of its extensions, too. Extended models had scored well, so old completions flatter,
  but equally for all candidates of one parent. An architecture that was asked in another encoding (an
  isomorphic cell) is known.
- The completions of a candidate are therefore distinct: drawn without replacement, from a list where at most
  4,096 combinations of choices are left, else by drawing again, 20 times at most.
- Completions that break a constraint are dumped and, other than in Algorithm 1, do not count among the S, as
  the text has it ("uniformly sampling valid models"): here S is often 1 to 5.
- A mixed operator with a single choice costs nothing. A whole model is one query.
- Queries that are left when the last operator is decided go to completions that nobody asked, of the pool of
  the last decision but one, then of the one before, and so on down to the whole space: near the best models
  first. The trial ends when nothing new is found.
- The answer is the best that was queried, not the best of the last pool.
- `benchkit.strategies.pcnas.partial_models` treats the order, NAS-Bench-101 and restricted spaces.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from benchkit.base.errors import InputError
from benchkit.spaces.base import Architecture, Batch, Space
from benchkit.strategies.hyperparameters import require
from benchkit.strategies.pcnas.partial_models import (
    Drawn,
    Partial,
    all_completions,
    best_partial_models,
    complete_feasible,
    completing,
    decision_order,
    extend,
    none_left,
    potentials,
)
from benchkit.strategies.protocol import Ask, Scores, SearchStrategy

_ROUNDS = 20  # rounds of draws for completions that are new
_BATCH = 50  # rows asked at once where no decision waits for them


@dataclass(frozen=True)
class PCNASQueriesHyperparameters:
    """Hyperparameters of section 4.4, P and S at most, and the budget.

    Attributes
    ----------
    queries : Number of queries that the budget pays for, given by the runner; None plans nothing.
    pool : Number P of partial models that are kept, at most.
    samples : Number S of known completions of each candidate before it is judged, at most.
    first_samples : Number S for which P is planned, at most; queries that P leaves raise S again.
    order : Positions of the row in the order in which they are decided; None is the row's own.
    """

    queries: int | None = None
    pool: int = 5
    samples: int = 900
    first_samples: int = 2
    order: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        require(self, "be at least 1", "queries", "pool", "samples", "first_samples")
        if self.order is not None:
            object.__setattr__(self, "order", tuple(self.order))


class Plan(NamedTuple):
    """A plan: P, S, and the number of queries that they ask at most."""

    pool: int
    samples: int
    queries: int


def cost(operators: list[int], pool: int, samples: int, kept: int = 1) -> int:
    """Return the queries of deciding these mixed operators where no completion is known.

    Parameters
    ----------
    operators : Number N of choices of each remaining operator, in the order of decision.
    pool, samples : Numbers P and S.
    kept : Number of partial models in the pool so far.
    """
    total = 0
    for level, choices in enumerate(operators):
        if choices == 1:
            continue
        completions = math.prod(operators[level + 1 :])
        total += kept * choices * min(samples, completions)
        kept = min(pool, kept * choices)
    return total


def plan(operators: list[int], queries: int, pool: int, samples: int) -> Plan:
    """Return the run within the budget: the largest S for P = 1, then the largest P for that S.

    Raises
    ------
    InputError : The budget does not pay for P = 1 and S = 1.
    """
    least = cost(operators, 1, 1)
    if least > queries:
        raise InputError(
            f"pcnas makes at least {least} queries here, one completion of every operator with a pool of one "
            f"(S = 1, P = 1); the budget pays for {queries}"
        )
    chosen = max(s for s in range(1, min(samples, queries) + 1) if cost(operators, 1, s) <= queries)
    largest = max(p for p in range(1, min(pool, queries) + 1) if cost(operators, p, chosen) <= queries)
    return Plan(largest, chosen, cost(operators, largest, chosen))


class PCNASQueries(SearchStrategy):
    """A method that extends a pool of partial models by one operator and cuts it back, by queried accuracies.

    Attributes
    ----------
    order : Positions of the row in the order of decision.
    pools : int8[p, l] for l = 0, 1, ...: the partial models kept after each decision, best first.
    plan : Numbers P and S as planned at the start; None without a budget.
    """

    name = "pcnas"
    citation = (
        "Li et al. (2019), Improving One-Shot NAS by Suppressing the Posterior Fading, arXiv:1910.02543"
    )
    Hyperparameters = PCNASQueriesHyperparameters
    # section 4.1, as far as the budget goes: S before P
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"pool": 5, "samples": 900, "first_samples": 900}
    }
    plans_queries = True
    takes_constraint = True

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        setting = self.hyperparameters
        self.order = decision_order(space, setting.order)
        self.pools: list[Batch] = [np.empty((1, 0), dtype=np.int8)]
        self.plan: Plan | None = None
        if setting.queries is not None:
            most = min(setting.first_samples, setting.samples)
            self.plan = plan(self._operators(), setting.queries, setting.pool, most)
        # every row that was asked or met, its entry's key, and the scores of entries
        self._rows: Batch = np.empty((0, space.length), dtype=np.int8)
        self._keys: list[Any] = []
        self._met: set[bytes] = set()
        self._entries: set[Any] = set()
        self._scores: dict[Any, float] = {}
        self._candidates: Batch | None = None

    def _operators(self, level: int = 0) -> list[int]:
        """Return N of each mixed operator from that decision on."""
        return [self.space.arity[position] for position in self.order[level:]]

    def _samples(self, level: int) -> int:
        """Return S of a decision: the most that leaves enough for those that follow."""
        setting = self.hyperparameters
        if self.plan is None:
            return int(setting.samples)
        left, pool, kept = setting.queries - len(self._scores), self.plan.pool, len(self.pools[-1])
        operators = self._operators(level)
        fitting = (s for s in range(setting.samples, 0, -1) if cost(operators, pool, s, kept) <= left)
        return next(fitting, 1)

    # -- asking -------------------------------------------------------------------------------

    def propose(self) -> Ask:
        """Return new completions of the candidates; where none are missing, decide and go on.

        Raises
        ------
        InputError : No candidate has a completion that keeps the constraint.
        """
        while self.pools[-1].shape[1] < self.space.length:
            if self._candidates is not None:
                self.decide()
                continue
            rows = self._extended()
            if len(rows):
                return Ask(rows)
        return Ask(self._spare())

    def _extended(self) -> Batch:
        """Extend the pool; return int8[n, d], the completions of the candidates that must be asked."""
        pool = self.pools[-1]
        level = pool.shape[1]
        operators = self._operators(level)[0]
        candidates = extend(pool, operators)
        if operators == 1:
            self.pools.append(candidates)
            return self._rows[:0]
        wanted = self._samples(level)
        asked: list[Batch] = []
        for candidate in candidates:
            known = int(completing(self._rows, self.order, candidate).sum())
            asked.append(self._new(candidate, wanted - known))
        self._candidates = candidates
        return np.concatenate(asked)

    def _new(self, partial: Partial, wanted: int) -> Batch:
        """Return int8[<= wanted, d], new completions of a partial model whose entries nobody asked for.

        Completions of known entries are new rows too and count among those wanted, but are only remembered.
        """
        found: list[Architecture] = []
        asked: list[Architecture] = []
        for rows in self._drawn(partial, wanted):
            for row, key in zip(rows, self.space.key(rows).tolist(), strict=True):
                if len(found) == wanted or row.tobytes() in self._met:
                    continue
                self._met.add(row.tobytes())
                found.append(row)
                self._keys.append(key)
                if key not in self._entries:
                    self._entries.add(key)
                    asked.append(row)
            if len(found) == wanted:
                break
        self._rows = np.concatenate([self._rows, np.array(found, np.int8).reshape(-1, self.space.length)])
        return np.array(asked, dtype=np.int8).reshape(-1, self.space.length)

    def _drawn(self, partial: Partial, n: int) -> Iterator[Batch]:
        """Yield completions that keep the constraint: all of them in random order, or n draws at a time."""
        if n < 1:
            return
        listed = all_completions(self.space, self.order, partial)
        if listed is not None:
            kept = listed if self.constraint is None else listed[self.constraint.feasible(listed)]
            yield self.rng.permutation(kept)
            return
        for _ in range(_ROUNDS):
            drawn = self._feasible(partial[None], n)
            if not len(drawn.rows):
                return
            yield drawn.rows

    def _feasible(self, pool: Batch, n: int) -> Drawn:
        return complete_feasible(self.space, self.rng, self.order, pool, n, self.constraint)

    def _spare(self) -> Batch:
        """Return int8[n, d]: completions that nobody asked, near the best models first."""
        setting = self.hyperparameters
        left = _BATCH if setting.queries is None else max(setting.queries - len(self._scores), 1)
        for pool in self.pools[-2::-1]:
            for partial in pool:
                rows = self._new(partial, min(left, _BATCH))
                if len(rows):
                    return rows
        return self._rows[:0]

    # -- deciding -----------------------------------------------------------------------------

    def observe(self, batch: Batch, scores: Scores) -> None:
        for key, score in zip(self.space.key(batch).tolist(), scores.tolist(), strict=True):
            self._scores.setdefault(key, score)

    def decide(self) -> None:
        """Keep the P candidates with the highest mean of their known scores.

        Raises
        ------
        InputError : No candidate has a completion that keeps the constraint.
        """
        candidates = self._candidates
        if candidates is None:
            return
        known = np.array([self._scores.get(key, np.nan) for key in self._keys])
        scores: list[Scores] = []
        whose: list[int] = []
        for number, candidate in enumerate(candidates):
            mine = known[completing(self._rows, self.order, candidate)]
            scores.append(mine[~np.isnan(mine)])
            whose += [number] * len(scores[-1])
        of_each = potentials(np.concatenate(scores), np.array(whose, dtype=np.int64), len(candidates))
        if not np.isfinite(of_each).any():
            raise none_left(self.space, self.constraint, self._feasible(candidates, 1))
        pool = self.hyperparameters.pool if self.plan is None else self.plan.pool
        self.pools.append(best_partial_models(candidates, of_each, pool)[0])
        self._candidates = None
