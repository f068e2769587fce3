"""Cells as graphs: where things stand, that nothing overlaps or is clipped, and what is drawn."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path
from matplotlib.text import Text

from benchkit.analysis.figures.cell import cell_info, draw_cells
from benchkit.analysis.figures.cell_layout import Box, Layout, crossings, lay_out, longest_paths
from benchkit.analysis.figures.style import VENUES


class Cell(NamedTuple):
    title: str
    inputs: int
    nodes: tuple[str, ...]
    edges: tuple[tuple[int, int, str], ...]


EDGES = [(source, target) for target in range(2, 6) for source in range(target)]
JOINED = [(node, 6) for node in range(2, 6)]
NODES = ("$c_{k-2}$", "$c_{k-1}$", "0", "1", "2", "3", "$c_{k}$")
FULL = Cell(
    "normal cell",
    2,
    NODES,
    (*((s, t, "sep_conv_3x3") for s, t in EDGES), *((s, t, "") for s, t in JOINED)),
)
CHAIN = Cell(
    "", 1, ("input", "conv3x3", "maxpool3x3", "output"), ((0, 1, ""), (1, 2, ""), (2, 3, ""), (0, 3, ""))
)

SETS = st.lists(st.booleans(), min_size=len(EDGES), max_size=len(EDGES))


def laid_out(kept: list[bool]) -> tuple[Layout, list[tuple[int, int]], int]:
    chosen = [edge for edge, keep in zip(EDGES, kept, strict=True) if keep]
    edges = [*chosen, *JOINED]
    labels = [(0.6, 0.1)] * len(chosen) + [None] * len(JOINED)
    return lay_out([(0.3, 0.2)] * 7, edges, labels, 2, (0.2, 0.05)), edges, len(chosen)


def apart(first: Box, second: Box) -> bool:
    return (
        abs(first.x - second.x) >= (first.width + second.width) / 2 - 1e-9
        or abs(first.y - second.y) >= (first.height + second.height) / 2 + 0.05 - 1e-9
    )


def test_a_layer_is_the_longest_path_that_leads_there() -> None:
    # 0 -> 2 -> 3 and 0 -> 3; 1 leads nowhere, 4 has no input; 5 is the output
    assert longest_paths(6, [(0, 2), (2, 3), (0, 3), (4, 5)], 2) == [0, 0, 1, 2, 1, 3]


def test_crossings_are_counted_by_hand() -> None:
    assert crossings([1, 2], [3, 4], [(1, 4), (2, 3)]) == 1
    assert crossings([1, 2], [3, 4], [(1, 3), (2, 4)]) == 0
    assert crossings([1, 2, 3], [4, 5], [(1, 5), (2, 5), (3, 4), (2, 4)]) == 3
    assert crossings([1, 2], [3], [(1, 3), (2, 3)]) == 0


@settings(max_examples=40)
@given(kept=SETS)
def test_vertices_labels_and_passing_lines_keep_apart(kept: list[bool]) -> None:
    layout, edges, labelled = laid_out(kept)
    assert len(layout.vertices) == 7
    between = [box for route in layout.routes for box in route.points[1:-1]]
    for first, second in combinations([*layout.vertices, *between], 2):
        assert apart(first, second)
    for number, (route, (source, target)) in enumerate(zip(layout.routes, edges, strict=True)):
        assert route.points[0] == layout.vertices[source]
        assert route.points[-1] == layout.vertices[target]
        assert (route.label is not None) == (number < labelled)
        xs = [box.x for box in route.points]
        assert xs == sorted(set(xs))  # always to the right
    for box in [*layout.vertices, *between]:
        assert box.width / 2 - 1e-9 <= box.x <= layout.width - box.width / 2 + 1e-9
        assert box.height / 2 - 1e-9 <= box.y <= layout.height - box.height / 2 + 1e-9


def test_a_chain_is_straight_and_a_cell_that_can_be_drawn_without_crossings_is() -> None:
    chain = lay_out([(1, 1)] * 4, [(0, 1), (1, 2), (2, 3)], [None] * 3, 1, (1, 1))
    assert [box.y for box in chain.vertices] == pytest.approx([0.5] * 4)
    assert [box.x for box in chain.vertices] == pytest.approx([0.5, 2.5, 4.5, 6.5])
    # both inputs to two nodes each, in an order that crosses as it is given
    edges = [(0, 3), (1, 2), (2, 4), (3, 4)]
    layout = lay_out([(1, 1)] * 5, edges, [None] * 4, 2, (1, 1))
    y = [box.y for box in layout.vertices]
    assert (y[0] - y[1]) * (y[3] - y[2]) > 0


def texts(figure: Figure) -> list[Text]:
    figure.draw_without_rendering()
    return [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("cells", [[FULL, FULL], [CHAIN]], ids=["full", "chain"])
def test_nothing_is_clipped_and_no_text_overlaps_another(venue: str, cells: list[Cell]) -> None:
    figure = draw_cells(cell_info(cells, venue), venue)
    shown = texts(figure)
    assert sorted(text.get_text() for text in shown) == sorted(
        word for cell in cells for word in (cell.title, *cell.nodes, *(e[2] for e in cell.edges)) if word
    )
    boxes = [text.get_window_extent() for text in shown]
    for text, box in zip(shown, boxes, strict=True):
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        assert inside, text.get_text()
    assert not any(first.overlaps(second) for first, second in combinations(boxes, 2))
    assert figure.get_figwidth() in VENUES[venue]


@pytest.mark.parametrize("cell", [FULL, CHAIN], ids=["full", "chain"])
def test_no_line_runs_through_a_text(cell: Cell) -> None:
    figure = draw_cells(cell_info([cell]))
    boxes = [text.get_window_extent() for text in texts(figure) if text.get_text() != cell.title]
    lines = figure.findobj(PathPatch)
    assert len(lines) == len(cell.edges)
    assert len(figure.findobj(FancyBboxPatch)) == len(cell.nodes)
    for line in lines:
        assert isinstance(line, PathPatch)
        whole = line.get_transform().transform_path(line.get_path())
        for part in whole.to_polygons(closed_only=False):  # on either side of a label
            assert not any(Path(part).intersects_bbox(box, filled=False) for box in boxes)


def test_everything_is_black_on_white() -> None:
    figure = draw_cells(cell_info([FULL]))
    assert {text.get_color() for text in texts(figure)} == {"black"}
    colours = {tuple(patch.get_edgecolor()) for patch in figure.findobj(PathPatch)}  # type: ignore[attr-defined]
    assert colours == {(0.0, 0.0, 0.0, 1.0)}


def test_a_cell_without_edges_is_drawn_too() -> None:
    alone = Cell("", 1, ("input", "output"), ())
    assert len(texts(draw_cells(cell_info([alone])))) == 2


def test_nothing_to_draw_and_unknown_venues_are_refused() -> None:
    with pytest.raises(ValueError, match="no cell to draw"):
        draw_cells([])
    with pytest.raises(ValueError, match="unknown venue 'nature'"):
        cell_info([FULL], "nature")
