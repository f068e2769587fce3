"""Estimates an inverse Hessian from steps and differences of gradients, for steps and for samples.

Nocedal and Wright, "Numerical Optimization", 2nd edition, Springer 2006, chapters 6 (BFGS) and 7 (limited
memory); Liu and Nocedal, "On the limited memory BFGS method for large scale optimization", Mathematical
Programming 45, 1989. Both learn from pairs (s, y): a step, and the change of the gradient over it. On a
quadratic with Hessian A, y = A s.

==============================================  =====================================================
formula                                         here
==============================================  =====================================================
Nocedal and Wright, eq. (6.17): H+              `BFGS.update`
eq. (6.20): first scale, s'y / y'y              `BFGS.update`
Algorithm 7.4: two loops, H g                   `LimitedBFGS.product`
eq. (7.19): H of the pairs in memory            `LimitedBFGS.product`, `LimitedBFGS.factor`
eq. (7.18): the start of the two loops          `LimitedBFGS.diagonal`, but a diagonal, not a multiple of I
Powell's damping (18.15), for the inverse       `damped_step`
==============================================  =====================================================

**Sampling without a matrix.** With rho = 1 / s'y the update reads H+ = V' H V + rho s s', V = I - rho y s'.
It is the covariance of a sum of two independent parts: if x ~ N(0, H) and e ~ N(0, 1), then

    V' x + sqrt(rho) s e  =  x + s (sqrt(rho) e - rho y'x)  ~  N(0, H+).

So a draw starts as x = D^-1/2 z from the diagonal D and passes every pair once, the oldest first: it takes
two vector operations for each pair and M + m normal numbers, for m pairs of length M, and solves nothing.

Deviations and choices
----------------------
- Positive definiteness: H+ is positive definite where H is and s'y > 0. Off a convex problem s'y may be
  negative or next to nothing. Then s is replaced by t s + (1 - t) H y with the largest t in [0, 1] for which
  s'y is at least a fifth of y'H y: Powell's damping with the roles of s and y, and of A and its inverse,
  exchanged (as in Goldfarb, Ren and Bahamou, "Practical Quasi-Newton Methods for Training Deep Neural
  Networks", NeurIPS 2020). It needs H y only. A pair whose y is zero is passed over. Negative curvature so
  becomes a shorter step along y, never one uphill.
- The diagonal is the least-squares fit of y = D s, coordinate by coordinate, over pairs that fade by
  `fading`: D_i = |sum y_i s_i| / sum s_i^2. On a diagonal quadratic one pair makes it exact. Its absolute
  value is taken, as is usual for diagonal Newton methods (Becker and LeCun, 1988), and it stays within a
  factor `spread` of the fit by one number for all coordinates.
- A pair is damped by the estimate of its own time, the diagonal being renewed first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

_POWELL = 0.2  # share of y'H y: Nocedal and Wright, section 18.3


class InverseHessian(Protocol):
    """A positive definite estimate H of an inverse Hessian, of vectors with M numbers."""

    def product(self, vector: Tensor) -> Tensor:
        """Return H v, float[M]."""
        ...

    def factor(self, noise: Tensor) -> Tensor:
        """Return a draw of N(0, H), float[M], from `normals` independent standard normal numbers."""
        ...

    @property
    def normals(self) -> int:
        """Number of normal numbers that `factor` takes."""
        ...

    def update(self, step: Tensor, change: Tensor) -> None:
        """Learn from a step, float[M], and the change of the gradient over it."""
        ...

    def state_tensors(self) -> dict[str, Tensor]:
        """Return everything that was learned."""
        ...

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state_tensors` returned."""
        ...


def damped_step(step: Tensor, change: Tensor, predicted: Tensor) -> Tensor | None:
    """Return s, moved towards H y until s'y is at least a fifth of y'H y; None where y is zero.

    `step`, `change` and `predicted` are s, y and H y, float[M].
    """
    expected = change.dot(predicted)
    if not float(expected) > 0:
        return None
    curvature = change.dot(step)
    if float(curvature) >= _POWELL * float(expected):
        return step
    share = (1 - _POWELL) * expected / (expected - curvature)
    return share * step + (1 - share) * predicted


class Identity:
    """The estimate H = I for `size` numbers, which learns nothing: a step is then one of gradient descent."""

    def __init__(self, size: int) -> None:
        self.normals = size

    def product(self, vector: Tensor) -> Tensor:
        return vector

    def factor(self, noise: Tensor) -> Tensor:
        return noise

    def update(self, step: Tensor, change: Tensor) -> None:
        return None

    def state_tensors(self) -> dict[str, Tensor]:
        return {}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        return None


class BFGS:
    """The full matrix, for few numbers: memory O(M^2).

    Parameters
    ----------
    like : float[M]; the estimate lives on its device, in float64.

    Attributes
    ----------
    inverse : float64[M, M], H; the identity before the first pair.
    """

    def __init__(self, like: Tensor) -> None:
        import torch

        self.normals = like.numel()
        self.inverse = torch.eye(self.normals, dtype=torch.float64, device=like.device)
        self._begun = False

    def product(self, vector: Tensor) -> Tensor:
        return self.inverse @ vector

    def factor(self, noise: Tensor) -> Tensor:
        import torch

        # by eigenvalues: rounding may leave the smallest a trifle below zero
        values, vectors = torch.linalg.eigh(self.inverse)
        scaled: Tensor = vectors @ (values.clamp(min=0).sqrt() * noise)
        return scaled

    def update(self, step: Tensor, change: Tensor) -> None:
        import torch

        if not self._begun and float(step.dot(change)) > 0:
            self.inverse = self.inverse * (step.dot(change) / change.square().sum())
            self._begun = True
        predicted = self.inverse @ change
        kept = damped_step(step, change, predicted)
        if kept is None:
            return
        rho = 1 / kept.dot(change)
        crossed = torch.outer(kept, predicted)
        both = rho * (1 + rho * change.dot(predicted)) * torch.outer(kept, kept)
        renewed = self.inverse - rho * (crossed + crossed.T) + both
        self.inverse = (renewed + renewed.T) / 2

    def state_tensors(self) -> dict[str, Tensor]:
        return {"inverse": self.inverse, "begun": self.inverse.new_tensor([float(self._begun)])}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        self.inverse = tensors["inverse"].to(self.inverse).clone()
        self._begun = bool(tensors["begun"][0])


class LimitedBFGS:
    """A diagonal and the last pairs, for many numbers: memory O(m M), and no matrix at any time.

    Parameters
    ----------
    like : float[M]; the estimate has its device and type.
    memory : Number m of pairs that are kept; with 0 the estimate is the diagonal alone.
    fading : Factor in [0, 1) of a pair's weight in the diagonal when the next comes.
    spread : Factor, at least 1, by which entries of the diagonal differ from the one-number fit at most.
    """

    def __init__(self, like: Tensor, memory: int, fading: float, spread: float) -> None:
        self._size, self._memory = like.numel(), memory
        self._fading, self._spread = fading, spread
        self._steps: list[Tensor] = []  # s, the oldest first
        self._changes: list[Tensor] = []  # y
        self._inverse_curvatures: list[Tensor] = []  # rho = 1 / s'y, on the device: no step waits for it
        self._products = like.new_zeros(self._size)  # faded sums of s_i y_i and of s_i^2
        self._squares = like.new_zeros(self._size)
        self.diagonal = like.new_ones(self._size)

    @property
    def normals(self) -> int:
        return self._size + len(self._steps)

    def product(self, vector: Tensor) -> Tensor:
        rest, shares = vector.clone(), []
        pairs = list(zip(self._steps, self._changes, self._inverse_curvatures, strict=True))
        for step, change, rho in reversed(pairs):
            shares.append(rho * step.dot(rest))
            rest.addcmul_(change, -shares[-1])
        moved: Tensor = rest.div_(self.diagonal)
        for (step, change, rho), share in zip(pairs, reversed(shares), strict=True):
            moved.addcmul_(step, share - rho * change.dot(moved))
        return moved

    def factor(self, noise: Tensor) -> Tensor:
        drawn: Tensor = noise[: self._size] / self.diagonal.sqrt()
        pairs = zip(self._steps, self._changes, self._inverse_curvatures, noise[self._size :], strict=True)
        for step, change, rho, extra in pairs:
            drawn.addcmul_(step, rho.sqrt() * extra - rho * change.dot(drawn))
        return drawn

    def update(self, step: Tensor, change: Tensor) -> None:
        self._renew_diagonal(step, change)
        kept = damped_step(step, change, self.product(change))
        if kept is None or not self._memory:
            return
        self._steps.append(kept.clone())
        self._changes.append(change.clone())
        self._inverse_curvatures.append(1 / kept.dot(change))
        if len(self._steps) > self._memory:
            del self._steps[0], self._changes[0], self._inverse_curvatures[0]

    def _renew_diagonal(self, step: Tensor, change: Tensor) -> None:
        self._products.mul_(self._fading).addcmul_(step, change)
        self._squares.mul_(self._fading).addcmul_(step, step)
        common = self._products.sum().abs() / self._squares.sum()
        if not float(common) > 0:  # nothing moved, or no curvature at all
            return
        fitted = (self._products.abs() / self._squares).nan_to_num_(nan=0.0, posinf=0.0)
        fitted = fitted.where(self._squares > 0, common)
        self.diagonal = fitted.clamp(common / self._spread, common * self._spread)

    def state_tensors(self) -> dict[str, Tensor]:
        import torch

        state = {"products": self._products, "squares": self._squares, "diagonal": self.diagonal}
        if self._steps:
            state["steps"] = torch.stack(self._steps)
            state["changes"] = torch.stack(self._changes)
            state["inverse_curvatures"] = torch.stack(self._inverse_curvatures)
        return state

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        def mine(name: str) -> Tensor:
            return tensors[name].to(self.diagonal).clone()

        self._products, self._squares, self.diagonal = (
            mine(name) for name in ("products", "squares", "diagonal")
        )
        self._steps, self._changes, self._inverse_curvatures = [], [], []
        if "steps" in tensors:
            self._steps = [step.clone() for step in mine("steps")]
            self._changes = [change.clone() for change in mine("changes")]
            self._inverse_curvatures = list(mine("inverse_curvatures").unbind())
