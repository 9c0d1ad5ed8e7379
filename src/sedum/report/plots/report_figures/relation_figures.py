"""Mass against redshift, and star formation against mass in bins of redshift."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from astropy import cosmology
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from sedum.report.collected.catalogue_counts import Density
from sedum.report.collected.catalogue_sample import CatalogueSample
from sedum.report.plots.style import BLUE, ORANGE, figure, label, styled

__all__ = ["plot_mass_redshift", "plot_sequence", "speagle"]

#: Up to so many galaxies are drawn one by one, more as densities.
_MANY = 3000
#: Redshift up to which the relation of Speagle et al. (2014) was measured.
_MEASURED = 6.0


def speagle(log_mass: np.ndarray, age: float) -> np.ndarray:
    """Return log10 star-formation rates of the sequence of Speagle et al. (2014), their eq. 28.

    Parameters
    ----------
    log_mass
        log10 of the stellar mass in Msun.
    age
        Of the Universe, in Gyr.
    """
    return (0.84 - 0.026 * age) * log_mass - (6.51 - 0.11 * age)


def plot_mass_redshift(sample: CatalogueSample) -> Figure | None:
    """Draw the mass of galaxies against redshift, with a typical error; None without both."""
    density = sample.density("redshift", sample.mass)
    if density is None:
        return None
    with styled():
        fig = figure(6.4, 4.2)
        axis = fig.subplots()
        x, y = sample.values("redshift"), sample.values(sample.mass)
        _draw(fig, [axis], density, [np.ones(len(x), bool)], x, y, sample.complete)
        _typical(axis, sample, "redshift", sample.mass)
        axis.set(xlabel=label("redshift"), ylabel=label(sample.mass))
    return fig


def plot_sequence(sample: CatalogueSample) -> Figure | None:
    """Draw star-formation rate against mass, in bins of redshift where it is known.

    Dots are medians in bins of mass, with the central 68%; the dashed line is the sequence of
    Speagle et al. (2014). None without both.
    """
    rate = next((r for r in ("log_sfr_100", "log_sfr_10") if sample.density(sample.mass, r)), "")
    density = sample.density(sample.mass, rate) if rate else None
    if density is None:
        return None
    x, y = sample.values(sample.mass), sample.values(rate)
    redshift = sample.values("redshift")
    edges = density.by_edges
    bins = [np.ones(len(x), bool)]
    if edges is not None:
        bins = [(redshift >= a) & (redshift < b) for a, b in pairwise(edges)]
    columns = 4 if len(bins) == 4 else min(3, len(bins))
    lines = -(-len(bins) // columns)
    with styled():
        fig = figure((2.4 if columns == 4 else 3.0) * columns + 0.8, 2.75 * lines + 0.2)
        axes = fig.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        shown = list(axes.ravel())[: len(bins)]
        _draw(fig, shown, density, bins, x, y, sample.complete)
        for i, (axis, inside) in enumerate(zip(shown, bins, strict=True)):
            _medians(axis, x[inside], y[inside])
            if edges is not None:
                axis.set_title(
                    f"{edges[i]:g} ≤ z < {edges[i + 1]:g}: {density.counts[i].sum():,}", fontsize=8
                )
                _reference(axis, sample, redshift[inside], density)
        for axis in list(axes.ravel())[len(bins) :]:
            axis.set_axis_off()
        fig.supxlabel(label(sample.mass), fontsize=9)
        fig.supylabel(label(rate), fontsize=9)
    return fig


def _draw(
    fig: Figure,
    axes: list[Axes],
    density: Density,
    bins: list[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    complete: bool,
) -> None:
    """Draw galaxies one by one where they are few, and else their counts in cells."""
    few = complete and np.isfinite(x).sum() <= _MANY
    maximum = max(int(density.counts.max()), 2)
    drawn = None
    for axis, inside, counts in zip(axes, bins, density.counts, strict=True):
        if few:
            size = 4 if len(x) > 500 else 6
            axis.plot(x[inside], y[inside], ".", color=BLUE, ms=size, alpha=0.5, mew=0)
        else:
            shown = np.ma.masked_equal(counts.T, 0)
            drawn = axis.pcolormesh(
                density.x_edges,
                density.y_edges,
                shown,
                norm=LogNorm(1, maximum),
                cmap="Blues",
                rasterized=True,
            )
        axis.set(
            xlim=(density.x_edges[0], density.x_edges[-1]),
            ylim=(density.y_edges[0], density.y_edges[-1]),
        )
    if drawn is not None:
        fig.colorbar(drawn, ax=axes, label="galaxies per cell", shrink=0.9, pad=0.02)


def _typical(axis: Axes, sample: CatalogueSample, x: str, y: str) -> None:
    """Draw the median half-widths of two quantities as a cross in a corner."""
    widths = [sample.half_width(name) for name in (x, y)]
    if not all(np.isfinite(width).any() for width in widths):
        return
    (left, right), (bottom, top) = axis.get_xlim(), axis.get_ylim()
    right_at = right - 0.05 * (right - left) - np.nanmedian(widths[0])
    axis.errorbar(
        right_at,
        bottom + 0.05 * (top - bottom) + np.nanmedian(widths[1]),
        xerr=np.nanmedian(widths[0]),
        yerr=np.nanmedian(widths[1]),
        color="black",
        lw=1,
        capsize=2,
    )


def _medians(axis: Axes, x: np.ndarray, y: np.ndarray, minimum: int = 10) -> None:
    good = np.isfinite(x) & np.isfinite(y)
    x, y = x[good], y[good]
    for low in np.arange(np.floor(2 * x.min()) / 2, x.max(), 0.5) if len(x) else ():
        some = y[(x >= low) & (x < low + 0.5)]
        if len(some) < minimum:
            continue
        a, b, c = np.percentile(some, [16, 50, 84])
        axis.errorbar(
            low + 0.25, b, yerr=[[b - a], [c - b]], fmt="o", color="black", ms=3, lw=0.8, zorder=3
        )


def _reference(axis: Axes, sample: CatalogueSample, redshift: np.ndarray, density: Density) -> None:
    if not len(redshift) or not 0 < np.median(redshift) <= _MEASURED:
        return
    universe = getattr(cosmology, sample.results.run.model.cosmology)
    mass = np.array([max(density.x_edges[0], 8.0), density.x_edges[-1]])
    if mass[1] > mass[0]:
        age = float(universe.age(float(np.median(redshift))).value)
        axis.plot(mass, speagle(mass, age), "--", color=ORANGE, lw=1.2)
