"""The style of all figures: colours safe for colour-blind readers, and no display needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from cycler import cycler
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sedum.report.plots.axis_labels import LABELS, label
from sedum.storage import atomic_path

__all__ = ["BLUE", "GREY", "LABELS", "ORANGE", "figure", "label", "save", "styled"]

# Okabe & Ito (2008), distinguishable with any colour vision.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#666666"
CYCLE = [BLUE, ORANGE, GREEN, PURPLE, "#E69F00", "#56B4E9", "#000000", "#F0E442", GREY]

_STYLE = {
    "font.size": 9,
    "axes.prop_cycle": cycler(color=CYCLE),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.dpi": 130,
    "savefig.dpi": 130,
    # Text in vector files: as TrueType, which journals want; in SVG as outlines, the same anywhere.
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    # Names inside SVG are hashes: with one salt, a figure has the same bytes each time.
    "svg.hashsalt": "sedum",
}


@contextmanager
def styled() -> Iterator[None]:
    """Apply the style inside the body."""
    with mpl.rc_context(_STYLE):
        yield


def figure(width: float, height: float, constrained: bool = True) -> Figure:
    """Return a figure of a size in inches that needs no display and no global state.

    ``constrained`` lets matplotlib place the axes; False is for those who place them.
    """
    made = Figure(figsize=(width, height), layout="constrained" if constrained else None)
    FigureCanvasAgg(made)
    return made


def save(made: Figure, path: str | Path) -> Path:
    """Write a figure atomically, in the format of its extension."""
    path = Path(path)
    with atomic_path(path) as temporary:
        made.savefig(temporary, format=path.suffix.lstrip("."))
    return path
