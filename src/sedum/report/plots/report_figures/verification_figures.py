"""Verification of posteriors: weights, predictive checks, typicality."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from sedum.report.collected.catalogue_counts import POOR_FIT, Histogram
from sedum.report.plots.style import BLUE, ORANGE, figure, styled

__all__ = ["plot_verification"]

_PANELS = {
    "ess": "effective sample size (draws)",
    "k_hat": r"Pareto $\hat k$",
    "ppp": "posterior-predictive p",
    "typicality": "typicality (p-value)",
}


def plot_verification(
    histograms: Mapping[str, Histogram], least_ess: float, good_k: float, level: float
) -> Figure | None:
    """Draw histograms of the available columns of verification, with their limits.

    Parameters
    ----------
    histograms
        By column.
    least_ess, good_k, level
        Limits of verification, and the level of typicality.
    """
    shown = [n for n in _PANELS if n in histograms and histograms[n].counts.sum()]
    if not shown:
        return None
    limits = {"ess": least_ess, "k_hat": good_k, "ppp": POOR_FIT, "typicality": level}
    with styled():
        fig = figure(2.4 * max(len(shown), 2), 2.4)
        axes = fig.subplots(1, len(shown), squeeze=False)[0]
        for axis, name in zip(axes, shown, strict=True):
            histogram = histograms[name]
            axis.stairs(histogram.counts, histogram.edges, fill=True, color=BLUE, alpha=0.75)
            axis.axvline(limits[name], color=ORANGE, lw=1, ls="--")
            # From the first to the last bin that is not empty, and the limit.
            occupied = np.flatnonzero(histogram.counts)[[0, -1]]
            low = min(histogram.edges[occupied[0]], limits[name])
            high = max(histogram.edges[occupied[1] + 1], limits[name])
            if name == "ess":
                axis.set(xscale="log", xlim=(max(low, 1), 1.1 * high))
            else:
                pad = 0.02 * (high - low)
                axis.set_xlim(low - pad, high + pad)
            axis.set_xlabel(_PANELS[name], fontsize=8)
            axis.tick_params(labelsize=7)
        axes[0].set_ylabel("galaxies", fontsize=8)
    return fig
