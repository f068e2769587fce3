"""The chains of mobile operators of ``mobile-small`` and ``mobile-large``.

"Improving One-Shot NAS by Suppressing the Posterior Fading" (PC-NAS; Li et al., 2019): 21 mixed operators in
sequence, interleaved by downsampling (section 3.2, Fig. 1(a)), of the operators in Table 4. The paper gives
no other dimensions; it calls the space similar to that of ProxylessNAS (Cai et al., 2019, and its published
code), whose chain is taken: a 3 x 3 stem with 32 channels and stride 2, a block to 16; six stages of 4, 4, 4,
4, 4 and 1 layers with 24, 40, 80, 96, 192 and 320 channels, the first, second, third and fifth at half the
resolution; a 1 x 1 convolution to 1,280 features, global average pooling and a linear classifier.

``squeeze=1`` is for the network that is trained in the end, to which section 4.1 adds squeeze-and-excitation.

Deviations and choices
----------------------
- Between the stages, and before the first, stands a fixed MBConv_3_3, the middle one of Table 4's with kernel
  3: it alone changes width and resolution. So all 21 layers keep their shape, and Identity is a choice in
  each; in ProxylessNAS the first layer of a stage is searched and does both.
- MBConv_1 has its first 1 x 1 convolution, as A.1 gives the structure of all operators; MobileNetV2 and
  ProxylessNAS leave it out. That holds for the block after the stem, too.
- Batch normalisation follows every convolution, and ReLU every one but an operator's last. Every operator has
  a shortcut around it, those without a depthwise convolution as well. The paper says none of this; A.1's two
  descriptions of an operator's structure are the same one, printed twice.
- Squeeze-and-excitation stands behind an operator's projection, before the shortcut is added; its hidden
  layer has a quarter of the channels. Identity and the fixed blocks have none.
- What the spaces hold at full size, beside the paper's 5.1 and 15.3 million parameters: see
  `benchkit.spaces.mobile.counts`.
"""

from __future__ import annotations

from torch import nn

from benchkit.spaces.engine.batchnorm import BatchNormPolicy
from benchkit.spaces.engine.blocks import Block, Fixed, Mask
from benchkit.spaces.engine.bottleneck import Bottleneck
from benchkit.spaces.engine.chain import ChoiceLayer, chain_head
from benchkit.spaces.engine.layers import Candidate, Skip, Whole, conv_bn
from benchkit.spaces.engine.network import CandidateNetwork, Recipe
from benchkit.spaces.engine.networks import candidate_networks
from benchkit.spaces.mobile.counts import (
    BETWEEN,
    FEATURES,
    FIRST,
    FIRST_BLOCK,
    STEM,
    MobileSize,
    planned_stages,
)
from benchkit.spaces.mobile.encoding import Mobile, Operator


def describe(recipe: Recipe, present: Mask) -> CandidateNetwork:
    """Return the network that holds these candidates, bool[depth, operators]."""
    (space, size), policy = recipe.of(Mobile, MobileSize), recipe.policy
    stem, first, features = (channels // size.divisor for channels in (STEM, FIRST, FEATURES))
    squeeze = bool(size.squeeze)

    def candidate(operation: int, channels: int) -> Candidate:
        operator = space.operators[operation]
        if operator is None:
            return Skip()
        return Whole(_bottleneck(operator, channels, channels, 1, policy, squeeze))

    body: list[Block] = []
    position, last = 0, first
    for stage in planned_stages(space, size):
        last = stage.outputs
        body.append(Fixed(_bottleneck(BETWEEN, stage.inputs, last, stage.stride, policy)))
        for _ in range(stage.layers):
            chosen = present[position].nonzero()[0].tolist()
            body.append(ChoiceLayer(position, {number: candidate(number, last) for number in chosen}))
            position += 1
    start = nn.Sequential(
        conv_bn(recipe.image_channels, stem, 3, policy, stride=size.stem_stride, relu=True),
        _bottleneck(FIRST_BLOCK, stem, first, 1, policy),
    )
    head = chain_head(last, features, recipe.classes, policy)
    return CandidateNetwork(recipe, start, body, head, present)


NETWORKS = candidate_networks(describe)


def _bottleneck(
    operator: Operator, inputs: int, outputs: int, stride: int, policy: BatchNormPolicy, squeeze: bool = False
) -> Bottleneck:
    return Bottleneck(
        *(inputs, outputs, stride),
        *(operator.expansion, operator.kernels, policy),
        depthwise=operator.depthwise,
        squeeze=squeeze,
    )
