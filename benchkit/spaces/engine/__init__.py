"""The engine of networks: one supernet a space, and the stand-alone network of any row with the same layers.

Import this package where a network is built, and nowhere else: it loads torch.

===================================  ====================================================================
call                                 what it gives
===================================  ====================================================================
``build_supernet(space, classes)``   the shared weights of a whole space
``build_network(space, row, ...)``   one architecture alone; ``network(images)`` gives its logits
``inherit(supernet, row)``           one architecture alone, with a copy of the supernet's weights
``recalibrate(network, ...)``        running averages of batch normalisation, estimated for one subnet
``compile_cells(network)``           ``torch.compile`` of the cells alone, for mixtures
``set_dropout(network, ...)``        rates of drop path and dropout, where the space's networks have them
===================================  ====================================================================

Both builders take ``generator=`` (a CPU ``torch.Generator``; every parameter is drawn from it and the global
generator is left alone), ``policy=`` (`BatchNormPolicy`) and the space's size options
(`benchkit.spaces.sizes`: ``channels=8, cells=1`` for a small NAS-Bench-201). ``network.recipe`` holds all of
them and describes itself in JSON.

A supernet of ``nasbench201``, ``nasbench201-3``, ``nasbench-macro``, ``darts``, ``nasnet``, ``shufflenet``,
``mobile-small`` or ``mobile-large`` is a `CandidateNetwork`. Its forward pass is ``supernet(images, mask,
weights)`` with ``bool`` and ``float[positions, operations]``; by name:

=====================================  ==================================================================
call                                   what runs
=====================================  ==================================================================
``path(images, row)``                  one architecture
``paths(images, rows)``                many, with the work of common prefixes done once
``multipath(images, mask)``            the sum of the selected candidates at every position
``mixture(images, weights)``           the weighted sum of all, differentiable in the weights
``sampled(images, row, weights)``      one architecture times its straight-through weights
=====================================  ==================================================================

Candidates that do not run get no gradient at all (None, not zero), so an optimizer leaves them alone. The
supernet of ``nasbench101`` shares kernels among widths and knows paths only. That of a ``branches`` space
has paths, and ``gated(images, gates)``: a factor for every kernel slice. One of ``nasnet``
or ``darts``, built with ``auxiliary=1``, has ``with_auxiliary(images)``: the auxiliary logits, too.

Images of any memory format are accepted; inside, everything is channels-last. Networks work under
``torch.autocast`` with bfloat16. The body of a further space's network is made of the blocks `Cell`,
`ChoiceLayer` and `Fixed`, whose candidates are `Candidate` modules.
"""

from __future__ import annotations

from benchkit.spaces.engine.batchnorm import BatchNormPolicy, recalibrate
from benchkit.spaces.engine.blocks import Block, Fixed, Gates, Mask
from benchkit.spaces.engine.build import SHARED, build_network, build_supernet, compile_cells, inherit
from benchkit.spaces.engine.cell import Cell, CellGraph
from benchkit.spaces.engine.chain import ChoiceLayer
from benchkit.spaces.engine.dropout import set_dropout
from benchkit.spaces.engine.layers import AveragePool, Candidate, ReluConvBN, Skip, Source, Whole
from benchkit.spaces.engine.network import CandidateNetwork, Network, Recipe, Supernet

__all__ = [
    "SHARED",
    "AveragePool",
    "BatchNormPolicy",
    "Block",
    "Candidate",
    "CandidateNetwork",
    "Cell",
    "CellGraph",
    "ChoiceLayer",
    "Fixed",
    "Gates",
    "Mask",
    "Network",
    "Recipe",
    "ReluConvBN",
    "Skip",
    "Source",
    "Supernet",
    "Whole",
    "build_network",
    "build_supernet",
    "compile_cells",
    "inherit",
    "recalibrate",
    "set_dropout",
]
