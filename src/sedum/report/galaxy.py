"""Figures of one galaxy: its spectral energy distribution and its corner plot."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator

from sedum.galaxies.model import GalaxyModel
from sedum.photometry.observed import Photometry
from sedum.report.style import BLUE, GREY, ORANGE, figure, label, save, styled

__all__ = ["plot_corner", "plot_sed"]


def plot_sed(
    model: GalaxyModel,
    photometry: Photometry,
    draws: np.ndarray,
    path: str | Path,
    title: str = "",
) -> Path:
    """Draw observed photometry over the posterior of the spectrum and of the photometry.

    Parameters
    ----------
    model
        The forward model.
    photometry
        One observation.
    draws
        Posterior draws of its parameters, [draws, d].
    path
        Where to write.
    title
        A line above the axes.
    """
    filters = model.filters
    low = 0.8 * min(f.limits[0] for f in filters)
    high = 1.1 * max(f.limits[1] for f in filters)
    wavelength = np.geomspace(low, high, 1200)
    spectra = model.spectrum(draws, wavelength)
    covered = np.isfinite(spectra).all(axis=0)
    wavelength, spectra = wavelength[covered], spectra[:, covered]
    lines = np.percentile(spectra, [2.5, 16, 50, 84, 97.5], axis=0)
    bands = np.percentile(model.photometry(draws), [16, 50, 84], axis=0)
    seen = photometry.observed[0]
    flux, error = photometry.flux[0], photometry.error[0]
    with styled():
        fig = figure(7.2, 4.2)
        axis = fig.subplots()
        micron = wavelength / 1e4
        axis.fill_between(micron, lines[0], lines[4], color=BLUE, alpha=0.15, lw=0)
        axis.fill_between(
            micron, lines[1], lines[3], color=BLUE, alpha=0.3, lw=0, label="posterior spectrum"
        )
        axis.plot(micron, lines[2], color=BLUE, lw=0.8)
        pivots = filters.pivots / 1e4
        axis.errorbar(
            pivots,
            bands[1],
            yerr=np.abs(bands[[0, 2]] - bands[1]),
            fmt="s",
            mfc="none",
            color=BLUE,
            ms=7,
            label="posterior photometry",
        )
        axis.errorbar(
            pivots[seen],
            flux[seen],
            yerr=error[seen],
            fmt="o",
            color=ORANGE,
            ms=4,
            label="observed",
        )
        # Linear up to the noise, logarithmic above: negative fluxes are real and are shown.
        noise = float(np.median(error[seen]))
        axis.set_yscale("symlog", linthresh=2 * noise, linscale=0.4)
        axis.set_xscale("log")
        axis.set_xlim(low / 1e4, high / 1e4)
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axis.xaxis.set_minor_formatter(FuncFormatter(lambda x, _: ""))
        top = max(float(bands[2].max()), float((flux + error)[seen].max()))
        bottom = min(-noise, float((flux - error)[seen].min()))
        axis.set_ylim(1.2 * bottom, 3 * top)
        axis.axhline(0, color=GREY, lw=0.5)
        axis.set(xlabel="observed wavelength [µm]", ylabel=r"$f_\nu$ [µJy]", title=title)
        axis.legend(loc="upper left")
        return save(fig, path)


def plot_corner(
    draws: np.ndarray, names: list[str], path: str | Path, truth: np.ndarray | None = None
) -> Path:
    """Draw all one- and two-dimensional marginals of the draws [draws, d]."""
    import corner

    varied = np.ptp(draws, axis=0) > 0
    some = [n for n, v in zip(names, varied, strict=True) if v]
    with styled(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fig = figure(1.35 * len(some), 1.35 * len(some), constrained=False)
        corner.corner(
            draws[:, varied],
            labels=[label(n) for n in some],
            truths=None if truth is None else list(truth[varied]),
            truth_color=ORANGE,
            color=BLUE,
            bins=25,
            smooth=1.0,
            plot_datapoints=False,
            fill_contours=True,
            levels=(0.39, 0.86),
            max_n_ticks=3,
            labelpad=0.15,
            fig=fig,
        )
        fig.subplots_adjust(left=0.08, bottom=0.08, right=0.985, top=0.985)
        return save(fig, path)
