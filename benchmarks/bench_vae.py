"""Speed of VAENAS's sampler: training and drawing, beside the same model one position after the other.

The plain way runs the same LSTM equations position by position, as a loop over an LSTM cell, and draws rows
one at a time. Both ways compute the same loss of the same weights; they are timed in turns in one process
on one thread, and the best of the turns counts. The last row is a whole trial of the paper's size: 6,000
queries of the table, the best quarter of them for training, 300 samples, 250 children.
"""

from __future__ import annotations

import sys
from time import perf_counter

import numpy as np
import torch

from benchkit.data.tables import open_table
from benchkit.searching.budget import Budget
from benchkit.searching.loop import search
from benchkit.searching.table_evaluator import TableEvaluator
from benchkit.spaces import get_space
from benchkit.strategies.predictor_ensemble import one_torch_thread
from benchkit.strategies.vaenas.architecture_vae import ArchitectureVAE, kl_to_standard_normal, log_likelihood
from benchkit.strategies.vaenas.queries import VAENASQueries

_TURNS, _STEPS, _BATCH, _ROWS = 3, 10, 128, 1500
_LIMIT_SECONDS = 60


def run() -> list[dict[str, str]]:
    """Time all; raise where the two ways give different losses."""
    with one_torch_thread():
        rows = [_training(name) for name in ("nasbench201", "nasbench101")]
        rows += [_drawing(name) for name in ("nasbench201", "nasbench101")]
        return [*rows, _trial("nasbench201", 200, "mean"), _trial("nasbench101-sample", 108, 0)]


def _make(name: str) -> tuple[ArchitectureVAE, np.ndarray]:
    space = get_space(name)
    model = ArchitectureVAE(space, torch.Generator().manual_seed(0))
    return model, space.sample(np.random.default_rng(0), _ROWS)


def _training(name: str) -> dict[str, str]:
    best = {"together": np.inf, "step by step": np.inf}
    model, rows = _make(name)
    data = torch.from_numpy(rows[:_BATCH].astype(np.int64))
    z = torch.randn(_BATCH, 16, generator=torch.Generator().manual_seed(1))
    mu, log_sigma = model.encode(data)
    ours = kl_to_standard_normal(mu, log_sigma) - log_likelihood(model.decode(z, data), data)
    if not torch.allclose(ours, _plain_loss(model, data, z), atol=1e-3):
        raise RuntimeError(f"{name}: the two ways give different losses")
    for _ in range(_TURNS):
        start = perf_counter()
        model.fit(rows, _STEPS, _BATCH)
        best["together"] = min(best["together"], perf_counter() - start)
        optimizer = torch.optim.Adam(model._network.parameters(), lr=0.0)
        start = perf_counter()
        for _ in range(_STEPS):
            loss = _plain_loss(model, data, z).mean()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        best["step by step"] = min(best["step by step"], perf_counter() - start)
    speed = {way: _STEPS * _BATCH / seconds for way, seconds in best.items()}
    return {
        "what": f"architectures/s in training, {name}, batch {_BATCH}, one thread",
        "measured": f"{speed['together']:,.0f} beside {speed['step by step']:,.0f} step by step",
        "limit": "not slower",
        "ratio": f"{speed['together'] / speed['step by step']:.2f}x",
    }


def _plain_loss(model: ArchitectureVAE, rows: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """Return the loss of Eq. 2 for given z, every position on its own."""
    net = model._network
    hidden = net.positions.shape[1]
    embedded = net.choices[rows + net.offsets]
    state = torch.zeros(len(rows), hidden), torch.zeros(len(rows), hidden)
    for i in range(rows.shape[1]):
        state = _cell(net.encoder, embedded[:, i], state)
    mu, log_sigma = net.moments(state[0]).chunk(2, dim=1)
    state = torch.zeros(len(rows), hidden), torch.zeros(len(rows), hidden)
    before, logits = torch.zeros(()), []
    for i in range(rows.shape[1]):
        state = _cell(net.decoder, net.latent(z) + net.positions[i] + before, state)
        logits.append((state[0] @ net.readout[i] + net.bias[i]).masked_fill(net.beyond[i], -torch.inf))
        before = embedded[:, i]
    return kl_to_standard_normal(mu, log_sigma) - log_likelihood(torch.stack(logits, dim=1), rows)


def _cell(
    lstm: torch.nn.LSTM, x: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the next (h, c) by the equations of an LSTM, gates in torch's order."""
    h, c = state
    weights = dict(lstm.named_parameters())
    gates = x @ weights["weight_ih_l0"].T + weights["bias_ih_l0"]
    gates = gates + h @ weights["weight_hh_l0"].T + weights["bias_hh_l0"]
    into, forget, new, out = gates.chunk(4, dim=1)
    c = forget.sigmoid() * c + into.sigmoid() * new.tanh()
    return out.sigmoid() * c.tanh(), c


def _drawing(name: str) -> dict[str, str]:
    best = {"together": np.inf, "one by one": np.inf}
    model, rows = _make(name)
    model.fit(rows, 20)
    many, few = 2000, 40
    for _ in range(_TURNS):
        start = perf_counter()
        model.sample(many)
        best["together"] = min(best["together"], (perf_counter() - start) / many)
        start = perf_counter()
        for _ in range(few):
            while not model.space.is_valid(model.draw(1))[0]:
                pass
        best["one by one"] = min(best["one by one"], (perf_counter() - start) / few)
    return {
        "what": f"architectures/s drawn until valid, {name}, one thread",
        "measured": f"{1 / best['together']:,.0f} beside {1 / best['one by one']:,.0f} one by one",
        "limit": "not slower",
        "ratio": f"{best['one by one'] / best['together']:.1f}x",
    }


def _trial(name: str, epochs: int, score: str | int) -> dict[str, str]:
    table = open_table(name)
    for_strategy, for_evaluator = np.random.default_rng(0).spawn(2)
    evaluator = TableEvaluator(table, "cifar10", "valid", epochs, score, for_evaluator)  # type: ignore[arg-type]
    strategy = VAENASQueries(table.space, for_strategy, preset="table4")
    start = perf_counter()
    trace = search(strategy, evaluator, Budget(queries=6550))
    seconds = perf_counter() - start
    if len(trace) != 6550:
        raise RuntimeError(f"the trial on {name} made {len(trace)} queries")
    return {
        "what": f"seconds of a trial with 6,000 architectures, {name}, one thread",
        "measured": f"{seconds:.1f} s",
        "limit": f"< {_LIMIT_SECONDS} s",
        "ratio": f"{_LIMIT_SECONDS / seconds:.0f}x",
    }


if __name__ == "__main__":
    for line in run():
        sys.stdout.write("  ".join(line.values()) + "\n")
