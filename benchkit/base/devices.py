"""Chooses the device that a training runs on, and explains that its memory is full."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from benchkit.base.errors import InputError, shown

_CUDA = re.compile(r"cuda(?::([0-9]{1,4}))?")


def parse_device(text: str) -> torch.device:
    """Return the device that a user named: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    ``auto`` is the first CUDA device where there is one, else the CPU. Raises InputError for another name,
    and for a device that this machine does not have.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if text == "auto":
        return torch.device("cuda:0" if count else "cpu")
    if text == "cpu":
        return torch.device("cpu")
    match = _CUDA.fullmatch(text)
    if match is None:
        raise InputError(f"device {shown(text)} is none of auto, cpu, cuda, cuda:N")
    index = int(match[1] or 0)
    if index >= count:
        have = f"CUDA devices 0..{count - 1}" if count else "no CUDA device; use --device cpu"
        raise InputError(f"no device {text}: this machine has {have}")
    return torch.device("cuda", index)


@contextmanager
def explain_memory(batch_size: int, option: str = "--batch-size") -> Iterator[None]:
    """Turn CUDA's out of memory into an InputError that says what to try; `option` sets the batch size."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        advice = f"{option} {batch_size // 2}, or " if batch_size > 1 else ""
        parts = ", or --accumulate 2" if batch_size > 1 and option == "--batch-size" else ""
        raise InputError(
            f"CUDA out of memory at batch size {batch_size}: try {advice}--preset small{parts}"
        ) from error


@contextmanager
def intra_op_threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads on the CPU inside the block, and as many as before after it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
