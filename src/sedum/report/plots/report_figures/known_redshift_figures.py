"""Posterior redshifts against known ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from sedum.check.known_redshifts import OUTLIER
from sedum.report.plots.redshift_comparison import draw_redshifts, set_redshift_ticks
from sedum.report.plots.style import BLUE, GREY, ORANGE, figure, styled

__all__ = ["REACH", "plot_known", "plot_known_bins"]

#: Redshift errors that are drawn, over 1 + z.
REACH = 3 * OUTLIER
_MANY = 3000


def plot_known(sample: np.ndarray) -> Figure:
    """Draw posterior redshifts against known ones, and their errors against redshift.

    Parameters
    ----------
    sample
        Known redshift, 16th, 50th and 84th percentile of the posterior, [n, 4].
    """
    truth, low, middle, high = sample.T
    error = (middle - truth) / (1 + truth)
    with styled():
        fig = figure(9.6, 3.9)
        compare, residual, histogram = fig.subplots(1, 3, width_ratios=(1.25, 1.25, 0.7))
        draw_redshifts(compare, truth, low, middle, high)
        x = 1 + np.maximum(truth, 0)
        if len(truth) > _MANY:
            use = np.abs(error) < REACH
            residual.hexbin(
                x[use],
                error[use],
                gridsize=60,
                bins="log",
                cmap="Blues",
                xscale="log",
                linewidths=0.1,
                rasterized=True,
            )
        else:
            residual.plot(x, error, ".", color=BLUE, ms=4, alpha=0.6, mew=0)
        ends = np.array(compare.get_xlim())
        residual.set(xscale="log", xlim=ends, xlabel="1 + known redshift")
        residual.set_ylabel(r"$\Delta z\,/\,(1+z)$")
        edge = REACH
        histogram.hist(
            np.clip(error, -edge, edge),
            bins=61,
            range=(-edge, edge),
            color=BLUE,
            alpha=0.75,
            orientation="horizontal",
        )
        for axis in (residual, histogram):
            axis.set_ylim(-edge, edge)
            axis.axhline(0, color=ORANGE, lw=1)
            for at in (-OUTLIER, OUTLIER):
                axis.axhline(at, color=GREY, lw=0.7, ls="--")
        histogram.set(xlabel="galaxies", yticklabels=[])
        set_redshift_ticks(residual.xaxis, ends[1])
    return fig


def plot_known_bins(rows: Sequence[Mapping[str, float]]) -> Figure:
    """Draw NMAD, bias, outliers and coverage in bins of known redshift.

    Parameters
    ----------
    rows
        ``low`` and ``high`` of each bin, and ``nmad``, ``bias``, ``outliers``, ``coverage`` with
        their ``_error``.
    """
    panels = {
        "nmad": "NMAD",
        "bias": r"bias of $\Delta z\,/\,(1+z)$",
        "outliers": "outlier fraction",
        "coverage": "coverage of the 68% interval",
    }
    with styled():
        fig = figure(9.6, 2.5)
        low, high = (np.array([1 + r[end] for r in rows]) for end in ("low", "high"))
        at = np.sqrt(low * high)
        for axis, (key, text) in zip(fig.subplots(1, 4), panels.items(), strict=True):
            axis.errorbar(
                at,
                [r[key] for r in rows],
                xerr=[at - low, high - at],
                yerr=[r[f"{key}_error"] for r in rows],
                fmt="o",
                color=BLUE,
                ms=3.5,
                lw=1,
            )
            if key in ("bias", "coverage"):
                axis.axhline(0.0 if key == "bias" else 0.68, color=ORANGE, lw=1)
            else:
                axis.set_ylim(0, None)
            axis.set(xscale="log", xlim=(low[0], high[-1]))
            set_redshift_ticks(axis.xaxis, float(high[-1]))
            axis.set_xlabel("1 + known redshift", fontsize=8)
            axis.set_ylabel(text, fontsize=8)
            axis.tick_params(labelsize=7)
    return fig
