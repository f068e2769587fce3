"""A chain of ShuffleNetV2 blocks: twenty layers with one of four blocks each, as VAENAS searches them.

"VAENAS: Sampling Matters in Neural Architecture Search", appendix A.4. The chain, its widths and its four
blocks are those of the single-path one-shot search (Guo et al., "Single Path One-Shot Neural Architecture
Search with Uniform Sampling", ECCV 2020, after Ma et al., "ShuffleNet V2", ECCV 2018); VAENAS gives some of
them Swish and squeeze-and-excitation. 4^20 chains.

A row holds the block of each layer, first layer first. The notation has a letter a layer, the kernel size
or ``x`` for the block like Xception, in the four stages: ``3357-xx35-77x53357-x735``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchkit.base.errors import ArchitectureError, shown
from benchkit.spaces.base import Architecture, ProductSpace

OPERATIONS = ("shuffle_3x3", "shuffle_5x5", "shuffle_7x7", "xception_3x3")


@dataclass(frozen=True)
class ShuffleBlock:
    """What an operation is made of.

    Attributes
    ----------
    kernel : Side of its depthwise convolutions.
    xception : Whether it has three depthwise convolutions, each before a 1 x 1 one, not one between two.
    swish : Whether its activation is Swish instead of ReLU.
    squeeze : Whether squeeze-and-excitation follows.
    """

    kernel: int
    xception: bool = False
    swish: bool = False
    squeeze: bool = False


BLOCKS = (
    ShuffleBlock(3),
    ShuffleBlock(5, swish=True),
    ShuffleBlock(7, swish=True, squeeze=True),
    ShuffleBlock(3, xception=True, swish=True, squeeze=True),
)
"""The operations' blocks, in their order (VAENAS, appendix A.4)."""

STAGES = (4, 4, 8, 4)
"""Layers of the four stages."""

_LETTERS = "357x"


class ShuffleNet(ProductSpace):
    """The 4^20 chains of ShuffleNetV2 blocks."""

    def __init__(self) -> None:
        super().__init__("shufflenet", (len(OPERATIONS),) * sum(STAGES))

    def parse(self, text: str) -> Architecture:
        stages = text.strip().split("-")
        letters = "".join(stages)
        if tuple(map(len, stages)) != STAGES or not set(letters) <= set(_LETTERS):
            raise ArchitectureError(
                f"a shufflenet architecture has a 3, 5, 7 or x for each of {sum(STAGES)} layers, in stages "
                f"of {', '.join(map(str, STAGES))}, such as 3357-xx35-77x53357-x735; got {shown(text)}"
            )
        return np.array([_LETTERS.index(letter) for letter in letters], dtype=np.int8)

    def format(self, architecture: Architecture) -> str:
        letters = iter(_LETTERS[choice] for choice in architecture)
        return "-".join("".join(next(letters) for _ in range(layers)) for layers in STAGES)

    def describe(self) -> dict[str, Any]:
        return {
            **super().describe(),
            "operations": list(OPERATIONS),
            "stages": list(STAGES),
            "source": "VAENAS, appendix A.4: the ShuffleNet search space, after Guo et al. (2020)",
        }
