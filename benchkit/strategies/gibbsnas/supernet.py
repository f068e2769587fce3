"""GibbsNAS draws shared weights and architecture in turn from their conditional posteriors.

Xue, Wang, Yan, Hu, Yang and Sun, "Rethinking Bi-Level Optimization in Neural Architecture Search: A Gibbs
Sampling Perspective", AAAI 2021. Where DARTS descends the training loss by the weights omega and the
validation loss by the architecture's alpha, this draws each from its posterior given the other: a Gaussian
whose mean is one quasi-Newton step away and whose covariance is the estimate of the inverse Hessian.
Afterwards every connection keeps its strongest operation.

==================================================  ========================================================
paper                                               here
==================================================  ========================================================
Eq. 3: Gaussian priors of alpha and omega           `prior_gradient`
Eq. 7, 11: b, the gradient of the log-posterior     `GibbsNAS.alpha_gradient`, `GibbsNAS.omega_gradient`
Eq. 8, 12: A, and its inverse                       `benchkit.strategies.curvature`
Eq. 15, 16: N(mean, A^-1)                           `draw_conditional`
Algorithm 1, line 2: mixed operations               ``DARTS.forward``
line 4: draw omega                                  `GibbsNAS.weight_step`
line 5: draw alpha                                  `GibbsNAS.architecture_step`
line 6: renew the posteriors                        ``InverseHessian.update``, in both steps
line 8: argmax of every connection                  ``DifferentiableStrategy.derive``, the space's rule
"GibbsNAS vs. DARTS": A = I / learning rate         ``curvature="none"`` with ``mean`` for both
Table 2: five of six combinations                   hyperparameters ``omega`` and ``alpha``
==================================================  ========================================================

Deviations and choices
----------------------
**The posterior**

- Sign. Completing the square in Eq. 9, b'd - d'A d / 2 over d = omega - omega_{t-1} has its maximum at
  d = + A^-1 b. With b as defined in Eq. 7, the gradient of the log-posterior, Eq. 15 and 16 (minus A^-1 b)
  would walk downhill in probability. The mean here is omega_{t-1} + A^-1 b, that is a step down the loss; the
  paper's text ("exact" DARTS where A is I / learning rate) agrees.
- Scale of the data term. J(omega) is the mean cross-entropy plus decay / 2 |omega|^2, the decay being 1e-4,
  as a "weight decay" is. The posterior is exp(-N J / T): a sum over the N images (training images for omega,
  validation images for alpha) and a prior of precision N decay. The mean of Eq. 15 does not depend on N / T;
  the covariance is T / N times the inverse Hessian of J. T = ``temperature`` is 1. T = N is the literal
  reading in which L_CE is the mean loss of code and the posterior that of a single image.
- Learning rate r. It multiplies A^-1 in the mean, as in "GibbsNAS vs. DARTS". The covariance is multiplied by
  r (2 - r): 1 at r = 1, which is Eq. 15 and 16, and for every r the one factor under which repeated draws
  keep the posterior of a quadratic (the deviation from the mean shrinks by 1 - r each time). With r itself a
  chain of small r would have only half of the posterior's variance.
- Both rates fall: omega's by the trainer's schedule, alpha's by half a cosine over the epochs, from
  ``alpha_rate`` to ``last_alpha_rate``. The paper's policy is in a supplement that is not available.
- Batches add noise of their own. Where the gradients of single images have about the Hessian for a
  covariance (near the optimum), its variance is r N / (2 B) times that of the draw. At r = .1 and N = 25,000
  that is .6 for the paper's B = 2,048 of alpha, and 20 for B = 64 of omega: there the batch makes most of the
  noise.

**The estimates**

- A pair (s, y) is a move and the change of the gradient over it on the same batch: two batches would add
  their difference, which is far larger, to y. It costs one more pass in each step. Noise is part of s, so
  every direction is learned in time.
- The prior's part of y is known, decay times s. ``alpha_damping`` and ``omega_damping`` are added to the
  decay there, and there only (Levenberg and Marquardt): where the measured curvature is next to nothing, a
  step and the noise are no longer than 1 / (decay + damping) allows. Alpha's default is 0. Omega's .03, like
  the ``spread`` 3 of its diagonal and ``omega_clip``, trained best among a few values on the digits, where
  most of a diagonal of 5,000 weights cannot be told from 0.
- BFGS serves alpha; a diagonal and the last ``memory`` pairs serve omega. `benchkit.strategies.curvature`
  keeps them positive definite. Before the first pair the inverse Hessian is I: the first step is DARTS's.
- Clipping. A^-1 b and the noise are each shortened, before the rate multiplies them, to a norm: for omega
  ``omega_clip`` times the norm of omega (networks with batch normalisation depend on relative moves), for
  alpha ``alpha_clip`` times the square root of its length. The paper clips samples of omega, as a supplement
  describes. ``clip_share`` in the report of an epoch is the share of clipped terms.

**The rest**

- ``omega="sgd"`` is GibbsNAS (1st order): the trainer's SGD with its momentum, the prior's gradient added.
  All modes use this prior, so the recipe's own weight decay is off. ``omega="sample"`` is the 2nd order.
- On a batch alpha is drawn first and omega second (the trainer's order, DARTS's too); Algorithm 1 begins with
  omega. From the second draw on this is the same sequence.
- Weights that take no part in the loss are drawn given their prior alone.
- The presets use batches of 64 for omega and 2,048 for alpha. The trainer runs a large batch in parts of the
  size of the small one: batch normalisation sees 64 images at a time in both steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.base.errors import InputError
from benchkit.spaces.base import Space
from benchkit.strategies.curvature import BFGS, Identity, InverseHessian, LimitedBFGS
from benchkit.strategies.darts import DARTS
from benchkit.strategies.hyperparameters import require, require_known
from benchkit.strategies.weight_sharing import Closure, ImageBatch, Weights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class GibbsNASHyperparameters:
    """Hyperparameters of both conditional posteriors.

    Attributes
    ----------
    omega : ``sgd``, or the ``mean`` of Eq. 15, or a ``sample`` of it.
    alpha : The ``mean`` of Eq. 16 or a ``sample`` of it.
    curvature : ``estimated``, or ``none``: A = I / learning rate.
    initial_scale : Standard deviation of the normal draw with which alpha starts.
    alpha_rate, last_alpha_rate : Learning rates of alpha in the first and towards the last epoch, in [0, 1].
    alpha_decay, omega_decay : Decay of each prior, beside a mean loss.
    temperature : Temperature T of the posterior exp(-N J / T).
    memory : Number of pairs that L-BFGS keeps.
    fading, spread : Settings of its diagonal, see `benchkit.strategies.curvature.LimitedBFGS`.
    alpha_damping, omega_damping : Curvature that is added to that of the pairs.
    alpha_clip, omega_clip : Longest step and longest noise before the rate; inf for none.
    """

    omega: str = "sample"  # GibbsNAS (2nd order): footnote 3
    alpha: str = "sample"
    curvature: str = "estimated"
    initial_scale: float = 1e-3  # DARTS
    alpha_rate: float = 0.1  # Experiments, first paragraph
    last_alpha_rate: float = 0.0
    alpha_decay: float = 1e-4  # Experiments, first paragraph
    omega_decay: float = 1e-4  # the same
    temperature: float = 1.0
    memory: int = 5
    fading: float = 0.95
    spread: float = 3.0
    alpha_damping: float = 0.0
    omega_damping: float = 0.03
    alpha_clip: float = 1.0
    omega_clip: float = 0.3

    def __post_init__(self) -> None:
        require_known(self, "omega", ("sgd", "mean", "sample"))
        require_known(self, "alpha", ("mean", "sample"))
        require_known(self, "curvature", ("estimated", "none"))
        if not 0 <= self.last_alpha_rate <= self.alpha_rate <= 1 or not self.alpha_rate > 0:
            raise ValueError("learning rates of alpha must be in (0, 1], and the last not above the first")
        for name in ("initial_scale", "alpha_decay", "omega_decay", "alpha_damping", "omega_damping"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        require(self, "be positive", "temperature", "alpha_clip", "omega_clip")
        if self.memory < 0 or not 0 <= self.fading < 1 or not self.spread >= 1:
            raise ValueError("memory must not be negative, fading in [0, 1), spread at least 1")


def prior_gradient(values: Tensor, decay: float) -> Tensor:
    """Return the gradient of decay / 2 |values|^2, the Gaussian prior's part of J (Eq. 3, 7, 11)."""
    return decay * values


def cosine_rate(first: float, last: float, epoch: int, epochs: int) -> float:
    """Return the learning rate in epoch `epoch` of 0..epochs - 1, half a cosine that would end after them."""
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * epoch / epochs))


def clipped(vector: Tensor, longest: Tensor | float) -> tuple[Tensor, Tensor]:
    """Return the vector, no longer than `longest`, and whether it was longer (a scalar, 0 or 1)."""
    import torch

    norm = torch.linalg.vector_norm(vector)
    limit = torch.as_tensor(longest, dtype=vector.dtype, device=vector.device)
    over = norm > limit
    return torch.where(over, vector * (limit / norm), vector), over.to(vector.dtype)


def draw_conditional(
    position: Tensor,
    gradient: Tensor,
    inverse: InverseHessian,
    rate: float,
    longest: Tensor | float = math.inf,
    noise: Tensor | None = None,
    scale: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Return a draw of the conditional posterior (Eq. 15, 16), and how many of its two terms were clipped.

    Parameters
    ----------
    position : float[M], the present state of the chain.
    gradient : float[M], the gradient of J: minus b.
    inverse : Inverse Hessian H of J.
    rate : Learning rate r in [0, 1]; 1 draws from N(position - H gradient, scale H) itself.
    longest : Norm to which H times gradient, and the noise, are shortened.
    noise : Standard normal draws, ``inverse.normals`` numbers; None returns the mean.
    scale : Ratio T / N.
    """
    step, count = clipped(inverse.product(gradient), longest)
    drawn = position - rate * step
    if noise is not None:
        deviation, more = clipped(math.sqrt(scale) * inverse.factor(noise), longest)
        drawn = drawn + math.sqrt(rate * (2 - rate)) * deviation
        count = count + more
    return drawn, count


def _flat(tensors: Sequence[Tensor | None], like: Sequence[Tensor]) -> Tensor:
    """Return float[M], all numbers in a row; zeros where there is no tensor."""
    import torch

    parts = [
        torch.zeros_like(p).reshape(-1) if t is None else t.reshape(-1)
        for t, p in zip(tensors, like, strict=True)
    ]
    return torch.cat(parts).detach()


class GibbsNAS(DARTS):
    """A method that draws weights and architecture in turn, each given the other."""

    name = "gibbsnas"
    citation = (
        "Xue et al. (2021), Rethinking Bi-Level Optimization in Neural Architecture Search: A Gibbs Sampling "
        "Perspective, AAAI"
    )
    Hyperparameters = GibbsNASHyperparameters
    regularises_weights = True

    alpha_inverse: InverseHessian
    omega_inverse: InverseHessian

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        self._alpha_rate: float = self.hyperparameters.alpha_rate
        self._terms = 0
        self._clipped: Tensor | None = None

    def bind(self, supernet: Any, weights: Weights) -> None:
        if not hasattr(supernet, "mixture"):
            raise InputError(
                f"gibbsnas is query-backed only on {self.space.name}, whose supernet cannot weigh all "
                "candidates of a position; use leaderboard run, or search with spos"
            )
        super().bind(supernet, weights)
        if self._draws_omega and not weights.learning_rate <= 1:
            raise InputError(f"gibbsnas takes a learning rate of at most 1; got {weights.learning_rate}")

    def start_optimizer(self) -> None:
        setting = self.hyperparameters
        self._present = ~self._absent
        alpha, omega = self.alpha.detach()[self._present].double(), self._omega()
        self.alpha_inverse, self.omega_inverse = Identity(alpha.numel()), Identity(omega.numel())
        if self._estimates:
            self.alpha_inverse = BFGS(alpha)
            if self._draws_omega:
                self.omega_inverse = LimitedBFGS(omega, setting.memory, setting.fading, setting.spread)

    @property
    def _draws_omega(self) -> bool:
        return bool(self.hyperparameters.omega != "sgd")

    @property
    def _estimates(self) -> bool:
        return bool(self.hyperparameters.curvature == "estimated")

    def _omega(self) -> Tensor:
        return _flat(self.weights.parameters, self.weights.parameters)

    # -- the conditional posteriors -------------------------------------------------------------

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        setting = self.hyperparameters
        self._alpha_rate = cosine_rate(setting.alpha_rate, setting.last_alpha_rate, epoch, epochs)
        self._terms, self._clipped = 0, None

    def alpha_gradient(self, closure: Closure, train: ImageBatch, valid: ImageBatch) -> Tensor:
        """Return the gradient of J by alpha, float64[M]: minus b of Eq. 11."""
        gradient = self.architecture_gradient(closure, train, valid)[self._present].double()
        return gradient + prior_gradient(self._alpha_vector(), self.hyperparameters.alpha_decay)

    def omega_gradient(self, closure: Closure, train: ImageBatch) -> tuple[Tensor, Tensor]:
        """Return the loss, and the gradient of J by omega, float[M]: minus b of Eq. 7."""
        found = closure(train)
        gradient = _flat(found.weights, self.weights.parameters)
        return found.loss, gradient + prior_gradient(self._omega(), self.hyperparameters.omega_decay)

    def architecture_step(self, closure: Closure, train: ImageBatch, valid: ImageBatch) -> None:
        """Draw alpha given omega (Algorithm 1, line 5), and learn from the move (line 6)."""
        setting = self.hyperparameters
        before, gradient = self._alpha_vector(), self.alpha_gradient(closure, train, valid)
        after = self._draw(
            before,
            gradient,
            self.alpha_inverse,
            self._alpha_rate,
            setting.alpha_clip * math.sqrt(before.numel()),
            setting.alpha == "sample",
            self.weights.validation_images,
        )
        self.alpha.data[self._present] = after.to(self.alpha.dtype)
        if self._estimates:
            step = self._alpha_vector() - before
            change = self.alpha_gradient(closure, train, valid) - gradient
            self.alpha_inverse.update(step, change + setting.alpha_damping * step)

    def weight_step(self, closure: Closure, train: ImageBatch) -> Tensor:
        """Draw omega given alpha (Algorithm 1, line 4), and learn from the move (line 6)."""
        setting = self.hyperparameters
        if not self._draws_omega:
            found = closure(train)
            self.weights.step(
                [
                    None if g is None else g + prior_gradient(w.detach(), setting.omega_decay)
                    for g, w in zip(found.weights, self.weights.parameters, strict=True)
                ]
            )
            return found.loss
        before = self._omega()
        loss, gradient = self.omega_gradient(closure, train)
        after = self._draw(
            before,
            gradient,
            self.omega_inverse,
            self.weights.learning_rate,
            setting.omega_clip * before.norm(),
            setting.omega == "sample",
            self.weights.images,
        )
        self._set_omega(after)
        if self._estimates:
            step = after - before
            change = self.omega_gradient(closure, train)[1] - gradient
            self.omega_inverse.update(step, change + setting.omega_damping * step)
        return loss

    def _draw(
        self,
        position: Tensor,
        gradient: Tensor,
        inverse: InverseHessian,
        rate: float,
        longest: Tensor | float,
        sample: bool,
        images: int,
    ) -> Tensor:
        noise = None
        if sample:
            numbers = self.rng.standard_normal(inverse.normals, dtype=np.float32)
            noise = position.new_tensor(numbers)
        scale = self.hyperparameters.temperature / images
        drawn, count = draw_conditional(position, gradient, inverse, rate, longest, noise, scale)
        self._terms += 1 + sample
        self._clipped = count if self._clipped is None else self._clipped + count
        return drawn

    def _alpha_vector(self) -> Tensor:
        """Alpha of the candidates that there are, float64[M]."""
        return self.alpha.detach()[self._present].double()

    def _set_omega(self, omega: Tensor) -> None:
        import torch

        parameters = self.weights.parameters
        sizes = [parameter.numel() for parameter in parameters]
        for parameter, part in zip(parameters, torch.split(omega, sizes), strict=True):
            parameter.data.copy_(part.view_as(parameter))

    def report(self) -> Mapping[str, float]:
        """Return, beside the recorded figures, the share of steps and of noises clipped in the epoch."""
        clipped = 0.0 if self._clipped is None else float(self._clipped) / self._terms
        return {**super().report(), "clip_share": clipped}

    # -- interruption -------------------------------------------------------------------------

    def optimizer_state(self) -> dict[str, Tensor]:
        return {
            f"{which}/{name}": value
            for which, inverse in self._inverses.items()
            for name, value in inverse.state_tensors().items()
        }

    def load_optimizer_state(self, tensors: Mapping[str, Tensor]) -> None:
        for which, inverse in self._inverses.items():
            kept = {name: value for name, value in tensors.items() if name.startswith(f"{which}/")}
            inverse.load_state_tensors({name.split("/", 1)[1]: value for name, value in kept.items()})

    @property
    def _inverses(self) -> dict[str, InverseHessian]:
        return {"alpha_inverse": self.alpha_inverse, "omega_inverse": self.omega_inverse}
