"""Figures: what they show, that nothing is clipped, and that the same figure is the same bytes."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from benchkit.analysis.figures.efficiency import draw_efficiency, efficiency_info
from benchkit.analysis.figures.ranks import draw_ranks, rank_info
from benchkit.analysis.figures.style import VENUES, method_look, save_figure, venue_style
from benchkit.analysis.statistics.curves import regret_curve
from benchkit.analysis.statistics.ranking import average_ranks, critical_difference

METHODS = [
    *("random-search", "regularized-evolution", "local-search", "reinforce", "tpe", "bohb", "bananas"),
    *("nasas", "vaenas", "pcnas", "gibbsnas", "sivdnas"),
    *("spos", "fairnas", "rsps", "darts", "darts-v2", "gdas", "setn", "enas", "snas"),
]
QUERY_BACKED = METHODS[:7]


@pytest.fixture(scope="module")
def traces():
    """Seven strategies, three data sets, five seeds; some find the best entry (regret 0), some do not."""
    rng = np.random.default_rng(0)
    steps = np.arange(1, 41)
    parts = []
    for dataset in ("cifar10", "cifar100", "imagenet16-120"):
        for skill, strategy in enumerate(QUERY_BACKED):
            for seed in range(5):
                regret = rng.gamma(2, 2, size=40) * (1 if skill < 6 else steps[::-1] > 12)
                part = {"strategy": strategy, "dataset": dataset, "seed": seed, "step": steps - 1}
                part |= {"queries": steps.astype(float), "seconds": 1300.0 * steps}
                parts.append(pd.DataFrame({**part, "regret": np.minimum.accumulate(regret)}))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def trials(traces):
    return traces[traces["step"] == 39]


def texts_outside(figure):
    """Return the visible texts of a figure that stick out of its page."""
    figure.draw_without_rendering()
    page = figure.bbox
    texts = [text for text in figure.findobj(mpl.text.Text) if text.get_visible() and text.get_text().strip()]
    assert len(texts) > 10
    for tick_holder in [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]:
        low, high = sorted(tick_holder.get_view_interval())
        for tick in [*tick_holder.get_major_ticks(), *tick_holder.get_minor_ticks()]:
            if not low <= tick.get_loc() <= high:  # matplotlib keeps these, and does not draw them
                texts = [text for text in texts if text not in (tick.label1, tick.label2)]
    boxes = {text.get_text(): text.get_window_extent() for text in texts}
    return [
        name
        for name, box in boxes.items()
        if box.x0 < page.x0 - 1 or box.x1 > page.x1 + 1 or box.y0 < page.y0 - 1 or box.y1 > page.y1 + 1
    ]


# -- looks ----------------------------------------------------------------------------------------


def test_every_method_has_a_look_of_its_own():
    assert len({method_look(name) for name in METHODS}) == len(METHODS)


def test_the_query_backed_methods_differ_in_colour_and_in_marker():
    looks = [method_look(name) for name in QUERY_BACKED]
    assert len({look.color for look in looks}) == len({look.marker for look in looks}) == 7


def test_a_variant_has_its_methods_colour_and_a_marker_of_its_own():
    for variant, method in [
        ("regularized-evolution (nats)", "regularized-evolution"),
        ("vaenas-g", "vaenas"),
        ("darts-v2 (long)", "darts-v2"),
    ]:
        assert method_look(variant).color == method_look(method).color
        assert method_look(variant).marker != method_look(method).marker


def test_unknown_labels_look_the_same_in_every_process():
    code = "from benchkit.analysis.figures.style import method_look; print(method_look('my method'))"
    printed = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONHASHSEED": "7"} | ENV,
    ).stdout
    assert printed.strip() == str(method_look("my method"))


ENV = {"PYTHONPATH": ":".join(path for path in sys.path if path)}


def test_style_leaves_no_trace():
    before = dict(mpl.rcParams)
    with venue_style("icml") as page:
        assert page == (3.25, 6.75)
        assert mpl.rcParams["pdf.fonttype"] == 42
    assert dict(mpl.rcParams) == before
    with pytest.raises(ValueError, match="unknown venue 'nature'; there are neurips"), venue_style("nature"):
        pass


# -- sample efficiency ----------------------------------------------------------------------------


def test_info_holds_the_curves(traces):
    info = efficiency_info(traces, "seconds")
    expected = regret_curve(traces, "seconds")
    pd.testing.assert_frame_equal(info.curves, expected)
    assert (info.axis, info.level) == ("seconds", 0.95)


@pytest.mark.parametrize("venue", VENUES)
def test_efficiency_fits_the_page(traces, venue):
    figure = draw_efficiency(efficiency_info(traces), venue)
    assert figure.get_figwidth() == VENUES[venue].text
    assert texts_outside(figure) == []


def test_efficiency_shows_every_curve_and_says_what_it_is(traces):
    info = efficiency_info(traces)
    figure = draw_efficiency(info)
    assert [ax.get_title() for ax in figure.axes] == ["cifar10", "cifar100", "imagenet16-120"]
    for ax in figure.axes:
        assert ax.get_xlabel() == "queries"
        curves = info.curves[info.curves["dataset"] == ax.get_title()]
        for line, strategy in zip(ax.lines, QUERY_BACKED, strict=True):
            drawn = curves[curves["strategy"] == strategy]
            assert line.get_color() == method_look(strategy).color
            assert np.array_equal(line.get_ydata(), drawn["mean"])
            assert np.array_equal(line.get_xdata(), drawn["x"])
        assert len(ax.collections) == 7  # bands
        bottom, top = ax.get_ylim()
        assert bottom < 0 < curves["high"].max() < top  # 0 is on the page
        assert 0.0 in ax.get_yticks()
    assert figure.axes[0].get_ylabel() == "regret of the incumbent\n(validation, % points)"
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == [*QUERY_BACKED, "mean, 95 % band, $n$ = 5"]


def test_few_trials_are_drawn_each_in_the_place_of_a_band(traces):
    few = traces[(traces["seed"] < 3) & (traces["dataset"] == "cifar10")]
    info = efficiency_info(few)
    assert info.curves[["low", "high"]].isna().all(axis=None)
    figure = draw_efficiency(info)
    (ax,) = figure.axes
    assert len(ax.lines) == 7 + 7 * 3
    assert len(ax.collections) == 0
    first = few[(few["strategy"] == QUERY_BACKED[0]) & (few["seed"] == 0)]
    thin = [line for line in ax.lines if line.get_linewidth() < 0.5]
    assert any(np.array_equal(line.get_ydata(), first["regret"]) for line in thin)
    assert few.loc[few["queries"] > 1, "regret"].max() < ax.get_ylim()[1]
    assert figure.legends[0].get_texts()[-1].get_text() == "mean; single trials are thin, $n$ = 3"


def test_where_no_curve_reaches_zero_the_axis_is_plainly_logarithmic(traces):
    figure = draw_efficiency(efficiency_info(traces.assign(regret=traces["regret"] + 0.5), "seconds"))
    assert {ax.get_yscale() for ax in figure.axes} == {ax.get_xscale() for ax in figure.axes} == {"log"}
    assert all(ax.get_ylim()[0] < 0.5 for ax in figure.axes)
    assert all(len(ax.get_yticks()) >= 3 for ax in figure.axes)
    assert figure.axes[0].get_xlabel() == "simulated time (s)"


def test_uneven_n_is_said_for_each_strategy(traces):
    uneven = traces[(traces["strategy"] != "bohb") | (traces["seed"] < 3)]
    (legend,) = draw_efficiency(efficiency_info(uneven)).legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert "bohb ($n$ = 3)" in labels
    assert "tpe ($n$ = 5)" in labels
    assert "mean, 95 % band; fewer than 5 trials: each thin" in labels  # of bohb's three


@pytest.mark.parametrize("constant", [0.0, 2.0])
def test_a_constant_regret_of_one_trial_can_be_drawn(traces, constant):
    one = traces[(traces["seed"] == 0) & (traces["dataset"] == "cifar10")].assign(regret=constant)
    figure = draw_efficiency(efficiency_info(one), "icml")
    figure.draw_without_rendering()
    assert figure.get_figwidth() == 3.25  # one panel goes into a column
    bottom, top = figure.axes[0].get_ylim()
    assert bottom < constant < top


def test_four_data_sets_take_two_rows(traces):
    more = pd.concat([traces, traces[traces["dataset"] == "cifar10"].assign(dataset="digits")])
    figure = draw_efficiency(efficiency_info(more))
    assert len(figure.axes) == 4
    assert texts_outside(figure) == []


# -- ranks ----------------------------------------------------------------------------------------


def test_rank_info_orders_strategies_and_knows_its_blocks(trials):
    info = rank_info(trials)
    assert [panel.dataset for panel in info.panels] == ["cifar10", "cifar100", "imagenet16-120"]
    panel = info.panels[0]
    table = trials[trials["dataset"] == "cifar10"].pivot(index="seed", columns="strategy", values="regret")
    ranks = dict(zip(table.columns, average_ranks(table.to_numpy()), strict=True))
    assert dict(zip(panel.strategies, panel.ranks, strict=True)) == ranks
    assert list(panel.ranks) == sorted(panel.ranks)
    assert panel.strategies[0] == "bananas"
    assert panel.blocks == 5
    assert panel.critical_difference == critical_difference(7, 5)


@pytest.mark.parametrize("venue", VENUES)
def test_rank_diagram_fits_the_column(trials, venue):
    longer = trials.replace({"strategy": {"regularized-evolution": "regularized-evolution (nats)"}})
    for frame in (trials, longer, longer[longer["strategy"].isin(["tpe", "bohb"])]):
        figure = draw_ranks(rank_info(frame), venue)
        assert figure.get_figwidth() == VENUES[venue].column
        assert texts_outside(figure) == []


def test_rank_labels_do_not_overlap(trials):
    for venue in ("neurips", "icml"):
        figure = draw_ranks(rank_info(trials), venue)
        figure.draw_without_rendering()
        for ax in figure.axes:
            boxes = [text.get_window_extent() for text in ax.texts]
            pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i]]
            assert len(pairs) > 50
            # glyph boxes of neighbouring lines may touch; they may not cover each other
            assert not any(a.shrunk(0.98, 0.7).overlaps(b.shrunk(0.98, 0.7)) for a, b in pairs)


def test_data_sets_without_a_comparison_are_left_out(trials):
    alone = (trials["dataset"] == "cifar100") & (trials["strategy"] != "tpe")
    assert [panel.dataset for panel in rank_info(trials[~alone]).panels] == ["cifar10", "imagenet16-120"]
    with pytest.raises(ValueError, match="two strategies share a seed"):
        rank_info(trials[trials["strategy"] == "tpe"])


# -- files ----------------------------------------------------------------------------------------


def test_saved_figures_are_whole_dated_by_nothing_and_repeatable(traces, trials, tmp_path):
    first = save_figure(draw_efficiency(efficiency_info(traces)), tmp_path / "efficiency.v1")
    assert [path.name for path in first] == ["efficiency.v1.pdf", "efficiency.v1.png"]
    second = save_figure(draw_efficiency(efficiency_info(traces)), tmp_path / "again")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    pdf, png = (path.read_bytes() for path in first)
    assert pdf.startswith(b"%PDF")
    assert b"CreationDate" not in pdf
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20], "big") == round(5.5 * 300)
    save_figure(draw_ranks(rank_info(trials)), tmp_path / "ranks")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        "again.pdf",
        "again.png",
        "efficiency.v1.pdf",
        "efficiency.v1.png",
        "ranks.pdf",
        "ranks.png",
    ]


def test_a_failed_save_leaves_the_old_file_and_no_scrap(trials, tmp_path, monkeypatch):
    figure = draw_ranks(rank_info(trials))
    pdf, _ = save_figure(figure, tmp_path / "ranks")
    before = pdf.read_bytes()

    def full_disk(path, **options):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(figure, "savefig", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_figure(figure, tmp_path / "ranks")
    assert pdf.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ranks.pdf", "ranks.png"]


def test_drawing_opens_no_pyplot_figure(traces):
    from matplotlib import pyplot

    draw_efficiency(efficiency_info(traces))
    assert pyplot.get_fignums() == []
