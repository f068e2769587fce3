"""Gives figures one look and keeps them: widths of columns, a stable look a method, deterministic files.

Figures are made with matplotlib's object interface, never with pyplot: no window, no backend, no state
left behind. Fonts are the ones that matplotlib ships (STIX, a Times), so a figure looks the same
everywhere.

Widths (inches) as the venues' LaTeX classes set them: NeurIPS and ICLR one column of 5.5; ICML columns of
3.25 and a text of 6.75; CVPR 3.25 and 6.875; AAAI 3.3 and 7.0.

Colours are of seaborn's ``colorblind`` palette, and for the five papers' methods of Paul Tol's schemes
(Colour Schemes, SRON/EPS/TN/09-002, 2021: bright, muted, dark).

Deviations and choices
----------------------
- The twelve query-backed methods have twelve colours and twelve markers. Under a full protanopia or
  deuteranopia (Machado et al. 2009) any two colours of the five papers' methods, random search and evolution
  are still 19 apart in CIELAB, and any two of the twelve are 12 apart. No twelve colours are far apart
  for everybody, nor in grey: there the markers and the line styles tell the methods apart.
- Methods that share their weights appear with the five papers, and seldom with the other seven query-backed
  ones, so they share these seven's colours, never marker and line style too.
- Labels as papers print them (``GibbsNAS``, ``SI-VDNAS``) have the looks of their strategies. H- and V-VDNAS
  are compared with SI-VDNAS in one panel, so they have colours of their own.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import seaborn
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, FigureBase
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from benchkit.analysis.figures.pgf import tex_texts, without_preamble
from benchkit.analysis.figures.text import FONT
from benchkit.base.errors import shown
from benchkit.base.files import replacing


class Venue(NamedTuple):
    """A venue's page: `column` and `text` widths in inches (equal where it has one column)."""

    column: float
    text: float


VENUES = {
    "neurips": Venue(column=5.5, text=5.5),
    "iclr": Venue(column=5.5, text=5.5),
    "icml": Venue(column=3.25, text=6.75),
    "cvpr": Venue(column=3.25, text=6.875),
    "aaai": Venue(column=3.3, text=7.0),
}


FORMATS: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pgf": {},
}
"""Formats of figures, and what is left out of their metadata."""

LineStyle = Literal["-"] | tuple[float, tuple[float, ...]]
"""A solid line, or (offset, on and off lengths in points)."""


class Look(NamedTuple):
    """How one method is drawn everywhere: a colour, and in grey still a marker and a line style."""

    color: str
    marker: str
    linestyle: LineStyle


_BLUE, _ORANGE, _GREEN, _VERMILION, _PURPLE, _BROWN, _PINK, _GREY, _YELLOW, _SKY = seaborn.color_palette(
    "colorblind"
).as_hex()
_INDIGO, _RED, _MAGENTA, _MAROON, _OLIVE = "#332288", "#EE6677", "#AA3377", "#663333", "#666633"  # Tol's
_SOLID: LineStyle = "-"
_LONG: LineStyle = (0, (8.0, 2.0))
_DASHED: LineStyle = (0, (4.0, 1.5))
_DOTTED: LineStyle = (0, (1.0, 1.2))
_DASHDOT: LineStyle = (0, (5.0, 1.3, 1.0, 1.3))
_DASHDOTDOT: LineStyle = (0, (5.0, 1.2, 1.0, 1.2, 1.0, 1.2))

_LOOKS = {
    "random-search": Look("#000000", "o", _DOTTED),
    "regularized-evolution": Look(_BLUE, "s", _SOLID),
    "local-search": Look(_GREEN, "^", _DASHED),
    "reinforce": Look(_PURPLE, "v", _DASHDOT),
    "tpe": Look(_ORANGE, "D", _SOLID),
    "bohb": Look(_SKY, "P", _DASHED),
    "bananas": Look(_VERMILION, "X", _LONG),
    "nasas": Look(_INDIGO, "<", _DASHED),
    "vaenas": Look(_RED, ">", _SOLID),
    "pcnas": Look(_OLIVE, "p", _SOLID),
    "gibbsnas": Look(_MAGENTA, "*", _SOLID),
    "sivdnas": Look(_MAROON, "h", _DASHDOT),
    "spos": Look(_SKY, "o", _SOLID),
    "fairnas": Look(_BROWN, "s", _SOLID),
    "rsps": Look(_GREY, "o", _DOTTED),
    "darts": Look(_GREY, "^", _SOLID),
    "darts-v2": Look(_GREY, "v", _DASHED),
    "gdas": Look(_BROWN, "D", _DASHED),
    "setn": Look(_BROWN, "P", _DASHDOT),
    "enas": Look(_GREEN, "X", _DASHDOT),
    "snas": Look(_BLUE, "*", _DASHDOT),
    "h-vdnas": Look(_ORANGE, "d", _DASHED),
    "v-vdnas": Look(_SKY, "H", _LONG),
    "darts-l2": Look(_GREY, "8", _DASHDOTDOT),
}
_PRINTED = {
    "si-vdnas": "sivdnas",
    "sivdnas (variant h)": "h-vdnas",
    "sivdnas (variant v)": "v-vdnas",
    "darts-v1": "darts",
    "pc-nas": "pcnas",
}
"""Other names of methods, in lower case."""
# pink and yellow are too pale for lines
_COLORS = (_BLUE, _ORANGE, _GREEN, _VERMILION, _PURPLE, _BROWN, _GREY, _SKY)
_OTHER_MARKERS = ("d", "H", "8")  # no strategy's own
_VARIANTS = (*_OTHER_MARKERS, "s", "^", "D", "v", "P", "X")  # of variants that would look alike
_OTHER_LINES = (_SOLID, _DASHED, _DASHDOT, _LONG, _DASHDOTDOT)


def method_look(label: str) -> Look:
    """Return the one look of a method, for every figure.

    A label may be a method's name, or what papers print (``"SI-VDNAS"``, ``"GibbsNAS"``). A variant
    (``"regularized-evolution (nats)"``, ``"vaenas-g"``) has its method's colour with a marker of its own; a
    label that belongs to no known method gets a look from its SHA-256.
    """
    name = _PRINTED.get(label.lower(), label.lower())
    if name in _LOOKS:
        return _LOOKS[name]
    digest = hashlib.sha256(label.encode()).digest()
    known = {each: each for each in _LOOKS} | _PRINTED
    longest = max((each for each in known if name.startswith((f"{each} ", f"{each}-"))), key=len, default="")
    method = known.get(longest)
    color = _LOOKS[method].color if method else _COLORS[digest[0] % len(_COLORS)]
    marker = _OTHER_MARKERS[digest[1] % len(_OTHER_MARKERS)]
    return Look(color, marker, _OTHER_LINES[digest[2] % len(_OTHER_LINES)])


def method_looks(labels: Iterable[str]) -> dict[str, Look]:
    """Return the looks of methods that stand in one figure, in their order, no two the same.

    Each has its own (`method_look`). Of variants of one method that would share a marker the first by name
    keeps it; the others get another marker or, when there are no more, another line.
    """
    names = dict.fromkeys(labels)
    looks: dict[str, Look] = {}
    for label in sorted(names):
        look = method_look(label)
        taken = {(each.marker, each.linestyle) for each in looks.values() if each.color == look.color}
        if look.marker in {marker for marker, _ in taken}:
            lines = [look.linestyle, *(line for line in _OTHER_LINES if line != look.linestyle)]
            others = [look._replace(marker=marker, linestyle=line) for line in lines for marker in _VARIANTS]
            unused = (each for each in others if each.marker not in {marker for marker, _ in taken})
            free = (each for each in others if (each.marker, each.linestyle) not in taken)
            look = next(unused, next(free, look))
        looks[label] = look
    return {label: looks[label] for label in names}


@contextmanager
def venue_style(venue: str) -> Iterator[Venue]:
    """Set matplotlib's parameters for a venue within the ``with`` block, and put them back after it.

    Yields
    ------
    Venue : its widths in inches.

    Raises
    ------
    ValueError : no such venue; it lists those there are.
    """
    if venue not in VENUES:
        raise ValueError(f"unknown venue {shown(venue)}; there are {', '.join(VENUES)}")
    with rc_context(_parameters()):
        yield VENUES[venue]


def luminance(color: npt.ArrayLike) -> float:
    """Return the relative luminance of an sRGB colour, channels in 0..1, from 0 (black) to 1 (white).

    Black and white stand out alike on a ground of 0.179.

    Source: WCAG 2.2.
    """
    channels = np.asarray(color, dtype=np.float64)[:3]
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def line_style(look: Look) -> dict[str, Any]:
    """Return how a method's line with markers is drawn, as keywords of ``Axes.plot``."""
    return {
        "color": look.color,
        "linestyle": look.linestyle,
        "marker": look.marker,
        "markeredgecolor": "white",
        "markeredgewidth": 0.3,
    }


def line_handle(label: str, **style: Any) -> Line2D:
    """Return the entry of a legend for a line."""
    return Line2D([], [], label=label, **style)


def band_handle(label: str) -> Patch:
    """Return the entry of a legend for the bands of all methods."""
    return Patch(color="0.5", alpha=0.3, linewidth=0, label=label)


def panel_grid(figure: FigureBase, panels: int, columns: int, **shared: Any) -> list[Axes]:
    """Return axes in rows of so many columns, as many as there are panels; the rest of the last row is empty.

    Parameters
    ----------
    shared : Keywords of ``Figure.subplots``.
    """
    axes: list[Axes] = (
        figure.subplots(-(-panels // columns), columns, squeeze=False, **shared).ravel().tolist()
    )
    for ax in axes[panels:]:
        ax.remove()
    return axes[:panels]


def finish_axes(ax: Axes, grid: Literal["x", "y"] = "y") -> None:
    """Draw a pale grid along one axis, behind all else, and no frame at the top and the right."""
    ax.grid(axis=grid, which="major", color="0.9")
    ax.set_axisbelow(True)
    seaborn.despine(ax=ax)


def legend_below(figure: Figure, handles: Sequence[Artist], most: int, **options: Any) -> Legend:
    """Put a legend under all axes, in as many columns as fit into the figure, but no more than `most`.

    Parameters
    ----------
    options : Keywords of ``Figure.legend``, over those that all figures share.
    """
    shared = {"loc": "outside lower center", "frameon": False, "columnspacing": 1.2, "labelspacing": 0.3}
    canvas: Any = FigureCanvasAgg(figure)
    renderer = canvas.get_renderer()
    for columns in range(max(1, min(most, len(handles))), 0, -1):
        legend = figure.legend(handles=list(handles), ncols=columns, borderpad=0.1, **{**shared, **options})
        if columns == 1 or legend.get_window_extent(renderer).width <= figure.bbox.width:
            break
        legend.remove()
    return legend


def save_figure(figure: Figure, stem: str | Path, formats: Sequence[str] = ("pdf", "png")) -> list[Path]:
    """Write ``stem.pdf``, ``stem.png`` (300 dpi) and so on, each whole or not at all.

    Parameters
    ----------
    stem : Path without an extension; its folder must exist. A dot in the name is no extension.
    formats : Names in `FORMATS`.

    Returns
    -------
    The paths; the rasterised parts of a PGF are PNG files that belong to it, ``stem-img0.png`` and so on.
    The same figure gives the same bytes: no date and no release is written into the files.
    """
    stem = Path(stem)
    paths = []
    with rc_context(_parameters()):
        for extension in formats:
            name = f"{stem.name}.{extension}"
            metadata: Any = {"metadata": FORMATS[extension]} if FORMATS[extension] else {}  # PGF takes none
            with tempfile.TemporaryDirectory() as folder:  # it may be the place of a link, or of a device
                apart = Path(folder)
                with tex_texts(figure, FONT) if extension == "pgf" else nullcontext():
                    figure.savefig(apart / name, format=extension, dpi=300, **metadata)
                if extension == "pgf":
                    without_preamble(apart / name)
                made = sorted(apart.iterdir(), key=lambda path: (path.name == name, path.name))
                for path in made:  # what the figure refers to comes before it
                    with replacing(stem.with_name(path.name)) as temporary:
                        shutil.copyfile(path, temporary)
            paths += [stem.with_name(path.name) for path in reversed(made)]
    return paths


def _parameters() -> Any:  # to mypy, rc keys are literals in some releases of matplotlib and str in others
    return {
        **seaborn.axes_style("ticks"),
        "font.family": FONT,
        "font.serif": [FONT],
        "mathtext.fontset": "stix",
        **dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize"), 8),
        **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), 7),
        "legend.fontsize": 7.5,
        **dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 0.6),
        **dict.fromkeys(("xtick.minor.width", "ytick.minor.width", "grid.linewidth"), 0.4),
        **dict.fromkeys(("xtick.major.size", "ytick.major.size"), 2.5),
        **dict.fromkeys(("xtick.minor.size", "ytick.minor.size"), 1.5),
        **dict.fromkeys(("xtick.major.pad", "ytick.major.pad", "axes.labelpad"), 2),
        "axes.titlepad": 4,
        "lines.linewidth": 1.1,
        "lines.markersize": 3.6,
        "svg.hashsalt": "benchkit",  # names of clip paths do not depend on the time
        "pdf.fonttype": 42,  # ICML and AAAI refuse Type 3 fonts
        "savefig.bbox": None,  # the width is the venue's
    }
