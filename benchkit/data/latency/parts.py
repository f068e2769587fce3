"""The parts of a network whose times add up, with the shapes that they get.

In a chain they are the stem, the choices of each layer, what stands between layers, and the head; in a
network of NAS-Bench-201 cells the candidates of each edge of each cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchkit.base.errors import InputError
from benchkit.spaces.engine.blocks import Fixed
from benchkit.spaces.engine.cell import Cell
from benchkit.spaces.engine.chain import ChoiceLayer
from benchkit.spaces.engine.layers import Candidate, Source
from benchkit.spaces.engine.network import CandidateNetwork


@dataclass(frozen=True)
class Part:
    """One thing to time.

    Attributes
    ----------
    name : Name for people.
    module : Module on a tensor, or a `Candidate` on a source.
    shape : Shape of its input: channels, height, width.
    position, choice : Place in a row; None for a fixed part.
    """

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    position: int | None = None
    choice: int | None = None

    @property
    def key(self) -> tuple[str, tuple[int, ...]]:
        """What decides the time: the modules that it is made of, and the shape."""
        return repr(self.module), self.shape

    def call(self, value: Tensor) -> Callable[[], object]:
        """Return the work to time."""
        module = self.module
        if isinstance(module, Candidate):
            return lambda: module(Source(value))
        return lambda: module(value)


@torch.inference_mode()
def parts_of(network: CandidateNetwork, images: Tensor) -> list[Part]:
    """Return the parts of a supernet with the shapes that they get for `images`: fixed ones and choices.

    Raises
    ------
    InputError : the network is no chain and not made of cells with one input.
    """
    shapes: dict[nn.Module, tuple[int, ...]] = {}

    def remember(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        value = inputs[0].value if isinstance(inputs[0], Source) else inputs[0]
        shapes[module] = tuple(value.shape[1:])

    found: list[tuple[str, nn.Module, int | None, int | None]] = [("stem", network.stem, None, None)]
    for number, block in enumerate(network.body):
        if isinstance(block, Fixed):
            found.append((f"block {number}", block.module, None, None))
        elif isinstance(block, ChoiceLayer):
            for choice, candidate in block.candidates.items():
                name = f"layer {block.position} choice {choice}"
                found.append((name, candidate, block.position, int(choice)))
        elif isinstance(block, Cell) and block.graph.inputs == 1 and block.preprocess is None:
            for place, candidate in block.candidates.items():
                edge, operation = map(int, place.split("_"))
                name = f"block {number} edge {edge} choice {operation}"
                found.append((name, candidate, block.first + edge, operation))
        else:
            raise no_parts(network.recipe.space.name)
    found.append(("head", network.head, None, None))
    hooks = [module.register_forward_pre_hook(remember) for _, module, _, _ in found]
    network(images)
    for hook in hooks:
        hook.remove()
    return [Part(name, module, shapes[module], *place) for name, module, *place in found]


def no_parts(space: str) -> InputError:
    """Return the error for a space whose network is not made of such parts."""
    return InputError(
        f"latency is measured by parts on chains (mobile-small, mobile-large, shufflenet, nasbench-macro) "
        f"and on the cells of nasbench201; the network of {space} has no parts whose times add up"
    )
