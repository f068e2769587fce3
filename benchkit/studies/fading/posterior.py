"""Computes divergences of the posteriors of stand-alone trainings, a row for each set of K models.

Columns of the frame
--------------------
approximation   ``laplace`` or ``seeds``
start           where the trainings started, see `benchkit.studies.fading.settings.STARTS`
law             how p_share is made of them, see `benchkit.analysis.statistics.fading.LAWS`
measure         ``paper``, ``exact``, ``concentration``, ``displacement`` in nats, means over the models of
                the set; ``negative_terms``, ``negative_sums``: which share of the H(p_k, p_i),
                i != k, and of the paper's sums, is below 0
layer, operator of theta_{l,o}; ``fixed`` with a name is a tensor that all models have. Without an operator,
                sums over a model's groups (0 where it has none): ``searched`` all theta_{l,o}, ``fixed``
                what all models have, ``all`` both
models, draw    K, and which of the random sets
containing      models of the set that have these parameters
parameters      their number; for sums over groups, the mean over the models

Deviations and choices
----------------------
- Both approximations are of the models that have theta_{l,o} (`benchkit.studies.fading.trainings.holds`).
- Sets of nearly all architectures have most of them in common: intervals over draws say what another draw
  from the same trainings would change, no more. There is one set of all: it has no interval.
- Posteriors over seeds cannot have the prior taken out, for they may be wider than it is: they have no
  ``prior-once``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchkit.analysis.statistics.fading import (
    Gaussians,
    cross_entropies,
    cross_entropies_to_prior,
    exact_divergences,
    laplace,
    over_seeds,
    paper_divergences,
    share,
)
from benchkit.base.parts import ArrayParts, Arrays
from benchkit.studies.fading.settings import FadingSettings
from benchkit.studies.fading.trainings import Alone, Group, holds

Values = npt.NDArray[np.float64]
_EXACT = ("exact", "concentration", "displacement")
_MEASURES = {"product": (*_EXACT, "paper"), "prior-once": (*_EXACT, "paper"), "mean": _EXACT}
_COLUMNS = ("approximation", "start", "law", "measure", "layer", "operator", "models", "draw", "containing",
            "parameters", "value")  # fmt: skip


class _Posterior:
    """The posteriors of one group of parameters, alone."""

    def __init__(self, group: Group, members: npt.NDArray[np.intp], alone: Gaussians, prior: float) -> None:
        self.group, self.members, self.alone, self.prior = group, members, alone, prior
        self.crossed = cross_entropies(alone)
        self.to_prior = cross_entropies_to_prior(alone, prior) if prior > 0 else None

    def measures(self, rows: npt.NDArray[np.intp], law: str) -> dict[str, Values]:
        """Return the measures of a law, float64[len(rows)] each, of the models at these rows."""
        chosen = self.alone.rows(rows)
        exact = exact_divergences(chosen, share(chosen, law, self.prior))
        found = exact._asdict()
        found["exact"] = found.pop("total")
        if law == "product":
            found["paper"] = paper_divergences(self.crossed[np.ix_(rows, rows)])
        if law == "prior-once" and self.to_prior is not None:
            found["paper"] = paper_divergences(self.crossed[np.ix_(rows, rows)], self.to_prior[rows])
        return found


def divergence_frame(
    settings: FadingSettings, groups: list[Group], store: ArrayParts, images: int, weight_decay: float
) -> pd.DataFrame:
    """Return every divergence of the study, with the columns above.

    Parameters
    ----------
    images : Number N of images that the trainings saw.
    weight_decay : Weight decay of the mean loss.
    """
    labels = group_labels(settings, groups)
    rows: list[tuple[Any, ...]] = []
    for start in settings.starts:
        parts = [store.get(Alone(index, 0, start).name) for index in range(len(settings.rows))]
        members = [np.flatnonzero([holds(part, group) for part in parts]).astype(np.intp) for group in groups]
        kept = [number for number, found in enumerate(members) if len(found)]
        approximations: dict[str, tuple[tuple[str, ...], list[_Posterior]]] = {}
        prior = images * weight_decay
        posteriors = []
        for number in kept:
            group, who = groups[number], members[number]
            ends = _stacked([parts[index] for index in who], "end", group)
            fisher = _stacked([parts[index] for index in who], "fisher", group)
            posteriors.append(_Posterior(group, who, laplace(ends, fisher, images, prior), prior))
        laws: tuple[str, ...] = ("product", "prior-once", "mean") if prior > 0 else ("product", "mean")
        approximations["laplace"] = laws, posteriors
        if settings.seeds > 1:
            approximations["seeds"] = (
                ("product", "mean"),
                [_over_seeds(settings, store, start, groups[number], members[number]) for number in kept],
            )
        for name, (laws, found) in approximations.items():
            named = [labels[number] for number in kept]
            rows += [(name, start, *row) for row in _rows(settings, found, named, laws)]
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def group_labels(settings: FadingSettings, groups: list[Group]) -> list[tuple[str, str]]:
    """Return layer and operator of each group, as tables name them."""
    from benchkit.spaces import get_space

    operations: Any = get_space(settings.build.space).describe().get("operations")

    def label(group: Group) -> tuple[str, str]:
        if group.layer is None or group.operator is None:
            return "fixed", group.names[0]
        named = isinstance(operations, list) and group.operator < len(operations)
        return str(group.layer), str(operations[group.operator]) if named else str(group.operator)

    return [label(group) for group in groups]


def _over_seeds(
    settings: FadingSettings, store: ArrayParts, start: str, group: Group, who: npt.NDArray[np.intp]
) -> _Posterior:
    ends = [
        _stacked([store.get(Alone(int(index), seed, start).name) for index in who], "end", group)
        for seed in range(settings.seeds)
    ]
    return _Posterior(group, who, over_seeds(np.stack(ends, axis=1)), 0.0)


def _stacked(parts: list[Arrays], what: str, group: Group) -> Values:
    """Return float64[n, p]: the group's parameters, or their Fisher matrix, of every part."""
    return np.stack(
        [
            np.concatenate([np.ravel(part[f"{what}/{name}"]) for name in group.names]).astype(np.float64)
            for part in parts
        ]
    )


def _rows(
    settings: FadingSettings,
    posteriors: list[_Posterior],
    labels: list[tuple[str, str]],
    laws: tuple[str, ...],
) -> Iterator[tuple[Any, ...]]:
    """Yield law, measure, layer, operator, models, draw, containing, parameters, value."""
    n = len(settings.rows)
    for models in settings.models:
        for draw in range(settings.subspaces if models < n else 1):
            chosen = settings.draws[draw][:models]
            inside = [np.flatnonzero(np.isin(each.members, chosen)) for each in posteriors]
            for law in laws:
                sums = {name: _Sum(n, _MEASURES[law]) for name in ("searched", "fixed", "all")}
                for each, rows, label in zip(posteriors, inside, labels, strict=True):
                    if not len(rows):
                        continue
                    size = each.alone.mean.shape[1]
                    figures = each.measures(rows, law)
                    crossed = each.crossed[np.ix_(rows, rows)] if law == "product" else None
                    for total in ("all", "fixed" if label[0] == "fixed" else "searched"):
                        sums[total].add(each.members[rows], figures, crossed, size)
                    for measure, value in _means(figures, crossed, np.ones_like(rows, dtype=bool)):
                        yield law, measure, *label, models, draw, len(rows), float(size), value
                for name, whole in sums.items():
                    figures, crossed, mean_size = whole.of(chosen)
                    for measure, value in _means(figures, crossed, whole.sharing(chosen)):
                        yield law, measure, name, "", models, draw, models, mean_size, value


class _Sum:
    """Divergences of several groups of parameters added up, model by model (Eq. 7)."""

    def __init__(self, n: int, measures: Sequence[str]) -> None:
        self._figures = {measure: np.zeros(n) for measure in measures}
        self._crossed: Values | None = None
        self._shared = np.zeros((n, n), dtype=bool)
        self._sizes = np.zeros(n)

    def add(
        self, members: npt.NDArray[np.intp], figures: dict[str, Values], crossed: Values | None, size: int
    ) -> None:
        for measure, values in figures.items():
            self._figures[measure][members] += values
        self._sizes[members] += size
        self._shared[np.ix_(members, members)] = True
        if crossed is not None:
            if self._crossed is None:
                self._crossed = np.zeros(self._shared.shape)
            self._crossed[np.ix_(members, members)] += crossed

    def of(self, chosen: npt.NDArray[np.intp]) -> tuple[dict[str, Values], Values | None, float]:
        """Return the measures, cross-entropies and mean number of parameters of these models."""
        crossed = None if self._crossed is None else self._crossed[np.ix_(chosen, chosen)]
        figures = {measure: values[chosen] for measure, values in self._figures.items()}
        return figures, crossed, float(self._sizes[chosen].mean())

    def sharing(self, chosen: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
        """Return bool[K, K]: which of these models have parameters in common."""
        return self._shared[np.ix_(chosen, chosen)]


def _means(
    figures: dict[str, Values], crossed: Values | None, sharing: npt.NDArray[np.bool_]
) -> Iterator[tuple[str, float]]:
    """Yield each measure with its mean over models, and how often the paper's form is negative."""
    for measure, values in figures.items():
        yield measure, float(values.mean())
    if crossed is None:
        return
    pairs = sharing & ~np.eye(len(crossed), dtype=bool)
    if pairs.any():
        yield "negative_terms", float((crossed[pairs] < 0).mean())
        yield "negative_sums", float((figures["paper"] < 0).mean())
