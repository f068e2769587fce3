"""The look of methods, for every eye and in grey; figures as SVG and PGF."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import seaborn
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from benchkit.analysis.figures.style import method_look, method_looks, save_figure, venue_style
from benchkit.base.errors import InputError
from benchkit.reports.figure_files import write_figure

PAPERS = ("nasas", "vaenas", "pcnas", "gibbsnas", "sivdnas")
BASELINES = ("random-search", "regularized-evolution")
QUERY_BACKED = (*BASELINES, "local-search", "reinforce", "tpe", "bohb", "bananas", *PAPERS)
SUPERNET = (*PAPERS, "spos", "fairnas", "rsps", "darts", "darts-v2", "gdas", "setn", "enas", "snas")
TOL = {"#332288", "#EE6677", "#AA3377", "#663333", "#666633"}  # SRON/EPS/TN/09-002: bright, muted, dark

# Machado, Oliveira and Fernandes (2009), severity 1.0, over linear RGB
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
# IEC 61966-2-1 (sRGB, D65)
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
Floats = npt.NDArray[np.float64]


def linear(color: str) -> Floats:
    """Return the linear RGB of a colour such as #0173b2."""
    coded = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def lab(color: str, vision: str) -> Floats:
    """Return a colour in CIELAB as somebody sees it."""
    white = XYZ @ np.ones(3)
    share = XYZ @ np.clip(VISION[vision] @ linear(color), 0, 1) / white
    f = np.where(share > (6 / 29) ** 3, np.cbrt(share), share * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def nearest(names: tuple[str, ...], vision: str) -> float:
    """Return the smallest distance (CIE 1976) of two methods' colours."""
    seen = [lab(method_look(name).color, vision) for name in names]
    return min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2))


# -- looks ----------------------------------------------------------------------------------------


def test_the_ruler_measures_what_is_published() -> None:
    """White, black, sRGB red (Lindbloom's calculator: 53.24, 80.09, 67.20); grey is grey to everybody."""
    np.testing.assert_allclose(lab("#ffffff", "normal"), [100, 0, 0], atol=1e-9)
    np.testing.assert_allclose(lab("#000000", "normal"), 0, atol=1e-9)
    np.testing.assert_allclose(lab("#ff0000", "normal"), [53.24, 80.09, 67.20], atol=0.01)
    for vision in VISION:
        np.testing.assert_allclose(lab("#949494", vision), lab("#949494", "normal"), atol=0.01)
    # a red and a green that only some can tell apart
    assert np.linalg.norm(lab("#a05050", "normal") - lab("#6e7050", "normal")) > 30
    assert np.linalg.norm(lab("#a05050", "deuteranopia") - lab("#6e7050", "deuteranopia")) < 15


@pytest.mark.parametrize("vision", VISION)
def test_papers_and_baselines_are_told_apart_by_every_eye(vision: str) -> None:
    assert nearest((*BASELINES, *PAPERS), vision) >= 19  # 2.3 is a just noticeable difference


@pytest.mark.parametrize("vision", VISION)
def test_all_query_backed_methods_have_colours_of_their_own(vision: str) -> None:
    assert nearest(QUERY_BACKED, vision) >= (25 if vision == "normal" else 12)


def test_query_backed_methods_can_be_told_apart_in_grey() -> None:
    looks = [method_look(name) for name in QUERY_BACKED]
    assert len({look.color for look in looks}) == len({look.marker for look in looks}) == 12
    for look in looks:  # WCAG's contrast with white paper: no line is too pale
        assert 1.05 / (float(XYZ[1] @ linear(look.color)) + 0.05) >= 2.3
    lines = [look.linestyle for look in looks]
    assert max(lines.count(line) for line in lines) <= 5
    for a, b in combinations(looks, 2):  # of two equally grey lines the marker or the dashes differ
        assert (a.marker, a.linestyle) != (b.marker, b.linestyle)


def test_methods_that_share_weights_differ_in_colour_from_the_papers() -> None:
    others = {method_look(name).color for name in SUPERNET if name not in PAPERS}
    assert not others & {method_look(name).color for name in PAPERS}
    looks = [method_look(name) for name in SUPERNET]
    assert len({(look.color, look.linestyle) for look in looks}) == len(SUPERNET)


def test_colours_are_of_published_colour_blind_safe_sets() -> None:
    safe = {*seaborn.color_palette("colorblind").as_hex(), "#000000"} | TOL
    labels = [*QUERY_BACKED, *SUPERNET, "H-VDNAS", "V-VDNAS", "DARTS-L2", "mine", "other"]
    assert {method_look(label).color for label in labels} <= safe


@pytest.mark.parametrize(
    ("printed", "name"),
    [
        ("SI-VDNAS", "sivdnas"),
        ("GibbsNAS", "gibbsnas"),
        ("PC-NAS", "pcnas"),
        ("DARTS-V1", "darts"),
        ("DARTS-V2", "darts-v2"),
        ("SPOS", "spos"),
    ],
)
def test_labels_of_papers_have_the_look_of_their_strategies(printed: str, name: str) -> None:
    assert method_look(printed) == method_look(name)
    variant = method_look(f"{printed} (long)")
    assert variant.color == method_look(name).color
    assert variant.marker != method_look(name).marker


def test_what_is_compared_in_one_panel_has_colours_of_its_own() -> None:
    labels = ("SI-VDNAS", "H-VDNAS", "V-VDNAS", "DARTS-V1")
    assert min(nearest(labels, vision) for vision in VISION) >= 19
    assert len({method_look(label).marker for label in labels}) == 4
    assert method_look("sivdnas (variant h)") == method_look("H-VDNAS")
    flat = method_look("DARTS-L2")
    assert flat.color == method_look("darts").color
    assert (flat.marker, flat.linestyle) not in {
        (look.marker, look.linestyle) for look in map(method_look, ("darts", "darts-v2", "rsps"))
    }


# -- files ----------------------------------------------------------------------------------------


def figure() -> Figure:
    with venue_style("neurips"):
        drawn = Figure(figsize=(2, 1.5))
        ax = drawn.subplots()
        ax.plot([0, 1, 2], [0.0, 1.0, 0.5], label="a & b", marker="o", clip_on=True)
        ax.fill_between([0, 1, 2], [0, 0, 0], [1, 1, 1], alpha=0.2)
        ax.set_title("100 %")
        ax.legend()
    return drawn


def test_svg_is_the_same_bytes_twice_and_has_no_date(tmp_path: Path) -> None:
    (first,) = save_figure(figure(), tmp_path / "a", ("svg",))
    (second,) = save_figure(figure(), tmp_path / "b", ("svg",))
    assert first.read_bytes() == second.read_bytes()
    text = first.read_text()
    assert "<svg" in text
    assert "clipPath" in text  # whose names would be random
    assert "dc:date" not in text
    assert not re.search(r"\b20\d\d-\d\d-\d\d", text)
    assert "matplotlib.org/ v" not in text.lower()  # nor a release


def test_pgf_without_tex_is_one_line_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    (tmp_path / "a.pgf").write_text("older")
    with pytest.raises(InputError, match="PGF needs a TeX installation with xelatex") as caught:
        write_figure(figure(), tmp_path / "a", ("pgf",))
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pgf"]
    assert (tmp_path / "a.pgf").read_text() == "older"


def test_a_tex_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "bin" / "xelatex"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho '! Font not found'\necho 'more'\nsleep 3\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(broken.parent), prepend=":")
    with pytest.raises(InputError, match=r"PGF needs a TeX.*Font not found more") as caught:
        write_figure(figure(), tmp_path / "out" / "a", ("pgf",))
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_pgf_keeps_its_rasterised_parts_beside_it_and_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without text a figure needs TeX only to know which command it has for images."""
    monkeypatch.setattr(
        "matplotlib.backends.backend_pgf._get_image_inclusion_command", lambda: r"\includegraphics"
    )
    drawn = Figure(figsize=(2, 1.5))
    ax = drawn.subplots()
    ax.scatter([0, 1], [0, 1], rasterized=True)
    ax.set_axis_off()
    paths = save_figure(drawn, tmp_path / "cloud.v1", ("pgf",))
    assert [path.name for path in paths] == ["cloud.v1.pgf", "cloud.v1-img0.png"]
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in paths}
    assert "cloud.v1-img0.png" in paths[0].read_text()


needs_tex = pytest.mark.skipif(shutil.which("xelatex") is None, reason="PGF needs xelatex")


@needs_tex
def test_pgf_is_a_picture_for_tex_and_the_same_twice(tmp_path: Path) -> None:
    (first,) = write_figure(figure(), tmp_path / "a.pgf", ("pgf",))
    (second,) = write_figure(figure(), tmp_path / "b.pgf", ("pgf",))
    assert r"\begin{pgfpicture}" in first.read_text()
    assert first.read_bytes() == second.read_bytes()
    assert "mpl-data" not in first.read_text()  # where the fonts lie is no matter of the figure


@needs_tex
def test_a_paper_can_input_a_pgf(tmp_path: Path) -> None:
    drawn = figure()
    title = r"50 % of {a_b} & #1 ~ c\d, p < 0.1 || q: $\tau_{b}^2$, x^2"
    drawn.axes[0].set_title(title)
    drawn.axes[0].set_ylabel(r"5 $ a_b, \$c")
    drawn.axes[0].set_xticks([0, 1, 2], labels=["my_evolution", "random & co #2", "$x_1$"])
    (path,) = write_figure(drawn, tmp_path / "a.pgf", ("pgf",))
    assert drawn.axes[0].get_title() == title
    assert [text.get_text() for text in drawn.axes[0].get_xticklabels()][1] == "random & co #2"
    assert r"\&" in path.read_text()
    assert r"$\tau_{b}^2$" in path.read_text()
    assert r"p \textless{} 0.1" in path.read_text()
    assert r"my\_evolution" in path.read_text()
    assert path.read_text().count(r"\textdollar{}") == 2
    (tmp_path / "paper.tex").write_text(
        r"\documentclass{article}\usepackage{pgf}"
        "\n\\def\\mathdefault#1{#1}\n"
        r"\begin{document}\input{a.pgf}\end{document}"
    )
    assert r"\def\mathdefault#1{#1}" in path.read_text()
    words = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "paper.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").read_bytes().startswith(b"%PDF-")


def test_variants_in_one_figure_look_different_and_the_same_in_any_order() -> None:
    labels = [
        "random-search",
        *(f"vaenas {n} noise {noise}" for n in (221, 425, 6000) for noise in (0, 0.1, 0.5)),
    ]
    looks = method_looks(labels)
    assert list(looks) == labels
    assert len({(look.marker, look.linestyle) for look in looks.values()}) == len(labels)
    assert {look.color for label, look in looks.items() if label != "random-search"} == {
        method_look("vaenas").color
    }
    assert method_looks(labels[::-1]) == looks
    assert method_looks(QUERY_BACKED) == {name: method_look(name) for name in QUERY_BACKED}
    assert method_looks(SUPERNET) == {name: method_look(name) for name in SUPERNET}


@given(st.lists(st.text(min_size=1, max_size=8), max_size=30))
def test_looks_of_any_labels_differ(labels: list[str]) -> None:
    looks = method_looks(f"gibbsnas ({label})" for label in labels)
    assert len(set(looks.values())) == len(looks) == len(set(labels))


@needs_tex
def test_a_text_that_tex_refuses_is_one_line(tmp_path: Path) -> None:
    drawn = figure()
    drawn.axes[0].set_title(r"$\mathit{a$")
    with pytest.raises(InputError, match="TeX cannot set a text of this figure") as caught:
        write_figure(drawn, tmp_path / "a.pgf", ("pgf",))
    assert "\n" not in str(caught.value)
