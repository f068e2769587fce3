"""Trains the learned sampler of VAENAS beside a supernet, for one-shot and gradient-based search.

"VAENAS: Sampling Matters in Neural Architecture Search" (anonymous, under double-blind review), Figure 1 and
Algorithm 1. Every n_vae epochs architectures are scored with the present shared weights, and the variational
auto-encoder goes on learning from the best K % of them.

=======================================================  =================================
paper                                                    here
=======================================================  =================================
Algorithms 2 and 3, line 5: i mod n_vae                  `SupernetSampler.due`
Algorithms 2 and 3, evaluate, set S; Algorithm 1         `SupernetSampler.learn`
alpha ~ p_theta(alpha | z)                               `SupernetSampler.sample`, `one`
=======================================================  =================================

Deviations and choices
----------------------
- n_vae counts epochs, as section 4.2 says; Algorithms 2 and 3 count iterations. The VAE learns after the last
  epoch, too, whatever n_vae is: its draws after training then know the final weights.
- S holds the N_s fresh samples alone, as in the algorithms: earlier scores are of older weights. The VAE's
  own weights go on from training to training, which is Eq. 1.
- Before its first training the decoder has learned nothing; until then p_theta is the uniform distribution.
- A.1 gives neither n_vae nor N_s, nor the VAE's iterations and sizes. Ours rank 100 architectures on 1,000
  images every 5 epochs, about a quarter of the work of an epoch of 25,000 images each time; sizes and
  learning rate are those chosen on tables (`benchkit.strategies.vaenas.architecture_vae`).
- The VAE lives on the CPU and runs on one torch thread, wherever the supernet is: it has tens of thousands
  of weights, a step of it would wait longer for a GPU than it computes, and its draws are then the same on
  every device.
- Single rows are drawn ahead, 64 at once, since a decoder needs hardly longer for 64 than for one. The rest
  is thrown away at the end of an epoch, so that a resumed training draws the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchkit.spaces.base import Architecture, Batch, Space
from benchkit.strategies.hyperparameters import require
from benchkit.strategies.vaenas.sampling import top_share
from benchkit.strategies.weight_sharing import Evaluate, WeightSharingStrategy

if TYPE_CHECKING:
    from torch import Tensor

_AHEAD = 64  # single rows drawn at once
_ROUNDS = 20  # rounds of draws for rows that are wanted, before others stand in
_LARGEST = 4096  # draws in a round
_PREFIX = "vae."


@dataclass(frozen=True)
class SamplerHyperparameters:
    """Hyperparameters of the sampler and of its training; the paper gives `keep` alone.

    Attributes
    ----------
    interval : Number n_vae of epochs between two trainings of the VAE.
    ranked : Number N_s of architectures that are scored for one of them.
    ranking_images : Number of validation images on which they are scored; all where there are fewer.
    keep : Percentage K of them on which the VAE is trained (Algorithm 1).
    vae_iterations, vae_batch_size : Number n_iters of Adam's steps in a training, and of rows in a step.
    vae_hidden, vae_latent, vae_learning_rate, vae_feedback : Settings of `ArchitectureVAE`.
    """

    interval: int = 5
    ranked: int = 100
    ranking_images: int = 1000
    keep: float = 50.0  # section 3.1 and Figure 1
    vae_iterations: int = 50
    vae_batch_size: int = 128
    vae_hidden: int = 64
    vae_latent: int = 16
    vae_learning_rate: float = 0.003
    vae_feedback: float = 0.6

    def __post_init__(self) -> None:
        require(self, "be at least 1", "interval", "ranked", "ranking_images")
        require(self, "be at least 1", "vae_iterations", "vae_batch_size", "vae_hidden", "vae_latent")
        if not 0 < self.keep <= 100:
            raise ValueError(f"keep must be a percentage in (0, 100], got {self.keep}")
        require(self, "be positive", "vae_learning_rate")
        require(self, "be in [0, 1]", "vae_feedback")


class SupernetSampler:
    """The distribution p_theta, learned from scores of a supernet that is being trained.

    Parameters
    ----------
    space : Space of the architectures.
    rng : Generator that gives the VAE's generator its seed.
    setting : Hyperparameters of the sampler.
    uniform : Function from n to int8[n, d], draws of the uniform distribution.
    feasible : Constraint on the draws, a function from int8[n, d] to bool[n]; None is none.

    Attributes
    ----------
    vae : The auto-encoder.
    """

    def __init__(
        self,
        space: Space,
        rng: np.random.Generator,
        setting: SamplerHyperparameters,
        uniform: Callable[[int], Batch],
        feasible: Callable[[Batch], npt.NDArray[np.bool_]] | None = None,
    ) -> None:
        from torch import Generator

        from benchkit.strategies.vaenas.architecture_vae import ArchitectureVAE

        generator = Generator().manual_seed(int(rng.integers(2**63)))
        self.vae = ArchitectureVAE(
            space,
            generator,
            setting.vae_hidden,
            setting.vae_latent,
            setting.vae_learning_rate,
            setting.vae_feedback,
        )
        self._setting, self._uniform, self._feasible = setting, uniform, feasible
        self._ahead: list[Architecture] = []
        self._last = False  # whether this is the last epoch
        self._report: dict[str, float] = {}

    # -- drawing ------------------------------------------------------------------------------

    def sample(self, n: int) -> Batch:
        """Return int8[n, d], feasible draws of p_theta; of U until the VAE has learned.

        Where the decoder finds too few that are feasible, the uniform distribution fills up.
        """
        if not self.vae.trained:
            return self._uniform(n)
        found = self.matching(n, self._feasible)
        missing = n - len(found)
        return np.concatenate([found, self._uniform(missing)]) if missing else found

    def matching(self, n: int, wanted: Callable[[Batch], npt.NDArray[np.bool_]] | None) -> Batch:
        """Return int8[m, d], m <= n, draws of the VAE for which `wanted` holds; None wants all."""
        found = self.vae.sample(0)
        for _ in range(_ROUNDS):
            missing = n - len(found)
            if not missing:
                break
            rows = self.vae.sample(missing if wanted is None else min(8 * missing, _LARGEST))
            found = np.concatenate([found, rows if wanted is None else rows[wanted(rows)]])[:n]
        return found

    def one(self, n: int) -> Batch:
        """Return int8[n, d] as `sample` does, from the rows drawn ahead."""
        if not self.vae.trained:
            return self._uniform(n)
        while len(self._ahead) < n:
            self._ahead.extend(self.sample(_AHEAD))
        rows, self._ahead = self._ahead[:n], self._ahead[n:]
        return np.array(rows, dtype=np.int8).reshape(n, -1)

    # -- learning -----------------------------------------------------------------------------

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Forget the rows drawn ahead, so that an epoch starts alike in a resumed training."""
        self._ahead, self._report = [], {}
        self._last = epoch == epochs - 1

    def due(self, epoch: int) -> bool:
        """Return whether the VAE learns after epoch `epoch`, counted from 0."""
        return self._last or (epoch + 1) % self._setting.interval == 0

    def learn(self, rows: Batch, evaluate: Evaluate) -> None:
        """Score int8[n, d] and carry out Algorithm 1 on them."""
        setting = self._setting
        scores = evaluate(rows, setting.ranking_images)
        best = top_share(rows, scores, setting.keep)
        loss = self.vae.fit(best, setting.vae_iterations, setting.vae_batch_size)
        self._ahead = []
        self._report = {
            "ranked_mean": float(scores.mean()),
            "ranked_best": float(scores.max()),
            "vae_loss": loss,
        }

    def report(self) -> dict[str, float]:
        """Return the loss (nats for each row) and scores (percent) of an epoch in which the VAE learned."""
        return self._report

    def findings(self) -> dict[str, int]:
        """Return how often the decoder left the space and a random row stood in."""
        return {"fallbacks": self.vae.fallbacks}

    # -- interruption -------------------------------------------------------------------------

    def state_tensors(self) -> dict[str, Tensor]:
        """Return the VAE with its optimizer and its generator, as ``vae.name``."""
        return {f"{_PREFIX}{name}": value for name, value in self.vae.state_tensors().items()}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state_tensors` returned; other names are passed over."""
        mine = {name.removeprefix(_PREFIX): t for name, t in tensors.items() if name.startswith(_PREFIX)}
        self.vae.load_state_tensors(mine)


class LearnedPathStrategy(WeightSharingStrategy):
    """A method whose paths may come from a learned sampler.

    Attributes
    ----------
    learned : Sampler made by `bind`; None before, and where paths come from elsewhere.
    """

    learned: SupernetSampler | None = None

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        if self.learned is not None:
            self.learned.begin_epoch(epoch, epochs)

    def report(self) -> Mapping[str, float]:
        return {**super().report(), **({} if self.learned is None else self.learned.report())}

    def findings(self) -> dict[str, Any]:
        return {**super().findings(), **({} if self.learned is None else self.learned.findings())}

    def learned_samples(self, n: int, wanted: Callable[[Batch], npt.NDArray[np.bool_]]) -> Batch | None:
        return None if self.learned is None else self.learned.matching(n, wanted)

    def state_tensors(self) -> dict[str, Tensor]:
        return {**super().state_tensors(), **({} if self.learned is None else self.learned.state_tensors())}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        super().load_state_tensors(tensors)
        if self.learned is not None:
            self.learned.load_state_tensors(tensors)
