"""Runs many architectures on one batch of images, and computes what they have in common once.

The blocks of a network run in sequence, and what a block computes depends on the choices of the blocks up to
it. Sorted by these choices, architectures form a tree (a trie): two neighbours share a beginning. Walking it
depth first, only the outputs along the current branch are kept, one a block, and every branch is computed
once. Inside the block where two neighbours part, a cell still shares the nodes and edges that both have
(`Block.forward_again`).

What this gives depends on where choices differ. Every layer of a chain has a choice of its own, so that most
of a chain is shared among many rows. The cells of NAS-Bench-201 all make the same choices: two
architectures share the stem and part of the first cell, and nothing after it; beside that, architectures
that differ only in edges which lead nowhere are one and the same. With 50 random rows on one thread,
``benchmarks/bench_scoring.py`` measured 2.1 times as many subnets a second on NAS-Bench-201 with C = 8 and
N = 1, 1.1 times with C = 16 and N = 5, and 2.2 times on NAS-Bench-Macro (4.1 times with 500 rows).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from benchkit.spaces.engine.blocks import Block, Gates, Key


def run_with_prefixes(
    body: Sequence[Block], entered: Tensor, gates: Sequence[Gates]
) -> Iterator[tuple[list[int], Tensor]]:
    """Yield the body's output for many architectures.

    Parameters
    ----------
    body : Blocks in sequence.
    entered : Output of the stem, which enters the first block.
    gates : Gates of each architecture, without scales.

    Yields
    ------
    numbers : Architectures with this output, in ascending order; each comes once.
    output : Result of calling the blocks one after another, bit for bit.
    """
    alike: dict[Key, list[int]] = {}
    for number, each in enumerate(gates):
        alike.setdefault(tuple(block.key(each) for block in body), []).append(number)
    outputs = [entered]  # of the stem, then of each block
    memories: dict[int, Any] = {}
    last: Key = ()
    for key in sorted(alike):
        start = _common(last, key)
        del outputs[start + 1 :]
        for index in [index for index in memories if index > start]:
            del memories[index]  # what enters these blocks is new
        chosen = gates[alike[key][0]]
        for index in range(start, len(body)):
            previous, current = outputs[max(index - 1, 0)], outputs[index]
            if index == start:
                memory = memories.setdefault(index, body[index].memory())
                outputs.append(body[index].forward_again(previous, current, chosen, memory))
            else:
                outputs.append(body[index](previous, current, chosen))
        last = key
        yield alike[key], outputs[-1]


def _common(first: Key, second: Key) -> int:
    """Return how many entries two keys have in common at their start."""
    for index, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return index
    return min(len(first), len(second))
