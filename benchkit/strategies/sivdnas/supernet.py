"""SI-VDNAS trains operations and edges of a supernet by variational dropout, and draws a structure from it.

Wang, Dai, Li, Zou and Xiong, "SI-VDNAS: Semi-Implicit Variational Dropout for Hierarchical One-shot Neural
Architecture Search", IJCAI 2020. Every operation of every edge has a weight w and a dropout rate delta, every
edge a weight phi and a rate sigma. A step draws which of them stay, adds normal noise to those that do, and
moves w, phi, delta and sigma against the validation loss and the KL from an annealed prior; then it moves the
shared weights against the training loss. A last draw is the structure: any number of operations on an edge,
and of edges into a node.

==================================================================  ========================================
paper                                                               here
==================================================================  ========================================
Eq. 3, 4, 11 to 18                                                  `variational_dropout`, `UnitPosterior`
Algorithm 1, line 3: Phi_o and Phi_e                                `SIVDNAS.draw`
line 4, Eq. 13: the supernet under q(mu | Phi_o), q(v | mu, Phi_e)  `SIVDNAS.forward`
line 5, Eq. 14, 17, 18: KL, beside the loss as in Eq. 5             `SIVDNAS.extra_loss`
line 6: w, phi, delta, sigma                                        `SIVDNAS.architecture_step`
line 7: the network's weights                                       `SIVDNAS.weight_step`
lines 8 and 9: annealing                                            `SIVDNAS.begin_epoch`
line 11: final samples                                              `SIVDNAS.derive`
Table 3: V-VDNAS, H-VDNAS                                           ``variant="v"``, ``variant="h"``
==================================================================  ========================================

Deviations and choices
----------------------
- Algorithm 1 gives the Bernoulli draw no gradient: delta moves by the normal noise and the KL alone
  (``estimator="none"``, the default), and dropped units are not computed. ``straight-through`` and
  ``concrete`` pass the gradient of a relaxed draw, with the value of the hard and of the relaxed one;
  ``score-function`` adds (loss - baseline) d log P(psi), the baseline being a running mean of the loss.
- Eq. 5 sums over N data; beside a mean loss the KL is divided by N, the number of validation images, from
  which these parameters learn.
- Algorithm 1 prints the annealing inside its loop. Once in each step, (1 - lambda)^2 would be 0 within an
  epoch (0.95^390 is 2e-9) and the prior with it: here it is once in each epoch. It starts at 1, lambda = 0,
  which is the ARD prior itself, and waits for the frozen epochs, in which the KL moves nothing.
- The paper freezes 15 epochs of 50 or 150. A shorter training freezes at most three tenths of its epochs.
  Frozen epochs draw, too: the weights then learn under the noise that they will meet.
- One draw, of gates and of noise, serves both steps of an iteration and all images of both batches.
- w and phi are the weights themselves (Eq. 12), no softmax: they start at 1 / operations and at 1, which
  makes the first supernet without noise that of DARTS. delta and sigma start at `initial_drop` = 1/2, where
  keeping and dropping are equally likely. Adam is that of DARTS, "following the pipeline of DARTS", without
  weight decay on delta and sigma, whose prior is the KL.
- ``none`` is no operation here (section 4.2). Where the supernet has a path of edges only (NAS-Bench-201), a
  draw without one is drawn again, a hundred times at most: it would train nothing. Where a position cannot be
  left out (chains), there is no edge to drop, and operations that all drop are drawn again.
- An architecture of ``darts-multi`` is the last draw itself. Where an edge holds one operation, it is the
  most probable one, and an edge that drops becomes ``none``; on ``darts`` the two strongest edges into a
  node are kept, those that dropped last. The draw is made after every epoch and recorded, with the
  architecture of the most probable gates beside it.
- H-VDNAS is "hierarchical structure over V-VDNAS", V-VDNAS "vanilla variational dropout": noise N(1, delta)
  without Bernoulli variables, and the KL with the ARD prior, (1 - lambda)^2 = 1 throughout, as in Liu et al.
  (2019b). Nothing drops out, so the structure is derived by the space's own rule from 1 / (1 + delta), in H
  times 1 / (1 + sigma): one operation an edge, as Figure 2 draws them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError, shown
from benchkit.spaces.base import Architecture, Space
from benchkit.spaces.darts_multi.encoding import DARTSMulti
from benchkit.spaces.restricted import whole_space
from benchkit.strategies.derived import DerivingStrategy, relative_entropy
from benchkit.strategies.hyperparameters import require, require_known
from benchkit.strategies.sivdnas.unit_posterior import Draw, UnitPosterior
from benchkit.strategies.sivdnas.variational_dropout import annealed_gap
from benchkit.strategies.weight_sharing import (
    Closure,
    Evaluate,
    ImageBatch,
    Weights,
    optimizer_tensors,
    restore_optimizer,
)

if TYPE_CHECKING:
    from torch import Tensor

Flags = npt.NDArray[np.bool_]
_FINAL = ("final_operations", "final_edges")
_UNLIKELY = 1e-6  # weight of a dropped edge where a node must have two


@dataclass(frozen=True)
class SIVDNASHyperparameters:
    """Hyperparameters of the posterior, its prior, and their optimizers.

    Attributes
    ----------
    variant : ``si``, or of Table 3 ``h`` (hierarchy, nothing semi-implicit) and ``v`` (nor a hierarchy).
    estimator : Gradient of the Bernoulli draw: ``none``, ``straight-through``, ``score-function`` or
        ``concrete``.
    additive : Whether the noise is in additive form, see `variational_dropout`.
    frozen : Number of first epochs in which only the network's weights move.
    initial_drop : Probability of dropping of every unit at the start, delta / (1 + delta).
    initial_gap, annealing : Number (1 - lambda)^2 at the start, and its factor in each epoch.
    learning_rate, dropout_rate : Learning rates of Adam on w and phi, and on log delta and log sigma.
    beta1, beta2, weight_decay : Settings of Adam; the decay is that of w and phi.
    temperature : Temperature of relaxed draws.
    baseline_decay : Decay of the score function's running mean.
    """

    variant: str = "si"
    estimator: str = "none"
    additive: bool = True
    frozen: int = 15  # section 4.2
    initial_drop: float = 0.5
    initial_gap: float = 1.0
    annealing: float = 0.95  # section 4.2
    learning_rate: float = 3e-4
    dropout_rate: float = 3e-4
    beta1: float = 0.5
    beta2: float = 0.999
    weight_decay: float = 1e-3
    temperature: float = 0.2
    baseline_decay: float = 0.95

    def __post_init__(self) -> None:
        require_known(self, "variant", ("si", "h", "v"))
        require_known(self, "estimator", ("none", "straight-through", "score-function", "concrete"))
        if self.variant != "si" and self.estimator != "none":
            raise ValueError(f"variant {shown(self.variant)} has no Bernoulli draw; leave estimator out")
        if self.frozen < 0 or self.weight_decay < 0 or not 0 < self.initial_drop < 1:
            raise ValueError("frozen and weight_decay must not be negative, initial_drop in (0, 1)")
        require(self, "be in [0, 1]", "initial_gap", "annealing")
        require(self, "be positive", "learning_rate", "dropout_rate", "temperature")
        require(self, "be in [0, 1)", "beta1", "beta2", "baseline_decay")


def frozen_epochs(frozen: int, epochs: int) -> int:
    """Return how many first epochs leave the architecture alone: `frozen`, at most three tenths of all."""
    return min(frozen, 3 * epochs // 10)


class SIVDNAS(DerivingStrategy):
    """A method of semi-implicit variational dropout of operations and edges.

    Attributes
    ----------
    posterior : Posterior of the units, made by `bind`.
    gap : Number (1 - lambda)^2 of this epoch.
    likely : Architectures of the most probable gates after each epoch, int8[d] each.
    """

    name = "sivdnas"
    citation = (
        "Wang, Dai, Li, Zou and Xiong (2020), SI-VDNAS: Semi-Implicit Variational Dropout for Hierarchical "
        "One-shot Neural Architecture Search, IJCAI"
    )
    Hyperparameters = SIVDNASHyperparameters
    uses_validation = True

    posterior: UnitPosterior

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        self._whole = whole_space(space)
        self._semi_implicit = self.hyperparameters.variant == "si"
        self.gap: float = self.hyperparameters.initial_gap if self._semi_implicit else 1.0
        self.likely: list[Architecture] = []
        self._frozen = False
        self._drawn: Draw | None = None
        self._final: tuple[Flags, Flags] | None = None
        self._baseline: float | None = None

    def bind(self, supernet: Any, weights: Weights) -> None:
        import torch

        if not hasattr(supernet, "mixture"):
            raise InputError(
                f"sivdnas is query-backed only on {self.space.name}, whose supernet cannot weigh all "
                "candidates of a position; use leaderboard run, or search with spos"
            )
        super().bind(supernet, weights)
        present = np.asarray(supernet.present)
        single = present.shape == (self.space.length, max(self.space.arity))
        if not single and not isinstance(self._whole, DARTSMulti):
            raise InputError(f"sivdnas needs one operation a position; {self.space.name} is not so encoded")
        setting, device = self.hyperparameters, weights.parameters[0].device
        self.posterior = UnitPosterior(self._whole, present, setting, self.rng, device)
        weighed = [value for name, value in self.parameters.items() if name.endswith("weights")]
        rates = [value for name, value in self.parameters.items() if name.startswith("log")]
        self._optimizer = torch.optim.Adam(
            [
                {"params": weighed, "lr": setting.learning_rate, "weight_decay": setting.weight_decay},
                {"params": rates, "lr": setting.dropout_rate},
            ],
            betas=(setting.beta1, setting.beta2),
        )

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        return self.posterior.parameters

    # -- training -----------------------------------------------------------------------------

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        setting = self.hyperparameters
        waited = frozen_epochs(setting.frozen, epochs)
        self._frozen = epoch < waited
        if self._semi_implicit:
            self.gap = annealed_gap(setting.initial_gap, setting.annealing, max(0, epoch - waited))

    def draw(self) -> Draw:
        """Draw the units that stay, and the noise on them (Algorithm 1, line 3)."""
        self._drawn = self.posterior.draw()
        return self._drawn

    def forward(self, images: Tensor) -> Tensor:
        drawn = self._drawn or self.draw()
        logits: Tensor = self.supernet(images, self.posterior.mask(drawn), self.posterior.mixture(drawn))
        return logits

    def extra_loss(self) -> Tensor | None:
        drawn = self._drawn or self.draw()
        scaled: Tensor = self.posterior.divergence(drawn, self.gap) / self.weights.validation_images
        return scaled

    def architecture_step(self, closure: Closure, train: ImageBatch, valid: ImageBatch) -> None:
        drawn = self.draw()
        if self._frozen:
            return
        found = closure(valid, weights=False, architecture=True)
        for parameter, gradient in zip(self.parameters.values(), found.architecture, strict=True):
            parameter.grad = gradient
        if self.hyperparameters.estimator == "score-function":
            self._add_score(float(found.loss), drawn)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)

    def _add_score(self, loss: float, drawn: Draw) -> None:
        """Add (loss - baseline) d log P(psi) to the gradients of log delta and log sigma."""
        decay = self.hyperparameters.baseline_decay
        before = loss if self._baseline is None else self._baseline
        self._baseline = decay * before + (1 - decay) * loss
        for name, score in self.posterior.scores(drawn).items():
            parameter, added = self.parameters[name], (loss - before) * score
            parameter.grad = added if parameter.grad is None else parameter.grad + added

    def weight_step(self, closure: Closure, train: ImageBatch) -> Tensor:
        loss = super().weight_step(closure, train)
        self._drawn = None
        return loss

    # -- derivation ---------------------------------------------------------------------------

    def derive(self) -> Architecture:
        if not self._semi_implicit:
            operations, edges = self.posterior.keep()
            return self._whole.strongest(operations * edges[:, None])
        return self._most_probable() if self._final is None else self._row(*self._final)

    def _row(self, operations: Flags, edges: Flags) -> Architecture:
        """Return the architecture of some gates."""
        if isinstance(self._whole, DARTSMulti):
            return self._whole.rows(operations & edges[:, None])
        chances, edge_chances = self.posterior.keep()
        weights = chances * edge_chances[:, None] * np.where(edges, 1.0, _UNLIKELY)[:, None]
        if self.posterior.none is not None:
            weights[:, self.posterior.none] = ~edges
        return self._whole.strongest(weights)

    def _most_probable(self) -> Architecture:
        operations, edges = self.posterior.keep()
        return self._row(operations >= 0.5, edges >= 0.5)

    def entropy(self) -> float:
        """Return the mean entropy of psi over operations and edges, as a share of the largest, log 2."""
        operations, edges = self.posterior.keep()
        chances = operations[self.posterior.held]
        if self.posterior.drops_edges:
            chances = np.concatenate([chances, edges])
        return relative_entropy(np.stack([chances, 1 - chances], axis=1))

    def end_epoch(self, epoch: int, evaluate: Evaluate) -> None:
        if self._semi_implicit:
            self._final = self.posterior.draw_structure()
            self.likely.append(self._most_probable())
        super().end_epoch(epoch, evaluate)

    def report(self) -> Mapping[str, float]:
        """Return the recorded figures, the mean chances of being kept, and (1 - lambda)^2."""
        operations, edges = self.posterior.keep()
        kept = float(operations[self.posterior.held].mean())
        return {**super().report(), "keep": kept, "keep_edge": float(edges.mean()), "gap": self.gap}

    def findings(self) -> dict[str, Any]:
        """Return the record of every epoch, and the posterior of every unit."""
        operations, edges = self.posterior.keep()
        posterior = {
            "keep_operation": operations,
            "keep_edge": edges,
            "operation_weights": self.posterior.operation_weights.detach().double().cpu().numpy(),
            "edge_weights": self.posterior.edge_weights.detach().double().cpu().numpy(),
        }
        likely = {"most_probable": [self.space.format(row) for row in self.likely]} if self.likely else {}
        return {
            **super().findings(),
            **likely,
            "operations": list(self._whole.describe().get("operations", ())),
            **{name: figures.round(6).tolist() for name, figures in posterior.items()},
        }

    # -- interruption -------------------------------------------------------------------------

    def state_tensors(self) -> dict[str, Tensor]:
        import torch

        state = {name: value.detach() for name, value in self.parameters.items()}
        state |= optimizer_tensors(self._optimizer, self.parameters) | super().state_tensors()
        if self.likely:
            state["likely"] = torch.from_numpy(np.stack(self.likely))
        if self._final is not None:
            for name, flags in zip(_FINAL, self._final, strict=True):
                state[name] = torch.from_numpy(flags)
        if self._baseline is not None:
            state["baseline"] = torch.tensor(self._baseline, dtype=torch.float64)
        return state

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        for name, parameter in self.parameters.items():
            parameter.data.copy_(tensors[name])
        remembered = {name: value for name, value in tensors.items() if "/" in name}
        restore_optimizer(self._optimizer, self.parameters, remembered)
        super().load_state_tensors(tensors)
        self.likely = list(tensors["likely"].cpu().numpy()) if "likely" in tensors else []
        if _FINAL[0] in tensors:
            operations, edges = (tensors[name].cpu().numpy().astype(np.bool_) for name in _FINAL)
            self._final = operations, edges
        self._baseline = float(tensors["baseline"]) if "baseline" in tensors else None
