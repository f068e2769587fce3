"""Makes the random generators of a training: independent streams of one seed, and their states as text."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Streams:
    """Independent generators of one seed: whoever draws more or less changes nothing for the others."""

    strategy: np.random.Generator
    evaluator: np.random.Generator
    network: torch.Generator
    train: torch.Generator
    valid: torch.Generator

    @classmethod
    def of(cls, seed: int) -> Streams:
        """Return the streams of a seed, at their start."""
        children = np.random.SeedSequence(seed).spawn(5)
        first, second = (np.random.default_rng(child) for child in children[:2])
        return cls(first, second, *(torch_generator(child) for child in children[2:]))


def torch_generator(sequence: np.random.SeedSequence, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator of torch's that starts from a source of randomness of NumPy's."""
    seed = int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))
    return torch.Generator(device).manual_seed(seed)


def state_as_text(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state of training batches with its generator as text, for JSON."""
    generator: Tensor = state["generator"]
    return {**state, "generator": base64.b64encode(generator.numpy().tobytes()).decode()}


def state_from_text(state: dict[str, Any]) -> dict[str, Any]:
    """Return what `state_as_text` was given.

    Raises
    ------
    ValueError : no text in base 64.
    """
    raw = np.frombuffer(base64.b64decode(state["generator"], validate=True), dtype=np.uint8).copy()
    return {**state, "generator": torch.from_numpy(raw)}
