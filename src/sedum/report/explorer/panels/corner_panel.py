"""The corner plot: all one- and two-dimensional marginals of a posterior, in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, LinearColorMapper, Range1d
from contourpy import contour_generator
from scipy.ndimage import gaussian_filter

from sedum.report.explorer.panels.plot_axes import plot
from sedum.report.explorer.plain_labels import short_label
from sedum.report.plots.style import BLUE

__all__ = ["CornerPanel", "marginals"]

_BINS, _SMOOTH = 30, 1.3
#: Fractions of the draws within the contours: one and two sigma of a two-dimensional normal.
_LEVELS = (0.39, 0.86)
#: The gap between squares, as a fraction of a square.
_GAP = 0.06
#: Initial number of parameters, since panels of more are small; others can be selected.
MOST = 10


class CornerPanel:
    """Histograms of each parameter and densities of each pair.

    Each pair has a square of side one in the figure's coordinates, the first parameter at the
    top left.
    """

    def __init__(self) -> None:
        self.frames = ColumnDataSource({k: [] for k in ("left", "right", "bottom", "top")})
        self.bars = ColumnDataSource(
            {k: [] for k in ("left", "right", "bottom", "top")}, name="corner_bars"
        )
        self.images = ColumnDataSource({k: [] for k in ("image", "x", "y", "dw", "dh")})
        self.lines = ColumnDataSource({"xs": [], "ys": []})
        self.ticks = ColumnDataSource({k: [] for k in ("x0", "y0", "x1", "y1")})
        self.across = ColumnDataSource({k: [] for k in ("x", "y", "text")})
        self.upright = ColumnDataSource({k: [] for k in ("x", "y", "text")})
        self.titles = ColumnDataSource({k: [] for k in ("x", "y", "text")}, name="corner_titles")
        self.names = ColumnDataSource({k: [] for k in ("x", "y", "text", "angle")})
        made = plot(
            x_range=Range1d(-0.8, 1),
            y_range=Range1d(-0.8, 1.2),
            tools="pan,wheel_zoom,box_zoom,reset,save",
            name="corner_plot",
        )
        made.axis.visible = False
        made.grid.visible = False
        shades = LinearColorMapper(palette=_shades(), low=0.0, high=1.0)
        made.image("image", "x", "y", "dw", "dh", source=self.images, color_mapper=shades)
        made.multi_line("xs", "ys", source=self.lines, color=BLUE, line_width=0.9)
        box = {"left": "left", "right": "right", "bottom": "bottom", "top": "top"}
        made.quad(**box, source=self.bars, fill_color=BLUE, fill_alpha=0.45, line_color=None)
        made.quad(**box, source=self.frames, fill_color=None, line_color="#999999", line_width=0.7)
        made.segment("x0", "y0", "x1", "y1", source=self.ticks, color="#999999", line_width=0.7)
        small = {"text_font_size": "10px", "text_color": "#444444"}
        made.text("x", "y", "text", source=self.across, text_align="center", **small)
        made.text(
            "x",
            "y",
            "text",
            source=self.upright,
            text_align="right",
            text_baseline="middle",
            **small,
        )
        made.text(
            "x",
            "y",
            "text",
            source=self.titles,
            text_align="center",
            text_baseline="bottom",
            text_font_size="10px",
            text_color="#222222",
        )
        made.text(
            "x",
            "y",
            "text",
            angle="angle",
            source=self.names,
            text_align="center",
            text_baseline="middle",
            text_font_size="11px",
            text_color="#222222",
        )
        self.figure: Any = made
        self._sources = (
            self.frames,
            self.bars,
            self.images,
            self.lines,
            self.ticks,
            self.across,
            self.upright,
            self.titles,
            self.names,
        )

    def update(self, draws: np.ndarray | None, names: Sequence[str]) -> None:
        """Show draws [draws, d] of some parameters; nothing if None."""
        if draws is None or not names:
            for source in self._sources:
                source.data = {key: [] for key in source.data}
            return
        count = len(names)
        ends = np.percentile(draws, [0.5, 99.5], axis=0)
        pad = np.maximum(0.08 * np.ptp(ends, axis=0), 1e-9)
        low, high = ends[0] - pad, ends[1] + pad
        unit = (draws - low) / (high - low)
        self._place_frames(count)
        self._place_densities(unit)
        self._place_labels(names, low, high)
        self.figure.x_range.update(start=-0.58 * max(count / 6, 1), end=count + 0.02)
        self.figure.y_range.update(start=-0.58 * max(count / 6, 1), end=count + 0.25)

    def _place_frames(self, count: int) -> None:
        pairs = [(i, j) for i in range(count) for j in range(i + 1)]
        left = np.array([j for _, j in pairs], float)
        bottom = np.array([count - 1 - i for i, _ in pairs], float)
        self.frames.data = {
            "left": left,
            "right": left + 1 - _GAP,
            "bottom": bottom,
            "top": bottom + 1 - _GAP,
        }

    def _place_densities(self, unit: np.ndarray) -> None:
        side, count = 1 - _GAP, unit.shape[1]
        edges = np.linspace(0, 1, _BINS + 1)
        bars: dict[str, list[np.ndarray]] = {k: [] for k in ("left", "right", "bottom", "top")}
        images, places, xs, ys = [], [], [], []
        for i in range(count):
            bottom = count - 1 - i
            heights = np.histogram(unit[:, i], edges)[0].astype(float)
            heights *= 0.92 * side / max(heights.max(), 1)
            bars["left"].append(i + side * edges[:-1])
            bars["right"].append(i + side * edges[1:])
            bars["bottom"].append(np.full(_BINS, float(bottom)))
            bars["top"].append(bottom + heights)
            for j in range(i):
                density, contours = marginals(unit[:, j], unit[:, i])
                images.append((density / density.max()).astype(np.float32))
                places.append((float(j), float(bottom)))
                for line in contours:
                    xs.append(j + side * line[:, 0])
                    ys.append(bottom + side * line[:, 1])
        self.bars.data = {key: np.concatenate(values) for key, values in bars.items()}
        self.images.data = {
            "image": images,
            "x": [x for x, _ in places],
            "y": [y for _, y in places],
            "dw": [side] * len(places),
            "dh": [side] * len(places),
        }
        self.lines.data = {"xs": xs, "ys": ys}

    def _place_labels(self, names: Sequence[str], low: np.ndarray, high: np.ndarray) -> None:
        count, side = len(names), 1 - _GAP
        away = 0.075 * max(count / 6, 1)
        across: list[tuple[float, float, str]] = []
        upright: list[tuple[float, float, str]] = []
        ticks: list[tuple[float, float, float, float]] = []
        labels: list[tuple[float, float, str, float]] = []
        titles: list[tuple[float, float, str]] = []
        for i, name in enumerate(names):
            bottom = count - 1 - i
            for value in _round_values(low[i], high[i]):
                at = side * (value - low[i]) / (high[i] - low[i])
                text = f"{value:.6g}".replace("-", "−")
                across.append((i + at, -2.6 * away, text))
                ticks.append((i + at, 0.0, i + at, -0.3 * away))
                if i:
                    upright.append((-0.6 * away, bottom + at, text))
                    ticks.append((0.0, bottom + at, -0.3 * away, bottom + at))
            short = short_label(name)
            # Every second label is farther out, since neighbouring labels would overlap.
            out = 5.2 * away if i % 2 == 0 else 6.8 * away
            middle = i + side / 2
            labels.append((middle, -out, short, 0.0))
            if i:
                labels.append((-out, count - 1 - i + side / 2, short, np.pi / 2))
            titles.append((middle, bottom + side + 0.02, name))
        self.across.data = dict(zip(("x", "y", "text"), _columns(across, 3), strict=True))
        self.upright.data = dict(zip(("x", "y", "text"), _columns(upright, 3), strict=True))
        self.ticks.data = dict(zip(("x0", "y0", "x1", "y1"), _columns(ticks, 4), strict=True))
        self.titles.data = dict(zip(("x", "y", "text"), _columns(titles, 3), strict=True))
        self.names.data = dict(zip(("x", "y", "text", "angle"), _columns(labels, 4), strict=True))


def marginals(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the smoothed density of pairs in the unit square, and its contours.

    Parameters
    ----------
    x, y
        Coordinates, [draws], mostly between 0 and 1.

    Returns
    -------
    density
        [bins of y, bins of x]
    contours
        Lines [points, 2] that hold 39% and 86% of the draws within the square.
    """
    edges = np.linspace(0, 1, _BINS + 1)
    counts = np.histogram2d(y, x, bins=[edges, edges])[0]
    density = gaussian_filter(counts, _SMOOTH, mode="nearest")
    if density.max() <= 0:
        return np.ones_like(density), []
    centres = (edges[1:] + edges[:-1]) / 2
    ordered = np.sort(density.ravel())[::-1]
    fractions = np.cumsum(ordered) / ordered.sum()
    generator = contour_generator(centres, centres, density)
    lines = []
    for level in _LEVELS:
        lines += generator.lines(float(np.interp(level, fractions, ordered)))
    return density, [np.asarray(line) for line in lines]


def _round_values(low: float, high: float) -> list[float]:
    """Return two or three round values well inside an interval."""
    span = high - low
    step = 10.0 ** np.floor(np.log10(span))
    for factor in (2.0, 1.0, 0.5, 0.2, 0.1):
        first = np.ceil((low + 0.12 * span) / (factor * step))
        last = np.floor((high - 0.12 * span) / (factor * step))
        if last - first >= 1:
            values = np.arange(first, last + 1) * factor * step
            # The first and the last are enough.
            return [float(values[0]), float(values[-1])]
    return [float((low + high) / 2)]


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [[row[k] for row in rows] for k in range(width)]


def _shades() -> list[str]:
    """Return shades from transparent to blue."""
    red, green, blue = (int(BLUE[k : k + 2], 16) for k in (1, 3, 5))
    return [f"#{red:02x}{green:02x}{blue:02x}{int(200 * k / 63):02x}" for k in range(64)]
