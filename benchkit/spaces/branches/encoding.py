"""Masks of kernel slices of a multi-branch network, ``branches:NAME@WIDTH``: the space of NASAS.

Zhou et al., "One-Shot Neural Architecture Search Through A Posteriori Distribution Guided Sampling", section
2.1. A row has a gate for every kernel slice (layer l, kernel size s, input channel k): 1 uses it, 0 does not.
The networks are described in `benchkit.spaces.branches.designs`, with what was decided about them.

A row is written as the hexadecimal digits of its gates, eight to two digits, the first gate the highest bit.
It may have thousands; `Branches.summary` is what to print.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import ArchitectureError, InputError, shown, unknown
from benchkit.spaces.base import Architecture, Batch, ProductSpace
from benchkit.spaces.branches.designs import DESIGNS, layout_of

LISTED_NEIGHBORS = 4_096
"""The most gates with which `Branches.neighbors` lists."""
_LEAST_WIDTH = 2
_DRAWS_AT_ONCE = 2**22


class Branches(ProductSpace):
    """Every mask of the kernel slices of one network.

    Parameters
    ----------
    design : Name in `benchkit.spaces.branches.designs.DESIGNS`.
    width : Channels of the first stage (of ``d121``, the growth rate); 2 to the design's full width.

    Attributes
    ----------
    layout : Network.
    groups : Group (l, s) of each gate, int32[d].
    group_names : Name ``layer/SxS`` of each group.
    group_sizes : Number of gates of each group, int64[g]: k_l^s of Eq. 16.
    group_kernel : Kernel size s of each group, int64[g].

    Raises
    ------
    InputError : no such design, or a width out of range.
    """

    def __init__(self, design: str, width: int) -> None:
        if design not in DESIGNS:
            raise unknown("design", design, DESIGNS, "space branches")
        full = DESIGNS[design].width
        if not _LEAST_WIDTH <= width <= full:
            raise InputError(f"branches:{design} has widths {_LEAST_WIDTH} to {full}; got {width}")
        self.design, self.width = design, width
        self.layout = layout = layout_of(design, width)
        super().__init__(f"branches:{design}@{width}", (2,) * layout.gates)
        self.groups = np.empty(layout.gates, dtype=np.int32)
        for layer in layout.gated:
            if layer.first is not None and layer.group is not None:
                self.groups[layer.first : layer.first + layer.inputs] = layer.group
        self.group_names = tuple(group.name for group in layout.groups)
        self.group_sizes = np.array([group.size for group in layout.groups], dtype=np.int64)
        self.group_kernel = np.array([group.kernel for group in layout.groups], dtype=np.int64)
        self._stages = np.array([group.stage for group in layout.groups])[self.groups]

    # -- drawing and moving -------------------------------------------------------------------

    def neighbors(self, architecture: Architecture) -> Batch:
        """Return int8[d, d]: row i is `architecture` with gate i switched.

        Raises
        ------
        InputError : there are more than `LISTED_NEIGHBORS` of them.
        """
        if self.length > LISTED_NEIGHBORS:
            raise InputError(
                f"a row of {self.name} has {self.length:,} neighbours, too many to list; sample some with "
                "mutate()"
            )
        switched: Batch = architecture ^ np.eye(self.length, dtype=np.int8)
        return switched

    def sample_product(
        self, rng: np.random.Generator, probabilities: Sequence[npt.NDArray[np.float64]], n: int
    ) -> Batch:
        """Return int8[n, d]: draws from independent gates; every row is a member, so none is rejected."""
        weights = np.asarray(probabilities, dtype=np.float64)
        is_open = weights[:, 1] / weights.sum(axis=1)
        rows = np.empty((n, self.length), dtype=np.int8)
        step = max(1, _DRAWS_AT_ONCE // self.length)
        for at in range(0, n, step):
            part = rows[at : at + step]
            np.less(rng.random(part.shape), is_open, out=part.view(np.bool_))
        return rows

    # -- the border ---------------------------------------------------------------------------

    def parse(self, text: str) -> Architecture:
        digits = 2 * -(-self.length // 8)
        text = text.strip()
        if not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", text):
            raise ArchitectureError(
                f"{self.name} architectures are {digits:,} hexadecimal digits, a bit for each of "
                f"{self.length:,} gates; got {len(text):,} characters: {shown(text[:20])}"
            )
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(text), dtype=np.uint8))
        if bits[self.length :].any():
            raise ArchitectureError(
                f"{self.name} has {self.length:,} gates: the last {len(bits) - self.length} bits must be 0"
            )
        return bits[: self.length].astype(np.int8)

    def format(self, architecture: Architecture) -> str:
        return _packed(architecture).hex()

    def summary(self, architecture: Architecture) -> str:
        """Return one line for people: a digest, and the share of open gates, in all and by stage."""
        gates = np.asarray(architecture)
        per_stage = [
            f"{100 * gates[self._stages == stage].mean():.1f}" for stage in range(1 + self._stages.max())
        ]
        return (
            f"{sha256(_packed(gates)).hexdigest()[:12]}: {100 * gates.mean():.1f} % of {self.length:,} gates "
            f"open, by stage {', '.join(per_stage)} %"
        )

    def describe(self) -> dict[str, Any]:
        """Return counts: thousands of arities, and a size of thousands of digits, would be no use."""
        kernels, gates = np.unique(self.group_kernel[self.groups], return_counts=True)
        return {
            "name": self.name,
            "network": f"{DESIGNS[self.design].title}, width {self.width} of {DESIGNS[self.design].width}",
            "length": self.length,
            "choices": "open (1) or closed (0), for each kernel slice",
            "groups": len(self.group_names),
            "gates_by_kernel": [
                f"{kernel}x{kernel}: {number:,}" for kernel, number in zip(kernels, gates, strict=True)
            ],
            "size": f"2^{self.length}",
            "complete": True,
            "notation": "hexadecimal digits, a bit for each gate",
            "source": "Zhou et al., NASAS: NAS through a posteriori distribution guided sampling, section 3",
        }


def full_names() -> list[str]:
    """Return the designs at full width, as a user writes them."""
    return [f"branches:{name}@{design.width}" for name, design in DESIGNS.items()]


def branches_space(parameters: str) -> Branches:
    """Return the space for what follows ``branches:``, such as ``m@96``.

    Raises
    ------
    InputError : it is not a design and a width; the line lists what exists.
    """
    design, at, width = parameters.partition("@")
    if not at or not re.fullmatch(r"[1-9][0-9]{0,5}", width):
        widths = ", ".join(f"{name}@{known.width}" for name, known in DESIGNS.items())
        raise InputError(
            f"space branches is written branches:NAME@WIDTH, with the designs {widths} or any smaller width; "
            f"got {shown(f'branches:{parameters}'.rstrip(':'))}"
        )
    return Branches(design, int(width))


def _packed(architecture: Architecture) -> bytes:
    return np.packbits(np.asarray(architecture).astype(np.uint8)).tobytes()
