"""The chain of ShuffleNetV2 blocks of ``shufflenet``.

"VAENAS: Sampling Matters in Neural Architecture Search", appendix A.4, on the chain of Guo et al., "Single
Path One-Shot Neural Architecture Search with Uniform Sampling", ECCV 2020: a 3 x 3 stem with 16 channels and
stride 2; twenty layers in stages of 4, 4, 8 and 4 with 64, 160, 320 and 640 channels; a 1 x 1 convolution to
1,024 features, global average pooling, dropout and a linear classifier. A stage's first layer has stride 2
and computes all of its channels; another passes every second channel on as it is and computes the others.

Dropout is set by `benchkit.spaces.engine.dropout.set_dropout` (the paper: .5).

Deviations and choices
----------------------
- Swish, where A.4 asks for it, replaces every ReLU of the block, in both branches of a stage's first layer.
- Squeeze-and-excitation (Hu et al., CVPR 2018) closes the main branch; its hidden layer has a quarter of the
  channels. A.4 says neither.
- With these parts and 1,000 classes the chains have 3.2 to 4.2 million parameters, those of Guo et al. 3.4;
  VAENAS states 6.7 for the one it found, and A.4 names nothing that the others could be.
- The classifier has a bias, as all networks here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchkit.spaces.engine.batchnorm import BatchNormPolicy
from benchkit.spaces.engine.blocks import Mask
from benchkit.spaces.engine.bottleneck import SqueezeExcitation
from benchkit.spaces.engine.chain import ChoiceLayer, chain_head
from benchkit.spaces.engine.dropout import Dropout
from benchkit.spaces.engine.layers import Whole, conv_bn
from benchkit.spaces.engine.network import CandidateNetwork, Recipe
from benchkit.spaces.engine.networks import candidate_networks
from benchkit.spaces.shufflenet.counts import FEATURES, STEM, PlannedLayer, ShuffleNetSize, planned_layers
from benchkit.spaces.shufflenet.encoding import BLOCKS, ShuffleBlock, ShuffleNet


def describe(recipe: Recipe, present: Mask) -> CandidateNetwork:
    """Return the network that holds these candidates, bool[20, 4]."""
    (_, size), policy = recipe.of(ShuffleNet, ShuffleNetSize), recipe.policy
    body, last = [], 0
    for position, layer in enumerate(planned_layers(size)):
        chosen = present[position].nonzero()[0].tolist()
        units = {number: Whole(ShuffleUnit(BLOCKS[number], layer, policy)) for number in chosen}
        body.append(ChoiceLayer(position, units))
        last = layer.outputs
    features = FEATURES // size.divisor
    head = chain_head(last, features, recipe.classes, policy, Dropout())
    channels = STEM // size.divisor
    stem = conv_bn(recipe.image_channels, channels, 3, policy, stride=size.stem_stride, relu=True)
    return CandidateNetwork(recipe, stem, body, head, present)


NETWORKS = candidate_networks(describe)


class ShuffleUnit(nn.Module):
    """One block of ShuffleNetV2, or the one like Xception.

    Parameters
    ----------
    block : Parts of the unit.
    layer : Its channels and stride.
    """

    def __init__(self, block: ShuffleBlock, layer: PlannedLayer, policy: BatchNormPolicy) -> None:
        super().__init__()
        entering, hidden, made = layer.entering, layer.hidden, layer.made

        def depthwise(channels: int, stride: int) -> nn.Sequential:
            return conv_bn(channels, channels, block.kernel, policy, stride=stride, groups=channels)

        def pointwise(inputs: int, outputs: int) -> nn.Sequential:
            activation = nn.SiLU() if block.swish else nn.ReLU()
            return nn.Sequential(*conv_bn(inputs, outputs, 1, policy), activation)

        if block.xception:
            parts: list[nn.Module] = [
                *(depthwise(entering, layer.stride), pointwise(entering, hidden)),
                *(depthwise(hidden, 1), pointwise(hidden, hidden)),
                *(depthwise(hidden, 1), pointwise(hidden, made)),
            ]
        else:
            parts = [pointwise(entering, hidden), depthwise(hidden, layer.stride), pointwise(hidden, made)]
        if block.squeeze:
            parts.append(SqueezeExcitation(made))
        self.main = nn.Sequential(*parts)
        self.side: nn.Module | None = None
        if layer.first:
            self.side = nn.Sequential(depthwise(entering, layer.stride), pointwise(entering, entering))

    def forward(self, value: Tensor) -> Tensor:
        """Return float[batch, outputs, height / stride, width / stride], rounded up."""
        if self.side is not None:
            return torch.cat([self.side(value), self.main(value)], dim=1)
        return torch.cat([value[:, ::2], self.main(value[:, 1::2])], dim=1)
