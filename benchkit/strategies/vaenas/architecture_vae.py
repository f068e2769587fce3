"""Defines the learned sampler of VAENAS, a variational auto-encoder over rows of choices.

"VAENAS: Sampling Matters in Neural Architecture Search" (anonymous, under double-blind review), sections
3.1 and 3.2, appendix A.5. An LSTM reads an architecture and gives a normal distribution of a latent vector
z; a second LSTM turns z into a distribution of architectures. Trained on good architectures, it draws new
ones like them from z ~ N(0, I).

==========================================  ==================================
paper                                       here
==========================================  ==================================
Eq. 2, left term                            `kl_to_standard_normal`
Eq. 2, right term                           `log_likelihood`
encoder E: alpha -> (mu, log sigma)         `ArchitectureVAE.encode`
decoder D: z -> p(alpha | z)                `ArchitectureVAE.decode`
Algorithm 1, lines 3 to 5                   `ArchitectureVAE.fit`
alpha ~ p(alpha), z ~ N(0, I)               `ArchitectureVAE.sample`
A.5: edge values, top nine, until connected `edge_values`, `ArchitectureVAE.sample`
==========================================  ==================================

Deviations and choices
----------------------
- The paper gives no sizes: hidden and latent sizes, learning rate and batch size are ours, chosen by
  validation accuracy.
- At each position the decoder is given z, the position, and the previous choice: the true one in training,
  the drawn one in drawing. Such a decoder learns the rows well and soon ignores z (its KL is 0.00 nats
  after 500 steps on either embedded table), so in training an earlier choice is hidden with probability 1 -
  `feedback`, as in Bowman et al., "Generating Sentences from a Continuous Space" (CoNLL 2016). After 500
  steps on the best quarter of 6,000 cells of the NAS-Bench-101 sample, samples have 89.4 % in the mean
  without feedback, 92.6 % with 0.6 of it and 93.2 % with all, where random cells have 91.1 % (one seed); the
  best of 300 samples hardly depends on it.
- Choices are drawn from p(alpha | z), since section 3.2 samples the marginal p(alpha).
- A.5 (the whole of NAS-Bench-101): an edge's value is the sigmoid of the decoder's log odds of that edge
  plus a draw of the logistic distribution: uniform in [0, 1], A.5's random sampling, where the decoder
  knows nothing, and above 1/2 exactly where the edge is drawn. The nine largest are the edges. A cell that is
  not connected is drawn again from a new z.
- On ``darts``, likewise, the two edges into a node are those with the largest draw, logits plus Gumbel noise,
  of an operation other than none, relative to the edge's other draws: a draw is always a member.
- Inside a restriction of NAS-Bench-101 the edges are those drawn, however many: its rows are packed, many
  have fewer than nine edges, and nine would add edges that were never there. Of draws inside the 30,001 cells
  of nasbench101-sample 6 to 9 % are members. This favours small cells, which many rows encode; a sampler
  trained for few steps may have a mean below the random one's there, and a better best of K.
- A draw that is no member is drawn again with a new z, `_ROUNDS` rounds at most. The space itself then draws
  the missing rows, which `fallbacks` counts.
- Training continues with the weights and Adam's state of the previous training: Eq. 1 learns the distribution
  at t from that at t - 1. Adam's learning rate does not decay, since another training always follows.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchkit.base.devices import intra_op_threads
from benchkit.base.errors import ArchitectureError, InputError
from benchkit.spaces.base import Batch, Space
from benchkit.spaces.nasbench101.encoding import NASBench101, top_nine
from benchkit.spaces.restricted import whole_space
from benchkit.strategies.vaenas.architecture_lstms import EncoderDecoder

_EDGES = 21  # the first positions of a row of NAS-Bench-101, before the five operations
_ROUNDS = 50  # rounds of draws, before the space draws what is missing
_PER_ROW = 8  # draws in a round for each row that is missing
_LEAST, _MOST = 64, 4096  # draws in a round


def kl_to_standard_normal(mu: Tensor, log_sigma: Tensor) -> Tensor:
    """Return float[n]: KL(N(mu, sigma^2) || N(0, I)) in nats, of float[n, latent] each (Eq. 2, left term)."""
    kl: Tensor = 0.5 * (mu.square() + (2 * log_sigma).exp() - 1 - 2 * log_sigma).sum(dim=1)
    return kl


def log_likelihood(logits: Tensor, rows: Tensor) -> Tensor:
    """Return float[n]: log p(row | z) in nats (Eq. 2, right term), of int64[n, d] rows.

    The logits, float[n, d, largest arity], are -inf past a choice's arity.
    """
    chosen = logits.log_softmax(dim=2).gather(2, rows[:, :, None]).squeeze(2)
    return chosen.sum(dim=1)


def edge_values(perturbed: Tensor) -> Tensor:
    """Return float[n, 21] in [0, 1]: the values of NAS-Bench-101's edges (A.5).

    `perturbed`, float[n, 26, 3], holds logits of the choices plus draws of the Gumbel distribution. The
    difference of two such draws is logistic, so equal logits give uniform values.
    """
    values: Tensor = perturbed[:, :_EDGES, :2].softmax(dim=2)[:, :, 1]
    return values


class ArchitectureVAE:
    """A distribution over a space's rows, learned from rows.

    Parameters
    ----------
    space : Space with an integer encoding; membership is respected when drawing.
    generator : Torch generator on the CPU of every draw: first weights, batches, z and choices.
    hidden, latent : Sizes of both LSTMs and of z.
    learning_rate : Learning rate of Adam.
    feedback : Probability, in [0, 1], with which the decoder sees an earlier choice in training.

    Attributes
    ----------
    fallbacks : Number of rows drawn from the space because the decoder found no member.
    trained : Whether `fit` was called with rows; before that a draw means nothing.

    Raises
    ------
    InputError : A size or learning rate is not positive, or feedback is outside [0, 1].

    Notes
    -----
    `fit` and `sample` run on one torch thread, so that a trial does not depend on the machine's cores, and no
    global generator is drawn from. A copy by pickle goes on identically.
    """

    def __init__(
        self,
        space: Space,
        generator: torch.Generator,
        hidden: int = 64,
        latent: int = 16,
        learning_rate: float = 3e-3,
        feedback: float = 0.6,
    ) -> None:
        for name, value in (("hidden", hidden), ("latent", latent), ("learning_rate", learning_rate)):
            if not value > 0:
                raise InputError(f"the VAE's {name} must be positive, got {value}")
        if not 0 <= feedback <= 1:
            raise InputError(f"the VAE's feedback must be in [0, 1], got {feedback}")
        self.space = space
        self.fallbacks = 0
        self.trained = False
        self._sizes = (hidden, latent, learning_rate)
        self._feedback = feedback
        self._generator = generator
        self._build()
        with torch.no_grad():  # the usual uniform start of an LSTM, from our own generator
            for parameter in self._network.parameters():
                parameter.uniform_(-1 / math.sqrt(hidden), 1 / math.sqrt(hidden), generator=generator)

    def _build(self) -> None:
        hidden, latent, learning_rate = self._sizes
        self._network = EncoderDecoder(self.space.arity, hidden, latent)
        self._optimizer = torch.optim.Adam(self._network.parameters(), lr=learning_rate, foreach=True)

    # -- the model ----------------------------------------------------------------------------

    def encode(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return (mu, log sigma), float[n, latent] each, of int64[n, d]."""
        return self._network.encode(rows)

    def decode(self, z: Tensor, rows: Tensor, seen: Tensor | None = None) -> Tensor:
        """Return float[n, d, largest arity], logits of each choice given z and the previous choices.

        Parameters
        ----------
        z : float[n, latent].
        rows : int64[n, d] of the previous choices.
        seen : float[n, d - 1], 1 where the decoder sees a choice, 0 where it is hidden; None is all.

        Logits past a position's arity are -inf.
        """
        return self._network.decode(z, rows, seen)

    def negative_elbo(self, rows: Tensor) -> Tensor:
        """Return float[n]: the loss of Eq. 2 in nats, with one draw of z for each row of int64[n, d]."""
        mu, log_sigma = self.encode(rows)
        noise = torch.randn(mu.shape, generator=self._generator)
        z = mu + log_sigma.exp() * noise
        shape = (len(rows), self.space.length - 1)
        seen = (torch.rand(shape, generator=self._generator) < self._feedback).float()
        loss: Tensor = kl_to_standard_normal(mu, log_sigma) - log_likelihood(self.decode(z, rows, seen), rows)
        return loss

    # -- learning and drawing -----------------------------------------------------------------

    def fit(self, rows: Batch, iterations: int, batch_size: int = 128) -> float:
        """Take so many steps of Adam on the loss of Eq. 2, each on rows drawn without replacement.

        Parameters
        ----------
        rows : int8[n, d], n >= 1, members of the space.
        iterations : Number of steps, n_iters of Algorithm 1.
        batch_size : Number of rows in a step; all where there are fewer.

        Returns
        -------
        Mean loss of the last tenth of the steps, in nats for each row; NaN for no steps.

        Raises
        ------
        ArchitectureError : There are no rows, or a row is not a member.
        """
        rows = self.space.validate(rows)
        if not len(rows):
            raise ArchitectureError(f"a sampler of {self.space.name} is trained on at least one row")
        data = torch.from_numpy(rows.astype(np.int64))
        losses = []
        with intra_op_threads(1):
            for _ in range(iterations):
                drawn = torch.randperm(len(data), generator=self._generator)[:batch_size]
                loss = self.negative_elbo(data[drawn]).mean()
                self._optimizer.zero_grad()
                torch.autograd.backward(loss)
                self._optimizer.step()
                losses.append(float(loss.detach()))
        self.trained = True
        return float(np.mean(losses[-max(1, iterations // 10) :])) if losses else math.nan

    def sample(self, n: int) -> Batch:
        """Return int8[n, d], members drawn from p(alpha | z), z ~ N(0, I); other draws are made again."""
        found = np.empty((0, self.space.length), dtype=np.int8)
        with intra_op_threads(1), torch.no_grad():
            for _ in range(_ROUNDS):
                missing = n - len(found)
                if missing == 0:
                    break
                trial = self.draw(min(max(_PER_ROW * missing, _LEAST), _MOST))
                found = np.concatenate([found, trial[self.space.is_valid(trial)]])[:n]
            missing = n - len(found)
            if missing:
                self.fallbacks += missing
                seed = int(torch.randint(2**62, (1,), generator=self._generator))
                found = np.concatenate([found, self.space.sample(np.random.default_rng(seed), missing)])
        return found

    def draw(self, n: int) -> Batch:
        """Return int8[n, d], draws from p(alpha | z), z ~ N(0, I), which need not be members."""
        with torch.no_grad():
            z = torch.randn(n, self._sizes[1], generator=self._generator)
            shape = (n, self.space.length, max(self.space.arity))
            uniform = torch.rand(shape, generator=self._generator, dtype=torch.float64)
            gumbel = -(-uniform.clamp_min(1e-300).log()).clamp_min(1e-300).log()
            perturbed = self._network.draw(z, gumbel)
            rows = whole_space(self.space).strongest(perturbed.softmax(dim=2).numpy())
            if isinstance(self.space, NASBench101):
                rows = top_nine(edge_values(perturbed).numpy(), rows[:, _EDGES:])
        return rows

    # -- resuming -----------------------------------------------------------------------------

    def state_tensors(self) -> dict[str, Tensor]:
        """Return copies of the weights, Adam's moments and the generator, which decide all that follows."""
        state = {f"network.{name}": value.clone() for name, value in self._network.state_dict().items()}
        for index, moments in self._optimizer.state_dict()["state"].items():
            state |= {f"adam.{index}.{name}": value.clone() for name, value in moments.items()}
        state["generator"] = self._generator.get_state()
        state["counts"] = torch.tensor([self.fallbacks, int(self.trained)])
        return state

    def load_state_tensors(self, state: dict[str, Tensor]) -> None:
        """Go on from `state_tensors` of a model with the same space and sizes.

        Raises
        ------
        InputError : The state is of another model.
        """
        mine = {f"network.{name}": tuple(value.shape) for name, value in self._network.state_dict().items()}
        given = {name: tuple(value.shape) for name, value in state.items() if name.startswith("network.")}
        if mine != given or not {"generator", "counts"} <= set(state):
            raise InputError(
                f"this state is not of a sampler of {self.space.name} with sizes {self._sizes[:2]}"
            )
        self._network.load_state_dict({name[8:]: state[name].clone() for name in mine})
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in state.items():
            if name.startswith("adam."):
                _, index, moment = name.split(".")
                moments.setdefault(int(index), {})[moment] = value.clone()
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self._generator.set_state(state["generator"])
        self.fallbacks, self.trained = int(state["counts"][0]), bool(state["counts"][1])

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value.numpy() for name, value in self.state_tensors().items()}
        return {"space": self.space, "sizes": self._sizes, "feedback": self._feedback, "state": state}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        self.space, self._sizes, self._feedback = kept["space"], kept["sizes"], kept["feedback"]
        self._generator = torch.Generator()
        self._build()
        arrays: dict[str, npt.NDArray[Any]] = kept["state"]
        self.load_state_tensors({name: torch.from_numpy(value.copy()) for name, value in arrays.items()})
