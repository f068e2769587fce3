"""The tree-structured Parzen estimator asks where good architectures are dense and bad ones are not.

Bergstra, Bardenet, Bengio and Kegl, "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011, as
implemented by Optuna. The architectures seen are split by score into a good and a bad group, which Parzen
estimators l and g describe. Of some draws from l the one with the highest l(x) / g(x) is asked for, which
maximises the expected improvement. The first `startup` architectures are random.

================================================  =================================
Section 4                                         here
================================================  =================================
random start                                      `TPE.propose`, ``space.sample``
split at the quantile gamma, l and g (eq. 2)      Optuna's ``TPESampler``
EI is increasing in l(x) / g(x) (eq. 3)           the same
================================================  =================================

Deviations and choices
----------------------
- Optuna's constants are kept and are not the paper's: gamma is 10 % of the history and at most 25
  architectures (15 % in the paper), 24 draws from l, a categorical Parzen estimator with a uniform prior of
  weight 1.
- ``multivariate=True`` models whole rows (Falkner et al., 2018), is cheaper, and is Optuna's default since
  5.0, hence ours. The preset ``paper`` models each choice on its own, as the paper does; there every choice
  goes to the maximum of its own l / g, so the search repeats itself: in nasbench201 about half of 150 queries
  are repetitions, against a quarter with whole rows. Optuna's ``group`` is for rows that lack some of the
  choices; none does here.
- The random start is the space's own sampling law, as for every method here, not Optuna's.
- A row that is not an architecture (nasbench101) is never evaluated and never learned from: Optuna is told
  that its trial failed, which it ignores, and is asked again, `patience` times in all; then a random
  architecture is asked for. So l and g describe evaluated architectures only, and proposals are TPE's own,
  conditioned on membership.
- In a space restricted to a table nearly every proposal would be refused and the method would be random
  search; hence `needs_complete`.
- Optuna may ask for an architecture again, and the repetition is paid for, as in published comparisons.
- Optuna's generators are seeded from the trial's own, its storage is in memory, and its verbosity stays as
  the user set it; only the line that announces each new study is held back.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchkit.spaces.base import Architecture, Batch, Space
from benchkit.strategies.hyperparameters import require
from benchkit.strategies.protocol import Ask, Scores, SearchStrategy

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True)
class TPEHyperparameters:
    """Settings of Optuna's sampler.

    Attributes
    ----------
    startup : Number of random architectures before the model is used.
    candidates : Number of draws from l, of which the best by l / g is asked for.
    multivariate : Whether whole rows are modelled instead of each choice on its own.
    patience : Number of proposals that may be refused as invalid before a random architecture replaces them.
    """

    startup: int = 10  # n_startup_trials, Optuna
    candidates: int = 24  # n_ei_candidates, Optuna and Hyperopt
    multivariate: bool = True  # Optuna, since 5.0; the preset `paper` is section 4
    patience: int = 16

    def __post_init__(self) -> None:
        require(self, "be at least 1", "startup", "candidates", "patience")


class TPE(SearchStrategy):
    """A method that asks where good architectures are dense and bad ones are not."""

    name = "tpe"
    citation = "Bergstra et al. (2011), Algorithms for Hyper-Parameter Optimization, NeurIPS; by Optuna"
    Hyperparameters = TPEHyperparameters
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        # Bergstra et al. (2011), section 4: every choice has its own estimators
        "paper": {"multivariate": False},
    }
    needs_complete = True

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        import optuna  # here, so that listing strategies does not pay for it

        setting = self.hyperparameters
        with _unannounced():
            sampler = optuna.samplers.TPESampler(
                n_startup_trials=setting.startup,
                n_ei_candidates=setting.candidates,
                multivariate=setting.multivariate,
                constant_liar=False,  # nothing runs in parallel
                seed=int(rng.integers(2**32)),
            )
            # the name is fixed, since the default one is drawn from the operating system's entropy
            self._study = optuna.create_study(study_name="tpe", direction="maximize", sampler=sampler)
        self._distributions: dict[str, BaseDistribution] = {
            f"{position:04d}": optuna.distributions.CategoricalDistribution(range(arity))
            for position, arity in enumerate(space.arity)
        }
        self._started = False
        self._asked_trial: int | None = None  # Optuna's number of its proposal; None for another row

    def propose(self) -> Ask:
        from optuna.trial import TrialState

        if not self._started:
            self._started = True
            return Ask(self.space.sample(self.rng, self.hyperparameters.startup))
        for _ in range(self.hyperparameters.patience):
            trial = self._study.ask(self._distributions)
            row = np.array([[trial.params[name] for name in self._distributions]], dtype=np.int8)
            if self.space.is_valid(row)[0]:
                self._asked_trial = trial.number
                return Ask(row)
            self._study.tell(trial, state=TrialState.FAIL)
        self._asked_trial = None
        return Ask(self.space.sample(self.rng, 1))

    def observe(self, batch: Batch, scores: Scores) -> None:
        for architecture, score in zip(batch, scores.tolist(), strict=True):
            if self._asked_trial is None:
                self._add(architecture, score)
            else:
                self._study.tell(self._asked_trial, score)
                self._asked_trial = None

    def _add(self, architecture: Architecture, score: float) -> None:
        """Teach Optuna an architecture that it did not propose."""
        from optuna.trial import create_trial

        parameters = dict(zip(self._distributions, architecture.tolist(), strict=True))
        self._study.add_trial(create_trial(params=parameters, distributions=self._distributions, value=score))


@contextmanager
def _unannounced() -> Iterator[None]:
    """Hold back the log line with which Optuna's storage announces a study, and leave all else as it was.

    Nor does Optuna 4 warn that its multivariate estimator may change: a study names the release it ran with.
    """
    from optuna.exceptions import ExperimentalWarning

    logger = logging.getLogger("optuna.storages._in_memory")

    def refuse(record: logging.LogRecord) -> bool:
        return record.levelno > logging.INFO

    logger.addFilter(refuse)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    finally:
        logger.removeFilter(refuse)
