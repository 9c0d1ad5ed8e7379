"""Photometric redshifts against known ones: the panel that several figures have."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import LogLocator

from sedum.check.known_redshifts import OUTLIER
from sedum.report.plots.style import BLUE, GREY, ORANGE

__all__ = ["draw_redshifts", "set_redshift_ticks"]

#: Maximum number of galaxies that are drawn as points.
_MAX_POINTS = 3000


def draw_redshifts(
    axis: Axes, truth: np.ndarray, low: np.ndarray, median: np.ndarray, high: np.ndarray
) -> None:
    """Draw posterior redshifts against known ones, on logarithmic axes of 1 + z.

    Points have bars from the 16th to the 84th percentile; many galaxies are drawn as their number
    in cells. Dashed lines are the limits of outliers.

    Parameters
    ----------
    axis
        The panel.
    truth
        Known redshifts, [n].
    low, median, high
        16th, 50th and 84th percentiles of the posteriors, [n].
    """
    x, y = 1 + np.maximum(truth, 0), 1 + np.maximum(median, 0)
    if len(truth) > _MAX_POINTS:
        cells: dict[str, Any] = {"gridsize": 60, "bins": "log", "cmap": "Blues"}
        axis.hexbin(x, y, xscale="log", yscale="log", linewidths=0.1, rasterized=True, **cells)
    else:
        bars = [np.maximum(median - low, 0), np.maximum(high - median, 0)]
        faint = len(truth) > 500
        axis.errorbar(
            x,
            y,
            yerr=bars,
            fmt="none",
            ecolor=BLUE,
            elinewidth=0.4,
            alpha=0.15 if faint else 0.5,
            rasterized=faint,
        )
        axis.plot(x, y, ".", color=BLUE, ms=4, alpha=0.6, mew=0)
    ends = np.array([1.0, 1.05 * max(x.max(), y.max())])
    axis.plot(ends, ends, color=ORANGE, lw=1)
    for factor in (1 - OUTLIER, 1 + OUTLIER):
        axis.plot(ends, factor * ends, color=GREY, lw=0.7, ls="--")
    axis.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
    axis.set(xlabel="1 + known redshift", ylabel="1 + posterior redshift (68%)")
    for which in (axis.xaxis, axis.yaxis):
        set_redshift_ticks(which, ends[1])


def set_redshift_ticks(axis: Axis, end: float) -> None:
    """Give a logarithmic axis of 1 + z, which reaches to ``end``, plain numbers."""
    steps = (1, 1.1, 1.2, 1.5, 2, 3, 5) if end < 3 else (1, 1.5, 2, 3, 5)
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(lambda value, _: "")
