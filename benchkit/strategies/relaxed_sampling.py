"""Samples discrete choices so that a gradient passes: relaxed samples, and hard ones with a soft gradient.

Maddison, Mnih and Teh, "The Concrete Distribution", ICLR 2017 (arXiv:1611.00712); Jang, Gu and Poole,
"Categorical Reparameterization with Gumbel-Softmax", ICLR 2017 (arXiv:1611.01144); Bengio, Léonard and
Courville, 2013 (arXiv:1308.3432), for straight-through. The noise does not depend on the parameters and is
put in from outside, so that one sample can be computed again at other parameters.

==================================================  =======================================
formula                                             here
==================================================  =======================================
Maddison et al., section 3.1: argmax(logits + G)    `gumbel_noise`, the Gumbel-max trick
Maddison et al., eq. (10); Jang et al., eq. (2)     `gumbel_softmax`
Maddison et al., section 3.3 and appendix B         `logistic_noise`, `relaxed_bernoulli`
Jang et al., section 2.2: straight-through          `straight_through`, `hard_one_hot`, `hard_bit`
==================================================  =======================================

Whatever the temperature, the largest entry of a relaxed one-hot is entry k with probability
softmax(logits)[k], and a relaxed bit is above one half with probability sigmoid(logit). Towards temperature
zero the samples become one-hot and 0 or 1; towards infinity they become uniform.

Deviations and choices
----------------------
- Noise comes from numpy's generator, in float64, and is rounded to the parameters' type: every device sees
  the same noise.
- A hard sample is ``hard + (soft - soft.detach())``, so that its value is exactly 0 or 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def gumbel_noise(rng: np.random.Generator, like: Tensor) -> Tensor:
    """Return standard Gumbel noise, ``-log(-log U)``, of the shape, type and device of `like`."""
    return like.detach().new_tensor(rng.gumbel(size=tuple(like.shape)))


def logistic_noise(rng: np.random.Generator, like: Tensor) -> Tensor:
    """Return standard logistic noise, ``log U - log(1 - U)``, of the shape, type and device of `like`."""
    return like.detach().new_tensor(rng.logistic(size=tuple(like.shape)))


def gumbel_softmax(logits: Tensor, temperature: float, noise: Tensor) -> Tensor:
    """Return relaxed one-hots ``softmax((logits + noise) / temperature)``, float[..., k] in [0, 1] of sum 1.

    Parameters
    ----------
    logits : float[..., k], log-probabilities up to a constant for each row; -inf excludes an entry.
    temperature : Positive number; ValueError is raised for others.
    noise : Draws of `gumbel_noise`, of the same shape.
    """
    _check(temperature)
    return ((logits + noise) / temperature).softmax(dim=-1)


def relaxed_bernoulli(logits: Tensor, temperature: float, noise: Tensor) -> Tensor:
    """Return float[...], relaxed bits ``sigmoid((logits + noise) / temperature)`` in [0, 1].

    Parameters
    ----------
    logits : float[...], log-odds of 1; ``torch.logit(p)`` of a probability.
    temperature : Positive number; ValueError is raised for others.
    noise : Draws of `logistic_noise`, of the same shape.
    """
    _check(temperature)
    return ((logits + noise) / temperature).sigmoid()


def hard_one_hot(soft: Tensor) -> Tensor:
    """Return the one-hot of each row's largest entry, the first among equals, with the gradient of `soft`."""
    import torch

    hard = torch.zeros_like(soft).scatter_(-1, soft.argmax(dim=-1, keepdim=True), 1.0)
    return straight_through(hard, soft)


def hard_bit(soft: Tensor) -> Tensor:
    """Return 1 where `soft` is above one half, else 0, with the gradient of `soft`."""
    return straight_through((soft > 0.5).to(soft.dtype), soft)


def straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """Return the values of `hard` with the gradient of `soft`, both float[...]."""
    return hard + (soft - soft.detach())


def linear_temperature(first: float, last: float, epoch: int, epochs: int) -> float:
    """Return the temperature of epoch `epoch` of 0..epochs - 1, linear from `first` to `last`.

    The only epoch of a training of one epoch has `first`.
    """
    return first + (last - first) * epoch / max(1, epochs - 1)


def _check(temperature: float) -> None:
    if not temperature > 0:
        raise ValueError(f"a temperature must be positive, got {temperature}")
