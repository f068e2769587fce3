"""GibbsNAS on a table draws the choices of an architecture from their conditional posteriors.

Xue et al., "Rethinking Bi-Level Optimization in Neural Architecture Search: A Gibbs Sampling Perspective",
AAAI 2021, draws weights and architecture in turn, each from its posterior given the other. A table has no
weights to draw; the sampler remains. The choices of an architecture are visited in turn, and each is drawn
from its posterior given all the others and the accuracies that were queried.

==================================================================  =====================================
here                                                                where
==================================================================  =====================================
p(a | D) proportional to p(a) exp(beta accuracy(a))                 the target
p(a_i | the other choices, D): the same, over the choices of i      `conditional`
visit the choices in turn, replace each by a draw ("Overview")      `GibbsChain.draw`
ask for what a conditional needs and nobody asked before            `GibbsNASQueries.propose`
beta from `initial_beta` to `beta`                                  `inverse_temperature`
==================================================================  =====================================

Deviations and choices
----------------------
- The discrete sampler is ours. The paper's posterior of the architecture is a Gaussian of continuous alpha
  (Eq. 16), and its likelihood is that of images; here exp(beta accuracy) stands in for the likelihood, with
  accuracy in percent and beta for each percentage point: a choice that is 1 / beta points better is e times
  as probable.
- The prior p(a) is uniform over the rows of the space. An architecture that several rows encode (isomorphic
  cells of NAS-Bench-101) counts once for each row; its accuracy is asked once (by ``space.key``). A row that
  is no entry of a restricted space, or breaks a constraint, has probability 0, and is never drawn or asked.
- Every sweep visits the choices in a new random order: the target stays invariant, and no choice is always
  the first to settle.
- A conditional of N choices costs up to N - 1 queries, asked as one batch (N where a chain begins). Every
  answer is remembered for all chains, which take turns.
- Where a table draws one of its runs for each query, the run that was drawn first is kept as the accuracy.
- A chain whose last `patience` sweeps asked nothing new starts again at a random architecture, as a new
  chain: it knows everything around it, and further draws would cost nothing and find nothing. The trial ends
  when every entry of the space was asked, or when 1,000 new starts in a row met known entries alone.
- Single choices may not connect all members of a space: a restricted space can fall into islands, which only
  a new start leaves.
- ``beta`` and ``chains`` were chosen by the validation accuracy after 150 queries, averaged over the three
  data sets of NAS-Bench-201, with seeds 1000 to 1011, which no study of ours uses. One chain with beta 0.25,
  1, 2, 4, 8, 16 and 64 has 69.81, 70.31, 70.44, 70.55, 70.54, 70.50 and 70.50 % (random search 69.56). Two
  chains lose up to 0.14 points, three up to 0.38: each pays for its own start. Annealing gains 0.03 at best
  (from 1 to 16 over 150 queries), which is within the noise, and so is off.
- The answer is the best of all that was queried, whether or not a chain went there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.spaces.base import Architecture, Batch, Space
from benchkit.strategies.constraint import Constraint
from benchkit.strategies.hyperparameters import require
from benchkit.strategies.novelty import new_places
from benchkit.strategies.protocol import Ask, Scores, SearchStrategy
from benchkit.strategies.rejection import sample_feasible

_STARTS = 1_000  # in a row without anything to ask, before the space counts as used up


@dataclass(frozen=True)
class GibbsNASQueriesHyperparameters:
    """Hyperparameters of the sampler; the paper has none for tables.

    Attributes
    ----------
    beta : Inverse temperature, for each percentage point of accuracy.
    initial_beta : Inverse temperature where annealing begins; None keeps `beta` throughout.
    annealing : Number of queries over which beta goes from `initial_beta` to `beta`, geometrically.
    chains : Number of chains that take turns.
    patience : Number of sweeps without a query before a chain starts again.
    """

    beta: float = 4.0
    initial_beta: float | None = None
    annealing: int = 100
    chains: int = 1
    patience: int = 1

    def __post_init__(self) -> None:
        for name in ("beta", "initial_beta"):
            value = getattr(self, name)
            if value is not None and not 0 < value < np.inf:
                raise ValueError(f"{name} must be positive, got {value}")
        require(self, "be at least 1", "annealing", "chains", "patience")


def conditional(accuracies: Scores, beta: float) -> npt.NDArray[np.float64]:
    """Return float64[k], summing to 1: the posterior of the k members that differ in one choice.

    `accuracies`, float64[k], are in percent, and `beta` is for each percentage point.
    """
    weights = np.exp(beta * (accuracies - accuracies.max()))
    probabilities: npt.NDArray[np.float64] = weights / weights.sum()
    return probabilities


def inverse_temperature(queries: int, initial: float | None, last: float, annealing: int) -> float:
    """Return beta after so many queries, geometric from `initial` to `last` over `annealing` of them."""
    if initial is None or queries >= annealing:
        return last
    return float(initial * (last / initial) ** (queries / annealing))


class GibbsChain:
    """One chain: its state, the choice that it visits next, and its history.

    Parameters
    ----------
    space : Space on whose members it walks.
    rng : Generator of the start, the order of each sweep, and the choices.
    constraint : Constraint that the members must keep, too; None is none.

    Attributes
    ----------
    state : int8[d].
    """

    def __init__(self, space: Space, rng: np.random.Generator, constraint: Constraint | None = None) -> None:
        self._space, self._rng, self._constraint = space, rng, constraint
        self._choosable = np.flatnonzero(np.array(space.arity) > 1)
        self._segments: list[list[Architecture]] = []
        self.state: Architecture
        self.start()

    def start(self) -> None:
        """Go to a random architecture, by the space's own law of `sample`, conditioned on the constraint."""
        if self._constraint is None:
            rows = self._sample(1)
        else:
            rows = sample_feasible(self._constraint, 1, self._sample, self._space.name)
        self.state = rows[0].copy()
        self._segments.append([self.state])
        self._sweep: list[int] = []
        self._rows: Batch | None = None

    def _sample(self, n: int) -> Batch:
        return self._space.sample(self._rng, n)

    @property
    def choices(self) -> int:
        """Number of draws of one sweep: positions with more than one choice, at least 1."""
        return max(1, len(self._choosable))

    def candidates(self) -> Batch:
        """Return int8[k, d]: the members that differ from the state in the visited choice, or not at all."""
        if self._rows is None:
            if not self._sweep:
                self._sweep = self._rng.permutation(self._choosable).tolist()
            if not self._sweep:  # a space of one architecture
                return self.state[None]
            position = self._sweep[-1]
            rows = np.repeat(self.state[None], self._space.arity[position], axis=0)
            rows[:, position] = np.arange(len(rows), dtype=np.int8)
            rows = rows[self._space.is_valid(rows)]
            self._rows = rows if self._constraint is None else rows[self._constraint.feasible(rows)]
        return self._rows

    def draw(self, accuracies: Scores, beta: float) -> Architecture:
        """Replace the visited choice by a draw from its conditional posterior, and go on to the next.

        `accuracies`, float64[k], are those of `candidates`; `beta` is for each percentage point.
        """
        rows = self.candidates()
        cumulative = np.cumsum(conditional(accuracies, beta))
        drawn = np.searchsorted(cumulative, self._rng.random() * cumulative[-1], side="right")
        self.state = rows[min(int(drawn), len(rows) - 1)]
        self._segments[-1].append(self.state)
        self._sweep, self._rows = self._sweep[:-1], None
        return self.state

    def history(self) -> list[Batch]:
        """Return int8[n + 1, d] for each start: its state, and the state after each of n draws."""
        return [np.array(segment, dtype=np.int8) for segment in self._segments]


class GibbsNASQueries(SearchStrategy):
    """Gibbs sampling over the choices of an architecture; the best that was queried."""

    name = "gibbsnas"
    citation = (
        "Xue et al. (2021), Rethinking Bi-Level Optimization in NAS: A Gibbs Sampling Perspective, AAAI"
    )
    Hyperparameters = GibbsNASQueriesHyperparameters
    takes_constraint = True
    in_points = ("beta", "initial_beta")

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        self._begin()
        self._known: dict[Any, float] = {}  # accuracy by key
        self._quiet = [0] * len(self.chains)  # draws in a row that asked for nothing
        self._turn = 0
        self._told = 0

    def _begin(self) -> None:
        wanted = self.hyperparameters.chains
        self.chains = [GibbsChain(self.space, self.rng, self.constraint) for _ in range(wanted)]

    def constrain(self, constraint: Constraint) -> None:
        super().constrain(constraint)
        self._begin()  # where it is allowed

    @property
    def beta(self) -> float:
        """The inverse temperature of the next draw."""
        setting = self.hyperparameters
        return inverse_temperature(self._told, setting.initial_beta, setting.beta, setting.annealing)

    def propose(self) -> Ask:
        barren = 0
        while len(self._known) < self.space.size and barren < _STARTS:
            chain = self.chains[self._turn]
            rows = chain.candidates()
            keys = self.space.key(rows).tolist()
            missing = new_places(keys, self._known)
            if missing:
                self._quiet[self._turn] = -1  # the draw that follows was paid for
                return Ask(rows[missing])
            chain.draw(np.array([self._known[key] for key in keys]), self.beta)
            self._quiet[self._turn] += 1
            if self._quiet[self._turn] >= self.hyperparameters.patience * chain.choices:
                chain.start()
                self._quiet[self._turn] = 0
                barren += 1
            self._turn = (self._turn + 1) % len(self.chains)
        return Ask(np.empty((0, self.space.length), dtype=np.int8))

    def observe(self, batch: Batch, scores: Scores) -> None:
        self._told += len(scores)
        for key, score in zip(self.space.key(batch).tolist(), scores.tolist(), strict=True):
            self._known.setdefault(key, score)
