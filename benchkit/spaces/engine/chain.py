"""Chains: layers in sequence, each choosing one of several candidate blocks.

The engine of chain-shaped supernets. A description gives the candidates of each layer; the layer's output
is the sum of those that run. All chains end alike (`chain_head`).
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from benchkit.base.errors import InputError
from benchkit.spaces.engine.batchnorm import BatchNormPolicy
from benchkit.spaces.engine.blocks import Block, Gates, Key
from benchkit.spaces.engine.layers import Candidate, Source, conv_bn, total


class ChoiceLayer(Block):
    """One layer of a chain.

    Parameters
    ----------
    position : Position of the layer in a row.
    candidates : Blocks by operation; all give the same shape.
    """

    def __init__(self, position: int, candidates: Mapping[int, Candidate]) -> None:
        super().__init__()
        self.position = position
        self.candidates = nn.ModuleDict(
            {str(operation): candidate for operation, candidate in candidates.items()}
        )

    def forward(self, previous: Tensor, current: Tensor, gates: Gates) -> Tensor:
        """Return the sum of the chosen blocks.

        Raises
        ------
        InputError : no block is chosen: a chain would end here.
        """
        chosen = gates.chosen[self.position]
        if not chosen:
            raise InputError(f"the mask selects no block for layer {self.position} of the chain")
        source = Source(current)
        return total(
            [
                self.candidates[str(operation)](source, gates.scale(self.position, operation))
                for operation in chosen
            ]
        )

    def key(self, gates: Gates) -> Key:
        return gates.chosen[self.position]


def chain_head(
    inputs: int, features: int, classes: int, policy: BatchNormPolicy, *before_classifier: nn.Module
) -> nn.Sequential:
    """Return a 1 x 1 convolution to `features`, global average pooling, and a linear classifier."""
    return nn.Sequential(
        conv_bn(inputs, features, 1, policy, relu=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        *before_classifier,
        nn.Linear(features, classes),
    )
