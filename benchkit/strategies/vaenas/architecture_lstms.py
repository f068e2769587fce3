"""Defines the two LSTMs of VAENAS (section 3.2): an encoder of rows and a decoder that draws them.

The encoder reads an embedding of each choice and maps its last state to (mu, log sigma). The decoder reads at
each position a projection of z, a vector of the position, and the embedding of the previous choice, and has a
read-out for each position. In training all positions pass through the LSTM at once; in drawing one follows
the other, for a whole batch of rows.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn


class EncoderDecoder(nn.Module):
    """Both LSTMs; the owner fills their weights, which are not initialised here.

    Parameters
    ----------
    arity : Number of choices at each of the d positions.
    hidden, latent : Sizes of both LSTMs and of z.
    """

    def __init__(self, arity: tuple[int, ...], hidden: int, latent: int) -> None:
        super().__init__()
        d, most = len(arity), max(arity)
        # on the meta device nothing is drawn: a module's own start would come from the global generator
        self.choices = nn.Parameter(torch.empty(sum(arity), hidden, device="meta"))  # an embedding of each
        self.encoder = nn.LSTM(hidden, hidden, batch_first=True, device="meta")
        self.moments = nn.Linear(hidden, 2 * latent, device="meta")
        self.latent = nn.Linear(latent, hidden, device="meta")
        self.positions = nn.Parameter(torch.empty(d, hidden, device="meta"))
        self.decoder = nn.LSTM(hidden, hidden, batch_first=True, device="meta")
        self.readout = nn.Parameter(torch.empty(d, hidden, most, device="meta"))
        self.bias = nn.Parameter(torch.empty(d, most, device="meta"))
        self.to_empty(device="cpu")
        self.offsets = torch.tensor([0, *np.cumsum(arity[:-1]).tolist()])
        self.beyond = torch.arange(most)[None] >= torch.tensor(arity)[:, None]

    def encode(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return (mu, log sigma), float[n, latent] each, of int64[n, d]."""
        _, (last, _) = self.encoder(self.choices[rows + self.offsets])
        mu, log_sigma = self.moments(last[0]).chunk(2, dim=1)
        return mu, log_sigma

    def decode(self, z: Tensor, rows: Tensor, seen: Tensor | None) -> Tensor:
        """Return the logits of `ArchitectureVAE.decode`, all positions in one pass."""
        before = self.choices[rows + self.offsets][:, :-1]
        if seen is not None:
            before = before * seen[:, :, None]
        nothing = before.new_zeros(len(z), 1, before.shape[2])
        states, _ = self.decoder(
            self.latent(z)[:, None] + self.positions + torch.cat([nothing, before], dim=1)
        )
        logits: Tensor = torch.einsum("ndh,dha->nda", states, self.readout) + self.bias
        return logits.masked_fill(self.beyond, -torch.inf)

    def draw(self, z: Tensor, noise: Tensor) -> Tensor:
        """Return float64[n, d, largest arity], logits plus noise; the largest is chosen, and read next."""
        latent, state, before = self.latent(z), None, torch.zeros(())
        perturbed = torch.empty_like(noise)
        for i in range(len(self.positions)):
            output, state = self.decoder((latent + self.positions[i] + before)[:, None], state)
            logits = (output[:, 0] @ self.readout[i] + self.bias[i]).masked_fill(self.beyond[i], -torch.inf)
            perturbed[:, i] = logits + noise[:, i]
            before = self.choices[perturbed[:, i].argmax(dim=1) + self.offsets[i]]
        return perturbed
