"""Figures of one galaxy: its spectral energy distribution and its corner plot."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import FuncFormatter, LogLocator

from sedum.galaxies.model import GalaxyModel
from sedum.photometry.filters import FilterSet
from sedum.photometry.observed import Photometry
from sedum.report.plots.style import BLUE, GREY, ORANGE, figure, label, save, styled
from sedum.survey.predict import Predictions, predict_draws

__all__ = ["draw_corner", "draw_sed", "plot_corner", "plot_sed"]


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
    predictions = predict_draws(model, draws[None], derived=[])
    with styled():
        fig = figure(7.2, 4.2)
        axis = fig.subplots()
        draw_sed(axis, model.filters, photometry, predictions)
        axis.set_title(title)
        return save(fig, path)


def draw_sed(
    axis: Axes, filters: FilterSet, photometry: Photometry, predictions: Predictions
) -> None:
    """Draw one observation over its posterior: 68% and 95% of the spectrum."""
    lines, bands = predictions.spectrum[0], predictions.photometry[0]
    covered = np.isfinite(lines).all(axis=0)
    wavelength, lines = predictions.wavelength[covered], lines[:, covered]
    measured, limits = photometry.measured[0], photometry.upper[0]
    flux, error = photometry.flux[0], photometry.error[0]
    micron = wavelength / 1e4
    axis.fill_between(micron, lines[0], lines[4], color=BLUE, alpha=0.15, lw=0)
    axis.fill_between(
        micron, lines[1], lines[3], color=BLUE, alpha=0.3, lw=0, label="posterior spectrum"
    )
    axis.plot(micron, lines[2], color=BLUE, lw=0.8)
    pivots = filters.pivots / 1e4
    axis.errorbar(
        pivots,
        bands[2],
        yerr=np.abs(bands[[1, 3]] - bands[2]),
        fmt="s",
        mfc="none",
        color=BLUE,
        ms=7,
        label="posterior photometry",
    )
    axis.errorbar(
        pivots[measured],
        flux[measured],
        yerr=error[measured],
        fmt="o",
        color=ORANGE,
        ms=4,
        label="observed",
    )
    if limits.any():
        axis.plot(pivots[limits], flux[limits], "v", color=ORANGE, ms=6, label="upper limit")
    _scale_flux(axis, flux, error, measured, limits, bands)
    axis.set_xscale("log")
    axis.set_xlim(predictions.wavelength[0] / 1e4, predictions.wavelength[-1] / 1e4)
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.xaxis.set_minor_formatter(FuncFormatter(lambda x, _: ""))
    axis.set(xlabel="observed wavelength [µm]", ylabel=r"$f_\nu$ [µJy]")
    axis.legend(loc="upper left")


def _scale_flux(
    axis: Axes,
    flux: np.ndarray,
    error: np.ndarray,
    measured: np.ndarray,
    limits: np.ndarray,
    bands: np.ndarray,
) -> None:
    """Scale the axis of fluxes, each [bands]: logarithmic, and linear where noise matters."""
    seen = measured | limits
    top = float(np.max([bands[3].max(), *(flux + error)[seen]]))
    if (flux > 5 * error)[measured].all():
        lowest = float(np.min([bands[1].min(), *flux[seen]]))
        axis.set(yscale="log", ylim=(lowest / 3, 5 * top))
        return
    # Linear up to the noise, logarithmic above: negative fluxes are real and are shown.
    noise = float(np.median(error[seen]))
    axis.set_yscale("symlog", linthresh=2 * noise, linscale=0.4)
    axis.set_ylim(1.2 * float(np.min([-noise, *(flux - error)[measured]])), 3 * top)
    axis.axhline(0, color=GREY, lw=0.5)


def plot_corner(
    draws: np.ndarray, names: list[str], path: str | Path, truth: np.ndarray | None = None
) -> Path:
    """Draw all one- and two-dimensional marginals of the draws [draws, d]."""
    count = int((np.ptp(draws, axis=0) > 0).sum())
    with styled():
        fig = figure(1.35 * count, 1.35 * count, constrained=False)
        draw_corner(fig, draws, names, truth)
        return save(fig, path)


def draw_corner(
    fig: FigureBase, draws: np.ndarray, names: list[str], truth: np.ndarray | None = None
) -> None:
    """Draw the marginals of what varies among the draws [draws, d] into a figure."""
    import corner

    varied = np.ptp(draws, axis=0) > 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        corner.corner(
            draws[:, varied],
            labels=[label(n) for n, v in zip(names, varied, strict=True) if v],
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
            label_kwargs={"fontsize": 8},
            fig=fig,
        )
        fig.subplots_adjust(left=0.08, bottom=0.08, right=0.985, top=0.985)
