"""Distributions of the medians of each quantity, and the widths of its posteriors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sedum.report.collected.catalogue_sample import CatalogueSample
from sedum.report.plots.style import BLUE, figure, label, styled

__all__ = ["plot_bands", "plot_distributions", "plot_widths"]

_COLUMNS = 4


def plot_distributions(sample: CatalogueSample) -> Figure | None:
    """Draw a histogram of the medians of each quantity, with the bar of a typical posterior.

    The bar reaches from the median of the 16th to that of the 84th percentiles.
    None where there is no finite value of any.
    """
    names = [q for q in sample.results.quantities() if f"{q}_p50" in sample.counts.histograms]
    if not names:
        return None
    lines = -(-len(names) // _COLUMNS)
    with styled():
        fig = figure(9.6, 1.95 * lines + 0.1)
        axes = fig.subplots(lines, _COLUMNS, squeeze=False).ravel()
        for axis, name in zip(axes, names, strict=False):
            histogram = sample.counts.histograms[f"{name}_p50"]
            axis.stairs(histogram.counts, histogram.edges, fill=True, color=BLUE, alpha=0.75)
            top = max(int(histogram.counts.max()), 1)
            ends = [histogram.edges[0], histogram.edges[-1]]
            low, high = (sample.values(name, p) for p in (16, 84))
            if np.isfinite(low).any() and np.isfinite(high).any():
                typical = [float(np.nanmedian(low)), float(np.nanmedian(high))]
                at = [[sum(typical) / 2], [1.12 * top], [(typical[1] - typical[0]) / 2]]
                axis.errorbar(at[0], at[1], xerr=at[2], color="black", capsize=2, lw=1)
                pad = 0.03 * (max(ends[1], typical[1]) - min(ends[0], typical[0]))
                ends = [min(ends[0], typical[0] - pad), max(ends[1], typical[1] + pad)]
            axis.set(ylim=(0, 1.22 * top), xlim=ends)
            axis.set_xlabel(label(name, sample.unit(name)), fontsize=8)
            axis.tick_params(labelsize=7)
            axis.locator_params(nbins=5)
        for axis in axes[len(names) :]:
            axis.set_axis_off()
        for axis in axes[::_COLUMNS]:
            axis.set_ylabel("galaxies", fontsize=8)
    return fig


@dataclass(frozen=True)
class _Trend:
    """Medians and central 68% of some values in bins of others."""

    at: np.ndarray
    low: np.ndarray
    middle: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, bins: int = 12, minimum: int = 10) -> _Trend | None:
        """Return the trend over bins of equal numbers of galaxies; None for few galaxies."""
        good = np.isfinite(x) & np.isfinite(y)
        x, y = x[good], y[good]
        bins = min(bins, len(x) // minimum)
        if bins < 2:
            return None
        parts = np.array_split(np.argsort(x, kind="stable"), bins)
        at = np.array([np.median(x[p]) for p in parts])
        low, middle, high = np.array([np.percentile(y[p], [16, 50, 84]) for p in parts]).T
        return cls(at, low, middle, high)


def plot_widths(sample: CatalogueSample, names: Sequence[str]) -> Figure | None:
    """Draw half-widths of posteriors against redshift and mass.

    That of redshift is over 1 + z. None where there are too few galaxies.
    """
    against = [n for n in ("redshift", sample.mass) if n in sample.results.quantities()]
    panels: list[tuple[str, str, _Trend]] = []
    for name in names:
        width = sample.half_width(name)
        if name == "redshift":
            width = width / (1 + sample.values(name))
        for other in against:
            trend = _Trend.of(sample.values(other), width)
            if trend is not None:
                panels.append((name, other, trend))
    shown = [name for name in names if any(p[0] == name for p in panels)]
    if not shown:
        return None
    with styled():
        fig = figure(2.4 * len(shown), 2.25 * len(against))
        axes = fig.subplots(len(against), len(shown), squeeze=False, sharex="row", sharey="col")
        for name, other, trend in panels:
            axis = axes[against.index(other), shown.index(name)]
            axis.fill_between(trend.at, trend.low, trend.high, color=BLUE, alpha=0.25, lw=0)
            axis.plot(trend.at, trend.middle, color=BLUE, marker="o", ms=3, lw=1.2)
            axis.set_xlabel(label(other, sample.unit(other)), fontsize=8)
            axis.set_ylim(0, None)
            axis.tick_params(labelsize=7)
        for column, name in enumerate(shown):
            what = r"redshift $/\,(1+z)$" if name == "redshift" else label(name, sample.unit(name))
            for row in range(len(against)):
                axes[row, column].set_ylabel(rf"$\sigma_{{68}}$: {what}", fontsize=8)
    return fig


def plot_bands(counts: Mapping[int, int]) -> Figure:
    """Draw the number of galaxies against the number of measured bands."""
    with styled():
        fig = figure(4.8, 2.3)
        axis = fig.subplots()
        axis.bar(list(counts), list(counts.values()), color=BLUE, alpha=0.75)
        axis.set(xlabel="bands measured", ylabel="fitted galaxies")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    return fig
