"""Draws an architecture's cells as graphs: black on white, operations on edges or in vertices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path

from benchkit.analysis.figures.cell_layout import Box, Layout, Route, lay_out
from benchkit.analysis.figures.style import venue_style

_NODE, _LABEL, _TITLE = 8.0, 7.0, 8.0  # points
_PADDING = (0.06, 0.04)  # inches around a node's text, each side
_AIR = 0.035  # inches between a label and its line
_GAP = (0.24, 0.06)  # inches between layers, and between neighbours in one
_WIDEST_GAP = 0.5  # of layers where there is room
_MARGIN = 0.04
_TITLE_HEIGHT = 0.22
_ARROW = (0.065, 0.05)  # length and width
_LINE = 0.7
_BOX: dict[str, Any] = {
    **{"boxstyle": "round,pad=0,rounding_size=0.05", "linewidth": _LINE},
    **{"facecolor": "white", "edgecolor": "black"},
}


class Diagram(Protocol):
    """A cell to draw: a label a node (so many inputs first, the output last), and (source, target, label)."""

    @property
    def title(self) -> str: ...
    @property
    def inputs(self) -> int: ...
    @property
    def nodes(self) -> Sequence[str]: ...
    @property
    def edges(self) -> Sequence[tuple[int, int, str]]: ...


class CellInfo(NamedTuple):
    """A cell laid out, in inches at full size: its `title`, `nodes`, edge `labels` and `layout`."""

    title: str
    nodes: tuple[str, ...]
    labels: tuple[str, ...]
    layout: Layout


def cell_info(diagrams: Sequence[Diagram], venue: str = "neurips") -> list[CellInfo]:
    """Return the layout of each cell.

    Parameters
    ----------
    venue : Venue of the page; layers stand further apart where it has room.

    Raises
    ------
    ValueError : an unknown venue.
    """
    with venue_style(venue) as page:
        canvas: Any = FigureCanvasAgg(Figure(figsize=(1, 1), dpi=300))
        found = []
        for diagram in diagrams:
            sizes = [_padded(*_measured(canvas, text, _NODE)) for text in diagram.nodes]
            texts = [text for *_, text in diagram.edges]
            measured = [_measured(canvas, text, _LABEL) if text else None for text in texts]
            labels = [size and (size[0] + 2 * _AIR, size[1]) for size in measured]
            edges = [(source, target) for source, target, _ in diagram.edges]
            layout = lay_out(sizes, edges, labels, diagram.inputs, _GAP)
            layers = len({round(box.x, 6) for route in layout.routes for box in route.points})
            room = page.text - 2 * _MARGIN - layout.width
            if layers > 1 and room > 0:
                wider = min(_GAP[0] + room / (layers - 1), _WIDEST_GAP)
                layout = lay_out(sizes, edges, labels, diagram.inputs, (wider, _GAP[1]))
            found.append(CellInfo(diagram.title, tuple(diagram.nodes), tuple(texts), layout))
    return found


def _measured(canvas: Any, text: str, size: float) -> tuple[float, float]:
    """Return width and height of a text in inches; a line of it is always equally high."""
    figure = canvas.figure
    drawn = figure.text(0, 0, text, fontsize=size)
    width = drawn.get_window_extent(canvas.get_renderer()).width / figure.dpi
    drawn.remove()
    return float(width), size / 72


def _padded(width: float, height: float) -> tuple[float, float]:
    height += 2 * _PADDING[1]
    return max(width + 2 * _PADDING[0], height), height


def draw_cells(cells: Sequence[CellInfo], venue: str = "neurips") -> Figure:
    """Draw cells below each other, in a figure as wide as the venue's column, or its text where they need it.

    Raises
    ------
    ValueError : an unknown venue, or nothing to draw.
    """
    if not cells:
        raise ValueError("there is no cell to draw")
    with venue_style(venue) as page:
        needed = max(cell.layout.width for cell in cells) + 2 * _MARGIN
        width = page.column if needed <= page.column else page.text
        scale = min(1.0, width / needed)
        heights = [
            scale * (cell.layout.height + 2 * _MARGIN) + (_TITLE_HEIGHT if cell.title else 0.0)
            for cell in cells
        ]
        figure = Figure(figsize=(width, sum(heights)))
        top = sum(heights)
        for cell, height in zip(cells, heights, strict=True):
            bottom = top - height
            ax = figure.add_axes((0.0, bottom / sum(heights), 1.0, height / sum(heights)))
            _draw(ax, cell, width, height, scale)
            top = bottom
    return figure


def _draw(ax: Axes, cell: CellInfo, width: float, height: float, scale: float) -> None:
    """Draw one cell into axes whose unit is an inch at full size, centred."""
    ax.set_axis_off()
    layout = cell.layout
    left = layout.width / 2 - width / scale / 2
    ax.set_xlim(left, left + width / scale)
    ax.set_ylim(-_MARGIN, height / scale - _MARGIN)
    for route, label in zip(layout.routes, cell.labels, strict=True):
        _draw_route(ax, route)
        if route.label is not None:
            _write(ax, route.points[route.label], label, _LABEL * scale)
    for box, text in zip(layout.vertices, cell.nodes, strict=True):
        corner = (box.x - box.width / 2, box.y - box.height / 2)
        ax.add_patch(FancyBboxPatch(corner, box.width, box.height, **_BOX))
        _write(ax, box, text, _NODE * scale)
    if cell.title:
        place = (layout.width / 2, height / scale - _MARGIN - 0.06 / scale)
        ax.text(*place, cell.title, fontsize=_TITLE, color="black", ha="center", va="top")


def _write(ax: Axes, box: Box, text: str, size: float) -> None:
    """Write a text into a box: words on one baseline, whatever their letters; math by its own height."""
    vertical: Literal["center", "center_baseline"] = "center" if "$" in text else "center_baseline"
    ax.text(box.x, box.y, text, fontsize=size, color="black", ha="center", va=vertical)


def _draw_route(ax: Axes, route: Route) -> None:
    """Draw an edge: straight through layers, in curves between them, with a gap at its label."""
    target = route.points[-1]
    path: list[tuple[Any, float, float]] = []  # a code of Path, x, y
    for box, following, right, stop in route.bends():
        if box.height:  # else the line goes on
            path.append((Path.MOVETO, box.x + box.width / 2, box.y))
        inside = _ARROW[0] / 2 if following is target else 0.0  # the line ends inside the arrow's head
        if target.width == target.room:
            stop -= inside
        middle = (right + stop) / 2
        path.append((Path.LINETO, right, box.y))
        path += [
            (Path.CURVE4, x, y) for x, y in ((middle, box.y), (middle, following.y), (stop, following.y))
        ]
        if following.height:
            path.append((Path.LINETO, max(stop, following.x - following.width / 2 - inside), following.y))
    points = Path([(x, y) for _, x, y in path], [int(code) for code, *_ in path])
    ax.add_patch(PathPatch(points, fill=False, edgecolor="black", linewidth=_LINE))
    x, y = target.x - target.width / 2, target.y
    head = [(x, y), (x - _ARROW[0], y + _ARROW[1] / 2), (x - _ARROW[0], y - _ARROW[1] / 2)]
    ax.add_patch(Polygon(head, closed=True, facecolor="black", edgecolor="none"))
