"""The best of K: windows of a trace, gains over both baselines, tests, and what is printed; and Figure 2."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.integrate import trapezoid

from benchkit.analysis.figures.sample_density import density_info, draw_density
from benchkit.analysis.tables.best_of_k import (
    SUMMARY_COLUMNS,
    Window,
    best_of_k_latex,
    best_of_k_layout,
    best_of_k_summary,
    best_steps,
)
from tests.analysis.latex_structure import check_structure


def trace(strategy, dataset, seed, scores):
    return pd.DataFrame(
        {"strategy": strategy, "dataset": dataset, "seed": seed, "step": range(len(scores)), "score": scores}
    )


def test_the_best_of_a_window_by_hand():
    """Ties go to the earlier step; a window may have a gap; the order of rows does not matter."""
    traces = pd.concat(
        [
            trace("s", "d", 0, [9.0, 1.0, 3.0, 3.0, 2.0, 8.0]),
            trace("s", "d", 1, [0.0, 5.0, 1.0, 2.0, 7.0, 1.0]),
        ]
    ).sample(frac=1, random_state=1)
    windows = [
        Window("sampler", "3", "s", ((1, 4),)),
        Window("sampler", "evolution", "s", ((1, 2), (4, 6))),
        Window("random", "all", "s", ((0, 6),)),
    ]
    found = best_steps(traces, windows)
    steps = {(row.column, row.seed): row.step for row in found.itertuples()}
    assert steps == {
        ("3", 0): 2,
        ("3", 1): 1,
        ("evolution", 0): 5,
        ("evolution", 1): 4,
        ("all", 0): 0,
        ("all", 1): 4,
    }


def test_a_trial_that_ends_too_early_is_an_error_not_a_smaller_k():
    traces = trace("s", "d", 4, [1.0, 2.0])
    with pytest.raises(ValueError, match=r"x at 3 needs 3 steps; the trial of s on d with seed 4 has 2"):
        best_steps(traces, [Window("x", "3", "s", ((0, 3),))])
    with pytest.raises(ValueError, match="no traces of t"):
        best_steps(traces, [Window("x", "1", "t", ((0, 1),))])


def values(n=12, seed=0):
    """Random search, fairer random search 0.5 better, a sampler 1 better than plain; two columns."""
    rng = np.random.default_rng(seed)
    rows = []
    for name, mean in (("random", 90.0), ("random, 9 + K", 90.5), ("sampler", 91.0)):
        for column in ("10", "evolution"):
            for s in range(n):
                valid = mean + rng.normal(0, 0.1)
                rows.append((name, column, "d", s, valid, valid - 1))
    return pd.DataFrame(rows, columns=["row", "column", "dataset", "seed", "valid", "test"])


BASELINES = {"sampler": ("random", "random, 9 + K")}


def summary(frame, **options):
    return best_of_k_summary(frame, BASELINES, **options)


def test_gains_are_paired_differences_and_p_values_are_corrected_together():
    frame = values()
    found = summary(frame).set_index(["row", "column"])
    assert tuple(summary(frame).columns) == SUMMARY_COLUMNS
    cell = {
        (row, column): part.sort_values("seed")["valid"].to_numpy()
        for (row, column), part in frame.groupby(["row", "column"])
    }
    raw = []
    for column in ("10", "evolution"):
        for name, baseline in (("gain", "random"), ("fair_gain", "random, 9 + K")):
            difference = cell["sampler", column] - cell[baseline, column]
            row = found.loc[("sampler", column)]
            assert row[name] == pytest.approx(difference.mean())
            assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]
            raw.append(stats.wilcoxon(difference, method="exact").pvalue)
    ascending = np.sort(raw)
    holm = np.minimum(1, np.maximum.accumulate(ascending * np.arange(4, 0, -1)))
    corrected = found.loc["sampler", ["p_value", "fair_p_value"]].to_numpy().ravel()
    assert sorted(corrected) == pytest.approx(holm.tolist())
    assert found.loc["random", ["gain", "fair_gain", "p_value", "fair_p_value"]].isna().all(axis=None)
    assert found["n"].tolist() == [12] * 6
    assert found.loc[("sampler", "10"), "test"] == pytest.approx(found.loc[("sampler", "10"), "valid"] - 1)


def test_a_sampler_no_better_than_chance_is_not_called_better():
    frame = values()
    frame.loc[frame["row"] == "sampler", "valid"] = frame.loc[frame["row"] == "random", "valid"].to_numpy()[
        ::-1
    ]
    found = summary(frame)
    assert (found["p_value"].dropna() > 0.05).all()
    assert "*" not in best_of_k_layout(found, "d")[1][3][1]


def test_data_sets_are_corrected_on_their_own():
    two = pd.concat([values(), values().assign(dataset="e")], ignore_index=True)
    together, alone = summary(two), summary(values())
    for dataset in ("d", "e"):
        part = together[together["dataset"] == dataset]
        np.testing.assert_allclose(part["p_value"], alone["p_value"])


def test_missing_test_accuracy_stays_missing():
    found = summary(values().assign(test=np.nan))
    assert found[["test", "test_low", "test_high"]].isna().all(axis=None)
    assert found["valid"].notna().all()


def test_the_layout_has_a_column_each_k_and_the_gains_below_each_method():
    header, rows = best_of_k_layout(summary(values()), "d")
    assert header == ["best of", "10", "evolution"]
    assert [row[0] for row in rows] == [
        "random",
        "random, 9 + K",
        "sampler",
        "  over the same K",
        "  over the same queries",
    ]
    assert rows[3][1].startswith("+1.0")
    assert "*" in rows[4][2]
    text = best_of_k_latex(summary(values()), "A & B.")
    assert r"A \& B. Best validation" in text
    assert r"\quad over the same queries & +0." in text
    assert text.count(r"\\") == 1 + 1 + 5
    assert "Best of a column in bold." in text
    lines = {line.split(" & ")[0]: line for line in text.splitlines() if " & " in line}
    means = {row[0]: row[1].split(" ")[0] for row in rows if not row[0].startswith(" ")}
    best = max(means.values(), key=float)
    for name, mean in means.items():
        assert lines[name].split(" & ")[1].startswith(rf"\textbf{{{mean}}}" if mean == best else mean)
    sourced = best_of_k_latex(summary(values()), "A & B.", "Table a_b; 9 seeds", ["SHA-256 00"])
    assert r"in bold. Table a\_b; 9 seeds.}" in sourced
    assert sourced.splitlines()[1] == "% SHA-256 00"
    check_structure(sourced)


# -- Figure 2 ---------------------------------------------------------------------------------


def test_densities_are_those_of_the_samples():
    """A normal sample of 5,000: its density, to a tenth of its peak, and what lies left of the figure."""
    rng = np.random.default_rng(0)
    chance = np.concatenate([rng.normal(90, 1, 4500), rng.uniform(10, 20, 500)])
    info = density_info({"random-search": chance, "vaenas": rng.normal(92, 0.5, 5000)}, "d")
    first, second = info.curves
    assert (first.label, first.n) == ("random-search", 5000)
    assert first.below == pytest.approx(0.05, abs=0.001)
    assert second.below == 0
    expected = stats.norm(92, 0.5).pdf(info.x)
    assert np.abs(second.density - expected).max() < 0.1 * expected.max()
    inside = info.x > 87
    expected = 0.9 * stats.norm(90, 1).pdf(info.x[inside])
    assert np.abs(first.density[inside] - expected).max() < 0.1 * expected.max()  # the tail widens nothing
    assert trapezoid(second.density, info.x) == pytest.approx(1, abs=0.01)


def test_equal_samples_have_a_narrow_peak():
    info = density_info({"a": np.full(10, 90.0), "b": np.linspace(89, 91, 10)})
    assert info.x[np.argmax(info.curves[0].density)] == pytest.approx(90, abs=0.02)


def test_density_refuses_nothing_to_draw():
    with pytest.raises(ValueError, match="no samples"):
        density_info({})
    with pytest.raises(ValueError, match="at least 2 samples, a has 1"):
        density_info({"a": np.ones(1)})


def test_the_figure_has_a_panel_each_sampler_and_says_n():
    rng = np.random.default_rng(0)
    names = [
        "random-search",
        *(f"vaenas 6000 noise {noise}" for noise in (0, 0.1, 0.5)),
        "vaenas 221 noise 0",
    ]
    figure = draw_density(density_info({name: rng.normal(90, 1, 500) for name in names}, "cifar10"))
    figure.draw_without_rendering()
    assert [ax.get_title() for ax in figure.axes] == names[1:]
    assert all("$n$ = 500\nmean " in ax.texts[0].get_text() for ax in figure.axes)
    legend = figure.legends[0]
    assert legend.get_texts()[0].get_text().startswith("random-search: $n$ = 500")
    assert legend.get_window_extent().x0 >= figure.bbox.x0
    assert legend.get_window_extent().x1 <= figure.bbox.x1
    with pytest.raises(ValueError, match="no sampler to draw"):
        draw_density(density_info({"random-search": rng.normal(90, 1, 500)}))
