"""SPOS trains uniform single paths, then searches by evolution.

Guo, Zhang, Mu, Heng, Liu, Wei and Sun, "Single Path One-Shot Neural Architecture Search with Uniform
Sampling", ECCV 2020 (arXiv:1904.00420). Every training step runs one architecture alone, drawn uniformly, so
that the shared weights serve all architectures equally and no weight adapts to its neighbours. Afterwards an
evolutionary search ranks architectures by the accuracy that they reach on validation images with the weights
that they inherit.

====================================  ==============================================
paper                                 here
====================================  ==============================================
W = argmin E over paths of the loss   `EvolvedPathStrategy.weight_step`, one path a batch
uniform sampling of the path          `EvolvedPathStrategy.draw`
Algorithm 1                           `benchkit.strategies.evolution`
Algorithm 1, last line                ``recommend``, the best accuracy seen
====================================  ==============================================

Deviations and choices
----------------------
- Those of the search stand in `benchkit.strategies.evolution`, those of the sampling in
  `benchkit.strategies.single_path`.
- A constraint holds for the search; training draws paths from the whole space.
"""

from __future__ import annotations

from benchkit.strategies.single_path import EvolvedPathStrategy


class SPOS(EvolvedPathStrategy):
    """One uniform path a batch; evolution over inherited weights."""

    name = "spos"
    citation = (
        "Guo et al. (2020), Single Path One-Shot Neural Architecture Search with Uniform Sampling, ECCV"
    )
