"""The networks of NAS-Bench-Macro.

Su et al., "Prioritized Architecture Sampling with Monto-Carlo Tree Search", CVPR 2021. A 3 x 3 stem with
32 channels; eight layers in stages of 2, 3 and 3, the first layer of each doubling the channels with
stride 2; a 1 x 1 convolution to 1,280 features, global average pooling and a linear classifier. Each
layer is the identity, or an inverted residual of expansion 3 and kernel 3, or of expansion 6 and kernel 5.

Deviations and choices
----------------------
- Where the shape changes, the identity is a 1 x 1 convolution of that stride with batch normalisation and
  no activation: with it, parameters and multiply-adds equal the benchmark's for all 6,561 chains.
"""

from __future__ import annotations

from benchkit.spaces.engine.batchnorm import BatchNormPolicy
from benchkit.spaces.engine.blocks import Mask
from benchkit.spaces.engine.bottleneck import Bottleneck
from benchkit.spaces.engine.chain import ChoiceLayer, chain_head
from benchkit.spaces.engine.layers import Candidate, Skip, Whole, conv_bn
from benchkit.spaces.engine.network import CandidateNetwork, Recipe
from benchkit.spaces.engine.networks import candidate_networks
from benchkit.spaces.nasbench_macro.counts import BLOCKS, NASBenchMacroSize, planned_layers
from benchkit.spaces.nasbench_macro.encoding import NASBenchMacro


def describe(recipe: Recipe, present: Mask) -> CandidateNetwork:
    """Return the network that holds these candidates, bool[8, 3]."""
    (_, size), policy = recipe.of(NASBenchMacro, NASBenchMacroSize), recipe.policy
    body = []
    channels = size.channels
    for position, (inputs, outputs, stride) in enumerate(planned_layers(size)):
        chosen = present[position].nonzero()[0].tolist()
        body.append(
            ChoiceLayer(position, {op: _candidate(op, inputs, outputs, stride, policy) for op in chosen})
        )
        channels = outputs
    head = chain_head(channels, size.features, recipe.classes, policy)
    stem = conv_bn(recipe.image_channels, size.channels, 3, policy, relu=True)
    return CandidateNetwork(recipe, stem, body, head, present)


NETWORKS = candidate_networks(describe)


def _candidate(operation: int, inputs: int, outputs: int, stride: int, policy: BatchNormPolicy) -> Candidate:
    block = BLOCKS[operation]
    if block is not None:
        expansion, kernel = block
        return Whole(Bottleneck(inputs, outputs, stride, expansion, (kernel,), policy, depthwise=True))
    if stride == 1 and inputs == outputs:
        return Skip()
    return Whole(conv_bn(inputs, outputs, 1, policy, stride=stride))
