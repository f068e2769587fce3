"""The six over-parameterised networks whose kernel slices NASAS chooses among.

Zhou et al., "One-Shot Neural Architecture Search Through A Posteriori Distribution Guided Sampling",
section 3. The paper takes manually designed networks as its prior and says which they are; how it builds and
inflates them stands in a supplement that is not available. Parameters at full width, with ten classes (with
1,000 for the two that are meant for ImageNet):

======  ===============================================================  =====  ============  ==============
design  network                                                          width  paper         here
======  ===============================================================  =====  ============  ==============
m       ResNet of two branches, 26 layers (Gastaldi, 2017)               96     26.2 M        26.19 M
mi      the same with six branches, of kernel sizes 1, 3 and 5           96     72.7 M        72.19 M
e       cells found by ENAS (Pham et al., 2018), 15 + 2 of them          36     4.6 M         4.53 M
ei      the same with five or six kernels at each separable convolution  36     15.3 M        15.13 M
r50     ResNet-50 (He et al., 2016) with two branches a bottleneck       64     44.0 M        44.47 M
d121    DenseNet-121 (Huang et al., 2017)                                32     (6.6 M open)  7.98 M
======  ===============================================================  =====  ============  ==============

The paper's figures are those of Tables 3(a) and 4; of d121 only the searched network's is given (Table 5).

Deviations and choices
----------------------
- Which convolutions have gates: those of the branches. Not the stem, the shortcuts, DenseNet's transitions
  and the 1 x 1 convolutions that bring the inputs of an ENAS cell into shape: whatever is closed, these keep
  the images connected with the classifier.
- A layer is a place where convolutions run in parallel (first or second place in a residual branch; first or
  second application of a separable convolution in one operation of an ENAS block), so branches of one kernel
  size in one place share their probability (the sentence below Eq. 13).
- A slice of a separable convolution is the depthwise kernel of an input channel with the column of
  pointwise weights that it feeds.
- m: shortcuts whose shape changes are Gastaldi's: ReLU, two 1 x 1 convolutions a pixel off, batch
  normalisation, also in the first stage, where the stride is 1. Branches are summed; shake-shake's random
  weights are a regulariser of their own and left out.
- mi: branches, each a first and a second kernel size: 3-3 (three of them), 5-3, 1-3 and 1-1.
- e: the released architecture and its code's skeleton: stem of three times the filters, 17 cells, of which
  the 6th and the 12th reduce and double the filters, a 1 x 1 convolution at the second input, loose ends
  concatenated. With the code's 1 x 1 calibrations alone that network has 3.89 M parameters, against the 4.6 M
  that both papers state; here every pool and identity is followed by ENAS's calibration (ReLU, 1 x 1
  convolution, batch normalisation), which ENAS applies where channels differ. It has no gate, so NASAS cannot
  choose the operations without parameters, the limitation that section 3.3 states.
- ei: a separable convolution of size 3 becomes the sum of sizes 3, 3, 3, 5, 5, 7, and one of size 5 that of
  3, 5, 5, 5, 7; each is applied twice, as ENAS does.
- ENAS's auxiliary classifier is left out.
- r50: the first 1 x 1 convolution of a bottleneck feeds two branches; the middle layer of each is the sum of
  a 3 x 3 and a 1 x 1 convolution, and its last layer a 1 x 1 convolution of its own.
- d121: not inflated, since Table 5 keeps the searched network small, and the paper speaks of inflation for
  ResNet-50 alone.
- Every separate convolution has its own batch normalisation, so that branches can be summed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

from benchkit.spaces.branches.layout import Draft, Layout

_M = ((3, 3), (3, 3))
_MI = ((3, 3), (3, 3), (3, 3), (5, 3), (1, 3), (1, 1))


def _residual(branches: tuple[tuple[int, int], ...], width: int) -> Layout:
    """Describe a multi-branch ResNet of 26 layers; a branch is its two kernel sizes."""
    draft = Draft()
    firsts, seconds = zip(*branches, strict=True)
    value = draft.convolution(-1, 16, 3, "stem", relu=False)
    for stage in range(3):
        draft.stage = stage
        channels = width * 2**stage
        for block in range(4):
            at = f"stage{stage + 1}-block{block + 1}"
            stride = 2 if stage and not block else 1
            inner = draft.branches([value] * len(branches), channels, firsts, f"{at}-conv1", stride=stride)
            outer = draft.branches(inner, channels, seconds, f"{at}-conv2")
            if draft.channels(value) != channels or stride > 1:
                value = draft.two_path(value, channels, f"{at}-shortcut", stride=stride)
            value = draft.total([value, *outer], f"{at}-sum")
    return draft.layout()


_NORMAL = ((0, 2, 0, 0), (0, 4, 0, 1), (0, 4, 1, 1), (1, 0, 0, 1), (0, 2, 1, 1))
_REDUCTION = ((1, 0, 1, 0), (0, 3, 0, 2), (1, 1, 3, 1), (1, 0, 0, 4), (0, 3, 1, 1))
_SEPARABLE = {0: 3, 1: 5}
_AVERAGE, _MAXIMUM, _IDENTITY = 2, 3, 4
_E = {3: (3,), 5: (5,)}
_EI = {3: (3, 3, 3, 5, 5, 7), 5: (3, 5, 5, 5, 7)}


def _enas(kernels: Mapping[int, tuple[int, ...]], width: int) -> Layout:
    """Describe a network of ENAS's cells; `kernels` stand where the cell has one of that size."""
    draft = Draft()
    before = value = draft.convolution(-1, 3 * width, 3, "stem", relu=False)
    stride_before = 1  # of the cell that gave `value`: its input is larger by as much
    for cell in range(17):
        reduces = cell in (5, 11)
        if reduces:
            draft.stage += 1
        channels = width * 2**draft.stage
        at = f"cell{cell + 1}"
        if stride_before > 1:
            first = draft.two_path(before, channels, f"{at}-input0", stride=stride_before)
        elif draft.channels(before) != channels:
            first = draft.convolution(before, channels, 1, f"{at}-input0")
        else:
            first = before
        second = value
        if draft.channels(second) != channels:
            second = draft.convolution(second, channels, 1, f"{at}-input1")
        second = draft.convolution(second, channels, 1, f"{at}-base")
        before = value
        value = _cell(draft, at, (first, second), 2 if reduces else 1, kernels)
        stride_before = 2 if reduces else 1
    return draft.layout()


def _cell(
    draft: Draft, at: str, inputs: tuple[int, int], stride: int, kernels: Mapping[int, tuple[int, ...]]
) -> int:
    values, used = list(inputs), set()
    channels = draft.channels(inputs[1])
    for block, code in enumerate(_REDUCTION if stride > 1 else _NORMAL, 1):
        terms = []
        for side, source, operation in (("x", *code[:2]), ("y", *code[2:])):
            used.add(source)
            step = stride if source < 2 else 1
            name = f"{at}-block{block}{side}"
            value = values[source]
            if operation in _SEPARABLE:
                terms += _separable(draft, value, channels, kernels[_SEPARABLE[operation]], step, name)
                continue
            if operation != _IDENTITY:
                value = draft.pool(value, f"{name}-pool", stride=step, maximum=operation == _MAXIMUM)
            if operation == _IDENTITY and step > 1:
                terms.append(draft.two_path(value, channels, f"{name}-identity", stride=step, relu=False))
            else:
                terms.append(draft.convolution(value, channels, 1, f"{name}-calibration"))
        values.append(draft.total(terms, f"{at}-block{block}"))
    loose = [value for index, value in enumerate(values) if index not in used]
    return draft.concatenation(loose, f"{at}-output")


def _separable(
    draft: Draft, source: int, channels: int, kernels: tuple[int, ...], stride: int, name: str
) -> list[int]:
    """Add separable convolutions, each applied twice, and return the last of each branch."""
    values = [source] * len(kernels)
    for turn, step in ((1, stride), (2, 1)):
        values = draft.branches(values, channels, kernels, f"{name}-conv{turn}", stride=step, separable=True)
    return values


def _resnet50(width: int) -> Layout:
    """Describe ResNet-50 with two middle and last layers a block, the middle ones of kernels 3 and 1."""
    draft = Draft()
    value = draft.convolution(-1, width, 7, "stem", stride=2, relu=False)
    value = draft.pool(draft.rectifier(value, "stem-relu"), "stem-pool", stride=2, maximum=True)
    for stage, blocks in enumerate((3, 4, 6, 3)):
        draft.stage = stage
        channels = width * 2**stage
        for block in range(blocks):
            at = f"stage{stage + 1}-block{block + 1}"
            stride = 2 if stage and not block else 1
            narrow = draft.convolution(value, channels, 1, f"{at}-conv1", relu=False, layer=f"{at}-conv1")
            middle = [
                draft.total(
                    [
                        draft.convolution(
                            narrow,
                            channels,
                            kernel,
                            f"{at}-conv2-branch{branch}-{kernel}x{kernel}",
                            stride=stride,
                            layer=f"{at}-conv2",
                        )
                        for kernel in (3, 1)
                    ],
                    f"{at}-middle{branch}",
                )
                for branch in (1, 2)
            ]
            wide = draft.branches(middle, 4 * channels, (1, 1), f"{at}-conv3")
            if not block:
                value = draft.convolution(value, 4 * channels, 1, f"{at}-shortcut", stride=stride, relu=False)
            value = draft.rectifier(draft.total([value, *wide], f"{at}-sum"), f"{at}-relu")
    return draft.layout()


def _densenet121(growth: int) -> Layout:
    """Describe DenseNet-121."""
    draft = Draft()
    value = draft.convolution(-1, 2 * growth, 7, "stem", stride=2, relu=False)
    value = draft.pool(draft.rectifier(value, "stem-relu"), "stem-pool", stride=2, maximum=True)
    for stage, layers in enumerate((6, 12, 24, 16)):
        draft.stage = stage
        if stage:
            at = f"transition{stage}"
            value = draft.normalisation(value, f"{at}-norm")
            value = draft.convolution(value, draft.channels(value) // 2, 1, f"{at}-conv", norm=False)
            value = draft.pool(value, f"{at}-pool", kernel=2, stride=2)
        parts = [value]
        for layer in range(1, layers + 1):
            at = f"block{stage + 1}-layer{layer}"
            value = draft.normalisation(draft.concatenation(parts, f"{at}-input"), f"{at}-norm")
            value = draft.convolution(value, 4 * growth, 1, f"{at}-conv1", layer=f"{at}-conv1")
            value = draft.convolution(value, growth, 3, f"{at}-conv2", norm=False, layer=f"{at}-conv2")
            parts.append(value)
        value = draft.concatenation(parts, f"block{stage + 1}-output")
    draft.normalisation(value, "norm")
    return draft.layout()


@dataclass(frozen=True)
class Design:
    """A network at any width.

    Attributes
    ----------
    title : Title for people.
    width : Full width.
    describe : Function from a width to the layout.
    """

    title: str
    width: int
    describe: Callable[[int], Layout]


DESIGNS = {
    "m": Design("multi-branch ResNet", 96, partial(_residual, _M)),
    "mi": Design("inflated multi-branch ResNet", 96, partial(_residual, _MI)),
    "e": Design("network of ENAS cells", 36, partial(_enas, _E)),
    "ei": Design("inflated network of ENAS cells", 36, partial(_enas, _EI)),
    "r50": Design("inflated ResNet-50", 64, _resnet50),
    "d121": Design("DenseNet-121", 32, _densenet121),
}


@lru_cache(maxsize=16)
def layout_of(design: str, width: int) -> Layout:
    """Return the layout of a design in `DESIGNS` at a width of at least 2."""
    return DESIGNS[design].describe(width)
