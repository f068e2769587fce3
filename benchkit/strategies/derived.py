"""Records what methods that derive one architecture would return after each epoch, and how sure they are.

A search whose cells fill with skip connections the longer it trains has collapsed (Liang et al., "DARTS+",
2019; Zela et al., "Understanding and Robustifying Differentiable Architecture Search", ICLR 2020). To show
it, the share of skip connections in each recorded architecture is given, and the entropy of the parameters.

Deviations and choices
----------------------
- The share counts the operations of all edges, of both kinds of cells; ``none`` is no operation. A space
  without an operation named ``skip_connect`` has no share.
- The entropy is a share of the largest possible, so that a choice among seven operations (DARTS's softmax)
  and a choice between keeping and dropping (a Bernoulli variable) can be compared.
- These methods never query. Here the derived architecture alone is scored, so that it has a trace.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchkit.spaces.base import Architecture, Batch, Space
from benchkit.spaces.nasnet.encoding import NONE
from benchkit.spaces.restricted import whole_space
from benchkit.strategies.protocol import Ask
from benchkit.strategies.weight_sharing import Evaluate, WeightSharingStrategy

if TYPE_CHECKING:
    from torch import Tensor

_SKIP = "skip_connect"


def skip_shares(space: Space, batch: Batch) -> npt.NDArray[np.float64] | None:
    """Return float64[n] in [0, 1], the share of skip connections among each row's operations; 0 without any.

    None for a space that has no such operation. The rows of `batch`, int8[n, d], are valid.
    """
    whole = whole_space(space)
    names = list(whole.describe().get("operations", ()))
    if _SKIP not in names:
        return None
    held = whole.holds(batch)
    counted = [number for number, name in enumerate(names) if name != NONE]
    skips = held[..., names.index(_SKIP)].sum(axis=-1)
    shares: npt.NDArray[np.float64] = skips / np.maximum(held[..., counted].sum(axis=(-2, -1)), 1)
    return shares


def relative_entropy(probabilities: npt.NDArray[np.float64]) -> float:
    """Return the mean entropy of the rows as a share of the largest possible, in [0, 1].

    Parameters
    ----------
    probabilities : float64[n, k], rows of sum 1. A row that leaves no choice, with one entry above 0, is not
        counted; where there are no others, the entropy is 0.
    """
    choices = (probabilities > 0).sum(axis=1)
    rows, many = probabilities[choices > 1], choices[choices > 1]
    if not len(rows):
        return 0.0
    logs = np.log(np.where(rows > 0, rows, 1.0))
    return float((-(rows * logs).sum(axis=1) / np.log(many)).mean())


class DerivingStrategy(WeightSharingStrategy):
    """A method that derives one architecture from parameters of its own.

    Attributes
    ----------
    derived : Results of `derive` after each epoch, int8[d] each.
    entropies : Results of `entropy` after each epoch.
    """

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        self._asked = False
        self.derived: list[Architecture] = []
        self.entropies: list[float] = []

    @abstractmethod
    def derive(self) -> Architecture:
        """Return int8[d], the architecture for which the parameters stand; the same until they move."""

    @abstractmethod
    def entropy(self) -> float:
        """Return how undecided the parameters are, as a share of the largest possible entropy, in [0, 1]."""

    def end_epoch(self, epoch: int, evaluate: Evaluate) -> None:
        self.derived.append(self.derive())
        self.entropies.append(self.entropy())

    def report(self) -> Mapping[str, float]:
        """Return ``entropy``, and ``skips``: the share of skip connections, where the space has them."""
        if not self.derived:
            return {}
        shares = skip_shares(self.space, self.derived[-1][None])
        skips = {} if shares is None else {"skips": float(shares[0])}
        return {"entropy": self.entropies[-1], **skips}

    def findings(self) -> dict[str, Any]:
        """Return a list with an entry for each epoch: ``architectures``, ``entropies``, ``skip_shares``."""
        found: dict[str, Any] = {
            "architectures": [self.space.format(row) for row in self.derived],
            "entropies": [round(value, 6) for value in self.entropies],
        }
        shares = skip_shares(self.space, np.array(self.derived, dtype=np.int8)) if self.derived else None
        if shares is not None:
            found["skip_shares"] = [round(float(share), 6) for share in shares]
        return found

    # -- search -------------------------------------------------------------------------------

    @property
    def default_queries(self) -> int:
        return 1

    def propose(self) -> Ask:
        row = self.derive()[None]
        first, self._asked = not self._asked, True
        return Ask(row if first else row[:0])

    def recommend(self) -> Architecture:
        return self.derive()

    # -- interruption -------------------------------------------------------------------------

    def state_tensors(self) -> dict[str, Tensor]:
        import torch

        if not self.derived:
            return {}
        return {
            "derived": torch.from_numpy(np.stack(self.derived)),
            "entropies": torch.tensor(self.entropies, dtype=torch.float64),
        }

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        self.derived = list(tensors["derived"].cpu().numpy()) if "derived" in tensors else []
        self.entropies = tensors["entropies"].cpu().tolist() if "entropies" in tensors else []
