"""ENAS trains an LSTM controller by REINFORCE, which learns the good paths of a supernet.

Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", ICML 2018 (arXiv:1802.03268), as
Dong and Yang run it on NAS-Bench-201 (ICLR 2020; D-X-Y/AutoDL-Projects, ``exps/algos/ENAS.py``). Two phases
alternate. In the first, for one epoch, every training batch moves the weights of one path, drawn from the
controller. In the second the weights stay, and the controller climbs the expected validation accuracy of its
draws. At the end the best of some draws is the answer.

==============================================================  =============================================
paper, section 2.2                                              here
==============================================================  =============================================
the controller pi(m; theta)                                     `benchkit.strategies.enas_controller`
omega: Eq. 1 with M = 1, a path of pi a batch                   `ENAS.draw`, ``weight_step``
theta: E_pi[R(m, omega)], validation accuracy                   `ENAS.end_epoch`
baseline: b <- b - (1 - 0.99) (b - R)                           `advantages`
REINFORCE: the mean of (R - b) grad log pi(m), Adam             `ENAS.controller_step`, `policy_loss`
R includes 1e-4 times the entropy of pi                         `ENAS.controller_step`
"Deriving Architectures": sample, score, the best               `ENAS.propose`, ``recommend``
==============================================================  =============================================

Deviations and choices
----------------------
- Rewards are accuracies as a share of 1: the published scale, on which the weight of the entropy and Adam's
  epsilon of 1e-3 have their size. Everything reported is in percent.
- The entropy is a part of the reward without a gradient, as in the paper's own code. The code of the
  NAS-Bench-201 run lets its gradient pass, times -log pi, which lowers the entropy that it is meant to keep.
- The baseline starts at the first accuracy and moves with every draw, before its reward is compared, as in
  the paper's own code. The code of the NAS-Bench-201 run moves it by one reward in each epoch.
- The architectures of a step are scored together, all on the same `images` validation images, the first of
  the evaluator's order, without augmentation; the published code takes another batch for each. Differences
  between batches then do not drown those between architectures, at the price that theta may fit these images.
- The weights are trained by the recipe of the preset, which is that of all methods, as in the NATS-Bench run
  (``exps/NATS-algos/search-cell.py``). The first script of ENAS had its own: rate .05 to .0005 with restarts
  every 10 epochs, batch 128, weight decay 2.5e-4.
- The draws that are scored at the end may repeat, as published. They are scored on all validation images that
  the study names; the published code scores each on another batch of 512.
- In a space where some combinations are not architectures, draws are conditioned on membership, by rejection;
  a row that was rejected 64 times is drawn by the space's own law. The gradient stays that of the
  unconditioned distribution (see `reinforce`). A space is refused where none of 10,000 rows of free choices
  is a member (``darts``, with its two inputs for each node).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.spaces.base import Architecture, Batch, Space
from benchkit.strategies.hyperparameters import require
from benchkit.strategies.protocol import Ask, Scores
from benchkit.strategies.single_path import SinglePathStrategy
from benchkit.strategies.weight_sharing import Evaluate, Weights, optimizer_tensors, restore_optimizer

if TYPE_CHECKING:
    from torch import Tensor

    from benchkit.strategies.enas_controller import Controller

_REJECTIONS = 64
_TRIALS = 10_000  # rows of free choices, of which one at least must be a member


@dataclass(frozen=True)
class ENASHyperparameters:
    """Hyperparameters of the NAS-Bench-201 run.

    Attributes
    ----------
    hidden, layers, tanh_constant, temperature : Settings of the controller.
    steps, aggregate : Number of Adam's steps on the controller after each epoch, and of draws in a step.
    images : Number of validation images that a reward is measured on; all where there are fewer.
    baseline_decay : Decay of the moving average of rewards, in [0, 1).
    entropy_weight : Weight of the entropy, in nats, in a reward whose accuracy is a share of 1.
    clip : Largest norm of the controller's gradient.
    learning_rate, beta1, beta2, epsilon : Settings of Adam.
    architectures : Number of draws that are scored at the end.
    """

    hidden: int = 32
    layers: int = 2
    tanh_constant: float = 2.5
    temperature: float = 5.0
    steps: int = 50
    aggregate: int = 20
    images: int = 512
    baseline_decay: float = 0.99
    entropy_weight: float = 1e-4
    clip: float = 5.0
    learning_rate: float = 1e-3
    beta1: float = 0.0
    beta2: float = 0.999
    epsilon: float = 1e-3
    architectures: int = 100

    def __post_init__(self) -> None:
        require(self, "be at least 1", "hidden", "layers", "aggregate", "images", "architectures")
        require(self, "not be negative", "steps", "entropy_weight")
        require(self, "be positive", "tanh_constant", "temperature", "clip", "learning_rate", "epsilon")
        require(self, "be in [0, 1)", "baseline_decay", "beta1", "beta2")


def advantages(
    rewards: npt.NDArray[np.float64], baseline: float, decay: float
) -> tuple[npt.NDArray[np.float64], float]:
    """Return float64[n], each reward minus the baseline of its time, and the baseline after the last.

    Parameters
    ----------
    rewards : float64[n], in the order of the draws; each moves the baseline before it is compared.
    baseline : Baseline before the first of them.
    decay : Decay in b <- decay b + (1 - decay) R.
    """
    found = np.empty(len(rewards))
    for index, reward in enumerate(rewards.tolist()):
        baseline -= (1 - decay) * (baseline - reward)
        found[index] = reward - baseline
    return found, baseline


def policy_loss(log_probabilities: Tensor, advantage: Tensor) -> Tensor:
    """Return the scalar -mean((R - b) log pi), whose gradient is that of REINFORCE, downwards.

    Both arguments are float[n]; only the log-probabilities are differentiable.
    """
    return -(advantage * log_probabilities).mean()


class ENAS(SinglePathStrategy):
    """A method that draws paths from a controller, which learns between epochs, and keeps its best draw.

    Attributes
    ----------
    controller : Controller on the CPU, made by `bind`.
    baseline : Moving average of the rewards; None before the first.
    """

    name = "enas"
    citation = "Pham et al. (2018), Efficient Neural Architecture Search via Parameter Sharing, ICML"
    Hyperparameters = ENASHyperparameters

    controller: Controller
    baseline: float | None = None

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        self._asked = False
        self._measured: dict[str, float] = {}

    def bind(self, supernet: Any, weights: Weights) -> None:
        import torch

        from benchkit.strategies.enas_controller import Controller

        free = np.random.default_rng(0).integers(0, self.space.arity, (_TRIALS, self.space.length), np.int8)
        if not self.space.is_valid(free).any():
            raise InputError(
                f"enas draws every choice by itself, which hardly ever makes an architecture of "
                f"{self.space.name}; use spos"
            )
        super().bind(supernet, weights)
        setting = self.hyperparameters
        generator = torch.Generator().manual_seed(int(self.rng.integers(2**63)))
        sizes = (setting.hidden, setting.layers, setting.tanh_constant, setting.temperature)
        self.controller = Controller(self.space.arity, generator, *sizes)
        self._optimizer = torch.optim.Adam(
            self.controller.parameters(),
            lr=setting.learning_rate,
            betas=(setting.beta1, setting.beta2),
            eps=setting.epsilon,
        )

    # -- the shared weights -------------------------------------------------------------------

    def draw(self) -> Architecture:
        self.path = self.sample(1)[0]
        return self.path

    def sample(self, n: int) -> Batch:
        """Return int8[n, d], draws of the controller that are members of the space."""
        import torch

        shape = (self.space.length, max(self.space.arity))
        rows = np.empty((n, self.space.length), dtype=np.int8)
        missing = np.arange(n)
        for _ in range(_REJECTIONS):
            noise = torch.from_numpy(self.rng.gumbel(size=(len(missing), *shape)))
            rows[missing] = self.controller.draw(noise).numpy()
            missing = missing[~self.space.is_valid(rows[missing])]
            if not len(missing):
                return rows
        rows[missing] = self.space.sample(self.rng, len(missing))
        return rows

    # -- the controller -----------------------------------------------------------------------

    def end_epoch(self, epoch: int, evaluate: Evaluate) -> None:
        setting = self.hyperparameters
        seen = []
        for _ in range(setting.steps):
            rows = self.sample(setting.aggregate)
            accuracies = evaluate(rows, setting.images)
            seen.append((float(accuracies.mean()), self.controller_step(rows, accuracies)))
        if seen:
            reward, entropy = np.mean(seen, axis=0).tolist()
            self._measured = {"sampled_accuracy": reward, "entropy": entropy}

    def controller_step(self, rows: Batch, accuracies: Scores) -> float:
        """Take one step of Adam on the policy; return the mean entropy of the draws, in nats.

        Parameters
        ----------
        rows : int8[n, d], drawn from the present controller.
        accuracies : float64[n], percent.
        """
        import torch

        setting = self.hyperparameters
        log_probabilities, entropy = self.controller.score(torch.from_numpy(rows.astype(np.int64)))
        bonus = setting.entropy_weight * entropy.detach().double().numpy()
        shares = accuracies / 100
        start = float(shares[0]) if self.baseline is None else self.baseline
        advantage, self.baseline = advantages(shares + bonus, start, setting.baseline_decay)
        loss = policy_loss(log_probabilities, torch.from_numpy(advantage).to(log_probabilities.dtype))
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.controller.parameters(), setting.clip)
        self._optimizer.step()
        return float(entropy.detach().mean())

    def report(self) -> Mapping[str, float]:
        return self._measured

    # -- search -------------------------------------------------------------------------------

    @property
    def default_queries(self) -> int:
        return int(self.hyperparameters.architectures)

    def propose(self) -> Ask:
        wanted, self._asked = 0 if self._asked else self.default_queries, True
        return Ask(self.sample(wanted))

    # -- interruption -------------------------------------------------------------------------

    def state_tensors(self) -> dict[str, Tensor]:
        import torch

        named = dict(self.controller.named_parameters())
        weights = {f"controller:{name}": parameter.detach() for name, parameter in named.items()}
        baseline = float("nan") if self.baseline is None else self.baseline
        kept = {"baseline": torch.tensor(baseline, dtype=torch.float64)}
        return {**weights, **kept, **optimizer_tensors(self._optimizer, named)}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        named = dict(self.controller.named_parameters())
        for name, parameter in named.items():
            parameter.data.copy_(tensors[f"controller:{name}"])
        baseline = float(tensors["baseline"])
        self.baseline = None if np.isnan(baseline) else baseline
        restore_optimizer(self._optimizer, named, {key: v for key, v in tensors.items() if "/" in key})
