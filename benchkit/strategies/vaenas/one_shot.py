"""VAENAS-OS trains single paths, which come more and more from a learned sampler.

"VAENAS: Sampling Matters in Neural Architecture Search" (anonymous, under double-blind review), sections 3
and 4.2. A supernet trained on uniform paths spends most of its steps on architectures that nobody would
choose. Here a variational auto-encoder learns from the best of the architectures that were scored in between,
and the share of the paths that it draws rises while the supernet trains. At the end it draws the first
parents of an evolutionary search over inherited weights.

=========================================================  =================================================
Algorithm 2                                                here
=========================================================  =================================================
line 1, Eq. 5: Gamma = (1 - epsilon) U + epsilon p_theta   `VAENAS.mixed`, ``vaenas_sampling.mixture``
lines 3 and 4: a path of Gamma, one step of its weights    `VAENAS.draw`, ``EvolvedPathStrategy.weight_step``
lines 5 to 8: rank N_s samples of Gamma, every n_vae       `VAENAS.end_epoch`
line 9, Algorithm 1: train the VAE on the top K %          ``SupernetSampler.learn``
line 11: epsilon <- epsilon + epsilon_inc                  `VAENAS.begin_epoch`, ``exploitation``
lines 13 and 14: N_seeds of p_theta                        `VAENAS.propose`, first population
line 15: Search(G, A, S_seeds)                             `benchkit.strategies.evolution`
Table 1, dagger: hard constraint                           `benchkit.strategies.size_limits`
=========================================================  =================================================

Deviations and choices
----------------------
- epsilon_inc counts epochs, as section 4.2 counts n_vae; p_theta changes between epochs only. The paper gives
  no epsilon_inc: by default epsilon is e / E in epoch e of 0..E - 1, so that training begins uniform and ends
  with the sampler, at any length.
- `benchkit.strategies.vaenas.supernet` describes the training of the VAE and its stand-in before.
- The paper gives no N_seeds; by default it is the first population. Seeds that repeat are drawn again, ten
  times at most, then random rows fill up: no architecture is scored twice (`benchkit.strategies.evolution`).
- U is the space's own law of `sample`; on NAS-Bench-101, A.5's (the top nine of 21 uniform numbers, until
  connected), and mutation and crossover are A.5's there.
- ``sampler="uniform"`` is A.2's search without VAENAS: SPOS, draw for draw, on every space. On NAS-Bench-101
  it therefore draws by the space's own law; ``epsilon_step=0`` trains on A.5's instead, and uses the VAE in
  the search alone.
- The constraint (Table 1: 3.5 million parameters) holds for paths, for ranked architectures and throughout
  the evolution. The paper says "in search phase", which training is here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchkit.spaces.base import Architecture, Batch, Space
from benchkit.spaces.nasbench101.encoding import NASBench101
from benchkit.strategies.evolution import Evolution, EvolutionHyperparameters
from benchkit.strategies.hyperparameters import require, require_known
from benchkit.strategies.single_path import EvolvedPathStrategy
from benchkit.strategies.size_limits import SizeLimits
from benchkit.strategies.vaenas.sampling import exploitation, mixture
from benchkit.strategies.vaenas.supernet import LearnedPathStrategy, SamplerHyperparameters, SupernetSampler
from benchkit.strategies.weight_sharing import Closure, Evaluate, ImageBatch, Weights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class VAENASHyperparameters(SamplerHyperparameters, EvolutionHyperparameters):
    """Hyperparameters of the sampler, the mixture and the search; those of the evolution are SPOS's.

    Attributes
    ----------
    sampler : ``vae``, or ``uniform`` for the same without VAENAS (A.2).
    epsilon_step : Increase epsilon_inc of the learned share in each epoch; None is one over the epochs.
    seeds : Number N_seeds of architectures of the first population that p_theta draws; 0 for none.
    max_parameters, max_flops : Hard limits in millions, of the supernet's own network; None for none.
    """

    sampler: str = "vae"  # A.2
    epsilon_step: float | None = None
    seeds: int = 50
    max_parameters: float | None = None
    max_flops: float | None = None

    def __post_init__(self) -> None:
        EvolutionHyperparameters.__post_init__(self)
        SamplerHyperparameters.__post_init__(self)
        require_known(self, "sampler", ("vae", "uniform"))
        require(self, "not be negative", "epsilon_step", "seeds")
        for name in ("max_parameters", "max_flops"):
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise ValueError(f"{name} must be positive, in millions, got {limit}")

    @property
    def limited(self) -> bool:
        """Whether there is a hard limit."""
        return self.max_parameters is not None or self.max_flops is not None


class VAENAS(LearnedPathStrategy, EvolvedPathStrategy):
    """A method of paths from a mixture with a learned sampler, and of evolution from its draws.

    Attributes
    ----------
    epsilon : Learned share of this epoch.
    """

    name = "vaenas"
    citation = "VAENAS: Sampling Matters in Neural Architecture Search (anonymous, under double-blind review)"
    Hyperparameters = VAENASHyperparameters
    takes_constraint = False  # it has limits of its own

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        setting = self.hyperparameters
        self.epsilon = 0.0
        self._limits: SizeLimits | None = None
        self.evolution = Evolution(
            space,
            rng,
            setting,
            seeds=setting.seeds,
            draw_seeds=self._of_sampler if self._guided else None,
            sample=self.uniform,
            feasible=self.feasible if setting.limited else None,
        )

    @property
    def _guided(self) -> bool:
        return bool(self.hyperparameters.sampler == "vae")

    def bind(self, supernet: Any, weights: Weights) -> None:
        super().bind(supernet, weights)
        setting = self.hyperparameters
        if setting.limited:
            self._limits = SizeLimits(supernet, setting.max_parameters, setting.max_flops)
            if not self._limits.needs_images:  # refuses now, not in the middle of a training
                self._limits.sample(1, self._law(np.random.default_rng(0)))
        if self._guided:
            constraint = self.feasible if setting.limited else None
            self.learned = SupernetSampler(self.space, self.rng, setting, self.uniform, constraint)

    # -- draws --------------------------------------------------------------------------------

    def _law(self, rng: np.random.Generator) -> Callable[[int], Batch]:
        """Return U without constraint, from n to int8[n, d]."""
        space = self.space
        if self._guided and isinstance(space, NASBench101):
            return lambda n: space.sample_vaenas(rng, n)
        return lambda n: space.sample(rng, n)

    def uniform(self, n: int) -> Batch:
        """Return int8[n, d]: draws of U that keep the limits."""
        draw = self._law(self.rng)
        return draw(n) if self._limits is None else self._limits.sample(n, draw)

    def feasible(self, batch: Batch) -> npt.NDArray[np.bool_]:
        """Return bool[n]: which rows keep the limits."""
        if self._limits is None:
            return np.ones(len(batch), dtype=np.bool_)
        return self._limits.feasible(batch)

    def _of_sampler(self, n: int) -> Batch:
        return self.uniform(n) if self.learned is None else self.learned.sample(n)

    def mixed(self, n: int, learned: Callable[[int], Batch]) -> Batch:
        """Return int8[n, d], draws of Gamma (Eq. 5); `learned` gives those of p_theta."""
        return mixture(self.rng, n, self.epsilon, self.uniform, learned)

    def draw(self) -> Architecture:
        if self.learned is None:
            self.path = self.uniform(1)[0]
        else:
            self.path = self.mixed(1, self.learned.one)[0]
        return self.path

    # -- training -----------------------------------------------------------------------------

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        step = self.hyperparameters.epsilon_step
        self.epsilon = exploitation(epoch, 1 / epochs if step is None else step)
        super().begin_epoch(epoch, epochs)

    def weight_step(self, closure: Closure, train: ImageBatch) -> Tensor:
        if self._limits is not None and self._limits.needs_images:
            self._limits.image_size = int(train.images.shape[-1])
        return super().weight_step(closure, train)

    def end_epoch(self, epoch: int, evaluate: Evaluate) -> None:
        if self.learned is not None and self.learned.due(epoch):
            ranked = self.mixed(self.hyperparameters.ranked, self.learned.sample)
            self.learned.learn(ranked, evaluate)

    def report(self) -> Mapping[str, float]:
        return {} if self.learned is None else {"epsilon": self.epsilon, **super().report()}

    # -- interruption -------------------------------------------------------------------------

    def state_tensors(self) -> dict[str, Tensor]:
        import torch

        state = super().state_tensors()
        if self._limits is not None and self._limits.image_size is not None:
            state["image_size"] = torch.tensor(self._limits.image_size)
        return state

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        super().load_state_tensors(tensors)
        if self._limits is not None and "image_size" in tensors:
            self._limits.image_size = int(tensors["image_size"])
