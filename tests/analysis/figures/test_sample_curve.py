"""The best of n samples: against enumeration, and as it is drawn."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from benchkit.analysis.figures.sample_curve import best_of_first, draw_samples, expected_best, sample_curves

SCORES = np.array([3.0, 1.0, 4.0, 1.5, 9.0, 2.6])


def test_expectation_is_the_mean_over_all_subsets() -> None:
    for n in range(1, 7):
        by_hand = np.mean([max(subset) for subset in combinations(SCORES, n)])
        assert expected_best(SCORES, [n])[0] == pytest.approx(by_hand)


def test_expectation_is_exact_for_thousands_of_samples() -> None:
    """The largest of n of the numbers 1..C is n (C + 1) / (n + 1) on average."""
    count, n = 5000, np.array([1, 50, 1500, 5000])
    np.testing.assert_allclose(
        expected_best(np.arange(1, count + 1), n), n * (count + 1) / (n + 1), rtol=1e-8
    )


def test_first_samples_keep_the_order_of_the_search() -> None:
    assert best_of_first(SCORES, 3) == (3, 4.0, pytest.approx(8 / 3), 2)
    assert best_of_first([2.0, 5.0, 5.0], 3).step == 1


@pytest.mark.parametrize("n", [0, 7])
def test_sizes_out_of_range_are_refused(n: int) -> None:
    with pytest.raises(ValueError, match=r"1\.\.6"):
        expected_best(SCORES, [n])
    with pytest.raises(ValueError, match=r"1\.\.6"):
        best_of_first(SCORES, n)


def test_curves_rise_and_end_at_the_best() -> None:
    rng = np.random.default_rng(0)
    runs = [("guided", f"seed {s}", rng.normal(60, 3, 200)) for s in range(3)]
    info = sample_curves([*runs, ("predefined", "seed 0", rng.normal(50, 3, 100))])
    assert info.curves["n"].max() == 100  # as far as all searches go
    for _, curve in info.curves.groupby(["method", "training"]):
        assert (np.diff(curve["value"]) > 0).all()
    assert set(info.means["method"]) == {"guided"}  # one search has no spread
    only = info.curves[info.curves["method"] == "predefined"]
    assert only["value"].iloc[0] == pytest.approx(50, abs=1)


def test_figure_shows_methods_seeds_and_tests() -> None:
    rng = np.random.default_rng(1)
    runs = [(m, f"seed {s}", rng.normal(60, 3, 200)) for m in ("guided", "predefined") for s in range(3)]
    tests = {(m, f"seed {s}"): {50: 66.0 + s, 200: 67.0} for m in ("guided", "predefined") for s in range(3)}
    figure = draw_samples(sample_curves(runs, tests))
    (ax,) = figure.axes
    assert ax.get_xscale() == "log"
    assert len(ax.lines) == 2 * (3 + 1 + 1 + 2)  # searches, mean, tests, and those of each seed at two n
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [
        "guided, best on validation (mean of 3, each thin)",
        "guided, that one on test, each a dot",
        "predefined, best on validation (mean of 3, each thin)",
        "predefined, that one on test, each a dot",
    ]


def test_no_searches_are_refused() -> None:
    with pytest.raises(ValueError, match="no searches"):
        sample_curves([])
