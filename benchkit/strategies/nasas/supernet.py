"""NASAS trains a supernet as its own posterior, and samples architectures from it with their weights.

Zhou, Sun, Luo, Zha and Zeng, "One-Shot Neural Architecture Search Through A Posteriori Distribution Guided
Sampling", 2019. Leaving out a kernel slice and multiplying it by zero are the same, so one random variable
stands for architecture and weight together: slice times gate. A supernet that trains the probabilities of
its gates along fits a variational distribution to the posterior of both. Architectures are then drawn from
it, each with its weights, and the best on held-out images is the answer, without fine-tuning.

Throughout, **p is the probability that a gate drops its slice**, as in Eq. 16 and section 2.3; the paper's
Eq. 13 and Eq. 17 call the probability of being open p.

==================================================  ================================================
paper                                               here
==================================================  ================================================
Eq. 12, 13: slice x gate, one p a group (l, s)      ``GatedNetwork.forward``, ``GatedNetwork.groups``
Eq. 15: -log p(y | f) of a draw, and the KL         ``data_loss`` and `NASAS.extra_loss`
Eq. 16: weight term and entropy                     `weight_term`, `entropy_term`
Eq. 17: relaxed gate                                `relaxed_gates`
section 2.2.2: weights and p by gradient, jointly   `NASAS.weight_step`
section 2.3: C samples of q, ranked                 `NASAS.propose`, ``recommend``
Table 3(a): predefined dropout of Bender et al.     ``sampling="predefined"``, `ramp`
==================================================  ================================================

Deviations and choices
----------------------
- Eq. 17 prints ``log(log r)``, which is no real number for r in (0, 1); it must be ``log(-log r)``, and the
  limit that gives Bernoulli draws is tau -> 0, not infinity. With that the bracket is the log-odds plus
  logistic noise.
- Eq. 16 prints the likelihood without its logarithm, and a sum over the data beside a weight term that is
  divided by N and an entropy that is not. ``loss="mean"``, the default: the mean of -log p(y | f), plus
  sum l^2 (1 - p) / (2 N) |m|^2, plus H(p) / N. Section 3.1 supports it: it calls l^2 (1 - p) / (2 N) a
  usual weight decay, and for l^2 = 150 and N = 50,000 it is 0.0015 (1 - p), which beside a mean loss it is;
  beside a sum over the data it would be smaller by a factor N.
- ``loss="literal"`` is Eq. 16 as printed, -sum p(y | f) + sum l^2 (1 - p) / (2 N) |m|^2 + H(p), times
  1 / N throughout, so that a learning rate means the same; the sum over the data is N times the batch's mean.
- ``loss="concrete"`` is the mean with the KL of concrete dropout (Gal, Hron and Kendall 2017, eq. 3 and 4):
  its entropy has both terms, p log p + (1 - p) log(1 - p).
- H's weight k is the number of gates that share p: for kernel slices the input channels, as printed; on the
  supernets of tables, where one gate serves an operation in all cells, 1.
- Weights without a gate (stem, classifier) have p = 0 and the same Gaussian prior: l^2 / (2 N) times their
  squared norm. This stands in for weight decay, which the trainer leaves off.
- p is kept as its log-odds and moved by SGD with the momentum and the learning rate of the weights, times
  `gate_rate`; it starts at `initial_drop`. The paper gives neither.
- Every image has its own draw (Eq. 15's epsilon_i) where gates are kernel slices; elsewhere one draw serves
  a batch.
- `benchkit.spaces.engine.gated` turns gates into one architecture of a table's space. The paper cannot choose
  pools and skips, which have no weights (section 3.3). Here their operation has a gate, and the norm 0.
- ``sampling="predefined"``: hard dropout with one rate for all gates, from 0 in the first epoch linearly to
  `predefined_rate` in the last (Bender et al. 2018 disable path dropout at first and raise it linearly; their
  r^(1/k) is for k paths into one operation and is the same for all slices here), plain loss and weight
  decay; samples are drawn with that rate. Table 3(a) does not give the rate: compare at equal size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.spaces.base import Space
from benchkit.strategies.hyperparameters import require, require_known
from benchkit.strategies.protocol import Ask
from benchkit.strategies.relaxed_sampling import hard_bit, logistic_noise, relaxed_bernoulli
from benchkit.strategies.weight_sharing import (
    Closure,
    ImageBatch,
    Weights,
    WeightSharingStrategy,
    optimizer_tensors,
    restore_optimizer,
)

if TYPE_CHECKING:
    from torch import Tensor

    from benchkit.spaces.engine.gated import GatedNetwork

_ROUND = 50  # samples asked at once
_INSIDE = 1e-6  # p stays this far from 0 and 1 where a logarithm is taken


@dataclass(frozen=True)
class NASASHyperparameters:
    """Hyperparameters of the posterior, and of sampling from it.

    Attributes
    ----------
    prior : Precision l^2 of the weights' Gaussian prior.
    temperature : Temperature tau of the relaxed gates.
    initial_drop : Probability p of every group at the start, in (0, 1).
    gate_rate : Learning rate of the log-odds of p, in units of the weights' rate.
    samples : Number C of architectures drawn and ranked.
    loss : ``mean``, ``literal`` or ``concrete``.
    sampling : ``guided`` by the learned p, or ``predefined``.
    predefined_rate : Probability p of the predefined sampling, at the end of its ramp.
    ramp : Whether the predefined p rises from 0; else it is the same in every epoch.
    """

    prior: float = 150.0  # Table 3(b)
    temperature: float = 0.2  # Table 3(c)
    initial_drop: float = 0.2
    gate_rate: float = 1.0
    samples: int = 1500  # section 3, CIFAR-10; 5,000 on CIFAR-100
    loss: str = "mean"
    sampling: str = "guided"
    predefined_rate: float = 0.5
    ramp: bool = True

    def __post_init__(self) -> None:
        if self.prior < 0 or not self.temperature > 0 or not self.gate_rate > 0:
            raise ValueError("prior must not be negative, temperature and gate_rate must be positive")
        require(self, "be in (0, 1)", "initial_drop", "predefined_rate")
        require(self, "be at least 1", "samples")
        require_known(self, "loss", ("mean", "literal", "concrete"))
        require_known(self, "sampling", ("guided", "predefined"))


def relaxed_gates(drop_logits: Tensor, temperature: float, noise: Tensor) -> Tensor:
    """Return relaxed gates in [0, 1], near 1 where open (Eq. 17).

    Parameters
    ----------
    drop_logits : float[..., d], log p - log(1 - p) of dropping.
    noise : Logistic noise of the same shape, log(-log r2) - log(-log r1) of two uniform draws.
    """
    return relaxed_bernoulli(-drop_logits, temperature, noise)


def weight_term(drop: Tensor, norms: Tensor, prior: float, images: int) -> Tensor:
    """Return sum l^2 (1 - p) / (2 N) |m|^2 (Eq. 16).

    Parameters
    ----------
    drop : float[d], p of each gate.
    norms : float[d], |m|^2 behind each gate.
    prior, images : Numbers l^2 and N.
    """
    return (prior / (2 * images)) * ((1 - drop) * norms).sum()


def entropy_term(drop: Tensor, sizes: Tensor, both: bool = False) -> Tensor:
    """Return sum k p log p, Eq. 16's H(p); with `both` also k (1 - p) log(1 - p), as in concrete dropout.

    `drop` and `sizes`, float[g], are p and the number k of gates of each group.
    """
    inside = drop.clamp(_INSIDE, 1 - _INSIDE)
    negative_entropy = inside * inside.log()
    if both:
        negative_entropy = negative_entropy + (1 - inside) * (1 - inside).log()
    return (sizes * negative_entropy).sum()


def ramp(epoch: int, epochs: int, rate: float) -> float:
    """Return the predefined rate in epoch `epoch` of 0..epochs - 1: linear from 0 to `rate`."""
    return rate * epoch / (epochs - 1) if epochs > 1 else rate


class NASAS(WeightSharingStrategy):
    """A method of variational dropout on kernel slices, which ranks samples of the posterior."""

    name = "nasas"
    citation = (
        "Zhou et al. (2019), One-Shot Neural Architecture Search Through A Posteriori Distribution Guided "
        "Sampling"
    )
    Hyperparameters = NASASHyperparameters

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        self._sampled = 0
        self._rate = 0.0
        self.regularises_weights = self.guided

    @property
    def guided(self) -> bool:
        """Whether p is learned."""
        return bool(self.hyperparameters.sampling == "guided")

    def bind(self, supernet: Any, weights: Weights) -> None:
        import torch

        from benchkit.spaces.engine.build import gated

        super().bind(supernet, weights)
        setting = self.hyperparameters
        self.gates: GatedNetwork = gated(supernet)
        device = weights.parameters[0].device
        start = np.log(setting.initial_drop) - np.log1p(-setting.initial_drop)
        self.drop_logits = torch.full(
            (len(self.gates.names),), float(start), device=device, requires_grad=True
        )
        self._groups = torch.from_numpy(self.gates.groups).to(device)
        self._sizes = torch.from_numpy(self.gates.sizes).to(device, torch.float32)
        self._optimizer = torch.optim.SGD([self.drop_logits], lr=1.0, momentum=0.9)

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        return {"drop_logits": self.drop_logits} if self.guided else {}

    def drop(self) -> Tensor:
        """Return float[g]: p of each group."""
        if self.guided:
            return self.drop_logits.sigmoid()
        return self.drop_logits.detach().new_full((len(self.gates.names),), self._rate)

    # -- training -----------------------------------------------------------------------------

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        rate = self.hyperparameters.predefined_rate
        self._rate = ramp(epoch, epochs, rate) if self.hyperparameters.ramp else rate

    def forward(self, images: Tensor) -> Tensor:
        draws = len(images) if self.gates.each_image else 1
        return self.gates.forward(images, self.gates.legal(lambda: self._draw(draws)))

    def _draw(self, draws: int) -> Tensor:
        """Return gates float[draws, d]: relaxed where p is learned, else 0 or 1."""
        setting = self.hyperparameters
        drop = self.drop().clamp(_INSIDE, 1 - _INSIDE)[self._groups].expand(draws, -1)
        logits = drop.log() - (1 - drop).log()
        gates = relaxed_gates(logits, setting.temperature, logistic_noise(self.rng, logits))
        return gates if self.guided else hard_bit(gates)

    def data_loss(self, logits: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
        if self.guided and self.hyperparameters.loss == "literal":
            return -logits.softmax(dim=1).gather(1, labels[:, None]).mean()
        return super().data_loss(logits, labels, label_smoothing)

    def extra_loss(self) -> Tensor | None:
        if not self.guided:
            return None
        setting, images = self.hyperparameters, self.weights.images
        drop, norms = self.drop(), self.gates.norms()
        everything = norms.new_zeros(())
        for weight in self.weights.parameters:
            everything = everything + weight.square().sum()
        weighted = weight_term(drop[self._groups], norms, setting.prior, images)
        weighted = weighted + (setting.prior / (2 * images)) * (everything - norms.sum())
        entropy = entropy_term(drop, self._sizes, both=setting.loss == "concrete")
        if setting.loss == "literal":
            weighted = weighted / images
        extra: Tensor = weighted + entropy / images
        return extra

    def weight_step(self, closure: Closure, train: ImageBatch) -> Tensor:
        gradients = closure(train, architecture=self.guided)
        self.weights.step(gradients.weights)
        if self.guided:
            self._optimizer.param_groups[0]["lr"] = (
                self.weights.learning_rate * self.hyperparameters.gate_rate
            )
            self.drop_logits.grad = gradients.architecture[0]
            self._optimizer.step()
            self.drop_logits.grad = None
        return gradients.loss

    # -- search -------------------------------------------------------------------------------

    @property
    def default_queries(self) -> int:
        return int(self.hyperparameters.samples)

    def propose(self) -> Ask:
        wanted = min(_ROUND, self.hyperparameters.samples - self._sampled)
        self._sampled += wanted
        if not self.guided:
            self._rate = self.hyperparameters.predefined_rate
        keep = 1 - self.drop().detach().double().cpu().numpy()
        return Ask(self.gates.rows(keep, self.rng, wanted))

    def findings(self) -> dict[str, Any]:
        """Return p of every group."""
        drop = [round(value, 6) for value in self.drop().detach().tolist()]
        return {"drop_probability": dict(zip(self.gates.names, drop, strict=True))}

    # -- interruption -------------------------------------------------------------------------

    def state_tensors(self) -> dict[str, Tensor]:
        if not self.guided:
            return {}
        return {
            "drop_logits": self.drop_logits.detach(),
            **optimizer_tensors(self._optimizer, self.parameters),
        }

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        if not self.guided:
            return
        self.drop_logits.data.copy_(tensors["drop_logits"])
        remembered = {name: value for name, value in tensors.items() if "/" in name}
        restore_optimizer(self._optimizer, self.parameters, remembered)
