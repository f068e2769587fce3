"""One epoch of a network that is trained alone, for tables and for final trainings alike.

The loss is a function of images and labels that the caller makes, so a recipe with more terms needs no other
loop. Everything here is the same bit for bit on one platform: one torch thread unless told otherwise, and no
kernel that cuDNN chooses anew in each run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchkit.base.devices import intra_op_threads

__all__ = [
    "SCORING_BATCH",
    "EpochOfBatches",
    "Loss",
    "accuracy",
    "clock",
    "cross_entropy",
    "exact",
    "train_epoch",
]

SCORING_BATCH = 512
"""Images a batch of scoring; with running averages it decides no result."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""From images float[b, c, h, w] and labels (int64[b], or float[b, classes]) to their mean loss in nats."""


class EpochOfBatches(Protocol):
    """What an epoch is walked over: images with labels, batch after batch."""

    def __len__(self) -> int:
        """Batches an epoch."""
        ...

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of the next epoch."""
        ...


def cross_entropy(network: nn.Module, label_smoothing: float = 0.0, bfloat16: bool = False) -> Loss:
    """Return the usual loss of a classifier.

    Parameters
    ----------
    network : gives logits for images.
    label_smoothing : share of the target that all classes divide equally.
    bfloat16 : run the network under autocast.
    """

    def loss(images: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=bfloat16):
            logits = network(images)
        return F.cross_entropy(logits.float(), labels, label_smoothing=label_smoothing)

    return loss


def train_epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: EpochOfBatches,
    loss: Loss,
    rate_at: Callable[[int], float],
    *,
    first: int = 0,
    clip: float | None = None,
    parts: int = 1,
    look: Callable[[int, Tensor], None] | None = None,
) -> float:
    """Train for one epoch in place; return the mean loss of its batches.

    Parameters
    ----------
    loss : of the network; has its gradient in the parameters that `optimizer` moves.
    rate_at : from the number of a step of the whole training, counted from 0, to its learning rate.
    first : number of this epoch's first step.
    clip : largest norm of the gradient of all weights together; None does not clip.
    parts : in which a batch is run, one after another; the gradient is the mean over the whole batch.
    look : called after every batch with how many are done and the sum of their losses, a tensor.
    """
    network.train()
    total = torch.zeros((), device=next(network.parameters()).device)
    for number, (x, y) in enumerate(batches.epoch()):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(first + number)
        optimizer.zero_grad(set_to_none=True)
        for images, labels in zip(x.chunk(parts), y.chunk(parts), strict=True):
            of_part = loss(images, labels) * (len(labels) / len(y))
            of_part.backward()  # type: ignore[no-untyped-call]
            total += of_part.detach()
        if clip is not None:
            nn.utils.clip_grad_norm_(network.parameters(), clip)
        optimizer.step()
        if look is not None:
            look(number + 1, total)
    return float(total) / len(batches)


@torch.no_grad()
def accuracy(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], bfloat16: bool = False) -> float:
    """Return the percentage of images that the network gets right, by its running averages.

    Parameters
    ----------
    batches : of at least one image, on the network's device.
    """
    network.eval()
    correct: Tensor = torch.zeros((), dtype=torch.int64, device=next(network.parameters()).device)
    images = 0
    with torch.autocast(correct.device.type, dtype=torch.bfloat16, enabled=bfloat16):
        for x, y in batches:
            correct += (network(x).argmax(dim=1) == y).sum()
            images += len(y)
    return 100 * int(correct) / images


def clock(device: torch.device) -> float:
    """Return seconds: of this thread's core, which other work does not lengthen; of the clock on a GPU."""
    if device.type == "cpu":
        return time.thread_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


@contextmanager
def exact(threads: int = 1) -> Iterator[None]:
    """Run on so many threads, and with kernels that cuDNN does not choose anew in each run."""
    with (
        intra_op_threads(threads),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
    ):
        yield
