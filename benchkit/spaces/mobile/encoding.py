"""Chains of mobile operators: 21 layers with one of ten or of twenty operators each, as PC-NAS searches them.

"Improving One-Shot NAS by Suppressing the Posterior Fading" (PC-NAS; Li et al., 2019), section 3.2, appendix
A.1 and Table 4: ``mobile-small`` has 10^21 chains, ``mobile-large`` 20^21. The layers stand in the stages of
ProxylessNAS (Cai et al., 2019): 4, 4, 4, 4, 4 and 1 of them, and between the stages the resolution falls.

A row holds the operator of each layer, first layer first. The notation has a digit a layer, stage by stage,
``0`` to ``9`` for Table 4's left half and ``a`` to ``j`` for its right half, both read line by line:
``0123-4567-8900-1234-5678-9``. A chain of ``mobile-small`` is written alike in ``mobile-large``.

Deviations and choices
----------------------
- ``mobile-small:11`` is the same space at half depth, with two layers in each stage of four; 6, 11 and 16 are
  the smaller depths. The networks keep all stages.
- Identity changes nothing, so chains that differ only in where a stage's identities stand are one network
  (`Mobile.canonical`). A supernet holds other weights for each place, and a search may try them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import ArchitectureError, InputError, shown
from benchkit.spaces.base import Architecture, Batch, ProductSpace


@dataclass(frozen=True)
class Operator:
    """A 1 x 1 convolution, others between, and a 1 x 1 projection (A.1).

    Attributes
    ----------
    kind : ``MBConv``, ``NConv``, ``DConv`` or ``RConv``.
    expansion : Hidden channels for each input channel.
    kernels : (height, width) of the convolutions between.
    depthwise : Whether they see every channel by itself.
    """

    kind: str
    expansion: int
    kernels: tuple[tuple[int, int], ...]
    depthwise: bool = False

    @property
    def name(self) -> str:
        """The name in Table 4, such as ``MBConv_3_5``."""
        return f"{self.kind}_{self.expansion}_{max(self.kernels[0])}"


def mb_conv(expansion: int, kernel: int) -> Operator:
    """Return the inverted residual of MobileNetV2 (Sandler et al., 2018): its middle is depthwise."""
    return Operator("MBConv", expansion, ((kernel, kernel),), depthwise=True)


def _n(expansion: int, kernel: int) -> Operator:
    return Operator("NConv", expansion, ((kernel, kernel),))


def _d(expansion: int, kernel: int) -> Operator:
    return Operator("DConv", expansion, ((kernel, kernel),) * 2)


def _r(expansion: int, kernel: int) -> Operator:
    return Operator("RConv", expansion, ((1, kernel), (kernel, 1)))


# Table 4, each half line by line; None is Identity
SMALL: tuple[Operator | None, ...] = (
    *(mb_conv(1, 3), mb_conv(3, 3)),
    *(mb_conv(6, 3), mb_conv(1, 5)),
    *(mb_conv(3, 5), mb_conv(6, 5)),
    *(mb_conv(1, 7), mb_conv(3, 7)),
    *(mb_conv(6, 7), None),
)
"""The operators of ``mobile-small``; None is Identity."""
LARGE: tuple[Operator | None, ...] = (
    *SMALL,
    *(_n(1, 3), _n(2, 3)),
    *(_d(1, 3), _d(2, 3)),
    *(_r(1, 5), _r(2, 5)),
    *(_r(4, 5), _r(1, 7)),
    *(_r(2, 7), _r(4, 7)),
)
"""The operators of ``mobile-large``."""
OPERATORS = {"mobile-small": SMALL, "mobile-large": LARGE}
"""The operators of both spaces: 10^21 and 20^21 chains at full depth."""
IDENTITY = SMALL.index(None)
"""The choice that is Identity, in both spaces."""

_STAGES = (4, 4, 4, 4, 4, 1)
_DIGITS = "0123456789abcdefghij"


class Mobile(ProductSpace):
    """Every chain of some operators.

    Parameters
    ----------
    family : ``mobile-small`` or ``mobile-large``.
    operators : Operators of every layer; None is Identity.
    depth : Number of layers: 21, 16, 11 or 6.

    Attributes
    ----------
    operators : Operators of every layer.
    stages : Layers of each of the six stages.

    Raises
    ------
    InputError : another depth.
    """

    def __init__(self, family: str, operators: Sequence[Operator | None], depth: int | None = None) -> None:
        depths = {sum(stages): stages for stages in map(_stages_of, range(max(_STAGES), 0, -1))}
        full = sum(_STAGES)
        depth = full if depth is None else depth
        if depth not in depths:
            raise InputError(f"{family} has depths {', '.join(map(str, depths))}; got {depth}")
        self.operators = tuple(operators)
        self.stages = depths[depth]
        name = family if depth == full else f"{family}:{depth}"
        super().__init__(name, (len(self.operators),) * depth)

    def canonical(self, batch: Batch) -> npt.NDArray[np.bytes_]:
        """Return the row as bytes, with each stage's identities after its other operators."""
        ordered = np.empty_like(batch)
        first = 0
        for layers in self.stages:
            part = batch[:, first : first + layers]
            order = np.argsort(part == IDENTITY, axis=1, kind="stable")
            ordered[:, first : first + layers] = np.take_along_axis(part, order, axis=1)
            first += layers
        return super().canonical(ordered)

    def parse(self, text: str) -> Architecture:
        stages = text.strip().split("-")
        digits = "".join(stages)
        known = _DIGITS[: len(self.operators)]
        if tuple(map(len, stages)) != self.stages or not set(digits) <= set(known):
            raise ArchitectureError(
                f"a {self.name} architecture has a digit {known[0]} to {known[-1]} for each of {self.length} "
                f"layers, in stages of {', '.join(map(str, self.stages))}, such as "
                f"{self.format(np.arange(self.length, dtype=np.int8) % len(known))}; got {shown(text)}"
            )
        return np.array([_DIGITS.index(digit) for digit in digits], dtype=np.int8)

    def format(self, architecture: Architecture) -> str:
        digits = iter(_DIGITS[choice] for choice in architecture)
        return "-".join("".join(next(digits) for _ in range(layers)) for layers in self.stages)

    def describe(self) -> dict[str, Any]:
        names = [operator.name if operator else "Identity" for operator in self.operators]
        return {
            **super().describe(),
            "operations": [f"{digit} {name}" for digit, name in zip(_DIGITS, names, strict=False)],
            "stages": list(self.stages),
            "notation": "a digit a layer, the stages between hyphens",
            "source": "Li et al. (2019), PC-NAS, appendix A.1, Table 4",
        }


def mobile_space(family: str, parameters: str) -> Mobile:
    """Return the space for what follows the colon of ``mobile-small:`` or ``mobile-large:``, a depth.

    Raises
    ------
    InputError : it is none; the line lists them.
    """
    # what is no number is refused as a depth that there is not
    depth = int(parameters) if parameters.isascii() and parameters.isdigit() else 0
    return Mobile(family, OPERATORS[family], depth)


def _stages_of(most: int) -> tuple[int, ...]:
    return tuple(min(layers, most) for layers in _STAGES)
