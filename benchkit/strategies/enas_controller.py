"""Defines the controller of ENAS, an LSTM that draws an architecture choice by choice.

Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", ICML 2018 (arXiv:1802.03268),
section 2, in the form that Dong and Yang use on NAS-Bench-201 (D-X-Y/AutoDL-Projects,
``lib/models/cell_searchs/search_model_enas_utils.py``): two layers of 32 units read the embedding of the
previous choice, and one read-out serves all positions.

================================================  ===================================
formula                                           here
================================================  ===================================
logits = 2.5 tanh(h W / 5)                        `Controller.logits`
a_i ~ softmax(logits), given a_1 .. a_(i-1)       `Controller.draw`
log p(a) = sum over positions                     `Controller.score`
H = sum over positions of the entropies           `Controller.score`
================================================  ===================================

Deviations and choices
----------------------
- All parameters start uniform in [-0.1, 0.1], as the paper has it; the published code leaves the second
  layer and the biases to the library.
- The same choice has the same embedding and read-out at every position, as published. A position with fewer
  choices than others has the logit -inf where it has none.
- Drawing takes its noise from outside, in float64, by the Gumbel-max trick.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_START = 0.1


class Controller(nn.Module):
    """A distribution over rows of choices.

    Parameters
    ----------
    arity : Number of choices at each of the d positions.
    generator : Generator of the first weights, on the CPU.
    hidden, layers : Sizes of the LSTM.
    tanh_constant, temperature : Constants of the logits.
    """

    def __init__(
        self,
        arity: tuple[int, ...],
        generator: torch.Generator,
        hidden: int = 32,
        layers: int = 2,
        tanh_constant: float = 2.5,
        temperature: float = 5.0,
    ) -> None:
        super().__init__()
        most = max(arity)
        # on the meta device nothing is drawn: a module's own start would come from the global generator
        self.first = nn.Parameter(torch.empty(hidden, device="meta"))
        self.choices = nn.Parameter(torch.empty(most, hidden, device="meta"))
        self.lstm = nn.LSTM(hidden, hidden, layers, batch_first=True, device="meta")
        self.readout = nn.Linear(hidden, most, device="meta")
        self.to_empty(device="cpu")
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-_START, _START, generator=generator)
        self._scales = (tanh_constant, temperature)
        self._beyond = torch.arange(most)[None] >= torch.tensor(arity)[:, None]

    def logits(self, states: Tensor, positions: slice) -> Tensor:
        """Return float[n, positions, most choices] of float[n, positions, hidden]."""
        tanh_constant, temperature = self._scales
        logits: Tensor = tanh_constant * torch.tanh(self.readout(states) / temperature)
        return logits.masked_fill(self._beyond[positions], -torch.inf)

    def draw(self, noise: Tensor) -> Tensor:
        """Return int64[n, d], a row of choices for each row of noise.

        Parameters
        ----------
        noise : float64[n, d, most choices], draws of the standard Gumbel distribution.
        """
        n, d, _ = noise.shape
        rows = torch.zeros(n, d, dtype=torch.int64)
        given, state = self.first.expand(n, 1, -1), None
        with torch.no_grad():
            for position in range(d):
                output, state = self.lstm(given, state)
                logits = self.logits(output, slice(position, position + 1))[:, 0]
                rows[:, position] = (logits + noise[:, position]).argmax(dim=1)
                given = self.choices[rows[:, position]][:, None]
        return rows

    def score(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return (log p, H), float[n] each, in nats, of int64[n, d]; differentiable in the parameters.

        H is the sum of the entropies of each position's distribution, given the previous choices of the row.
        """
        n, d = rows.shape
        given = torch.cat([self.first.expand(n, 1, -1), self.choices[rows[:, :-1]]], dim=1)
        states, _ = self.lstm(given)
        log_p = self.logits(states, slice(0, d)).log_softmax(dim=2)
        chosen = log_p.gather(2, rows[:, :, None]).squeeze(2).sum(dim=1)
        entropy = -(log_p.exp() * log_p.masked_fill(self._beyond, 0.0)).sum(dim=(1, 2))
        return chosen, entropy
