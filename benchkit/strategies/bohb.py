"""BOHB is Hyperband whose new configurations come from a density model.

Falkner, Klein and Hutter, "BOHB: Robust and Efficient Hyperparameter Optimization at Scale", ICML 2018.
Hyperband's brackets evaluate many architectures cheaply and promote the best of each rung to a higher
fidelity. New architectures are not drawn at random but where the ratio of a density of good ones to a
density of bad ones is highest. The densities are fitted at the highest fidelity that has enough scores.

=============================================  ==============================
Algorithm 1 (Hyperband): the brackets          `brackets`
Algorithm 1: successive halving in a bracket   `BOHB.observe`
Equation 3: sizes of the good and the bad set  `split_sizes`
Equation 2: the two densities l and g          `fit_densities`
Algorithm 2: draw from l', maximise l / g      `BOHB._configuration`
=============================================  ==============================

Deviations and choices
----------------------
- Fidelities. s_max = floor(log_eta(highest / lowest)), and a bracket's rungs lie at highest * eta^-s, ...,
  highest / eta, highest. A rung takes the table's largest fidelity that is not above its own (so it never
  costs more than planned), and rungs that fall on one fidelity become one, the first and widest. With
  (12, 200) epochs and eta = 3 the rungs 22, 67 and 200 become 12 and 200, and the cycle of brackets is 9 at
  12, the best 1 at 200; 5 at 12, the best 1 at 200; 3 at 200. With one fidelity BOHB is its density model
  alone.
- A promotion pays for the whole higher fidelity: a table's 200-epoch entry is not a continuation of its
  12-epoch entry. Ties are promoted in the order of evaluation.
- The first rung of a bracket asks one architecture at a time, so each is drawn from the newest model, as in
  the sequential algorithm of the paper; later rungs are asked as one batch.
- Densities. Every choice is categorical: a product of Aitchison-Aitken kernels over all c categories.
  Bandwidths follow the rule of the authors' code (statsmodels' ``normal_reference``, also for unordered
  variables: 1.06 sigma n^(-1/(4+d)), sigma over the category numbers), not below `min_bandwidth`. They stop
  at (c - 1) / c, where the kernel is uniform; in the authors' code they can pass it: kernels turn negative.
  There c is the number of categories in the data, here in the space. Where good architectures disagree widely
  in a choice, the kernel is therefore uniform, and the method is near random search in that choice.
- `bandwidth_factor` widens all bandwidths, as the paper says of Algorithm 2, line 5. The authors' code widens
  those of continuous variables only, so in a categorical space their setting acts as 1.0; the preset of the
  published NAS-Bench-201 run, which states 3, is therefore 1.0 here.
- Draws that are not in the space are rejected, for at most four rounds of `num_samples`; where no member is
  found, the space's own sampler draws. Repeats are asked and paid again, as in the authors' code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from benchkit.spaces.base import Architecture, Batch, Space
from benchkit.strategies.categorical_kde import CategoricalKDE, normal_reference
from benchkit.strategies.hyperparameters import require
from benchkit.strategies.protocol import Ask, Scores, SearchStrategy

_REJECTION_ROUNDS = 4


@dataclass(frozen=True)
class BOHBHyperparameters:
    """Hyperparameters with the defaults of the paper and of its authors' code (hpbandster).

    Attributes
    ----------
    fidelities : Ascending fidelities of the available scores, the study's own last; given by the runner.
        Empty: only the study's own, asked for as None.
    eta : Number by which a rung divides its architectures to keep the best.
    top_n_percent : Percentage of the scores that count as good, in (0, 100).
    min_points_in_model : Number N_min of points to which a density is fitted, at least; None is d + 1.
    num_samples : Number N_s of draws among which l / g is maximised.
    random_fraction : Share rho of architectures drawn from the space instead, in [0, 1].
    bandwidth_factor : Factor b_w by which the density of the draws is wider.
    min_bandwidth : Smallest bandwidth, in (0, 1].
    """

    fidelities: tuple[int, ...] = ()
    eta: int = 3
    top_n_percent: float = 15.0
    min_points_in_model: int | None = None
    num_samples: int = 64
    random_fraction: float = 1 / 3
    bandwidth_factor: float = 3.0
    min_bandwidth: float = 1e-3

    def __post_init__(self) -> None:
        object.__setattr__(self, "fidelities", tuple(self.fidelities))  # a specification holds a list
        ordered = all(low < high for low, high in zip(self.fidelities, self.fidelities[1:], strict=False))
        if not ordered or any(fidelity < 1 for fidelity in self.fidelities):
            raise ValueError(f"fidelities must be positive and ascending, got {self.fidelities}")
        if self.eta < 2:
            raise ValueError(f"eta must be at least 2, got {self.eta}")
        if not 0 < self.top_n_percent < 100:
            raise ValueError(f"top_n_percent must be between 0 and 100, got {self.top_n_percent}")
        require(self, "be at least 1", "min_points_in_model", "num_samples")
        require(self, "be in [0, 1]", "random_fraction")
        require(self, "be positive", "bandwidth_factor")
        require(self, "be in (0, 1]", "min_bandwidth")


@dataclass(frozen=True, slots=True)
class Rung:
    """One stage of successive halving: the number of architectures, and their fidelity."""

    size: int
    fidelity: int | None


def brackets(fidelities: tuple[int, ...], eta: int) -> list[tuple[Rung, ...]]:
    """Return the cycle of Hyperband brackets, the most exploring first (Algorithm 1).

    `fidelities` are ascending, empty for the study's own alone; a rung keeps 1 / `eta` of its architectures.
    """
    if not fidelities:
        return [(Rung(1, None),)]
    lowest, highest = fidelities[0], fidelities[-1]
    s_max = 0
    while lowest * eta ** (s_max + 1) <= highest:
        s_max += 1
    cycle = []
    for s in range(s_max, -1, -1):
        entrants = -(-(s_max + 1) * eta**s // (s + 1))  # n = ceil((s_max + 1) / (s + 1) * eta^s)
        rungs: dict[int, Rung] = {}
        for i in range(s + 1):
            affordable = [f for f in fidelities if f * eta ** (s - i) <= highest]
            rungs.setdefault(affordable[-1], Rung(entrants // eta**i, affordable[-1]))
        cycle.append(tuple(rungs.values()))
    return cycle


def split_sizes(observations: int, top_n_percent: float, fewest: int) -> tuple[int, int]:
    """Return how many of the best and of the worst observations are modelled (equation 3).

    ``N_l = max(N_min, q N)``, ``N_g = max(N_min, N - N_l)``: with few observations the two overlap.
    """
    good = max(fewest, int(top_n_percent * observations / 100))
    return good, max(fewest, observations - good)


def fit_densities(
    batch: Batch, scores: Scores, space: Space, hyperparameters: BOHBHyperparameters
) -> tuple[CategoricalKDE, CategoricalKDE] | None:
    """Return the densities l of good and g of bad architectures (equation 2).

    All rows of `batch`, int8[n, d], have one fidelity. None where there are fewer than N_min + 2 of them
    (Algorithm 2, line 2).
    """
    fewest = hyperparameters.min_points_in_model or space.length + 1
    if len(batch) < fewest + 2:
        return None
    best_first = batch[np.argsort(-scores, kind="stable")]
    good, bad = split_sizes(len(batch), hyperparameters.top_n_percent, fewest)

    def density(data: Batch) -> CategoricalKDE:
        bandwidth = normal_reference(data, space.arity, hyperparameters.min_bandwidth)
        return CategoricalKDE(data, bandwidth, space.arity)

    return density(best_first[:good]), density(best_first[-bad:])


class BOHB(SearchStrategy):
    """Bayesian optimisation and Hyperband."""

    name = "bohb"
    citation = (
        "Falkner, Klein and Hutter (2018), BOHB: Robust and Efficient Hyperparameter Optimization at "
        "Scale, ICML"
    )
    Hyperparameters = BOHBHyperparameters
    multi_fidelity = True
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        # the NAS-Bench-201 authors' script; its bandwidth_factor 3 has no effect on categories there
        "nasbench201": {
            "num_samples": 4,
            "random_fraction": 0.0,
            "bandwidth_factor": 1.0,
            "min_bandwidth": 0.3,
            "eta": 3,
        },
    }

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        self._brackets = brackets(self.hyperparameters.fidelities, self.hyperparameters.eta)
        self._bracket, self._rung = 0, 0
        self._entrants = np.empty((0, space.length), dtype=np.int8)  # scored in the current rung
        self._entrant_scores = np.empty(0)
        self._promoted = self._entrants
        self._seen: dict[int | None, tuple[list[Architecture], list[float]]] = {}

    def propose(self) -> Ask:
        rung = self._brackets[self._bracket][self._rung]
        if self._rung == 0:
            return Ask(self._configuration(), rung.fidelity)
        return Ask(self._promoted, rung.fidelity)

    def observe(self, batch: Batch, scores: Scores) -> None:
        rungs = self._brackets[self._bracket]
        rung = rungs[self._rung]
        rows, values = self._seen.setdefault(rung.fidelity, ([], []))
        rows.extend(batch)
        values.extend(scores.tolist())
        self._entrants = np.concatenate([self._entrants, batch])
        self._entrant_scores = np.concatenate([self._entrant_scores, scores])
        if len(self._entrants) < rung.size:
            return
        if self._rung + 1 < len(rungs):
            self._rung += 1
            best_first = np.argsort(-self._entrant_scores, kind="stable")
            self._promoted = self._entrants[best_first[: rungs[self._rung].size]]
        else:
            self._rung = 0
            self._bracket = (self._bracket + 1) % len(self._brackets)
        self._entrants = self._entrants[:0]
        self._entrant_scores = self._entrant_scores[:0]

    def _configuration(self) -> Batch:
        """Return int8[1, d]: a new architecture (Algorithm 2)."""
        densities = self._densities()
        if densities is None or self.rng.random() < self.hyperparameters.random_fraction:
            return self.space.sample(self.rng, 1)
        good, bad = densities
        draws = self._draws(good)
        if not len(draws):
            return self.space.sample(self.rng, 1)
        return draws[[int(np.argmax(good.log_density(draws) - bad.log_density(draws)))]]

    def _densities(self) -> tuple[CategoricalKDE, CategoricalKDE] | None:
        """Return the model of the highest fidelity that has one."""
        for fidelity in sorted(self._seen, key=lambda f: f or 0, reverse=True):
            rows, values = self._seen[fidelity]
            model = fit_densities(np.array(rows), np.array(values), self.space, self.hyperparameters)
            if model is not None:
                return model
        return None

    def _draws(self, good: CategoricalKDE) -> Batch:
        """Return at most N_s members of the space, drawn from the widened density of good ones."""
        wanted = self.hyperparameters.num_samples
        members = np.empty((0, self.space.length), dtype=np.int8)
        for _ in range(_REJECTION_ROUNDS):
            draws = good.sample(self.rng, wanted, self.hyperparameters.bandwidth_factor)
            members = np.concatenate([members, draws[self.space.is_valid(draws)]])[:wanted]
            if len(members) == wanted:
                break
        return members
