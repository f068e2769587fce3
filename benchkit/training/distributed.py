"""Trains on several devices: ``torchrun --nproc-per-node N -m benchkit search ...``.

Every process holds the whole supernet and runs its share of each batch; the gradients are averaged over the
processes before anybody moves a weight. All processes make the same random draws from the same seed, so they
take the same path, hold the same optimizer and end with the same weights, bit for bit. Batch normalisation
sees the share of one process, as with gradient accumulation. Only the first process writes.

Deviations and choices
----------------------
- The average is explicit, over the gradients that a closure returns, and not left to the wrapper
  ``DistributedDataParallel``: that one hooks into ``backward()`` and waits for a gradient of every
  parameter. Here a path leaves most parameters unused, gradients come from ``autograd.grad``, a step may call
  its closure several times on displaced weights, and the architecture's own parameters need the average as
  well. The mathematics is the same: the sum of the processes' gradients over their number.
- All gradients of a type travel as one vector. Those that are None, of weights that took no part, are None
  in every process.
- Scoring is shared: each process scores every n-th architecture of n processes, and all learn all scores.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from benchkit.base.devices import parse_device
from benchkit.base.errors import InputError
from benchkit.searching.supernet_evaluator import SupernetEvaluator
from benchkit.searching.table_evaluator import Evaluation
from benchkit.spaces.base import Batch


@dataclass(frozen=True)
class Processes:
    """The processes that train together.

    Attributes
    ----------
    rank : Number of this one, 0..count - 1.
    count : Number of them.
    device : Device that this one trains on; what is averaged lives there.
    """

    rank: int = 0
    count: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def mean(self, tensors: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Return the mean of each tensor over the processes, the same bits in all of them; None stays."""
        averaged = list(tensors)
        if self.count == 1:
            return averaged
        alike: dict[torch.dtype, list[int]] = {}
        for index, tensor in enumerate(tensors):
            if tensor is not None:
                alike.setdefault(tensor.dtype, []).append(index)
        for indices in alike.values():
            present = [tensor for index in indices if (tensor := tensors[index]) is not None]
            flat = torch.cat([tensor.reshape(-1) for tensor in present])
            self.sum_(flat).div_(self.count)
            parts = torch.split(flat, [tensor.numel() for tensor in present])
            for index, tensor, part in zip(indices, present, parts, strict=True):
                averaged[index] = torch.empty_like(tensor).copy_(part.view(tensor.shape))
        return averaged

    def sum_(self, tensor: Tensor) -> Tensor:
        """Replace a tensor on `device` by its sum over the processes, and return it."""
        if self.count > 1:
            torch.distributed.all_reduce(tensor)
        return tensor

    def wait(self) -> None:
        """Return when all processes have come here."""
        self.sum_(torch.zeros(1, device=self.device))


ALONE = Processes()


def launched() -> bool:
    """Return whether this process is one of several that torchrun started."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def is_first() -> bool:
    """Return whether this process is the one that writes, before and after it has joined the others."""
    return not launched() or os.environ.get("RANK", "0") == "0"


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """Join the other processes that torchrun started, if it did; leave them at the end.

    Parameters
    ----------
    device : ``auto``, ``cpu`` or ``cuda``; each process takes the GPU of its own number.

    Raises
    ------
    InputError : no such device, or one GPU named for several processes.
    """
    if not launched():
        yield Processes(device=parse_device(device))
        return
    if re.fullmatch(r"cuda:\d+", device):
        raise InputError(f"device {device} cannot serve several processes; give --device cuda or cpu")
    where = parse_device(device)
    if where.type == "cuda":
        where = parse_device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
        torch.cuda.set_device(where)
    # Its functions take the group of the moment of import as default argument. Imported later, by way of the
    # optimizers, they would keep the group and its threads alive past the interpreter: a crash, now and then.
    importlib.import_module("torch.distributed.nn.functional")
    torch.distributed.init_process_group("nccl" if where.type == "cuda" else "gloo")
    try:
        yield Processes(torch.distributed.get_rank(), torch.distributed.get_world_size(), where)
    finally:
        torch.distributed.destroy_process_group()


class SharedScoring:
    """An evaluator whose architectures are divided among processes; all of them get all scores.

    Parameters
    ----------
    evaluator : Evaluator of this process; every process has one on the same weights, images and seed.
    processes : Processes that share the work.
    """

    has_seconds = False

    def __init__(self, evaluator: SupernetEvaluator, processes: Processes) -> None:
        self.space, self.full_fidelity = evaluator.space, evaluator.full_fidelity
        self._evaluator, self._processes = evaluator, processes

    def evaluate(
        self, batch: Batch, fidelity: int | None = None, part: tuple[int, int] | None = None
    ) -> Evaluation:
        """Return what the evaluator returns for the whole batch; every process must ask for the same.

        Raises
        ------
        ArchitectureError, InputError : those of `SupernetEvaluator.evaluate`, in all processes.
        """
        rows = self.space.validate(batch)
        mine = slice(self._processes.rank, None, self._processes.count)
        scores = torch.zeros(len(rows), dtype=torch.float64, device=self._processes.device)
        found = self._evaluator.evaluate(rows[mine], fidelity, part).scores
        scores[mine] = torch.from_numpy(found).to(scores.device)
        return Evaluation(self._processes.sum_(scores).cpu().numpy(), None)  # every score beside zeros: exact

    def describe(self) -> dict[str, Any]:
        """Return how architectures are scored; see `SupernetEvaluator.describe`."""
        return self._evaluator.describe()
