"""The figures of posterior fading: they fit a page, and say what their bands are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from benchkit.analysis.figures.fading import Line, Panel, draw_study
from benchkit.analysis.figures.intervals import draw_intervals, interval_info

TEXT_HEIGHT = 9.0  # inches, of every venue's page


def shown(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


def line(n: list[float] | None) -> Line:
    x, mean = np.array([1.0, 4.0, 16.0]), np.array([0.1, 1.0, 9.0])
    high = np.array([np.nan, 2.0, 10.0])
    return Line("exact", x, mean, mean - 0.05 + 0 * high, high, n=None if n is None else np.array(n))


@pytest.mark.parametrize(("n", "said"), [([1.0, 3.0, 10.0], "$n$ = 3–10"), ([1.0, 7.0, 7.0], "$n$ = 7")])
def test_a_study_says_what_its_bands_are(n: list[float], said: str) -> None:
    panel = Panel("exact", "K", "nats", [line(n)])
    texts = shown(draw_study([panel, panel]))
    assert [text for text in texts if "95 % interval" in text] == [
        f"mean over $n$ random sets of $K$ models, 95 % interval; {said}"
    ]


def test_without_sets_of_models_there_is_no_such_line() -> None:
    assert not any("random sets" in text for text in shown(draw_study([Panel("a", "K", "b", [line(None)])])))


def frames(seeds: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(0)
    points, rows = [], []
    for seed in range(seeds):
        for training in ("pcnas", "one-shot"):
            accuracies = pd.DataFrame(
                rng.normal(90, 1, (15, 2)), columns=["inherited_accuracy", "standalone_accuracy"]
            )
            points.append(accuracies.assign(seed=seed, training=training))
            for epoch in (20, 24, 28):
                for sample in ("candidates", "uniform"):
                    for measure in ("kendall_tau", "pearson"):
                        value = float(rng.uniform(-0.5, 0.9))
                        rows.append(
                            (seed, training, epoch, sample, measure, 15, value, value - 0.4, value + 0.1)
                        )
    names = ["seed", "training", "epoch", "sample", "measure", "n", "value", "low", "high"]
    return pd.DataFrame(rows, columns=names), pd.concat(points, ignore_index=True)


@pytest.mark.parametrize(("seeds", "rows"), [(1, 2), (2, 2), (3, 2), (4, 4)])
def test_the_scatters_of_seeds_stand_side_by_side(seeds: int, rows: int) -> None:
    figure = draw_intervals(interval_info(*frames(seeds)))
    figure.draw_without_rendering()
    curves, scatters = figure.axes[:4], figure.axes[4:]
    assert len(scatters) == 2 * seeds
    tops = {round(ax.get_position().y1, 2) for ax in scatters}
    assert len(tops) == rows
    assert figure.get_size_inches()[1] <= TEXT_HEIGHT * (1 if seeds < 4 else 1.5)
    boxes = [ax.get_tightbbox() for ax in (*curves, *scatters)]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 for box in boxes)
    wanted = "95 % interval over architectures" if seeds == 1 else f"mean of {seeds} seeds (dots)"
    assert sum(wanted in text for text in shown(figure)) == 2  # one legend for all curves
    assert shown(figure).count(f"pcnas, seed {seeds - 1}, $n$ = 15") == 1
