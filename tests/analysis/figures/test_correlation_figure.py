"""The correlation figures: what they show, that nothing is clipped, and that bytes repeat."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from benchkit.analysis.figures.correlation import curve_info, draw_curves, draw_scatter, scatter_info
from benchkit.analysis.figures.style import VENUES, save_figure
from benchkit.analysis.statistics.noise_ceiling import noise_ceiling
from benchkit.analysis.statistics.rank_correlation import correlation_curve

EPOCHS = [5, 10, 20, 40]
TRUTH = np.random.default_rng(0).normal(85, 5, 120)


def training(seed, strategy="spos"):
    rng = np.random.default_rng(seed)
    scores = np.stack([TRUTH + rng.normal(0, noise, 120) for noise in (20, 10, 6, 4)])
    curve = correlation_curve(EPOCHS, scores, TRUTH, fractions=(1.0, 0.1), resamples=30)
    return curve.assign(strategy=strategy, training=f"{strategy}-{seed}")


@pytest.fixture(scope="module")
def ceiling():
    return noise_ceiling(TRUTH + np.random.default_rng(9).normal(0, 1, (3, 120)), resamples=30)


@pytest.fixture(scope="module")
def curves():
    """Three trainings of spos, one of darts."""
    return pd.concat([training(1), training(2), training(3), training(4, "darts")], ignore_index=True)


def texts_outside(figure):
    """Return the texts of a figure that stick out of its page."""
    figure.draw_without_rendering()
    page = figure.bbox
    texts = [text for text in figure.findobj(mpl.text.Text) if text.get_visible() and text.get_text().strip()]
    assert len(texts) > 8
    for axis in [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]:
        low, high = sorted(axis.get_view_interval())
        for tick in axis.get_major_ticks():
            if not low <= tick.get_loc() <= high:  # matplotlib keeps these, and does not draw them
                texts = [text for text in texts if text not in (tick.label1, tick.label2)]
    boxes = {text.get_text(): text.get_window_extent() for text in texts}
    return [
        name
        for name, box in boxes.items()
        if box.x0 < page.x0 - 1 or box.x1 > page.x1 + 1 or box.y0 < page.y0 - 1 or box.y1 > page.y1 + 1
    ]


def test_curve_info_means_strategies_with_several_trainings_only(curves, ceiling):
    info = curve_info(curves, ceiling=ceiling)
    assert info.means["strategy"].unique().tolist() == ["spos"]
    assert info.means["epoch"].tolist() == EPOCHS
    first = info.curves[(info.curves["strategy"] == "spos") & (info.curves["epoch"] == 5)]["value"]
    assert info.means["mean"][0] == pytest.approx(first.mean())
    assert info.ceiling["value"] == ceiling["value"][0]


def test_a_checkpoint_that_one_training_lacks_is_not_in_the_mean(curves):
    shorter = curves[~((curves["training"] == "spos-2") & (curves["epoch"] == 40))]
    assert curve_info(shorter).means["epoch"].tolist() == EPOCHS[:-1]


def test_curve_info_needs_its_measure(curves):
    with pytest.raises(ValueError, match="no tau at fraction 1"):
        curve_info(curves, "tau")
    with pytest.raises(ValueError, match=r"no kendall_tau at fraction 0\.5"):
        curve_info(curves, fraction=0.5)


@pytest.mark.parametrize("venue", VENUES)
def test_curves_draw_mean_trainings_and_ceiling_inside_the_page(curves, ceiling, venue):
    figure = draw_curves(curve_info(curves, ceiling=ceiling), venue)
    assert texts_outside(figure) == []
    assert figure.get_figwidth() == VENUES[venue].column
    (ax,) = figure.axes
    assert len(ax.get_lines()) == 3 + 1 + 1 + 1  # trainings, their mean, darts, the ceiling
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    said = " ".join(labels[0].split())
    assert said == "spos ($n$ = 120), mean of 3 trainings, each as a thin line"
    assert labels[1] == "darts ($n$ = 120), 95 % interval over architectures"
    assert labels[2].startswith("noise ceiling 0.")


def test_what_is_not_resolvable_is_not_drawn(curves):
    noise = np.random.default_rng(5).normal(size=(2, 120))
    ceiling = noise_ceiling(noise, resamples=30)
    assert not ceiling["resolved"].any()
    last = curves[(curves["epoch"] == 40) & (curves["strategy"] == "spos")]
    figure = draw_curves(curve_info(last, ceiling=ceiling))
    (ax,) = figure.axes
    assert len(ax.get_lines()) == 3 + 1  # trainings and their mean; no level
    assert len(ax.patches) == 0
    assert {line.get_marker() for line in ax.get_lines()[:3]} == {"."}
    said = [" ".join(text.get_text().split()) for text in figure.legends[0].get_texts()]
    assert said == [
        "spos ($n$ = 120), mean of 3 trainings, each a dot",
        "noise ceiling not resolvable ($n$ = 120)",
    ]


def test_a_panel_of_three_points_says_that_nothing_is_resolvable():
    points = np.array([1.0, 2.0, 3.0])
    ceiling = noise_ceiling([points, points + 1], fractions=(1.0,))
    figure = draw_scatter([scatter_info(points, points, fractions=(1.0,), ceiling=ceiling)])
    label = figure.axes[0].get_xlabel()
    assert "= 1.00 (not resolvable)" in label
    assert "noise ceiling\nnot resolvable" in label
    assert "[" not in label
    constant = draw_scatter([scatter_info(np.ones(3), points, fractions=(1.0,))])
    assert "= undefined" in constant.axes[0].get_xlabel()


@pytest.mark.parametrize("panels", [1, 2, 4])
def test_scatter_shows_every_point_and_its_correlation(ceiling, panels):
    scores = TRUTH + np.random.default_rng(1).normal(0, 5, 120)
    info = scatter_info(scores, TRUTH, title="spos", ceiling=ceiling, resamples=30)
    figure = draw_scatter([info] * panels)
    assert texts_outside(figure) == []
    points = figure.axes[0].collections[0].get_offsets()
    assert np.asarray(points) == pytest.approx(np.stack([scores, TRUTH], axis=1))
    caption = figure.axes[0].get_xlabel()
    row = info.correlations.iloc[0]
    assert f"{row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}]" in caption
    assert "best 10 %, $n$ = 12" in caption
    assert caption.count("noise ceiling") == 2


def test_a_panel_without_a_ceiling_says_none():
    info = scatter_info(TRUTH, TRUTH, resamples=10)
    assert "noise ceiling" not in draw_scatter([info]).axes[0].get_xlabel()


def test_nothing_to_draw():
    with pytest.raises(ValueError, match="no panels"):
        draw_scatter([])
    with pytest.raises(ValueError, match="unknown venue"):
        draw_scatter([scatter_info(TRUTH, TRUTH, resamples=10)], "nature")


def test_the_same_figure_is_the_same_bytes(curves, tmp_path):
    for name in ("one", "two"):
        save_figure(draw_curves(curve_info(curves)), tmp_path / name)
    for extension in ("pdf", "png"):
        assert (tmp_path / f"one.{extension}").read_bytes() == (tmp_path / f"two.{extension}").read_bytes()
