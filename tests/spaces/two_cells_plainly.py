"""Networks of normal and reduction cells, written down plainly from DARTS's text."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from benchkit.spaces.nasnet.encoding import EDGES, TwoCells
from benchkit.spaces.nasnet.network import TwoCellsNetwork

__all__ = ["plainly"]


def plainly(network: TwoCellsNetwork, x: Tensor, weights: Tensor, reductions: set[int]) -> Tensor:
    """Return the logits of a weighted sum on every edge, without pixels shared or candidates skipped.

    For batch statistics; written down from DARTS's text, with the weights of `network` by name.
    """
    w = dict(network.named_parameters())
    space = network.recipe.space
    assert isinstance(space, TwoCells)
    operations = space.operations

    def norm(value: Tensor, name: str) -> Tensor:
        return F.batch_norm(value, None, None, w.get(f"{name}.weight"), w.get(f"{name}.bias"), training=True)

    def conv(value: Tensor, name: str, stride: int = 1, padding: int = 0, dilation: int = 1) -> Tensor:
        kernel = w[f"{name}.weight"]
        return F.conv2d(value, kernel, None, stride, padding, dilation, value.shape[1] // kernel.shape[1])

    def halve(value: Tensor, name: str) -> Tensor:
        value = value.relu()
        shifted = F.pad(value, (0, 1, 0, 1))[:, :, 1:, 1:]
        both = [conv(value[:, :, ::2, ::2], f"{name}.even"), conv(shifted[:, :, ::2, ::2], f"{name}.odd")]
        return norm(torch.cat(both, dim=1), f"{name}.bn")

    def operation(number: int, value: Tensor, name: str, stride: int) -> Tensor:
        kind = operations[number]
        if kind == "none":
            return torch.zeros_like(value[:, :, ::stride, ::stride])
        if kind == "skip_connect":
            return value if stride == 1 else halve(value, f"{name}.reduce")
        if kind.endswith("pool_3x3"):
            windows = F.unfold(F.pad(value, (1, 1, 1, 1), value=torch.nan), 3, stride=stride)
            windows = windows.reshape(*value.shape[:2], 9, -1)
            if kind.startswith("avg"):
                pooled = windows.nanmean(dim=2)
            else:
                pooled = windows.nan_to_num(nan=-torch.inf).amax(dim=2)
            pooled = pooled.reshape(value[:, :, ::stride, ::stride].shape)
            return pooled if network.recipe.policy.affine else norm(pooled, f"{name}.bn")
        size, dilation = int(kind[-1]), 2 if kind.startswith("dil") else 1
        for time in range(1 if dilation == 2 else 2):
            padding = dilation * (size - 1) // 2
            value = conv(value.relu(), f"{name}.depthwise.{time}", 1 if time else stride, padding, dilation)
            value = norm(conv(value, f"{name}.pointwise.{time}"), f"{name}.bn.{time}")
        return value

    before = last = norm(conv(x, "stem.0", padding=1), "stem.1")
    after_reduction = False
    for number in range(len(network.body)):
        name, reduction = f"body.{number}", number in reductions
        half = slice(14, 28) if reduction else slice(0, 14)
        if after_reduction:
            nodes = [halve(before, f"{name}.preprocess.0.1")]
        else:
            nodes = [norm(conv(before.relu(), f"{name}.preprocess.0.1"), f"{name}.preprocess.0.2")]
        nodes.append(norm(conv(last.relu(), f"{name}.preprocess.1.1"), f"{name}.preprocess.1.2"))
        for target in range(2, 6):
            arriving = []
            for edge, (source, end) in enumerate(EDGES):
                if end == target:
                    stride = 2 if reduction and source < 2 else 1
                    arriving += [
                        scale * operation(op, nodes[source], f"{name}.candidates.{edge}_{op}", stride)
                        for op, scale in enumerate(weights[half][edge])
                    ]
            nodes.append(torch.stack(arriving).sum(dim=0))
        before, last, after_reduction = last, torch.cat(nodes[2:], dim=1), reduction
    return last.mean(dim=(2, 3)) @ w["head.2.weight"].T + w["head.2.bias"]
