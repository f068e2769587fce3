"""PC-NAS narrows the space of a supernet to the completions of a few partial models while it trains.

Li, Lin, Li, Sun, Wu, Yan and Ouyang, "Improving One-Shot NAS by Suppressing the Posterior Fading"
(arXiv:1910.02543), section 3.3. The more models share weights, the further these are from those of each
model trained alone. So the mixed operators are decided one after another: after a warm-up with uniform
paths, each of the N operators of the first one is judged by the mean accuracy of architectures that contain
it (its potential), the best P are kept, and the supernet goes on training on completions of these alone.

==========================================================  ================================================
paper                                                       here
==========================================================  ================================================
Warm-up(G, D_train, T_w), Train(PartialModels, D_train)     `PCNAS.draw`, ``SinglePathStrategy.weight_step``
I mod T_i == 0 (Algorithm 2)                                `schedule`, `PCNAS.end_epoch`
ExtendedPartialModels, Top(ExtendedPartialModels, P)        `PCNAS.decide`, ``Decision.of``
Potential(m', D_val, Lat, S) (Algorithm 1), Eq. 11          `PCNAS.decide`, ``partial_models.potentials``
Acc(m*, D_val), "one batch"                                 ``pcnas_decision.accuracies``
"the highest potential in the pool" (section 4)             `PCNAS.recommend`
Table 3, One-shot / Ours                                    ``shrink=False``: `PCNAS.decide`, all in a row
Table 3, One-shot / EA                                      ``search="evolution"``: `PCNAS.evolve`
==========================================================  ================================================

Deviations and choices
----------------------
- Section 4.1 counts 100 + 20 x 5 = 200 epochs, Algorithm 2 runs T_w + L T_i = 205 with L = 21. Here the
  first decision follows the warm-up and the last one follows the last epoch: T_w + (L - 1) T_i. A supernet
  trained for 5 more epochs on P complete models (Algorithm 2) would change no decision.
- T_w and T_i follow from the epochs where they are not given: half of the epochs, rounded down to whole
  intervals, are intervals, and the rest is the warm-up; 200 epochs and 21 operators give the paper's 100
  and 5. With `warmup` alone what is left is divided evenly, the difference between two intervals being one
  epoch at most; with `interval` alone the warm-up is what is left. With both, the epochs follow, unless
  they are given too: then all must agree. A training with fewer epochs than operators decides several after
  one epoch.
- The paper says that the pool of interval l holds l - 1 operators, and writes l; here the models in the pool
  of decision l have l. `benchkit.strategies.pcnas.partial_models` corrects Eq. 11, and treats constraints.
- Algorithm 2 fills an empty list with the first extensions and then extends the (empty) pool. Here the
  empty pool is one empty model, whose extensions are all operators of the first mixed operator.
- Algorithm 1 infers each completion "for one batch". Here a few fixed mini-batches share the S completions
  of every candidate evenly, so that a candidate is not judged on images of its own and the beginning that
  completions share is computed once a mini-batch (`SupernetEvaluator`). A completion drawn twice for a
  mini-batch is computed once, and counts twice. The paper gives no size: `images` is its training batch.
- Training draws a model of the pool uniformly, then one of its completions, without the constraint, which the
  paper imposes "when calculating potentials". `uniform` is the space's own law.
- The weights are those after the epoch, with batch normalisation by the network's own policy.
- The search that follows the training asks for the models of the last pool, best first, on the study's own
  images. The answer is the highest potential among them, as in the paper, not the highest of these scores.
- Table 3's EA has population P and one-operator mutation; all else of it is SPOS's (Algorithm 1 of that
  paper: half of a population from crossover). Its individuals are scored on all mini-batches, and so many
  are scored that the images are those of the pool search, S a candidate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.base.errors import InputError
from benchkit.spaces.base import Architecture, Batch, Space
from benchkit.strategies.evolution import Evolution, EvolutionHyperparameters
from benchkit.strategies.hyperparameters import require, require_known
from benchkit.strategies.pcnas.decision import Decision, accuracies
from benchkit.strategies.pcnas.partial_models import (
    architectures_left,
    candidate_counts,
    complete,
    complete_feasible,
    decision_order,
    extend,
    none_left,
    whole_rows,
)
from benchkit.strategies.protocol import Ask, Scores
from benchkit.strategies.single_path import SinglePathStrategy
from benchkit.strategies.weight_sharing import Evaluate

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PCNASHyperparameters:
    """Hyperparameters of section 4.1, and what the paper leaves open.

    Attributes
    ----------
    pool : Number P of partial models that are kept.
    samples : Number S of completions drawn for each candidate.
    warmup : Number T_w of epochs before the first decision; None is what the intervals leave.
    interval : Number T_i of epochs between two decisions; None is what the warm-up leaves, divided.
    order : Positions of the row in the order in which they are decided; None is the row's own.
    batches : Number of fixed mini-batches that share the completions.
    images : Number of validation images of a mini-batch; fewer where there are not so many.
    shrink : Whether the space that is trained is narrowed; None unless the search is an evolution.
    track : Whether pools are decided after every interval without shrinking, too; nothing is trained on them.
    search : Search after a training without shrinking, ``pool`` or ``evolution`` (Table 3).
    """

    pool: int = 5
    samples: int = 900
    warmup: int | None = None
    interval: int | None = None
    order: tuple[int, ...] | None = None
    batches: int = 4
    images: int = 512
    shrink: bool | None = None
    track: bool = False
    search: str = "pool"

    def __post_init__(self) -> None:
        require(self, "be at least 1", "pool", "samples", "warmup", "interval", "batches", "images")
        if self.order is not None:
            object.__setattr__(self, "order", tuple(self.order))
        require_known(self, "search", ("pool", "evolution"))
        if self.shrink and self.search != "pool":
            raise ValueError("an evolution searches a supernet that was not shrunk: leave out shrink")
        if self.shrinks and self.track:
            raise ValueError("track is for shrink=false; pools are decided anyway where the space shrinks")

    @property
    def shrinks(self) -> bool:
        """Whether the space that is trained is narrowed."""
        return self.search == "pool" if self.shrink is None else self.shrink


def schedule(epochs: int, operators: int, warmup: int | None, interval: int | None) -> list[int]:
    """Return after how many epochs each of L operators is decided, in ascending order; the last is `epochs`.

    Raises
    ------
    InputError : Warm-up and intervals do not add up to the epochs.
    """
    gaps = operators - 1
    if warmup is None:
        if interval is None:
            interval = max(1, epochs // 2 // gaps) if gaps else 1
            interval = interval if gaps * interval < epochs else 0
            warmup = epochs - gaps * interval if interval else epochs - epochs // 2
        else:
            warmup = epochs - gaps * interval
        if warmup < 1:
            raise InputError(
                f"{gaps} intervals of {interval} leave no epoch of {epochs} for the warm-up: give at least "
                f"{gaps * (interval or 0) + 1} epochs, or a smaller interval"
            )
    left = epochs - warmup
    if left < 0 or (interval and left != gaps * interval) or (not gaps and left):
        parts = f"a warm-up of {warmup} epochs"
        if interval:
            parts += f" and {gaps} intervals of {interval} are {warmup + gaps * interval}"
        raise InputError(
            f"{parts}, but the training has {epochs}: give as many epochs, or leave out warmup or interval"
        )
    return [warmup + (left * number // gaps if gaps else 0) for number in range(operators)]


class PCNAS(SinglePathStrategy):
    """A method of uniform paths, then of completions of partial models, which grow by one operator at a time.

    Attributes
    ----------
    order : Positions of the row in the order of decision.
    along : Decisions during the training.
    after : Decisions after it; empty where the space was narrowed during it.
    found : int8[p, d] and float64[p], the recommended rows, best first; None before the training is over.
    """

    name = "pcnas"
    citation = (
        "Li et al. (2019), Improving One-Shot NAS by Suppressing the Posterior Fading, arXiv:1910.02543"
    )
    Hyperparameters = PCNASHyperparameters
    takes_constraint = True

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        self.order = decision_order(space, self.hyperparameters.order)
        self.along: list[Decision] = []
        self.after: list[Decision] = []
        self.found: tuple[Batch, Scores] | None = None
        self._epochs = 0
        self._asked = False

    @classmethod
    def planned_epochs(cls, space: Space, options: Mapping[str, Any]) -> int | None:
        warmup, interval = options.get("warmup"), options.get("interval")
        if isinstance(warmup, int) and isinstance(interval, int):
            return warmup + (space.length - 1) * interval
        return None

    @property
    def default_queries(self) -> int:
        return int(self.hyperparameters.pool)

    @property
    def _operators(self) -> list[int]:
        """Number of choices of each mixed operator, in the order of decision."""
        return [self.space.arity[position] for position in self.order]

    @property
    def _batches(self) -> int:
        return int(min(self.hyperparameters.batches, self.hyperparameters.samples))

    def _schedule(self) -> list[int]:
        setting = self.hyperparameters
        return schedule(self._epochs, len(self.order), setting.warmup, setting.interval)

    # -- training -----------------------------------------------------------------------------

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        self._epochs = epochs
        if epoch == 0:
            self._schedule()  # refuses now, not after a warm-up

    def draw(self) -> Architecture:
        if not self.hyperparameters.shrinks or not self.along:
            return super().draw()
        pool = self.along[-1].pool
        member = pool[self.rng.integers(len(pool), size=1)]
        drawn = complete(self.space, self.rng, self.order, member, 1)
        if not len(drawn.rows):
            raise none_left(self.space, None, drawn)
        self.path = drawn.rows[0]
        return self.path

    def end_epoch(self, epoch: int, evaluate: Evaluate) -> None:
        setting = self.hyperparameters
        if setting.shrinks or setting.track:
            due = self._schedule().count(epoch + 1)
            for _ in range(due):
                self.along.append(self.decide(self.along, epoch + 1, evaluate))
        if epoch + 1 < self._epochs:
            return
        if setting.search == "evolution":
            self.found = self.evolve(evaluate)
            return
        if not setting.shrinks:
            for _ in self.order:
                self.after.append(self.decide(self.after, epoch + 1, evaluate))
        last = (self.along if setting.shrinks else self.after)[-1]
        self.found = whole_rows(self.order, last.pool), last.potentials

    def decide(self, before: Sequence[Decision], epoch: int, evaluate: Evaluate) -> Decision:
        """Extend the last pool by one operator, and keep the P candidates of the highest potential.

        Raises
        ------
        InputError : No candidate has a completion that keeps the constraint.
        """
        setting = self.hyperparameters
        pool = before[-1].pool if before else np.empty((1, 0), dtype=np.int8)
        candidates = extend(pool, self._operators[pool.shape[1]])
        drawn = complete_feasible(
            self.space, self.rng, self.order, candidates, setting.samples, self.constraint
        )
        if not len(drawn.rows):
            raise none_left(self.space, self.constraint, drawn)
        scores = accuracies(drawn, evaluate, self._batches, setting.images)
        return Decision.of(epoch, candidates, drawn, scores, setting.pool)

    def evolve(self, evaluate: Evaluate) -> tuple[Batch, Scores]:
        """Return int8[<= P, d] and their accuracies: the best of an evolution that sees as many images."""
        setting = self.hyperparameters
        batches = self._batches
        inferences = sum(candidate_counts(self._operators, setting.pool)) * setting.samples
        iterations = max(1, inferences // (batches * setting.pool))
        evolution = Evolution(
            self.space,
            self.rng,
            EvolutionHyperparameters(setting.pool, iterations, setting.pool),
            one_step=True,
        )
        if self.constraint is not None:
            evolution.constrain(self.constraint)
        while len(rows := evolution.propose()):
            evolution.observe(rows, evaluate(rows, batches * setting.images))
        return evolution.top, evolution.top_scores

    # -- results ------------------------------------------------------------------------------

    def propose(self) -> Ask:
        if self.found is None:
            raise InputError(f"{self.name} decides while it trains: the training is not over")
        rows = self.found[0]
        asked, self._asked = self._asked, True
        return Ask(rows[:0] if asked else rows)

    def recommend(self) -> Architecture:
        """Return the architecture of the highest potential."""
        return super().recommend() if self.found is None else self.found[0][0]

    def report(self) -> Mapping[str, float]:
        if not self.along:
            return {}
        last = self.along[-1]
        left, _ = architectures_left(self.space, self.order, last.pool)
        return {"left_log10": math.log10(left), "potential": float(last.potentials[0])}

    def findings(self) -> dict[str, Any]:
        setting = self.hyperparameters
        facts: dict[str, Any] = {
            "order": list(self.order),
            "shrink": setting.shrinks,
            "search": setting.search,
        }
        if self._epochs:
            facts["schedule"] = self._schedule()

        def described(decisions: Sequence[Decision]) -> list[dict[str, Any]]:
            return [each.describe(self.space, self.order, self.constraint) for each in decisions]

        if self.along:
            facts["intervals"] = described(self.along)
        if self.after:
            facts["after" if self.along else "intervals"] = described(self.after)
        if self.found is not None:
            rows, potential = self.found
            facts["found"] = {
                "architectures": [self.space.format(row) for row in rows],
                "potentials": potential.tolist(),
            }
        return facts

    # -- interruption -------------------------------------------------------------------------

    def state_tensors(self) -> dict[str, Tensor]:
        import torch

        state = {"epochs": torch.tensor(self._epochs)}
        for when, decisions in (("along", self.along), ("after", self.after)):
            for number, decision in enumerate(decisions):
                tensors = decision.tensors().items()
                state |= {f"{when}/{number}/{what}": value for what, value in tensors}
        if self.found is not None:
            state["found/rows"] = torch.from_numpy(self.found[0].copy())
            state["found/potentials"] = torch.from_numpy(self.found[1].copy())
        return state

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        self._epochs = int(tensors["epochs"])
        for when, decisions in (("along", self.along), ("after", self.after)):
            decisions.clear()
            while f"{when}/{len(decisions)}/pool" in tensors:
                head = f"{when}/{len(decisions)}/"
                mine = {name.removeprefix(head): tensors[name] for name in tensors if name.startswith(head)}
                decisions.append(Decision.of_tensors(mine))
        if "found/rows" in tensors:
            rows, potential = tensors["found/rows"], tensors["found/potentials"]
            self.found = rows.cpu().numpy(), potential.cpu().numpy()
