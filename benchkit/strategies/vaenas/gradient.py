"""VAENAS-G is ProxylessNAS whose paths come from a learned sampler.

"VAENAS: Sampling Matters in Neural Architecture Search" (anonymous, under double-blind review), section 4.3,
on Cai, Zhu and Han, "ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware", ICLR 2019
(arXiv:1812.00332). There, binary gates open one path for each position, drawn from the softmax of the
architecture weights, so that paths drawn often are trained more and drawn again. Here a variational
auto-encoder, which learns from the best of random architectures, draws the paths; the architecture weights
decide at the end.

=====================================================  ====================================================
Algorithm 3                                            here
=====================================================  ====================================================
line 2, Eq. 6: alpha ~ p_theta                         `VAENASGradient.draw`
line 3: architecture weights of alpha                  `VAENASGradient.architecture_step`
line 4: supernet weights of alpha                      `VAENASGradient.weight_step`
lines 5 to 8: rank N_s samples of U, every n_vae       `VAENASGradient.end_epoch`
line 9, Algorithm 1: train the VAE on the top K %      ``SupernetSampler.learn``
line 12: the architecture by the learned weights       ``DifferentiableStrategy.derive``
ProxylessNAS, section 3.1: binary gates                `gates`
ProxylessNAS, Eq. 4, of two paths a position           `gates`, backwards
ProxylessNAS, section 3.2: the unsampled keep theirs   `rescaled`
=====================================================  ====================================================

Deviations and choices
----------------------
- Architecture weights learn from validation images with the shared weights frozen, and shared weights from
  training images, as in ProxylessNAS; on a batch the architecture weights come first. Algorithm 3 leaves
  this open.
- Algorithm 3 uses one alpha for both updates of an iteration, and so does this. Without VAENAS
  (``sampler="multinomial"``, A.2's baseline) each update draws its own, as in ProxylessNAS.
- Each position has two paths, since the gradient of one open gate alone, through a softmax of one, is zero.
  ProxylessNAS draws two without replacement from the multinomial and opens one of them by the softmax of the
  two. With VAENAS alpha's path is open, and the multinomial draws the other from the rest, so that a path
  which p_theta always draws is still compared with another.
- Paths that were not drawn at a position keep their weights and shares of the softmax exactly: the two that
  moved are shifted together, and momentum moves nothing (beta_1 = 0, as published).
- Adam's numbers and the start are those of the published code for ImageNet; its 40 epochs of warm-up, its
  update on every fifth batch only and its latency term are not taken over.
- Where the open gate is ``none``, the published code leaves that position's weights alone; here the loss has
  a gradient by the other path, and it is taken.
- The ranking samples U, as Algorithm 3 says, not the mixture of Algorithm 2, and Eq. 6 has no epsilon.
  `benchkit.strategies.vaenas.supernet` describes the training of the VAE,
  `benchkit.strategies.architecture_parameters` the architecture weights, their optimizer and the derivation.
- A supernet of paths alone (``nasbench101``) has no gates and is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchkit.spaces.base import Architecture, Batch, Space
from benchkit.strategies.architecture_parameters import AlphaHyperparameters, DifferentiableStrategy
from benchkit.strategies.hyperparameters import require_known
from benchkit.strategies.relaxed_sampling import straight_through
from benchkit.strategies.vaenas.supernet import LearnedPathStrategy, SamplerHyperparameters, SupernetSampler
from benchkit.strategies.weight_sharing import Closure, Evaluate, ImageBatch, Weights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class VAENASGradientHyperparameters(SamplerHyperparameters, AlphaHyperparameters):
    """Hyperparameters of the sampler, and of Adam on the architecture weights (ProxylessNAS, published code).

    Attributes
    ----------
    sampler : ``vae``, or ``multinomial`` for ProxylessNAS itself (A.2).
    """

    sampler: str = "vae"  # A.2
    learning_rate: float = 1e-3
    beta1: float = 0.0
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        AlphaHyperparameters.__post_init__(self)
        SamplerHyperparameters.__post_init__(self)
        require_known(self, "sampler", ("vae", "multinomial"))


def gates(logits: Tensor, opened: Architecture, pair: npt.NDArray[np.bool_]) -> Tensor:
    """Return binary gates, float[positions, operations]: 1 where open, 0 elsewhere.

    Backwards they count as the softmax over the pair: with p of the two, the gradient of a logit i is
    ``sum_j dL/dg_j p_j ([i = j] - p_i)`` over the pair (ProxylessNAS, Eq. 4).

    Parameters
    ----------
    logits : float[positions, operations].
    opened : int[positions], the open gate of each.
    pair : bool[positions, operations], the two paths of each, the open one among them.
    """
    import torch

    chosen = torch.from_numpy(pair).to(logits.device)
    soft = logits.masked_fill(~chosen, float("-inf")).softmax(dim=1)
    index = torch.from_numpy(np.asarray(opened, dtype=np.int64)[:, None]).to(logits.device)
    return straight_through(torch.zeros_like(soft).scatter_(1, index, 1.0), soft)


def rescaled(before: Tensor, after: Tensor, pair: Tensor) -> Tensor:
    """Return the weights after a step: the pairs moved, all others and their softmax as before.

    The two of a pair are shifted together until the sum of their exponentials is what it was. All arguments
    are [positions, operations].
    """
    old, new = (
        values.masked_fill(~pair, float("-inf")).logsumexp(dim=1, keepdim=True) for values in (before, after)
    )
    moved: Tensor = (after - (new - old)).where(pair, before)
    return moved


def draw_rows(rng: np.random.Generator, probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return int64[positions], an operation of each, by float64[positions, operations] of row sum 1."""
    cumulative = np.cumsum(probabilities, axis=1)
    uniform = rng.random((len(probabilities), 1)) * cumulative[:, -1:]
    return np.asarray((cumulative <= uniform).sum(axis=1))


def draw_others(
    rng: np.random.Generator, probabilities: npt.NDArray[np.float64], first: npt.NDArray[np.integer[Any]]
) -> npt.NDArray[np.int64]:
    """Return int64[positions], a second operation of each, not `first`; `first` where there is no other."""
    rows = np.arange(len(first))
    left = probabilities.copy()
    left[rows, first] = 0.0
    none_left = left.sum(axis=1) == 0
    left[rows[none_left], first[none_left]] = 1.0
    return draw_rows(rng, left)


class VAENASGradient(LearnedPathStrategy, DifferentiableStrategy):
    """A method of binary gates on paths of a learned sampler, which keeps the strongest of each position.

    Attributes
    ----------
    path : int8[d], the open gates.
    """

    name = "vaenas-g"
    citation = (
        "VAENAS: Sampling Matters in Neural Architecture Search (anonymous, under double-blind review); Cai, "
        "Zhu and Han (2019), ProxylessNAS, ICLR"
    )
    Hyperparameters = VAENASGradientHyperparameters
    uses_validation = True

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        self.path: Architecture | None = None
        self._pair: npt.NDArray[np.bool_] | None = None  # where the architecture weights learn

    def bind(self, supernet: Any, weights: Weights) -> None:
        super().bind(supernet, weights)
        if self.hyperparameters.sampler == "vae":
            self.learned = SupernetSampler(self.space, self.rng, self.hyperparameters, self._uniform)

    def _uniform(self, n: int) -> Batch:
        return self.space.sample(self.rng, n)

    def probabilities(self) -> npt.NDArray[np.float64]:
        """Return float64[positions, operations], the multinomial softmax of the architecture weights."""
        shares: npt.NDArray[np.float64] = self.logits.detach().double().softmax(dim=1).cpu().numpy()
        return shares

    def draw(self) -> Architecture:
        """Draw the open gates, alpha: by p_theta (Eq. 6), or by the multinomial."""
        if self.learned is not None:
            self.path = self.learned.one(1)[0]
        else:
            shares = self.probabilities()
            self.path = draw_rows(self.rng, shares).astype(np.int8)
            if not self.space.is_valid(self.path[None]).all():  # the same law, among members
                vectors = [row[:a] for row, a in zip(shares, self.space.arity, strict=True)]
                self.path = self.space.sample_product(self.rng, vectors, 1)[0]
        return self.path

    def draw_pair(self) -> None:
        """Draw alpha and a second path of each position; see the module."""
        shares = self.probabilities()
        opened = np.asarray(self.draw(), dtype=np.int64)
        other = draw_others(self.rng, shares, opened)
        rows = np.arange(len(opened))
        self._pair = np.zeros(shares.shape, dtype=np.bool_)
        self._pair[rows, opened] = self._pair[rows, other] = True
        if self.learned is None:  # one of the two by their own softmax
            second = self.rng.random(len(opened)) * (shares[rows, opened] + shares[rows, other])
            self.path = np.where(second < shares[rows, opened], opened, other).astype(np.int8)

    def forward(self, images: Tensor) -> Tensor:
        path = self.draw() if self.path is None else self.path
        if self._pair is None:
            logits: Tensor = self.supernet.path(images, path)
        else:
            logits = self.supernet(images, self._pair, gates(self.logits, path, self._pair))
        return logits

    # -- training -----------------------------------------------------------------------------

    def architecture_step(self, closure: Closure, train: ImageBatch, valid: ImageBatch) -> None:
        import torch

        self.draw_pair()
        before = self.alpha.detach().clone()
        gradient = closure(valid, weights=False, architecture=True).architecture[0]
        self.move_alpha(gradient)
        if gradient is not None:
            pair = torch.from_numpy(self._pair).to(before.device)
            self.alpha.data.copy_(rescaled(before, self.alpha.detach(), pair))
        self._pair = None

    def weight_step(self, closure: Closure, train: ImageBatch) -> Tensor:
        if self.learned is None or self.path is None:
            self.draw()
        return super().weight_step(closure, train)

    def end_epoch(self, epoch: int, evaluate: Evaluate) -> None:
        super().end_epoch(epoch, evaluate)
        if self.learned is not None and self.learned.due(epoch):
            self.learned.learn(self._uniform(self.hyperparameters.ranked), evaluate)
